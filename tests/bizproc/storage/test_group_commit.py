"""Threads that write at once share a commit, and each gets its own result."""

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from bizproc.storage.group_commit import MOST, GroupCommit, TookTooLong
from tests.conftest import eventually


class Disk:
    """Takes what is written in batches, as slowly as the test wants."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.goes_on = threading.Event()
        self._writes = threading.Lock()

    def write(self, items: Sequence[int]) -> list[int | Exception]:
        assert self._writes.acquire(blocking=False), "two write at once"
        try:
            self.batches.append(list(items))
            assert self.goes_on.wait(9)
            if 13 in items:
                raise OSError("the whole batch")
            return [ValueError(item) if item == 7 else item * 2 for item in items]
        finally:
            self._writes.release()


def test_what_comes_while_a_commit_goes_on_shares_the_next() -> None:
    disk = Disk()
    commit = GroupCommit(disk.write, patience_seconds=9)
    with ThreadPoolExecutor(40) as pool:
        first = pool.submit(commit, 100)
        eventually(lambda: disk.batches)
        others = [pool.submit(commit, number) for number in range(20, 50)]
        eventually(lambda: len(commit._waiting) == 30)
        disk.goes_on.set()
        assert first.result() == 200
        assert [each.result() for each in others] == [number * 2 for number in range(20, 50)]
    assert [len(batch) for batch in disk.batches] == [1, 30]


def test_a_batch_is_bounded() -> None:
    disk = Disk()
    commit = GroupCommit(disk.write, patience_seconds=9)
    with ThreadPoolExecutor(MOST + 21) as pool:
        pool.submit(commit, 100)
        eventually(lambda: disk.batches)
        others = [pool.submit(commit, number) for number in range(1000, 1020 + MOST)]
        eventually(lambda: len(commit._waiting) == 20 + MOST)
        disk.goes_on.set()
        assert sum(each.result() for each in others) == 2 * sum(range(1000, 1020 + MOST))
    assert [len(batch) for batch in disk.batches] == [1, MOST, 20]


def test_each_gets_its_own_error_and_all_that_of_the_batch() -> None:
    disk = Disk()
    commit = GroupCommit(disk.write, patience_seconds=9)
    with ThreadPoolExecutor(8) as pool:
        first = pool.submit(commit, 13)
        eventually(lambda: disk.batches)
        bad, good = pool.submit(commit, 7), pool.submit(commit, 8)
        disk.goes_on.set()
        with pytest.raises(OSError, match="the whole batch"):
            first.result()
        with pytest.raises(ValueError, match="7"):
            bad.result()
        assert good.result() == 16
    assert commit(1) == 2


def test_who_waits_too_long_for_a_commit_goes_away() -> None:
    disk = Disk()
    commit = GroupCommit(disk.write, patience_seconds=0.1)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(commit, 1)
        eventually(lambda: disk.batches)
        with pytest.raises(TookTooLong):
            commit(2)
        disk.goes_on.set()
        assert first.result() == 2
    assert commit(3) == 6
    assert disk.batches == [[1], [3]]


def test_nobody_waits_for_ever_when_a_leader_is_interrupted() -> None:
    entered, interrupts = threading.Event(), threading.Event()

    def write(items: Sequence[int]) -> list[int | Exception]:
        if not entered.is_set():
            entered.set()
            assert interrupts.wait(9)
            raise SystemExit
        return list(items)

    commit = GroupCommit(write, patience_seconds=9)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(commit, 1)
        assert entered.wait(9)
        second = pool.submit(commit, 2)
        eventually(lambda: commit._waiting)
        interrupts.set()
        with pytest.raises(SystemExit):
            first.result()
        assert second.result() == 2


def test_many_threads_at_once_lose_nothing() -> None:
    written: list[int] = []

    def write(items: Sequence[int]) -> list[int | Exception]:
        written.extend(items)
        return [-item for item in items]

    commit = GroupCommit(write, patience_seconds=9)
    with ThreadPoolExecutor(32) as pool:
        assert list(pool.map(commit, range(5000))) == [-number for number in range(5000)]
    assert sorted(written) == list(range(5000))
