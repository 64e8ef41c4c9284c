"""Chaos: callbacks of many processes, while the processes of the app and what they need are killed at random and the
portals fail; then whether every promise was kept (docs/chaos.md)."""

import json
import random
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import requests
from sqlalchemy import Integer, func, select, text

from bizproc.definition.filters import Edition
from bizproc.storage.database import Database
from bizproc.storage.tables import InstallationRow, RunRow, UtcDateTime
from devportal.options import Options
from devportal.server import RunningPortal, start
from tests.chaos.facts import Answer, Facts, StoredRun
from tests.chaos.meanwhile import meanwhile
from tests.chaos.outages import observing
from tests.chaos.processes import App
from tests.chaos.report import Kill, Plan, Report, note_standstills
from tests.chaos.weather import Weather, met

CODES = ("instant", "slow", "failing", "unasked")
GROUP = 5
"""Callbacks that come at once."""
WATCH_SECONDS = 0.2
VISIT_SECONDS = 5
"""After which an administrator looks whether the app needs one."""
READY_SECONDS = 3
ALONE_SECONDS = 1
"""Between two callbacks while nobody answers. Portals do not know that, but a hundred refused connections prove no more
than a few."""
QUIET_SECONDS = 0.5
"""For which all is closed before the dust counts as settled."""
PATIENCE_SECONDS = 300
_STORED = "NEW.finished_at IS NOT NULL AND NEW.finished_at IS {} OLD.finished_at"
_OUTCOMES = text("SELECT run_id, at FROM chaos_outcomes ORDER BY at").columns(run_id=Integer, at=UtcDateTime)
IN_FLIGHT = ("received", "running", "answering")


def run(plan: Plan, folder: Path, database_url: str) -> Report:
    """One run, with development portals of its own.

    folder: empty, for all that the app's processes write
    database_url: of an empty database; the app is embedded on SQLite, and scaled out on PostgreSQL
    """
    with _portals(plan) as portals:
        database = Database(observing(database_url))
        try:
            return _run(plan, portals, App(folder, portals.ready, database, database_url), database)
        finally:
            database.close()


def _run(plan: Plan, portals: RunningPortal, app: App, database: Database) -> Report:
    ask = partial(_ask, portals)
    numbers = range(1, plan.portals + 1)
    with ExitStack() as stack:
        stack.enter_context(app.running())
        _note_outcomes(database)
        for number in numbers:
            ask(number, "install", app_url=app.url)
        _until(lambda: all(len(_state(portals, number)["stored"]) == len(CODES) for number in numbers))
        for number in numbers:
            ask(number, "faults", queue={"repeat": plan.repeated})
        watch = _Watch(portals, database, app)
        opened: set[int] = set()
        stack.enter_context(meanwhile(app.look, WATCH_SECONDS))
        stack.enter_context(meanwhile(watch.look, WATCH_SECONDS))
        stack.enter_context(meanwhile(lambda: _open_where_needed(portals, database, opened), VISIT_SECONDS))
        started = time.monotonic()
        with (
            Weather(ask, plan.portals, plan.repeated, plan.seed).blowing(),
            ThreadPoolExecutor(1) as killer,
        ):
            words = _send_all(plan, portals, app, lambda what, chance: killer.submit(watch.kill, what, chance))
            sent_seconds = time.monotonic() - started
        _until(watch.settled)
        seconds = time.monotonic() - started
    watch.look()
    facts = _facts(plan, portals, app, database, words, watch)
    outcomes = sorted(at - watch.began for run in facts.runs for at in run.outcomes)
    note_standstills(watch.kills, outcomes, sent_seconds)
    most_calls = max(watch.calls.values(), default=0)
    return Report(plan, sent_seconds, seconds, watch.kills, app.ended, len(opened), most_calls, facts)


@contextmanager
def _portals(plan: Plan) -> Iterator[RunningPortal]:
    # Self-hosted ones have no limits: at 2 calls a second a run would be long, and tell no more.
    edition: Edition = "b24" if plan.rate_limit else "box"
    portals = start(Options(portals=plan.portals, edition=edition, rate_limit=plan.rate_limit))
    try:
        yield portals
    finally:
        portals.stop()


def _open_where_needed(portals: RunningPortal, database: Database, opened: set[int]) -> None:
    """Be the administrator who opens the app where its tokens are lost: whoever is killed between asking for new tokens
    and storing them has ended the old ones.

    opened: gets the numbers of these portals
    """
    with database.reading() as session:
        needed = select(InstallationRow.member_id).where(InstallationRow.person_needed_since.is_not(None))
        lost = set(session.scalars(needed))
    numbers = [number for number, each in enumerate(portals.ready["portals"], 1) if each["member_id"] in lost]
    for number in numbers:
        _ask(portals, number, "open")
    opened.update(numbers)


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

    def __init__(self, portals: RunningPortal, database: Database, app: App) -> None:
        self.kills: list[Kill] = []
        self.answers: list[Answer] = []
        self.calls: Counter[int | None] = Counter()
        """By the portal's number."""
        self._portals = portals
        self._database = database
        self._app = app
        self._read = 0
        self._started = time.monotonic()
        self.began = time.time()

    def look(self) -> None:
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
            # Refused ones too. Whoever is killed while it sends has said only half of it, which reads as nothing.
            if entry.direction == "to_portal" and entry.parsed:
                self.calls[entry.portal] += 1
                self.answers += _answers(entry.url, entry.parsed)

    def kill(self, what: str, chance: random.Random) -> None:
        time.sleep(chance.uniform(0, 0.2))
        with self._database.reading() as session:
            in_flight = Counter(session.scalars(select(RunRow.state).where(RunRow.state.in_(IN_FLIGHT))))
            last_run = session.scalar(select(func.max(RunRow.id))) or 0
        kill = Kill(time.monotonic() - self._started, what, in_flight, last_run)
        self._app.kill(what, chance)
        self.kills.append(kill)

    def settled(self) -> bool:
        """Whether every callback is delivered or lost, and all that was stored has been closed for a while."""
        for _ in range(2):
            queued = any(each.state == "queued" for portal in self._portals.cloud.portals for each in portal.deliveries)
            with self._database.reading() as session:
                is_open = session.scalar(select(RunRow.id).where(RunRow.state != "closed").limit(1))
            if queued or is_open is not None or _spooled(self._app):
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
        met=met(app.rest_log),
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
