"""What a run of chaos has come to, for a terminal, as figures and as a document."""

import statistics
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from tests.chaos.facts import Facts, faults


@dataclass(frozen=True)
class Plan:
    """How much is done.

    repeated: share of the deliveries that come twice
    per_second: callbacks, over all portals, while somebody answers
    rate_limit: whether the portals take 2 calls a second each, as those in the cloud
    seed: of all that is drawn; moments still differ from run to run
    """

    callbacks: int
    portals: int
    kills: int
    seed: int
    repeated: float = 0.1
    per_second: float = 100
    rate_limit: bool = False


@dataclass
class Kill:
    """at: seconds since the first callback; in_flight: runs by their state, just before
    recovered: seconds until all that was stored before is closed; None if that never came
    """

    at: float
    what: str
    in_flight: dict[str, int]
    last_run: int
    recovered: float | None = None

    @property
    def flight(self) -> str:
        return ", ".join(f"{count} {state}" for state, count in sorted(self.in_flight.items())) or "nothing"

    @property
    def recovery(self) -> str:
        return "never" if self.recovered is None else f"{self.recovered:.1f} s"


@dataclass
class Report:
    """sent_seconds: until the last callback was sent; seconds: until all was settled
    ended: how often a program of the app has ended though nobody killed it
    opened: in how many portals an administrator had to open the app, since its tokens were lost
    faults: each broken promise in a line; none when all held
    """

    plan: Plan
    sent_seconds: float
    seconds: float
    kills: list[Kill]
    ended: int
    opened: int
    facts: Facts
    faults: list[str] = field(init=False)

    def __post_init__(self) -> None:
        self.faults = faults(self.facts)

    def figures(self) -> dict[str, Any]:
        """recovered: seconds, by what was killed: how often, the median, the most (None where one never recovered)"""
        facts = self.facts
        times_answered = Counter(len(answers) for answers in facts.answers_of.values())
        delivered = sum(each["state"] == "delivered" for each in facts.deliveries)
        return {
            "callbacks": len(facts.words),
            "portals": self.plan.portals,
            "rate_limit": self.plan.rate_limit,
            "seed": self.plan.seed,
            "deliveries": len(facts.deliveries),
            "delivered": delivered,
            "delivered_share": round(delivered / len(facts.deliveries), 3) if facts.deliveries else 0,
            "processes": len(facts.accepted),
            "calls": sum(facts.calls.values()),
            "called_once_more": sum(count - 1 for count in facts.calls.values()),
            "answers": len(facts.answers),
            "answered": len(facts.answers_of),
            "answered_more_than_once": sum(count for times, count in times_answered.items() if times > 1),
            "met": dict(facts.met),
            "kills": len(self.kills),
            "kills_with_runs_in_flight": sum(bool(kill.in_flight) for kill in self.kills),
            "recovered": {what: self._recovered(what) for what in sorted({kill.what for kill in self.kills})},
            "ended_unkilled": self.ended,
            "opened_by_administrator": self.opened,
            "sent_seconds": round(self.sent_seconds, 1),
            "seconds": round(self.seconds, 1),
            "broken": self.faults,
        }

    def _recovered(self, what: str) -> dict[str, float | int | None]:
        took = [kill.recovered for kill in self.kills if kill.what == what]
        known = [each for each in took if each is not None]
        return {
            "kills": len(took),
            "median": round(statistics.median(known), 1) if known else None,
            "most": round(max(known), 1) if len(known) == len(took) else None,
        }

    def lines(self) -> list[str]:
        """A line a figure."""
        figures = self.figures()
        met = ", ".join(f"{kind} {count}" for kind, count in figures["met"].items())
        limited = "2 calls a second each" if self.plan.rate_limit else "no limit"
        return [
            f"{figures['callbacks']} callbacks over {figures['portals']} portals ({limited}),"
            f" {figures['deliveries'] - figures['callbacks']} delivered twice; seed {figures['seed']}",
            f"{figures['delivered']} of {figures['deliveries']} deliveries ({figures['delivered_share']:.1%}) got 2xx,"
            f" which are {figures['processes']} processes (floor 80 %)",
            f"{figures['calls']} calls of functions, {figures['called_once_more']} of them once more",
            f"{figures['answers']} answers were sent to {figures['answered']} processes,"
            f" {figures['answered_more_than_once']} of which got one more than once",
            f"calls of the app that met a portal's fault: {met}",
            f"{figures['kills']} kills, {figures['kills_with_runs_in_flight']} of them with runs in flight",
            *(f"{what}: {told}" for what, told in self._told_recovery()),
            f"{self.ended} times a program ended that nobody had killed, and was started again",
            f"in {self.opened} portals an administrator had to open the app",
            f"sent within {self.sent_seconds:.0f} s, settled after {self.seconds:.0f} s",
            *(f"BROKEN: {fault}" for fault in self.faults[:50]),
            *([f"BROKEN: and {len(self.faults) - 50} more"] if len(self.faults) > 50 else []),
            *([] if self.faults else ["every promise was kept"]),
        ]

    def _told_recovery(self) -> Iterator[tuple[str, str]]:
        for what, told in self.figures()["recovered"].items():
            most = "never all" if told["most"] is None else f"at most {told['most']} s"
            yield what, f"{told['kills']} times, recovered in {told['median']} s (median), {most}"

    def __str__(self) -> str:
        kills = [
            f"{kill.at:6.1f} s  {kill.what}: in flight {kill.flight}; recovered: {kill.recovery}" for kill in self.kills
        ]
        return "\n".join([*kills, *self.lines()])

    def markdown(self, name: str) -> str:
        """A section of a document."""
        kills = [
            f"| {number} | {kill.at:.1f} s | {kill.what} | {kill.flight} | {kill.recovery} |"
            for number, kill in enumerate(self.kills, 1)
        ]
        return "\n".join([
            f"## {name}",
            *(f"- {line}" for line in self.lines()),
            "",
            "| | after | killed | in flight | recovered in |",
            "|---|---|---|---|---|",
            *kills,
        ])  # fmt: skip
