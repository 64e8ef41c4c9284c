"""What closed runs leave behind goes when its time is over, on both databases."""

import datetime as dt
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, func, select, update

from bizproc.files import FileStore
from bizproc.runs import retention as module
from bizproc.runs.retention import Retention
from bizproc.runs.runs import Outcome, Runs
from bizproc.storage.database import Database
from bizproc.storage.tables import ChoreRow, CounterNumberRow, CounterRow, RunRow, now
from tests.bizproc.runs.test_runs import accepted, database, runs
from tests.conftest import RunningApp, eventually

__all__ = ["database", "runs"]  # the fixtures


@pytest.fixture
def files(tmp_path: Path) -> FileStore:
    return FileStore((tmp_path / "files").as_uri(), [b"key"], "https://app.example.com")


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[dt.timedelta]:
    """How much later it is now, for the retention."""
    later = [dt.timedelta()]
    monkeypatch.setattr(module, "now", lambda: now() + later[0])
    return later


def retention(database: Database, files: FileStore) -> Retention:
    """As a process has it that has just started."""
    return Retention(database, files, keep_succeeded_days=30, keep_failed_days=90)


def closed(runs: Runs, files: FileStore, token: str, *, error: str | None = None) -> int:
    run_id = accepted(runs, token)
    claim = runs.claim(run_id)
    assert claim
    runs.next_number(claim, "letters")
    files.store("m1", run_id, "letter.pdf", b"x")
    runs.finish(claim, Outcome({}, error), workflow_id="1", told=True)
    runs.close(claim)
    return run_id


def left(database: Database) -> set[int]:
    with database.reading() as session:
        return set(session.scalars(select(RunRow.id)))


def test_each_outcome_has_its_days_and_open_runs_have_no_end(
    runs: Runs, database: Database, files: FileStore, tmp_path: Path, clock: list[dt.timedelta]
) -> None:
    succeeded, failed = closed(runs, files, "a"), closed(runs, files, "b", error="no")
    fresh, running, answering = accepted(runs, "c"), accepted(runs, "d"), accepted(runs, "e")
    runs.claim(running)
    claim = runs.claim(answering)
    assert claim
    runs.finish(claim, Outcome({}), workflow_id="1", told=True)
    open_runs = {fresh, running, answering}
    for days, expected in (
        (29, {succeeded, failed} | open_runs),
        (31, {failed} | open_runs),
        (89, {failed} | open_runs),
        (91, open_runs),
        (3000, open_runs),
    ):
        clock[0] = dt.timedelta(days=days)
        retention(database, files).sweep()
        assert left(database) == expected, days
    assert {int(folder.name) for folder in (tmp_path / "files" / "m1").iterdir()} == set()
    with database.reading() as session:
        assert session.scalar(select(func.count()).select_from(CounterNumberRow)) == 0
        assert session.scalars(select(CounterRow.last)).one() == 2, "what a counter has given is not given again"


def test_the_days_begin_when_the_run_is_closed(
    runs: Runs, database: Database, files: FileStore, clock: list[dt.timedelta]
) -> None:
    run_id = closed(runs, files, "a")
    with database.writing() as session:
        session.execute(update(RunRow).values(received_at=now() - dt.timedelta(days=400)))
    retention(database, files).sweep()
    assert left(database) == {run_id}


def test_once_an_hour_over_all_processes_and_on_while_there_is_more(
    runs: Runs,
    database: Database,
    files: FileStore,
    clock: list[dt.timedelta],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(module, "BATCH", 2)
    for number in range(5):
        closed(runs, files, str(number))
    first, second = retention(database, files), retention(database, files)
    with database.writing() as session:
        session.execute(update(ChoreRow).values(due_at=now() + dt.timedelta(minutes=1)))
    clock[0] = dt.timedelta(days=31)
    first.sweep()
    counts = [len(left(database))]
    for each in (first, first, second, second):
        clock[0] += dt.timedelta(seconds=2)
        each.sweep()
        counts.append(len(left(database)))
    assert counts == [3, 1, 0, 0, 0]
    # Nothing is left, so for an hour nobody looks.
    late = closed(runs, files, "late")
    with database.writing() as session:
        session.execute(update(RunRow).values(changed_at=now() - dt.timedelta(days=99)))
    retention(database, files).sweep()
    assert left(database) == {late}
    clock[0] += dt.timedelta(hours=1)
    retention(database, files).sweep()
    assert left(database) == set()


def test_a_run_whose_files_cannot_be_erased_stays_and_holds_up_no_other(
    runs: Runs,
    database: Database,
    files: FileStore,
    clock: list[dt.timedelta],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    stuck, other = closed(runs, files, "a"), closed(runs, files, "b")
    erase = files.erase_run

    def refusing(member_id: str, run_id: int) -> None:  # who runs the tests as root may erase everything
        if run_id == stuck:
            raise PermissionError
        erase(member_id, run_id)

    monkeypatch.setattr(files, "erase_run", refusing)
    clock[0] = dt.timedelta(days=31)
    retention(database, files).sweep()
    assert left(database) == {stuck}
    assert other != stuck
    assert f"run {stuck}, and 0 others: the files cannot be erased (PermissionError)" in caplog.text
    monkeypatch.undo()
    with database.writing() as session:
        session.execute(update(ChoreRow).values(due_at=now()))
        session.execute(update(RunRow).values(changed_at=now() - dt.timedelta(days=31)))
    retention(database, files).sweep()
    assert left(database) == set()


def test_a_run_that_is_begun_anew_meanwhile_stays(
    runs: Runs, database: Database, files: FileStore, clock: list[dt.timedelta], monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = closed(runs, files, "a")
    clock[0] = dt.timedelta(days=31)

    def replayed(member_id: str, replayed_id: int) -> None:
        with database.writing() as session:
            session.execute(update(RunRow).values(state="received"))

    monkeypatch.setattr(files, "erase_run", replayed)
    retention(database, files).sweep()
    assert left(database) == {run_id}


def test_the_index_of_closed_runs_is_used(runs: Runs, database: Database, files: FileStore) -> None:
    """By the very statement, as the database got it."""
    statements: list[tuple[str, Any]] = []
    event.listen(
        database.engine,
        "before_cursor_execute",
        lambda _connection, _cursor, statement, parameters, *_: statements.append((statement, parameters)),
    )
    retention(database, files).sweep()
    (statement, parameters) = next(each for each in statements if "runs.changed_at <= " in each[0])
    with database.engine.connect() as connection:
        if not database.is_sqlite:
            connection.exec_driver_sql("SET enable_seqscan = off")  # so few rows are read faster without an index
        explain = "EXPLAIN QUERY PLAN" if database.is_sqlite else "EXPLAIN"
        plan = connection.exec_driver_sql(f"{explain} {statement}", parameters).all()
    assert "ix_runs_outcome_changed_at" in str(plan)


def test_the_app_does_it_by_itself(app: RunningApp) -> None:
    def is_done() -> bool:
        with app.backend.database.reading() as session:
            return session.scalars(select(ChoreRow.due_at)).one() > now()

    eventually(is_done)
