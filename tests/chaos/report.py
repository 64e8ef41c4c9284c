"""What a run of chaos has come to, for a terminal, as figures and as a document."""

import math
import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
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
    stood_still: the longest time without an outcome, until the next kill
    recovered: seconds until all that was stored before is closed; None if that never came
    """

    at: float
    what: str
    in_flight: dict[str, int]
    last_run: int
    stood_still: float = 0.0
    recovered: float | None = None

    @property
    def flight(self) -> str:
        return ", ".join(f"{count} {state}" for state, count in sorted(self.in_flight.items())) or "nothing"

    @property
    def recovery(self) -> str:
        return "never" if self.recovered is None else f"{self.recovered:.1f} s"


def note_standstills(kills: Sequence[Kill], outcomes: Sequence[float], end: float) -> None:
    """outcomes: when one was stored, in order; end: when the last callback was sent; as ``Kill.at``"""
    for kill, until in zip(kills, [*(kill.at for kill in kills[1:]), end], strict=True):
        times = [kill.at, *(at for at in outcomes if kill.at < at < until), max(until, kill.at)]
        kill.stood_still = max(later - earlier for earlier, later in pairwise(times))


@dataclass
class Report:
    """sent_seconds: until the last callback was sent; seconds: until all was settled
    ended: how often a program of the app has ended though nobody killed it
    opened: in how many portals an administrator had to open the app, since its tokens were lost
    most_calls: REST calls to the portal that got most
    faults: each broken promise in a line; none when all held
    """

    plan: Plan
    sent_seconds: float
    seconds: float
    kills: list[Kill]
    ended: int
    opened: int
    most_calls: int
    facts: Facts
    faults: list[str] = field(init=False)

    def __post_init__(self) -> None:
        self.faults = faults(self.facts)

    def figures(self) -> dict[str, Any]:
        """by_kill: how often, and for how many seconds it stood still and took to recover (None where it never did)"""
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
            "by_kill": {what: self._by_kill(what) for what in sorted({kill.what for kill in self.kills})},
            "ended_unkilled": self.ended,
            "opened_by_administrator": self.opened,
            "most_calls_of_a_portal": self.most_calls,
            "sent_seconds": round(self.sent_seconds, 1),
            "seconds": round(self.seconds, 1),
            "broken": self.faults,
        }

    def _by_kill(self, what: str) -> dict[str, float | int | None]:
        kills = [kill for kill in self.kills if kill.what == what]
        recovered = [float("inf") if kill.recovered is None else kill.recovered for kill in kills]
        told: dict[str, float | int | None] = {"kills": len(kills)}
        for name, seconds in (("stood_still", [kill.stood_still for kill in kills]), ("recovered", recovered)):
            for of, value in (("median", statistics.median(seconds)), ("most", max(seconds))):
                told[f"{name}_{of}"] = round(value, 1) if math.isfinite(value) else None
        return told

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
            f"{self.most_calls} calls to the portal that got most, {self.most_calls / self.seconds:.1f} a second",
            f"{figures['kills']} kills, {figures['kills_with_runs_in_flight']} of them with runs in flight",
            *(_told(what, **told) for what, told in figures["by_kill"].items()),
            f"{self.ended} times a program ended that nobody had killed, and was started again",
            f"in {self.opened} portals an administrator had to open the app",
            f"sent within {self.sent_seconds:.0f} s, settled after {self.seconds:.0f} s",
            *(f"BROKEN: {fault}" for fault in self.faults[:50]),
            *([f"BROKEN: and {len(self.faults) - 50} more"] if len(self.faults) > 50 else []),
            *([] if self.faults else ["every promise was kept"]),
        ]

    def __str__(self) -> str:
        kills = [
            f"{kill.at:6.1f} s  {kill.what}: in flight {kill.flight}; stood still for {kill.stood_still:.1f} s;"
            f" recovered: {kill.recovery}"
            for kill in self.kills
        ]
        return "\n".join([*kills, *self.lines()])

    def markdown(self, name: str) -> str:
        """A section of a document."""
        kills = [
            f"| {number} | {kill.at:.1f} s | {kill.what} | {kill.flight} | {kill.stood_still:.1f} s | {kill.recovery} |"
            for number, kill in enumerate(self.kills, 1)
        ]
        return "\n".join([
            f"## {name}",
            *(f"- {line}" for line in self.lines()),
            "",
            "| | after | killed | in flight | stood still for | recovered in |",
            "|---|---|---|---|---|---|",
            *kills,
        ])  # fmt: skip


def _told(
    what: str,
    *,
    kills: int,
    stood_still_median: float,
    stood_still_most: float,
    recovered_median: float | None,
    recovered_most: float | None,
) -> str:
    return (
        f"{what}, {kills} times: stood still for {stood_still_median} s (median), at most {stood_still_most} s;"
        f" recovered in {_seconds(recovered_median)} (median), at most {_seconds(recovered_most)}"
    )


def _seconds(known: float | None) -> str:
    return "never" if known is None else f"{known} s"
