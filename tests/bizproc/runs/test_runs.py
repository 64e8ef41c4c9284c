"""The stored runs, on both databases."""

import datetime as dt
import itertools
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import event, update

from bizproc.runs.runs import HAND_AGAIN, RARE, Outcome, Runs
from bizproc.secrets import Secrets
from bizproc.storage.data_keys import KeyedHashes
from bizproc.storage.database import Database
from bizproc.storage.tables import InstallationRow, RunRow, now
from tests.bizproc.runs.inboxes import inbox_of
from tests.conftest import eventually

KEY = "k" * 32


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    database = Database(database_url)
    database.upgrade()
    with database.writing() as session:
        for number in (1, 2):
            session.add(
                InstallationRow(
                    id=number,
                    member_id=f"m{number}",
                    domain=f"p{number}.example.com",
                    client_endpoint="",
                    server_endpoint="",
                    edition="b24",
                    status="L",
                    scope="",
                    language="en",
                    app_host="",
                    user_id=1,
                    payment_expired=False,
                    installed_at=now(),
                    register_attempts=0,
                )
            )
    yield database
    database.close()


@pytest.fixture
def runs(database: Database) -> Runs:
    return runs_with(database, KEY)


def runs_with(database: Database, key: str) -> Runs:
    secrets = Secrets([key])
    return Runs(database, secrets, KeyedHashes(database, secrets))


def accepted(runs: Runs, token: str = "token", installation_id: int = 1) -> int:
    run_id = inbox_of(runs._database, Secrets([KEY])).store(installation_id, "code", token, b"raw")
    assert run_id is not None
    return run_id


def handed(runs: Runs, **how: Any) -> list[int]:
    return [turn.run_id for turn in runs.due(**how)]


def test_one_of_many_gets_the_claim(runs: Runs) -> None:
    run_id = accepted(runs)
    with ThreadPoolExecutor(8) as pool:
        claims = [claim for claim in pool.map(lambda _: runs.claim(run_id), range(8)) if claim]
    (claim,) = claims
    assert (claim.number, claim.raw, claim.outcome) == (1, b"raw", None)


def test_who_lost_the_lease_can_store_nothing(runs: Runs, database: Database) -> None:
    run_id = accepted(runs)
    first = runs.claim(run_id)
    assert first
    assert runs.claim(run_id) is None
    expire(database, run_id)
    second = runs.claim(run_id)
    assert second
    assert runs.finish(first, Outcome({"late": 1}), workflow_id="1", told=True) == "lost"
    assert runs.finish(second, Outcome({"x": 1}), workflow_id="1", told=True) == "answer"
    runs.close(first, error="late")
    run = runs.get(run_id)
    assert run
    assert (run.state, run.outcome, run.values, run.claims) == ("answering", "succeeded", {"x": 1}, 2)


def test_a_lease_that_is_renewed_stays(runs: Runs, database: Database) -> None:
    run_id = accepted(runs)
    claim = runs.claim(run_id)
    assert claim
    expire(database, run_id)
    runs.renew([claim])
    assert runs.claim(run_id) is None
    assert handed(runs, lost_before=now()) == []


def test_a_renewal_that_comes_too_late_prolongs_no_pause(runs: Runs) -> None:
    run_id = accepted(runs)
    claim = runs.claim(run_id)
    assert claim
    runs.try_again(claim, dt.timedelta(0), "why", None)
    runs.renew([claim])
    claim = runs.claim(run_id)
    assert claim
    runs.finish(claim, Outcome({}), workflow_id="1", told=True)
    runs.answer_later(claim, dt.timedelta(0))
    runs.renew([claim])
    assert runs.claim(run_id)


def test_who_keeps_a_checkpoint_second_goes_on_with_the_first(runs: Runs, database: Database) -> None:
    run_id = accepted(runs)
    slow = runs.claim(run_id)
    expire(database, run_id)
    following = runs.claim(run_id)
    assert slow
    assert following
    assert runs.keep_checkpoint(slow, "number", [1]) == [1]
    assert runs.keep_checkpoint(following, "number", [2]) == [1]
    assert runs.checkpoint(following, "number") == [1]


def test_after_the_outcome_only_the_answer_is_left(runs: Runs) -> None:
    run_id = accepted(runs)
    claim = runs.claim(run_id)
    assert claim
    runs.finish(claim, Outcome({"a": [1]}, error="why"), workflow_id="1", told=True)
    runs.answer_later(claim, dt.timedelta(0))
    again = runs.claim(run_id)
    assert again
    assert (again.outcome, again.answer_attempts) == (Outcome({"a": [1]}, error="why"), 1)
    runs.close(again)
    assert runs.claim(run_id) is None
    run = runs.get(run_id)
    assert run
    assert (run.state, run.outcome, run.error) == ("closed", "failed", "why")
    assert run.answered_at


def test_what_comes_at_one_moment_shares_statements_and_each_gets_its_own(runs: Runs, database: Database) -> None:
    """One claim is lost, and one process has two runs."""
    ids = [accepted(runs, str(number)) for number in range(6)]
    led, lost, *others = [runs.claim(run_id) for run_id in ids[:5]]
    assert led
    assert lost
    with database.writing() as session:
        session.execute(update(RunRow).where(RunRow.id == lost.run_id).values(claim=RunRow.claim + 1))

    def finish(claim: Any, workflow_id: str) -> str:
        return runs.finish(claim, Outcome({"of": claim.run_id}), workflow_id=workflow_id, told=True, besides=ids)

    with ThreadPoolExecutor(16) as pool:
        with database.transaction() as connection:
            connection.execute(update(RunRow).where(RunRow.id == led.run_id).values(error=None))
            first = pool.submit(finish, led, "w0")
            eventually(lambda: database._together._led and not database._together._waiting)
            finished = [pool.submit(finish, *each) for each in zip(others, ("w2", "w2", ""), strict=True)]
            finished.append(pool.submit(finish, lost, "w1"))
            claimed = [pool.submit(runs.claim, run_id) for run_id in (ids[5], ids[5], 999)]
            eventually(lambda: len(database._together._waiting) == 7)
        assert first.result() == "answer"
        assert [each.result() for each in finished] == ["answer", "answer", "answer", "lost"]
        claims = [each.result() for each in claimed]
    assert sorted(claim.run_id if claim else 0 for claim in claims) == [0, 0, ids[5]]
    for claim in (led, *others):
        assert claim
        run = runs.get(claim.run_id)
        assert run
        assert (run.state, run.values) == ("answering", {"of": claim.run_id})


def test_many_that_finish_at_one_moment_take_as_many_statements_as_one(runs: Runs, database: Database) -> None:
    claims = [runs.claim(accepted(runs, str(number))) for number in range(9)]
    statements: list[str] = []

    def finish(claim: Any) -> str:
        return runs.finish(claim, Outcome({}), workflow_id=f"w{claim.run_id}", told=True)

    with ThreadPoolExecutor(16) as pool:
        with database.transaction() as connection:
            connection.execute(update(RunRow).where(RunRow.id == 1).values(error=None))
            first = pool.submit(finish, claims[0])
            eventually(lambda: database._together._led and not database._together._waiting)
            finished = [pool.submit(finish, claim) for claim in claims[1:]]
            eventually(lambda: len(database._together._waiting) == 8)
            event.listen(database.engine, "before_cursor_execute", lambda *given: statements.append(given[2]))
        assert [each.result() for each in (first, *finished)] == ["answer"] * 9
    told = [each.split()[0] for each in statements]
    assert told.count("UPDATE") <= 2, "the first's, and one for the others"


def test_what_is_due_is_handed_once(runs: Runs, database: Database) -> None:
    run_id = accepted(runs)
    assert handed(runs) == []
    assert handed(runs, lost_before=now()) == [run_id]
    with database.writing() as session:
        session.execute(update(RunRow).values(handed_at=now() - HAND_AGAIN))
    assert handed(runs) == [run_id]
    assert handed(runs) == []


def test_what_the_queue_has_lost_is_handed_once(runs: Runs) -> None:
    run_ids = [accepted(runs, str(number)) for number in range(3)]
    lost_before = now()
    sweeps = [handed(runs, lost_before=lost_before, limit=2) for _ in range(3)]
    assert sweeps == [run_ids[:2], run_ids[2:], []]
    accepted(runs, "after that")
    assert handed(runs, lost_before=lost_before) == []


def test_what_could_only_wait_here_is_not_handed_again(runs: Runs, database: Database) -> None:
    run_id, paused = accepted(runs), accepted(runs, "paused")
    with database.writing() as session:
        session.execute(update(RunRow).values(handed_at=now() - HAND_AGAIN, due_at=now() - 2 * HAND_AGAIN))
        session.execute(update(RunRow).where(RunRow.id == paused).values(due_at=now()))
    assert handed(runs, crowded=[(1, "code")]) == [paused]
    assert handed(runs, crowded=[(1, "other"), (2, "code")]) == [run_id]


def test_a_pause_or_a_lease_that_ended_is_handed_at_once(runs: Runs, database: Database) -> None:
    run_id = accepted(runs)
    claim = runs.claim(run_id)
    assert claim
    assert handed(runs) == []
    with database.writing() as session:
        session.execute(update(RunRow).values(due_at=now(), handed_at=now() - dt.timedelta(seconds=1)))
    assert handed(runs) == [run_id]
    assert handed(runs) == []


def test_a_new_life_frees_what_the_former_one_had(runs: Runs) -> None:
    run_id = accepted(runs)
    assert runs.claim(run_id)
    assert handed(runs, lost_before=now()) == []
    runs.orphan_all()
    assert handed(runs, lost_before=now()) == [run_id]


def test_only_one_process_is_alone_on_a_file(database: Database) -> None:
    first, second = Database(database.engine.url.render_as_string(False)), database
    assert first.lock_alone() is first.is_sqlite
    assert not second.lock_alone()
    first.close()
    assert second.lock_alone() is second.is_sqlite


def test_what_no_key_can_read_stays_open_until_the_key_is_there_again(
    runs: Runs, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    run_id = accepted(runs)
    without_key = runs_with(database, "another key" * 4)
    pauses = []
    for _ in range(3):
        expire(database, run_id)
        assert without_key.claim(run_id) is None
        with database.reading() as session:
            pauses.append(round((session.get_one(RunRow, run_id).due_at - now()).total_seconds()))
    assert pauses == sorted(set(pauses)), "each longer than the one before"
    (run,) = without_key.list()
    assert (run.state, run.outcome) == ("received", None)
    assert run.error
    assert "B24_SECRET_KEY lacks the key" in run.error
    assert f"run {run_id} stays open" in caplog.text
    assert "B24_SECRET_KEY lacks the key" in caplog.text

    expire(database, run_id)
    claim = runs.claim(run_id)
    assert claim
    assert (claim.raw, claim.attempts) == (b"raw", 0)
    (run,) = runs.list()
    assert (run.state, run.error) == ("running", None)


@pytest.mark.parametrize("outcome", [Outcome({"x": 1}), Outcome({}, error="why")])
def test_an_outcome_that_no_key_can_read_is_answered_once_the_key_is_there_again(
    runs: Runs, database: Database, outcome: Outcome
) -> None:
    run_id = accepted(runs)
    claim = runs.claim(run_id)
    assert claim
    runs.finish(claim, outcome, workflow_id="1", told=True)
    without_key = runs_with(database, "another key" * 4)
    expire(database, run_id)
    assert without_key.claim(run_id) is None
    (run,) = without_key.list()
    assert (run.state, run.outcome) == ("answering", outcome.kind)
    assert "B24_SECRET_KEY lacks the key" in (run.error or "")
    expire(database, run_id)
    again = runs.claim(run_id)
    assert again
    assert (again.outcome, again.answer_attempts) == (outcome, 0)
    assert runs.list()[0].error == outcome.error


def test_a_counter_gives_each_run_its_number(runs: Runs) -> None:
    claims = [runs.claim(accepted(runs, str(number), 1 + number % 2)) for number in range(20)]
    with ThreadPoolExecutor(8) as pool:
        numbers = list(pool.map(lambda claim: runs.next_number(claim, "n"), claims))
        again = list(pool.map(lambda claim: runs.next_number(claim, "n"), claims))
    assert numbers == again
    assert sorted(numbers[0::2]) == sorted(numbers[1::2]) == list(range(1, 11))
    assert runs.next_number(claims[0], "another") == 1


def test_the_list_is_filtered(runs: Runs) -> None:
    first, second = accepted(runs, "1"), accepted(runs, "2", installation_id=2)
    claim = runs.claim(first)
    assert claim
    runs.finish(claim, Outcome({}, error="why"), workflow_id="1", told=True)
    assert [run.id for run in runs.list()] == [second, first]
    assert [run.id for run in runs.list(domain="p1.example.com")] == [first]
    assert [run.id for run in runs.list(state="failed")] == [first]
    assert [run.id for run in runs.list(state="received")] == [second]
    assert runs.list(state="received", code="other", domain="p2.example.com") == []
    assert runs.list(code="other") == runs.list(domain="other") == runs.list(state="closed") == []
    assert len(runs.list(limit=1)) == 1
    assert runs.get(10**9) is None


def test_the_list_goes_by_when_a_callback_came(runs: Runs, database: Database) -> None:
    """What was in the spool is stored after what came later."""
    moment = dt.datetime(2026, 11, 1, 10, tzinfo=dt.UTC)
    ids = [accepted(runs, str(hours)) for hours in (2, 0, 1)]
    with database.writing() as session:
        for run_id, hours in zip(ids, (2, 0, 1), strict=True):
            session.get_one(RunRow, run_id).received_at = moment + dt.timedelta(hours=hours)
    two, zero, one = ids
    hour = dt.timedelta(hours=1)
    assert [run.id for run in runs.list()] == [two, one, zero]
    assert [run.id for run in runs.list(since=moment + hour)] == [two, one]
    assert [run.id for run in runs.list(until=moment + hour)] == [zero]
    assert [run.id for run in runs.list(since=moment + hour, until=moment + 2 * hour, code="code")] == [one]


STATES = (None, "received", "running", "answering", "waiting", "deferred", "closed", "succeeded", "failed", "dead")
FILTERS = list(itertools.product((None, "p1.example.com"), (None, "code"), STATES, (None, now())))


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_every_list_is_served_by_its_index(runs: Runs, database: Database) -> None:
    """So it stays as fast however many runs there are. What PostgreSQL does goes by how many there are."""
    accepted(runs)
    asked: list[tuple[str, object]] = []

    def note(_connection: object, _cursor: object, statement: str, parameters: object, *_: object) -> None:
        if "FROM runs" in statement:
            asked.append((statement, parameters))

    event.listen(database.engine, "before_cursor_execute", note)
    for domain, code, state, since in FILTERS:
        runs.list(domain=domain, code=code, state=state, since=since)
    event.remove(database.engine, "before_cursor_execute", note)
    assert len(asked) == len(FILTERS)
    with database.engine.connect() as connection:
        for (statement, parameters), (domain, code, state, _) in zip(asked, FILTERS, strict=True):
            explained = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
            plan = "\n".join(str(row) for row in explained)
            assert expected_index(domain, code, state) in plan, (domain, code, state, plan)


def expected_index(domain: str | None, code: str | None, state: str | None) -> str:
    if state in ("failed", "dead"):
        return "ix_runs_outcome_received_at"
    if state in RARE:
        return "ix_runs_state_due_at"
    columns = "_".join(name for name, given in (("installation_id", domain), ("code", code)) if given)
    return f"ix_runs_{columns}_received_at" if columns else "ix_runs_received_at"


def expire(database: Database, run_id: int) -> None:
    with database.writing() as session:
        session.execute(update(RunRow).where(RunRow.id == run_id).values(due_at=now() - dt.timedelta(seconds=1)))
