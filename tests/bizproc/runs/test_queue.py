import threading
import uuid
from collections.abc import Callable, Iterator

import pytest
from redis import Redis

from bizproc.runs.queue import Queue, Register
from bizproc.runs.turns import Turn
from tests.conftest import eventually

A_TURN = Turn(7, 3, 'save "it"')


class Recorded:
    """A worker that notes what it is told; its runs wait for ``released``."""

    def __init__(self) -> None:
        self.told: list[object] = []
        self.released = threading.Event()
        self.released.set()

    def run(self, turn: Turn) -> None:
        self.told.append(turn)
        self.released.wait(10)
        if turn.run_id < 0:
            raise ValueError("not every run is a good one")

    def register(self, installation_id: int) -> None:
        self.told.append(Register(installation_id))

    def start(self) -> None:
        self.told.append("start")

    def begin_no_more(self) -> None:
        self.told.append("begin no more")

    def stop(self) -> None:
        self.told.append("stop")


@pytest.fixture
def worker() -> Recorded:
    return Recorded()


@pytest.fixture
def embedded(worker: Recorded) -> Iterator[Queue]:
    queue = Queue("embedded", name="test", embedded=True)
    queue.serve(worker)
    yield queue
    queue.stop()


@pytest.fixture
def over_redis(redis_server: str) -> Iterator[Callable[[], Queue]]:
    queues: list[Queue] = []
    name = uuid.uuid4().hex

    def new() -> Queue:
        queues.append(Queue(redis_server, name=name, embedded=False))
        return queues[-1]

    yield new
    for each in queues:
        each.stop()
        each.messages.clear()


def test_embedded_works_from_the_first_message_on_and_ends_what_it_began(embedded: Queue, worker: Recorded) -> None:
    worker.released.clear()
    embedded.send_runs([A_TURN])
    embedded.send_register(3)
    eventually(lambda: len(worker.told) == 3)
    assert worker.told[0] == "start"
    assert set(worker.told[1:]) == {A_TURN, Register(3)}
    threading.Timer(0.1, worker.released.set).start()
    embedded.stop()
    assert worker.told[3:] == ["begin no more", "stop"]
    embedded.send_runs([A_TURN])
    assert worker.told[3:] == ["begin no more", "stop"]


def test_a_message_that_cannot_be_dealt_with_ends_no_thread(
    embedded: Queue, worker: Recorded, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(20):
        embedded.send_runs([Turn(-number - 1, 3, "save")])
    embedded.send_runs([A_TURN])
    eventually(lambda: A_TURN in worker.told)
    assert caplog.text.count("a message is left: ValueError") >= 20 - 8
    assert "good one" not in caplog.text


def test_messages_over_redis_say_the_same_on_the_other_side(over_redis: Callable[[], Queue]) -> None:
    sender, receiver = over_redis(), over_redis()
    sender.send_runs([A_TURN])
    sender.send_register(3)
    assert [receiver.messages.take(), receiver.messages.take()] == [A_TURN, Register(3)]
    assert receiver.messages.take() is None


def test_a_message_that_waits_for_redis_is_not_added_again(over_redis: Callable[[], Queue], redis_server: str) -> None:
    queue = over_redis()
    with Redis.from_url(redis_server) as server:
        server.client_pause(300)
        for _ in range(100):
            queue.send_runs([A_TURN])
    queue.stop()
    # The first may be on its way when the others come.
    assert len(queue.messages) in (1, 2)
