"""What waits, on both databases."""

import datetime as dt

import pytest
from sqlalchemy import event, text

from bizproc.runs import backlog as module
from bizproc.runs.backlog import backlog
from bizproc.runs.runs import Runs
from bizproc.storage.database import Database
from bizproc.storage.tables import InstallationRow, RunRow, now
from tests.bizproc.runs.test_runs import accepted, database, runs
from tests.bizproc.storage.test_data_keys import installation

__all__ = ["database", "runs"]  # the fixtures


def test_what_waits_by_state_and_since_when(runs: Runs, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    assert backlog(database).oldest_due_seconds == backlog(database).due == 0
    old, later, at_work, *_ = (accepted(runs, token) for token in "abcd")
    assert runs.claim(at_work)
    with database.writing() as session:
        session.get_one(RunRow, old).due_at = now() - dt.timedelta(minutes=5)
        session.get_one(RunRow, later).due_at = now() + dt.timedelta(minutes=5)
        session.add(installation(id=7, member_id="m7", register_error="no", person_needed_since=now()))
        session.add(installation(id=8, member_id="m8", register_error="no", uninstalled_at=now()))
        installed = session.query(InstallationRow).where(InstallationRow.uninstalled_at.is_(None)).count()
    found = backlog(database)
    assert found.runs == {"received": 3, "running": 1, "answering": 0, "waiting": 0, "deferred": 0}
    assert found.due == 2
    assert 300 <= found.oldest_due_seconds < 360
    assert (found.installed, found.person_needed, found.not_registered) == (installed, 1, 1)
    monkeypatch.setattr(module, "MOST", 1)
    assert backlog(database).runs["received"] == backlog(database).due == 1


def test_no_stored_run_is_looked_at_for_it(runs: Runs, database: Database) -> None:
    asked = []
    event.listen(database.engine, "before_cursor_execute", lambda *given: asked.append(given[2:4]))
    backlog(database)
    statement, parameters = next(each for each in asked if "min(" in each[0])
    explain = "EXPLAIN QUERY PLAN " if database.is_sqlite else "EXPLAIN "
    with database.engine.connect() as connection:
        if not database.is_sqlite:
            connection.execute(text("SET enable_seqscan = off"))  # which it prefers for a table that is small
        plan = "\n".join(str(row) for row in connection.exec_driver_sql(explain + statement, parameters))
    uses = plan.count("ix_runs_state_due_at")
    assert uses == 11, plan
    assert "SCAN runs" not in plan
    assert "Seq Scan on runs" not in plan
