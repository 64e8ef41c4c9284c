"""What accepting, claiming and listing cost with few, many and very many stored runs: ``flask bench scale``."""

import json
import secrets
import statistics
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import click
from sqlalchemy import text

from bizproc.backend import Backend
from bizproc.definition.registry import Registry
from bizproc.runs.runs import Runs
from bizproc.settings import Settings
from bizproc.storage.tables import InstallationRow, now
from tests.benchmarks.app import Deployment, both
from tests.benchmarks.figures import spread, timed, told
from tests.benchmarks.portals import end_with_all

PORTALS = 20
CODES = ("first", "second", "third")
FORM = secrets.token_hex(600).encode()
"""As long as a callback's form is."""
GOAL = 1.3


@dataclass(frozen=True)
class Sizes:
    """stored: numbers of runs, the least first; times: how often each is done in a round"""

    stored: tuple[int, ...] = (1_000, 100_000, 1_000_000)
    times: int = 200
    rounds: int = 9


QUICK = Sizes(stored=(10, 1000), times=5, rounds=1)

# Of a hundred runs one failed and one is dead. The hash tells none of them from a real one.
FILL = """
INSERT INTO runs (installation_id, event_hash, code, raw, state, outcome, error, result, due_at, handed_at, claim,
  answer_attempts, attempts, workflow_hash, sending, received_at, started_at, finished_at, answered_at, changed_at)
SELECT 1 + n % {portals}, {random}, CASE n % 3 WHEN 0 THEN 'first' WHEN 1 THEN 'second' ELSE 'third' END, {raw},
  'closed',
  CASE n % 100 WHEN 17 THEN 'failed' WHEN 71 THEN 'dead' ELSE 'succeeded' END,
  CASE n % 100 WHEN 17 THEN 'why' WHEN 71 THEN 'why' END,
  {random}, {at}, {at}, 1, 0, 0, {random}, {false}, {at}, {at}, {at}, {at}, {at}
FROM {numbers}
"""
SQLITE = {
    "random": "randomblob(32)",
    "raw": f"randomblob({len(FORM)})",
    "at": "strftime('%Y-%m-%d %H:%M:%S.000000', 1700000000 + n, 'unixepoch')",
    "false": "0",
    "numbers": "(WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < :count) SELECT n FROM c)",
}
POSTGRESQL = {
    "random": "sha256(random()::text::bytea)",
    "raw": f"decode(repeat(md5(random()::text), {len(FORM) // 16}), 'hex')",
    "at": "to_timestamp(1700000000 + n)",
    "false": "false",
    "numbers": "generate_series(1, :count) AS n",
}


@contextmanager
def filled(deployment: Deployment, stored: int) -> Iterator[Backend]:
    """An app with so many closed runs."""
    settings = Settings(
        client_id="local.1",
        client_secret="none",
        app_url="https://app.example.com",
        secret_keys=(secrets.token_urlsafe(32),),
        database_url=deployment.database_url,
        files_url=(deployment.folder / "files").as_uri(),
        rest_log_folder=str(deployment.folder / "rest-log"),
        spool_folder=deployment.folder / "spool",
        # Nothing listens: what is handed over waits in memory, and costs the same for all.
        queue_url="redis://127.0.0.1:1",
    )
    backend = Backend(settings, Registry([]))
    try:
        backend.database.upgrade()
        backend.hashes.load()
        with backend.database.writing() as session:
            for number in range(1, PORTALS + 1):
                session.add(InstallationRow(id=number, **_installation(number)))
        with backend.database.writing() as session:
            words = SQLITE if backend.database.is_sqlite else POSTGRESQL
            session.execute(text(FILL.format(portals=PORTALS, **words)), {"count": stored})
        # As a database that has grown is, by itself: PostgreSQL's autovacuum, and SQLite's pages.
        with backend.database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            if not backend.database.is_sqlite:
                connection.execute(text("VACUUM ANALYZE runs"))
                connection.execute(text("CHECKPOINT"))
        yield backend
    finally:
        backend.close()


def _installation(number: int) -> dict[str, Any]:
    texts = dict.fromkeys(("client_endpoint", "server_endpoint", "edition", "status", "scope", "app_host"), "")
    return texts | {
        "member_id": f"{number:032}",
        "domain": f"portal{number}.bitrix24.com",
        "language": "en",
        "user_id": 1,
        "payment_expired": False,
        "installed_at": now(),
        "register_attempts": 0,
    }


LISTED = 10
"""Rows of a list: the least number of runs has as many of each kind."""
LISTS: dict[str, Callable[[Runs], Any]] = {
    "all": lambda runs: runs.list(limit=LISTED),
    "portal": lambda runs: runs.list(domain="portal7.bitrix24.com", limit=LISTED),
    "activity": lambda runs: runs.list(code="second", limit=LISTED),
    "portal and activity": lambda runs: runs.list(domain="portal7.bitrix24.com", code="second", limit=LISTED),
    "failed": lambda runs: runs.list(state="failed", limit=LISTED),
    "open": lambda runs: runs.list(state="running", limit=LISTED),
    "due": lambda runs: runs.due(limit=LISTED),
}


def costs(backend: Backend, times: int) -> dict[str, float]:
    """The seconds of each, the median of so many times."""
    taken: defaultdict[str, list[float]] = defaultdict(list)
    for number in range(times):
        seconds, run_id = timed(backend.inbox.store, 1 + number % PORTALS, "first", secrets.token_hex(50), FORM)
        taken["accept"].append(seconds)
        seconds, claim = timed(backend.runs.claim, run_id or 0)
        taken["claim"].append(seconds)
        if claim is None:
            raise click.ClickException("A run that was just stored cannot be claimed.")
        # As it would be in the end, so that there are never more open ones.
        backend.runs.close(claim)
    for name, listed in LISTS.items():
        taken[f"list: {name}"] = [timed(listed, backend.runs)[0] for _ in range(max(1, times // 10))]
    return {name: statistics.median(seconds) for name, seconds in taken.items()}


def measure(way: Callable[[], Any], sizes: Sizes) -> dict[str, Any]:
    with ExitStack() as stack:
        backends = {}
        for stored in sizes.stored:
            deployment: Deployment = stack.enter_context(way())
            backends[stored] = stack.enter_context(filled(deployment, stored))
        rounds: dict[int, list[dict[str, float]]] = {stored: [] for stored in backends}
        for number in range(sizes.rounds + 1):
            for stored, backend in backends.items():
                found = costs(backend, sizes.times)
                if number:  # the first is for what is cold
                    rounds[stored].append(found)
    least = min(backends)
    figures: dict[str, Any] = {"goal": GOAL}
    for what in rounds[least][0]:
        few = [each[what] for each in rounds[least]]
        figures[what] = {"few_ms": spread([each * 1000 for each in few])}
        for stored in sorted(backends)[1:]:
            times = spread([now[what] / before for now, before in zip(rounds[stored], few, strict=True)])
            figures[what][str(stored)] = times
            click.echo(
                f"{deployment.name}, {what}: {told(times, ' times')} with {stored} runs what it costs with {least}"
                f" (goal at most {GOAL})"
            )
    return {deployment.name: figures}


@click.command()
@click.option("--quick", is_flag=True, help="One round of little: whether it works, and not how fast.")
def main(quick: bool) -> None:
    """Measure what stored runs cost."""
    end_with_all()
    figures: dict[str, Any] = {}
    for way in both():
        figures |= measure(way, QUICK if quick else Sizes())
    click.echo(json.dumps({"benchmark": "scale", **figures}))


if __name__ == "__main__":
    main()
