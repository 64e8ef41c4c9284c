"""What older keys have encrypted is encrypted anew, and nothing that changes meanwhile is lost."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import LargeBinary, insert, select, update

from bizproc.runs.runs import Outcome, Runs
from bizproc.secrets import Secrets
from bizproc.storage.data_keys import KeyedHashes
from bizproc.storage.database import Database
from bizproc.storage.reencryption import BATCH, ENCRYPTED, Reencryption
from bizproc.storage.tables import ConnectionRow, InstallationRow, RunRow, Table, now
from tests.bizproc.storage.test_data_keys import installation
from tests.conftest import eventually

OLD, NEW = "o" * 32, "n" * 32
ROWS = BATCH + 50


def add_runs(database: Database, count: int, secrets: Secrets) -> None:
    """Closed runs 1 to ``count`` of one installation."""
    with database.writing() as session:
        session.add(
            installation(id=1, access_token=secrets.encrypt(b"access"), refresh_token=secrets.encrypt(b"refresh"))
        )
        session.flush()
        session.add(
            ConnectionRow(
                installation_id=1,
                system="zabbix",
                name="main",
                base_url="https://zabbix.example.com",
                secret=secrets.encrypt(b"secret"),
                stored_at=now(),
            )
        )
        session.execute(
            insert(RunRow),
            [
                {
                    "id": number,
                    "installation_id": 1,
                    "event_hash": number.to_bytes(4),
                    "code": "code",
                    "raw": secrets.encrypt(b"raw %d" % number),
                    "result": secrets.encrypt(b"result %d" % number) if number % 2 else None,
                    "trace": secrets.encrypt(b"trace %d" % number) if number % 10 == 0 else None,
                    "state": "closed",
                    "due_at": now(),
                    "handed_at": now(),
                    "claim": 1,
                    "answer_attempts": 0,
                    "received_at": now(),
                }
                for number in range(1, count + 1)
            ],
        )


def expect_all_under(database: Database, key: str, count: int) -> None:
    """That this key alone reads all that ``add_runs`` stored."""
    only = Secrets([key])
    with database.reading() as session:
        rows = session.scalars(select(RunRow).order_by(RunRow.id)).all()
    assert [row.id for row in rows] == list(range(1, count + 1))
    for row in rows:
        assert only.decrypt(row.raw) == b"raw %d" % row.id
        assert (row.result and only.decrypt(row.result)) == (b"result %d" % row.id if row.id % 2 else None)
        assert (row.trace and only.decrypt(row.trace)) == (None if row.id % 10 else b"trace %d" % row.id)


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """With an installation and ROWS runs, all under OLD."""
    database = Database(database_url)
    database.upgrade()
    old = Secrets([OLD])
    KeyedHashes(database, old).load()
    add_runs(database, ROWS, old)
    yield database
    database.close()


def told(database: Database, secrets: Secrets) -> dict[str, tuple[int, tuple[int | str, ...]]]:
    return {each.what: (each.anew, each.unreadable) for each in Reencryption(database, secrets).run()}


def test_every_encrypted_column_is_known() -> None:
    stored = {
        (table.name, column.name)
        for table in Table.metadata.tables.values()
        for column in table.columns
        if isinstance(column.type, LargeBinary) and not column.name.endswith("_hash")
    }
    assert {(table.__tablename__, column) for table, columns in ENCRYPTED.items() for column in columns} == stored


def test_everything_comes_under_the_newest_key_once(database: Database) -> None:
    both = Secrets([NEW, OLD])
    assert told(database, both) == {
        "data_keys": (1, ()),
        "installations": (1, ()),
        "runs": (ROWS, ()),
        "checkpoints": (0, ()),
        "connections": (1, ()),
    }
    expect_all_under(database, NEW, ROWS)
    KeyedHashes(database, Secrets([NEW])).load()
    with database.reading() as session:
        assert Secrets([NEW]).decrypt(session.scalars(select(ConnectionRow)).one().secret) == b"secret"
        row = session.scalars(select(InstallationRow)).one()
        assert row.access_token
        assert row.refresh_token
        assert [Secrets([NEW]).decrypt(each) for each in (row.access_token, row.refresh_token)] == [
            b"access",
            b"refresh",
        ]
        before = session.scalars(select(RunRow.raw).order_by(RunRow.id)).all()
    assert told(database, both) == {
        "data_keys": (0, ()),
        "installations": (0, ()),
        "runs": (0, ()),
        "checkpoints": (0, ()),
        "connections": (0, ()),
    }
    with database.reading() as session:
        assert session.scalars(select(RunRow.raw).order_by(RunRow.id)).all() == before


def test_what_cannot_be_read_is_named_and_left_as_it_is(database: Database) -> None:
    lost = Secrets(["l" * 32]).encrypt(b"lost")
    with database.writing() as session:
        session.execute(update(RunRow).where(RunRow.id == 5).values(result=lost))
        session.execute(update(RunRow).where(RunRow.id == ROWS).values(raw=lost, result=lost))
    assert told(database, Secrets([NEW, OLD]))["runs"] == (ROWS - (ROWS % 10 != 0), (5, ROWS))
    with database.reading() as session:
        row = session.get_one(RunRow, 5)
        assert row.result == lost
        assert Secrets([NEW]).decrypt(row.raw) == b"raw 5"


class Interrupted(Secrets):
    """Keys with which something else happens in the moment when a certain content is encrypted anew."""

    def __init__(self, moment: bytes, interrupt: Callable[[], object]) -> None:
        super().__init__([NEW, OLD])
        self._moment = moment
        self._interrupt: Callable[[], object] | None = interrupt

    def reencrypt(self, content: bytes) -> bytes:
        if self._interrupt is not None and self.decrypt(content) == self._moment:
            interrupt, self._interrupt = self._interrupt, None
            interrupt()
        return super().reencrypt(content)


@pytest.fixture
def other(database: Database) -> Iterator[Database]:
    """The same database, as another process has it."""
    other = Database(database.engine.url.render_as_string(False))
    yield other
    other.close()


@pytest.mark.parametrize("by", [NEW, OLD])
def test_tokens_that_are_renewed_meanwhile_stay(database: Database, other: Database, by: str) -> None:
    """Also when a process renews them that was not started with the newest key yet."""

    def renew() -> None:
        with other.writing() as session:
            row = session.scalars(select(InstallationRow)).one()
            row.access_token = Secrets([by]).encrypt(b"renewed")

    assert told(database, Interrupted(b"access", renew))["installations"] == (1, ())
    with database.reading() as session:
        row = session.scalars(select(InstallationRow)).one()
        assert row.access_token
        assert row.refresh_token
        assert Secrets([NEW]).decrypt(row.access_token) == b"renewed"
        assert Secrets([NEW]).decrypt(row.refresh_token) == b"refresh"


def test_runs_that_end_or_are_erased_meanwhile(database: Database, other: Database) -> None:
    def change() -> None:
        with other.writing() as session:
            session.execute(update(RunRow).where(RunRow.id == 2).values(result=Secrets([NEW]).encrypt(b"late")))
            session.delete(session.get_one(RunRow, 3))

    assert told(database, Interrupted(b"raw 1", change))["runs"] == (ROWS - 1, ())
    with database.reading() as session:
        assert session.get(RunRow, 3) is None
        row = session.get_one(RunRow, 2)
        assert row.result
        assert Secrets([NEW]).decrypt(row.raw) == b"raw 2"
        assert Secrets([NEW]).decrypt(row.result) == b"late"


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_row_that_another_holds_is_not_waited_for(database: Database, other: Database) -> None:
    """Who holds it may be waiting for a row of ours."""
    held, going_on = threading.Event(), ThreadPoolExecutor(1)

    def hold() -> None:
        with other.writing() as session:
            session.execute(update(RunRow).where(RunRow.id == 2).values(result=Secrets([NEW]).encrypt(b"late")))
            held.set()
            eventually(lambda: _is_under(database, NEW, run_id=1))
            session.execute(update(RunRow).where(RunRow.id == 1).values(claim=2))

    holding = []

    def interrupt() -> None:
        holding.append(going_on.submit(hold))
        assert held.wait(20)

    assert told(database, Interrupted(b"raw 1", interrupt))["runs"] == (ROWS, ())
    holding[0].result()
    going_on.shutdown()
    assert _is_under(database, NEW, run_id=1)
    assert _is_under(database, NEW, run_id=2)


def _is_under(database: Database, key: str, *, run_id: int) -> bool:
    with database.reading() as session:
        return Secrets([key]).is_newest(session.get_one(RunRow, run_id).raw)


def test_workers_are_at_work_meanwhile(database: Database, other: Database) -> None:
    """Runs are claimed, finished and closed while their content is encrypted anew."""
    open_runs = 60
    with database.writing() as session:
        session.execute(update(RunRow).where(RunRow.id <= open_runs).values(state="received", result=None, trace=None))
    both, only = Secrets([NEW, OLD]), Secrets([NEW])
    runs = Runs(other, both, KeyedHashes(other, both))

    def work(first: int) -> None:
        for run_id in range(first, open_runs + 1, 4):
            claim = runs.claim(run_id)
            assert claim
            assert claim.raw == b"raw %d" % run_id
            runs.renew([claim])
            outcome = Outcome({"number": run_id}, error="why", trace=f"trace {run_id}")
            assert runs.finish(claim, outcome, workflow_id="", told=True) == "answer"
            runs.close(claim)

    with ThreadPoolExecutor(4) as pool:
        workers = [pool.submit(work, first) for first in range(1, 5)]
        while not all(worker.done() for worker in workers):
            told(database, both)
        for worker in workers:
            worker.result()
    told(database, both)
    shown = Runs(database, only, KeyedHashes(database, only))
    for run_id in range(1, open_runs + 1):
        run = shown.get(run_id)
        assert run
        assert (run.values, run.trace, run.state) == ({"number": run_id}, f"trace {run_id}", "closed")
