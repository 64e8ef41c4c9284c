"""The inbox without HTTP, on both databases."""

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import event, select
from sqlalchemy.exc import IntegrityError

from bizproc.runs.inbox import Inbox
from bizproc.runs.spool import Spool, Spooled
from bizproc.runs.turns import Turn
from bizproc.secrets import Secrets
from bizproc.storage.database import Database
from bizproc.storage.tables import RunRow
from tests.bizproc.runs.inboxes import empty, inbox_of
from tests.bizproc.storage.test_data_keys import installation
from tests.conftest import eventually

KEY = "k" * 32


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    database = Database(database_url)
    database.upgrade()
    with database.writing() as session:
        session.add(installation(id=1, member_id="m1"))
        session.add(installation(id=2, member_id="m2"))
    yield database
    database.close()


@pytest.fixture
def inbox(database: Database) -> Inbox:
    return inbox_of(database, Secrets([KEY]))


def stored(database: Database) -> list[bytes]:
    with database.reading() as session:
        return sorted(Secrets([KEY]).decrypt(raw) for raw in session.scalars(select(RunRow.raw)))


def test_an_event_token_comes_once_for_each_portal(inbox: Inbox) -> None:
    assert inbox.store(1, "code", "token", b"raw")
    assert inbox.store(1, "code", "token", b"another") is None
    assert inbox.store(2, "code", "token", b"raw")
    assert inbox.store(1, "code", "other", b"raw")


def test_without_an_event_token_the_whole_callback_tells_it_apart(inbox: Inbox) -> None:
    assert inbox.store(1, "code", "", b"one")
    assert inbox.store(1, "code", "", b"one") is None
    assert inbox.store(1, "code", "", b"two")


def test_many_at_once_are_all_stored_and_share_commits(inbox: Inbox, database: Database) -> None:
    inbox.store(1, "code", "first", b"raw")
    commits = []
    event.listen(database.engine, "commit", commits.append)
    with ThreadPoolExecutor(16) as pool:
        ids = list(pool.map(lambda number: inbox.store(1, "code", str(number % 100), b"%d" % number), range(200)))
    taken = [each for each in ids if each is not None]
    assert len(set(taken)) == len(taken) == 100
    with database.reading() as session:
        of_id = {row.id: Secrets([KEY]).decrypt(row.raw) for row in session.scalars(select(RunRow))}
    for number, run_id in enumerate(ids):
        assert run_id is None or of_id[run_id] == b"%d" % number, "each got the id of its own row"
    assert 0 < len(commits) < 150


def test_the_same_callback_twice_in_one_commit_is_stored_once(inbox: Inbox, database: Database) -> None:
    one, other = (inbox._row(1, "code", token, b"raw", installation().installed_at) for token in ("a", "b"))
    first, second, third = inbox._stored([one, other, dict(one)])
    assert first
    assert second
    assert third is None
    assert len(stored(database)) == 2


def test_a_row_that_cannot_be_stored_fails_alone(inbox: Inbox, database: Database) -> None:
    moment = installation().installed_at
    rows = [inbox._row(id_, "code", str(id_), b"%d" % id_, moment) for id_ in (1, 99, 2)]
    first, second, third = inbox._stored(rows)
    assert isinstance(first, int)
    assert isinstance(second, IntegrityError)
    assert isinstance(third, int)
    assert stored(database) == [b"1", b"2"]
    with pytest.raises(IntegrityError):
        inbox.store(99, "code", "token", b"raw")


def test_processes_that_take_the_same_callbacks_do_not_lock_each_other_out(database: Database) -> None:
    """Each has them in another order."""
    url = database.engine.url.render_as_string(False)

    def take(backwards: bool) -> int:
        own = Database(url)
        inbox = inbox_of(own, Secrets([KEY]))
        taken = 0
        for number in range(4):
            rows = [inbox._row(1, "c", f"{number} {each}", b"", installation().installed_at) for each in range(600)]
            together.wait(20)
            taken += sum(isinstance(each, int) for each in inbox._stored(rows[::-1] if backwards else rows))
        own.close()
        return taken

    together = threading.Barrier(2)
    with ThreadPoolExecutor(2) as pool:
        assert sum(pool.map(take, [False, True])) == 4 * 600


def test_killed_while_it_is_emptied_a_spool_loses_nothing_and_doubles_nothing(
    database: Database, tmp_path: Path
) -> None:
    folder, count = tmp_path / "spool", 100
    spool = Spool(folder, Secrets([KEY]))
    for number in range(count):
        spool.add(Spooled("code", b"event_token=%d" % number, time.time(), 1))
    spool._seal()
    url = database.engine.url.render_as_string(False)
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload(["tests.crowd"])
    for killed_at in (1, 15, 40, None):
        emptying = processes.Process(target=empty, args=(url, KEY, folder, killed_at))
        emptying.start()
        emptying.join(30)
        if killed_at:
            assert emptying.exitcode == -signal.SIGKILL
            assert len(list(folder.iterdir())) == 1
            assert 0 < len(stored(database)) < count
    assert emptying.exitcode == 0
    assert stored(database) == sorted(b"event_token=%d" % number for number in range(count))
    assert list(folder.iterdir()) == []


def test_what_a_former_life_left_is_stored_at_start(database: Database, tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool", Secrets([KEY]))
    arrived = int(time.time()) - 1000
    for installation_id in (1, 99):
        spool.add(Spooled("a\0b", b"event_token=1", arrived, installation_id))
    spool._seal()
    sent: list[Turn] = []
    inbox = inbox_of(database, Secrets([KEY]), tmp_path / "spool", sent.extend)
    inbox.start()
    eventually(lambda: not os.listdir(tmp_path / "spool"))
    inbox.stop()
    with database.reading() as session:
        (row,) = session.scalars(select(RunRow))
        assert (row.code, row.installation_id, row.received_at.timestamp()) == ("a\ufffdb", 1, arrived)
        assert sent == [Turn(row.id, 1, row.code)]
