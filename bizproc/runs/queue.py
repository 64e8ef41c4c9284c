"""The messenger between who accepts and who works: in memory, or a list in Redis.

A message says which run it is about, and whose, and nothing more; the stored rows are the truth. What is lost on the
way, with a process or with Redis, the sweep hands over again. So neither acknowledgements nor retries are needed, and
a library for tasks would only cost: with Huey a message took 178 µs of a processor to receive, without it 39.
"""

import json
import logging
import queue
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import astuple, dataclass
from typing import Protocol

from redis import ConnectionPool, Redis
from redis.exceptions import RedisError

from bizproc.errors import BizprocError
from bizproc.runs.turns import Turn

logger = logging.getLogger(__name__)

THREADS = 8
CONNECT_SECONDS = 0.5
ANSWER_SECONDS = 2
LOOK_SECONDS = 1
"""For so long Redis is asked for a message at a time. A process that is to end waits for that."""
AGAIN_SECONDS = 1
MOST_WAITING = 10_000


@dataclass(frozen=True)
class Register:
    """The activities of an installation are to be registered."""

    installation_id: int


Message = Turn | Register


class Worker(Protocol):
    """What is done with messages, and from time to time."""

    def run(self, turn: Turn) -> None: ...
    def register(self, installation_id: int) -> None: ...
    def start(self) -> None: ...
    def begin_no_more(self) -> None: ...
    def stop(self) -> None: ...


class QueueError(BizprocError):
    """The queue cannot be used as QUEUE_URL says."""


class InMemory:
    """Messages of a process to itself."""

    def __init__(self) -> None:
        self._messages: queue.SimpleQueue[Message | None] = queue.SimpleQueue()

    def put(self, messages: Sequence[Message]) -> None:
        for message in messages:
            self._messages.put(message)

    def take(self) -> Message | None:
        """The next one, once there is one; None for who was woken."""
        return self._messages.get()

    def wake(self) -> None:
        """Let all threads look whether they are to go on."""
        for _ in range(THREADS):
            self._messages.put(None)

    def clear(self) -> None:
        while not self._messages.empty():
            self._messages.get()


class InRedis:
    """Messages from process to process, as JSON. Its methods raise RedisError."""

    def __init__(self, url: str, name: str) -> None:
        pool = ConnectionPool.from_url(url, socket_connect_timeout=CONNECT_SECONDS, socket_timeout=ANSWER_SECONDS)
        self._redis = Redis(connection_pool=pool)
        self._key = f"{name}.messages"
        self._away = False

    def put(self, messages: Sequence[Message]) -> None:
        with self._reached():
            self._redis.lpush(self._key, *(json.dumps(astuple(message)) for message in messages))

    def take(self) -> Message | None:
        """The next one, None when none comes within LOOK_SECONDS."""
        with self._reached():
            taken = self._redis.brpop([self._key], timeout=LOOK_SECONDS)
        if taken is None:
            return None
        said = json.loads(taken[1])
        return Register(*said) if len(said) == 1 else Turn(*said)

    def wake(self) -> None:
        """Nothing: all threads look by themselves."""

    def ping(self) -> None:
        self._redis.ping()

    def clear(self) -> None:
        self._redis.delete(self._key)

    def __len__(self) -> int:
        return int(self._redis.llen(self._key))

    @contextmanager
    def _reached(self) -> Iterator[None]:
        try:
            yield
        except RedisError as error:
            if not self._away:
                logger.warning("the queue cannot be reached: %s", type(error).__name__)
            self._away = True
            raise
        if self._away:
            logger.info("the queue answers again")
        self._away = False


class _Sending:
    """Sends to a server that may be away, in a thread of its own, so that nobody waits for it.

    A message that waits already is not added again. If too many wait, or the process ends, the rest is the sweep's to
    hand over.

    send: sends messages
    """

    def __init__(self, send: Callable[[Sequence[Message]], object]) -> None:
        self._send = send
        self._waiting: dict[Message, None] = {}
        self._changed = threading.Condition()
        self._stopping = False
        self._thread: threading.Thread | None = None

    def put(self, messages: Sequence[Message]) -> None:
        with self._changed:
            if len(self._waiting) >= MOST_WAITING:
                return
            self._waiting |= dict.fromkeys(messages)
            if self._thread is None and not self._stopping:
                # Not before, since threads do not survive a server's fork.
                self._thread = threading.Thread(target=self._send_on, name="send", daemon=True)
                self._thread.start()
            self._changed.notify()

    def stop(self) -> None:
        """Send what waits, unless the server is away."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join(CONNECT_SECONDS + ANSWER_SECONDS)

    def _send_on(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._stopping)
                if not self._waiting:
                    return
                # Before they are sent: who puts one again meanwhile may have more to be done.
                sending, self._waiting = self._waiting, {}
            try:
                self._send(list(sending))
            except RedisError:
                with self._changed:
                    self._waiting = sending | self._waiting
                    if self._changed.wait_for(lambda: self._stopping, AGAIN_SECONDS):
                        return


class Queue:
    """Hands runs to workers.

    url: ``embedded``, or the address of a Redis server
    name: keeps apps apart that share a server
    """

    def __init__(self, url: str, *, name: str, embedded: bool) -> None:
        self._embedded = embedded
        self.messages = InMemory() if embedded else InRedis(url, name)
        self._sending = _Sending(self.messages.put)
        self._worker: Worker | None = None
        self._threads: list[threading.Thread] = []
        self._stopping = threading.Event()
        self._lock = threading.Lock()

    def serve(self, worker: Worker) -> None:
        self._worker = worker

    def send_runs(self, turns: Sequence[Turn]) -> None:
        """Returns at once, also when the queue cannot be reached."""
        self._send(turns)

    def send_register(self, installation_id: int) -> None:
        """As ``send_runs``."""
        self._send([Register(installation_id)])

    def _send(self, messages: Sequence[Message]) -> None:
        if not messages:
            return
        if self._embedded:
            self.start()
            self.messages.put(messages)
        else:
            self._sending.put(messages)

    def start(self) -> None:
        """Embedded: work in threads of this process from now on, if that has not begun. Called after a server's fork,
        since threads do not survive one."""
        if not self._embedded or self._threads:
            return
        with self._lock:
            if not self._threads and self._worker is not None and not self._stopping.is_set():
                self._begin(self._worker)

    def stop(self) -> None:
        """Embedded: finish what is being worked on, and take no more. Otherwise: send what is to be sent."""
        self._sending.stop()
        with self._lock:
            self._stopping.set()
        if self._threads and self._worker is not None:
            self._end(self._worker)

    def work(self) -> bool:
        """Scaled out: work until a signal ends the process, SIGTERM, SIGINT or SIGHUP; what has begun is finished.
        Whether the last of these was SIGHUP, so that the process is to start anew.

        Raises QueueError when the server cannot be reached.
        """
        if self._worker is None or not isinstance(self.messages, InRedis):
            raise RuntimeError("there is nothing to work on")
        try:
            self.messages.ping()
        except RedisError as error:
            raise QueueError(
                f"The queue cannot be reached: {type(error).__name__}. Check QUEUE_URL, and that Redis is running."
            ) from None
        signals: queue.SimpleQueue[int] = queue.SimpleQueue()
        for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(each, lambda number, _: signals.put(number))
        self._begin(self._worker)
        last = signals.get()
        self._stopping.set()
        self._end(self._worker)
        self._sending.stop()
        while not signals.empty():
            last = signals.get()
        return last == signal.SIGHUP

    def _begin(self, worker: Worker) -> None:
        worker.start()
        self._threads = [
            threading.Thread(target=self._work_on, args=(worker,), name=f"work {number}", daemon=True)
            for number in range(THREADS)
        ]
        for each in self._threads:
            each.start()

    def _end(self, worker: Worker) -> None:
        worker.begin_no_more()
        self.messages.wake()
        for each in self._threads:
            each.join()
        self._threads = []
        worker.stop()

    def _work_on(self, worker: Worker) -> None:
        while not self._stopping.is_set():
            try:
                match self.messages.take():
                    case Turn() as turn:
                        worker.run(turn)
                    case Register(installation_id):
                        worker.register(installation_id)
            except RedisError:
                self._stopping.wait(AGAIN_SECONDS)
            except Exception as error:  # a thread outlives everything; what was to be done is the sweep's to hand over
                logger.warning("a message is left: %s", type(error).__name__)
