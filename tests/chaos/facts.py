"""What has happened, as the portals, the database's rows and the functions' own records tell it, and what is wrong
with it. Pure: nothing here asks the app."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

LEAST_ACCEPTED = 0.8
"""Of all deliveries. With fewer the app was away, and the run proves nothing about what it accepted."""

Record = dict[str, Any]


@dataclass(frozen=True)
class StoredRun:
    """A row of the table of runs.

    key: what its function knows it by
    outcomes: when one was stored, each time, as Unix seconds
    """

    id: int
    key: str
    state: str
    outcome: str | None
    claims: int
    sending: bool
    outcomes: Sequence[float]


@dataclass(frozen=True)
class Answer:
    """One ``bizproc.event.send`` that reached a portal. process: by its id; values: RETURN_VALUES, all as text."""

    process: str
    values: dict[str, str]


@dataclass(frozen=True)
class Facts:
    """words: the property that each process sent, by its id; all of these exist
    processes, deliveries: as the portals tell of them; the deliveries of callbacks alone
    records: of the functions, in the order in which they happened
    runs: all rows; spooled: files that are left in the spool
    met: how many calls of the app met each kind of a portal's faults
    """

    words: dict[str, str]
    processes: Sequence[dict[str, Any]]
    deliveries: Sequence[dict[str, Any]]
    answers: Sequence[Answer]
    records: Sequence[Record]
    runs: Sequence[StoredRun]
    spooled: int
    met: Mapping[str, int]

    @cached_property
    def accepted(self) -> set[str]:
        """The processes whose callback got 2xx, at least once."""
        return {each["process"] for each in self.deliveries if each["state"] == "delivered"}

    @cached_property
    def calls(self) -> Counter[str]:
        """Of functions, by the run's key."""
        return Counter(each["run"] for each in self.records if each["what"] == "call")

    @cached_property
    def records_of(self) -> defaultdict[str, list[Record]]:
        """By call."""
        found: defaultdict[str, list[Record]] = defaultdict(list)
        for record in self.records:
            found[record["call"]].append(record)
        return found

    @cached_property
    def answers_of(self) -> dict[str, list[dict[str, str]]]:
        """By process."""
        found = defaultdict(list)
        for answer in self.answers:
            found[answer.process].append(answer.values)
        return dict(found)


def faults(facts: Facts) -> list[str]:
    """Each broken promise in a line; none when all held."""
    return [
        *_proves_nothing(facts),
        *_lost(facts),
        *_called_again(facts),
        *_called_at_once(facts),
        *_checkpoints_called_again(facts),
        *_answered_differently(facts),
        *_left_behind(facts),
    ]


def _proves_nothing(facts: Facts) -> Iterator[str]:
    delivered = sum(each["state"] == "delivered" for each in facts.deliveries)
    if delivered < LEAST_ACCEPTED * len(facts.deliveries):
        yield f"only {delivered} of {len(facts.deliveries)} deliveries got 2xx: this run proves nothing"
    missing = facts.words.keys() - {each["process"] for each in facts.deliveries}
    if missing:
        yield f"the portals do not tell what became of {len(missing)} callbacks: this run proves nothing"
    for kind, calls in facts.met.items():
        if not calls:
            yield f"no call of the app met a portal's fault {kind}: this run proves nothing about it"


def _lost(facts: Facts) -> Iterator[str]:
    """None lost: a process that waits got the right values, a step that does not wait has run."""
    processes = {each["id"]: each for each in facts.processes}
    returned = {each["process"]: each["call"] for each in facts.records if each["what"] == "return"}
    for id_ in sorted(facts.accepted):
        process = processes[id_]
        if id_ not in returned:
            yield f"process {id_} of {process['code']}: got 2xx, and its function never came to its end"
        elif process["use_subscription"] == "Y":
            if process["status"] != "completed":
                yield f"process {id_} of {process['code']}: got 2xx, and is still {process['status']}"
            else:
                yield from _wrong_values(facts, process)


def _wrong_values(facts: Facts, process: dict[str, Any]) -> Iterator[str]:
    values = {name: taken["value"] for name, taken in process["returned"].items() if taken["value"]}
    call = values.get("call", "")
    records = [each for each in facts.records_of[call] if each["process"] == process["id"]]
    steps = " ".join(each["value"] for each in records if each["what"] == "kept" and process["code"] == "slow")
    expected = {"said": facts.words[process["id"]], "call": call} | ({"steps": steps} if steps else {})
    if values != expected or not any(each["what"] == "return" for each in records):
        yield f"process {process['id']} of {process['code']}: holds {values} instead of {expected}"


def _called_again(facts: Facts) -> Iterator[str]:
    """No function is called once its outcome is stored. All processes share one clock, and the moment of an outcome is
    taken before it is stored, so a call after that moment did not know of it only while it was being stored."""
    last = {each["run"]: each["at"] for each in facts.records if each["what"] == "call"}
    for run in facts.runs:
        if run.outcomes and last.get(run.key, 0) > run.outcomes[0]:
            late = last[run.key] - run.outcomes[0]
            yield f"run {run.id}: its function was called {late:.3f} s after its outcome was stored"
        if len(run.outcomes) > 1:
            yield f"run {run.id}: {len(run.outcomes)} outcomes were stored"
        if facts.calls[run.key] > run.claims:
            yield f"run {run.id}: {facts.calls[run.key]} calls of its function, and {run.claims} claims"
    runs_of = defaultdict(set)
    for each in facts.records:
        runs_of[each["process"]].add(each["run"])
    for process, keys in runs_of.items():
        if len(keys) > 1:
            yield f"process {process}: its callback became {len(keys)} runs"
    unknown = facts.calls.keys() - {run.key for run in facts.runs}
    if unknown:
        yield f"{len(unknown)} runs were called that are not stored"


def _called_at_once(facts: Facts) -> Iterator[str]:
    """A run is one worker's while that lives: no call begins while another goes on that will come to its end."""
    returns = {each["call"] for each in facts.records if each["what"] == "return"}
    going_on: dict[str, str] = {}
    for each in facts.records:
        if each["what"] == "call":
            if each["run"] in going_on:
                yield f"run {each['run']}: two calls of its function at once"
            if each["call"] in returns:
                going_on[each["run"]] = each["call"]
        elif each["what"] == "return" and going_on.get(each["run"]) == each["call"]:
            del going_on[each["run"]]


def _checkpoints_called_again(facts: Facts) -> Iterator[str]:
    """What a checkpoint has kept is not made again, and never changes."""
    kept: dict[tuple[str, str], str] = {}
    for each in facts.records:
        step = each["run"], each["name"]
        if each["what"] == "kept" and kept.setdefault(step, each["value"]) != each["value"]:
            yield f"run {each['run']}: the checkpoint {each['name']!r} has changed its value"
        elif each["what"] == "checkpoint" and step in kept:
            yield f"run {each['run']}: the checkpoint {each['name']!r} was called again after it was kept"


def _answered_differently(facts: Facts) -> Iterator[str]:
    """However often a process is answered, it is the same answer."""
    for process, answers in facts.answers_of.items():
        if any(values != answers[0] for values in answers):
            yield f"process {process}: got {len(answers)} answers, which differ: {answers}"
    waited = {each["id"] for each in facts.processes if each["use_subscription"] == "Y"}
    for process in facts.answers_of.keys() - waited:
        yield f"process {process}: was answered though it did not wait"


def _left_behind(facts: Facts) -> Iterator[str]:
    states = Counter(run.state for run in facts.runs if run.state != "closed")
    for state, count in states.items():
        yield f"{count} runs are still {state}"
    sending = sum(run.sending for run in facts.runs)
    if sending:
        yield f"{sending} answers count as being on their way"
    bad = Counter(run.outcome for run in facts.runs if run.state == "closed" and run.outcome != "succeeded")
    for outcome, count in bad.items():
        yield f"{count} runs are closed as {outcome}"
    if facts.spooled:
        yield f"{facts.spooled} files are left in the spool"
