"""Chaos: callbacks of many processes, while the processes of the app are killed at random; then whether every promise
was kept (docs/architecture.md)."""

import json
import random
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import requests
from sqlalchemy import Integer, func, select, text

from bizproc.storage.database import Database
from bizproc.storage.tables import RunRow, UtcDateTime
from devportal.options import Options
from devportal.server import RunningPortal, start
from tests.chaos.facts import Answer, Facts, StoredRun, faults
from tests.chaos.processes import App

CODES = ("instant", "slow", "failing", "unasked")
GROUP = 5
"""Callbacks that come at once."""
WATCH_SECONDS = 0.2
READY_SECONDS = 3
ALONE_SECONDS = 1
"""Between two callbacks while nobody answers. Portals do not know that, but a hundred refused connections prove no more
than a few."""
QUIET_SECONDS = 0.5
"""For which all is closed before the dust counts as settled."""
PATIENCE_SECONDS = 180
_STORED = "NEW.finished_at IS NOT NULL AND NEW.finished_at IS {} OLD.finished_at"
_OUTCOMES = text("SELECT run_id, at FROM chaos_outcomes ORDER BY at").columns(run_id=Integer, at=UtcDateTime)
IN_FLIGHT = ("received", "running", "answering")


@dataclass(frozen=True)
class Plan:
    """How much is done.

    repeated: share of the deliveries that come twice
    per_second: callbacks, over all portals, while somebody answers
    seed: of all that is drawn; moments still differ from run to run
    """

    callbacks: int
    portals: int
    kills: int
    seed: int
    repeated: float = 0.1
    per_second: float = 100


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

    def __str__(self) -> str:
        flight = ", ".join(f"{count} {state}" for state, count in sorted(self.in_flight.items())) or "nothing"
        took = "never recovered" if self.recovered is None else f"recovered in {self.recovered:.1f} s"
        return f"{self.at:6.1f} s  {self.what}: {flight} in flight, {took}"


@dataclass
class Report:
    """faults: each broken promise in a line; none when all held"""

    plan: Plan
    seconds: float
    kills: list[Kill]
    facts: Facts
    faults: list[str] = field(init=False)

    def __post_init__(self) -> None:
        self.faults = faults(self.facts)

    def __str__(self) -> str:
        facts, plan = self.facts, self.plan
        delivered = sum(each["state"] == "delivered" for each in facts.deliveries)
        twice = len(facts.deliveries) - len(facts.words)
        answered = Counter(len(answers) for answers in facts.answers_of.values())
        again = sum(count for times, count in answered.items() if times > 1)
        repeated = sum(count - 1 for count in facts.calls.values())
        lines = [
            f"{len(facts.words)} callbacks over {plan.portals} portals, {twice} delivered twice; seed {plan.seed}",
            f"{delivered} of {len(facts.deliveries)} deliveries got 2xx, which are {len(facts.accepted)} processes",
            f"{sum(facts.calls.values())} calls of functions for {len(facts.calls)} runs, {repeated} of them once more",
            f"{len(facts.answers)} answers to {len(facts.answers_of)} processes, {again} of which got more than one",
            f"{len(self.kills)} kills:",
            *map(str, self.kills),
            f"settled after {self.seconds:.1f} s",
            *(f"BROKEN: {fault}" for fault in self.faults[:50]),
        ]
        if len(self.faults) > 50:
            lines.append(f"BROKEN: and {len(self.faults) - 50} more")
        return "\n".join(lines if self.faults else [*lines, "every promise was kept"])


def run(plan: Plan, folder: Path, database_url: str, queue_url: str = "") -> Report:
    """One run, with development portals of its own.

    folder: empty, for all that the app's processes write
    database_url: of an empty database; queue_url: of Redis, empty for the app in one process
    """
    with _portals(plan) as portals:
        app = App(folder, portals.ready, database_url, queue_url)
        database = Database(database_url)
        try:
            return _run(plan, portals, app, database)
        finally:
            database.close()


def _run(plan: Plan, portals: RunningPortal, app: App, database: Database) -> Report:
    with ExitStack() as stack:
        stack.enter_context(app.running())
        _note_outcomes(database)
        for number in range(1, plan.portals + 1):
            _ask(portals, number, "install", app_url=app.url)
        _until(lambda: all(len(_state(portals, each)["stored"]) == len(CODES) for each in range(1, plan.portals + 1)))
        for number in range(1, plan.portals + 1):
            _ask(portals, number, "faults", queue={"repeat": plan.repeated})
        watch = stack.enter_context(_Watch.watching(portals, database))
        killer = stack.enter_context(ThreadPoolExecutor(1))
        started = time.monotonic()
        words = _send_all(plan, portals, app, lambda what, chance: killer.submit(watch.kill, app, what, chance))
        killer.shutdown()
        _until(lambda: watch.settled(app))
        seconds = time.monotonic() - started
    return Report(plan, seconds, watch.kills, _facts(plan, portals, app, database, words, watch))


@contextmanager
def _portals(plan: Plan) -> Iterator[RunningPortal]:
    # Self-hosted ones have no limits: at 2 calls a second a run would be long, and tell no more.
    portals = start(Options(portals=plan.portals, edition="box"))
    try:
        yield portals
    finally:
        portals.stop()


def _send_all(plan: Plan, portals: RunningPortal, app: App, kill: Any) -> dict[str, str]:
    """The word of each process. Kills come at random moments, one in each equal part of the callbacks."""
    chance = random.Random(plan.seed)
    ways: list[str] = []
    while len(ways) < plan.kills:
        ways += chance.sample(app.ways_to_die(), len(app.ways_to_die()))
    part = plan.callbacks / plan.kills if plan.kills else 0
    moments = [int((number + chance.random()) * part) for number in range(plan.kills)]
    killed = []
    words: dict[str, str] = {}
    while len(words) < plan.callbacks:
        count = min(GROUP if app.answers(READY_SECONDS) else 1, plan.callbacks - len(words))
        word, portal = f"word {len(words)}", chance.randint(1, plan.portals)
        answer = _ask(portals, portal, "run", code=chance.choice(CODES), properties={"word": word}, count=count)
        words |= dict.fromkeys(answer["processes"], word)
        while moments and len(words) >= moments[0]:
            del moments[0]
            killed.append(kill(ways.pop(), random.Random(chance.random())))
        time.sleep(count / plan.per_second if count == GROUP else ALONE_SECONDS)
    for each in killed:
        each.result()
    return words


def _note_outcomes(database: Database) -> None:
    """Have the database itself note each outcome that is stored: the row shows only the latest."""
    note = "INSERT INTO chaos_outcomes (run_id, at) VALUES (NEW.id, NEW.finished_at)"
    statements = [
        "CREATE TABLE chaos_outcomes (run_id BIGINT NOT NULL, at TIMESTAMP WITH TIME ZONE NOT NULL)",
        f"CREATE TRIGGER chaos AFTER UPDATE ON runs WHEN {_STORED.format('NOT')} BEGIN {note}; END",
    ]
    if not database.is_sqlite:
        statements[1:] = [
            f"CREATE FUNCTION chaos() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN {note}; RETURN NULL; END'",
            f"CREATE TRIGGER chaos AFTER UPDATE ON runs FOR EACH ROW WHEN ({_STORED.format('DISTINCT FROM')})"
            " EXECUTE FUNCTION chaos()",
        ]
    with database.writing() as session:
        for statement in statements:
            session.execute(text(statement))


class _Watch:
    """Looks on while the app works: what reaches the portals, and which runs are open."""

    def __init__(self, portals: RunningPortal, database: Database) -> None:
        self.kills: list[Kill] = []
        self.answers: list[Answer] = []
        self._portals = portals
        self._database = database
        self._read = 0
        self._started = time.monotonic()
        self._stopping = threading.Event()

    @classmethod
    @contextmanager
    def watching(cls, portals: RunningPortal, database: Database) -> Iterator["_Watch"]:
        watch = cls(portals, database)
        with ThreadPoolExecutor(1) as thread:
            watched = thread.submit(watch._look_on)
            try:
                yield watch
            finally:
                watch._stopping.set()
            watched.result()

    def _look_on(self) -> None:
        while not self._stopping.wait(WATCH_SECONDS):
            self._look()
        self._look()

    def _look(self) -> None:
        with self._database.reading() as session:
            oldest = session.scalar(select(func.min(RunRow.id)).where(RunRow.state != "closed"))
        moment = time.monotonic() - self._started
        for kill in self.kills:
            if kill.recovered is None and (oldest is None or oldest > kill.last_run):
                kill.recovered = moment - kill.at
        for entry in self._portals.cloud.log.since(self._read, 2000):
            if self._read and entry.number != self._read + 1:
                raise RuntimeError("the portals' log has forgotten requests before they were read")
            self._read = entry.number
            # Whoever is killed while it sends has said only half of it.
            if entry.direction == "to_portal" and entry.status == 200:
                self.answers += _answers(entry.url, entry.parsed)

    def kill(self, app: App, what: str, chance: random.Random) -> None:
        time.sleep(chance.uniform(0, 0.2))
        with self._database.reading() as session:
            in_flight = Counter(session.scalars(select(RunRow.state).where(RunRow.state.in_(IN_FLIGHT))))
            last_run = session.scalar(select(func.max(RunRow.id))) or 0
        kill = Kill(time.monotonic() - self._started, what, in_flight, last_run)
        app.kill(what, chance)
        self.kills.append(kill)

    def settled(self, app: App) -> bool:
        """Whether every callback is delivered or lost, and all that was stored has been closed for a while."""
        for _ in range(2):
            queued = any(each.state == "queued" for portal in self._portals.cloud.portals for each in portal.deliveries)
            with self._database.reading() as session:
                is_open = session.scalar(select(RunRow.id).where(RunRow.state != "closed").limit(1))
            if queued or is_open is not None or _spooled(app):
                return False
            time.sleep(QUIET_SECONDS)
        return True


def _facts(
    plan: Plan, portals: RunningPortal, app: App, database: Database, words: dict[str, str], watch: _Watch
) -> Facts:
    states = [_state(portals, number) for number in range(1, plan.portals + 1)]
    with database.reading() as session:
        rows = session.scalars(select(RunRow))
        outcomes = defaultdict(list)
        for run_id, at in session.execute(_OUTCOMES):
            outcomes[run_id].append(at.timestamp())
        runs = [
            StoredRun(r.id, r.event_hash.hex(), r.state, r.outcome, r.claim, r.sending, outcomes[r.id]) for r in rows
        ]
    return Facts(
        words=words,
        processes=[process for state in states for process in state["processes"]],
        deliveries=[each for state in states for each in state["deliveries"] if each["kind"] == "callback"],
        answers=watch.answers,
        records=[json.loads(line) for line in app.records.read_text().splitlines()],
        runs=runs,
        spooled=_spooled(app),
    )


def _answers(url: str, parsed: Any) -> Iterator[Answer]:
    """Of one request to a portal, alone or in a batch."""
    method = url.rpartition("/")[2].removesuffix(".json")
    if method == "bizproc.event.send":
        yield _answer(parsed["EVENT_TOKEN"], parsed["RETURN_VALUES"])
    elif method == "batch":
        for command in dict(parsed["cmd"]).values():
            called, _, query = command.partition("?")
            if called == "bizproc.event.send":
                fields = dict(parse_qsl(query))
                values = {
                    name.removeprefix("RETURN_VALUES[").removesuffix("]"): value
                    for name, value in fields.items()
                    if name.startswith("RETURN_VALUES[")
                }
                yield _answer(fields["EVENT_TOKEN"], values)


def _answer(event_token: str, values: dict[str, Any]) -> Answer:
    return Answer(event_token.partition("|")[0], {name: str(value) for name, value in values.items() if value})


def _spooled(app: App) -> int:
    return len(list(app.spool.glob("*.spool")))


def _ask(portals: RunningPortal, number: int, control: str, **what: Any) -> Any:
    answer = requests.post(f"{portals.url}/_dev/{control}", json={"portal": number, **what}, timeout=60)
    answer.raise_for_status()
    return answer.json()


def _state(portals: RunningPortal, number: int) -> Any:
    return requests.get(f"{portals.url}/_dev/state?portal={number}", timeout=60).json()


def _until(happened: Any) -> None:
    """Returns when it has, or when patience has run out: the report tells what is missing then."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not happened() and time.monotonic() < deadline:
        time.sleep(0.1)
