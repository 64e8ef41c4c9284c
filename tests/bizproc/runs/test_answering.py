"""When answers are sent, and how many in one call; what is sent is tested with a portal (tests/whole_way)."""

import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any, cast

import pytest

from bizproc.runs.answering import AT_ONCE, THREADS, Answer, Answering
from bizproc.runs.runs import Claim, Outcome
from bizproc.storage.patience import Patience
from bizproc.storage.tables import now
from tests.conftest import eventually

NOTHING: Any = None


class Held(Answering):
    """Notes each call: the portal, and the runs that are answered with it. Calls of slow portals wait."""

    def __init__(self) -> None:
        self.done: list[int] = []
        self.calls: list[tuple[int, list[int]]] = []
        self.slow: set[int] = set()
        self.released = threading.Event()
        super().__init__(NOTHING, NOTHING, Patience(), self.done.append)

    def _send(self, answers: Sequence[Answer]) -> None:
        portal = answers[0].claim.installation_id
        self.calls.append((portal, [answer.claim.run_id for answer in answers]))
        if portal in self.slow:
            assert self.released.wait(20)
        if portal == 13:
            raise OSError


@pytest.fixture
def answering() -> Iterator[Held]:
    held = Held()
    yield held
    held.released.set()
    held.stop()


def answer(portal: int, run_id: int, process: str = "") -> Answer:
    claim = Claim(run_id, portal, None, 1, "code", b"", None, 0, 0, "", now())
    return Answer(claim, cast("Any", NOTHING), Outcome({}), "token", process or f"p{run_id}", True, None)


def test_what_comes_while_others_are_sent_goes_in_one_call(answering: Held) -> None:
    answering.slow = set(range(AT_ONCE))
    for portal in answering.slow:
        answering.put(answer(portal, portal))
    eventually(lambda: len(answering.calls) == AT_ONCE)
    for run_id in range(100, 110):
        answering.put(answer(50, run_id))
    answering.released.set()
    eventually(lambda: len(answering.done) == AT_ONCE + 10)
    assert answering.calls[AT_ONCE:] == [(50, list(range(100, 110)))]


def test_slow_portals_hold_up_no_other_for_long(answering: Held) -> None:
    answering.slow = set(range(THREADS - 1))
    for portal in answering.slow:
        answering.put(answer(portal, portal))
    eventually(lambda: len(answering.calls) == THREADS - 1)
    began = time.monotonic()
    for run_id in range(100, 103):
        answering.put(answer(50, run_id))
        eventually(lambda run_id=run_id: run_id in answering.done)
    assert time.monotonic() - began < 5


def test_two_answers_to_one_process_go_one_after_the_other(answering: Held) -> None:
    answering.slow = {1}
    answering.put(answer(1, 1, "same"))
    eventually(lambda: answering.calls)
    for run_id, process in ((2, "same"), (3, "same"), (4, "other")):
        answering.put(answer(1, run_id, process))
    answering.released.set()
    eventually(lambda: len(answering.done) == 4)
    assert answering.calls == [(1, [1]), (1, [2, 4]), (1, [3])]


def test_what_fails_fails_alone(answering: Held) -> None:
    answering.put(answer(13, 1))
    eventually(lambda: answering.done == [1])
    answering.put(answer(13, 2))
    answering.put(answer(14, 3))
    eventually(lambda: sorted(answering.done) == [1, 2, 3])
