"""The messenger between who accepts and who works: Huey, in memory or over Redis.

A message says which run it is about, and whose, and nothing more; the stored rows are the truth (Huey loses what is in
flight when it is killed). So Huey's own retries, schedule and results are never used.
"""

import logging
import signal
import threading
from collections.abc import Callable, Sequence
from dataclasses import astuple
from typing import Any, Protocol, TypeVar

from huey import MemoryHuey, RedisHuey
from huey.consumer import Consumer
from redis import ConnectionPool
from redis.exceptions import RedisError

from bizproc.errors import BizprocError
from bizproc.runs.turns import Turn

logger = logging.getLogger(__name__)

THREADS = 8
CONNECT_SECONDS = 0.5
ANSWER_SECONDS = 2
"""More than the second for which Huey waits for a message at a time."""

AGAIN_SECONDS = 1
MOST_WAITING = 10_000

Task = Any
"""Huey's, which has no types."""
Message = tuple[Task, tuple[Any, ...]]


class Worker(Protocol):
    """What is done with messages, and from time to time."""

    def run(self, turn: Turn) -> None: ...
    def register(self, installation_id: int) -> None: ...
    def start(self) -> None: ...
    def begin_no_more(self) -> None: ...
    def stop(self) -> None: ...


class QueueError(BizprocError):
    """The queue cannot be used as QUEUE_URL says."""


class _Consumer(Consumer):  # type: ignore[misc] # huey has no types
    def __init__(self, worker: Worker, *args: Any, **how: Any) -> None:
        super().__init__(*args, **how)
        self._worker = worker

    def stop(self, graceful: bool = False) -> None:
        self._worker.begin_no_more()
        super().stop(graceful=graceful)


_ConsumerT = TypeVar("_ConsumerT", bound=_Consumer)


class _ThreadConsumer(_Consumer):
    """A consumer inside a process that has a life of its own: the server's signal handlers stay."""

    def _set_signal_handlers(self) -> None:
        pass


class _ProcessConsumer(_Consumer):
    """A consumer that is a process: whoever ends it, by Ctrl+C or as a service, lets it finish what it began."""

    def __init__(self, *args: Any, **how: Any) -> None:
        super().__init__(*args, **how)
        # Not Huey's own restart: it leaves the answers behind that are still to be sent.
        restarts, gracefully = False, True
        self._signal_actions = dict.fromkeys((signal.SIGINT, signal.SIGTERM, signal.SIGHUP), (restarts, gracefully))

    @property
    def starts_anew(self) -> bool:
        """Whether SIGHUP has ended it, and nobody has told it to end for good after that."""
        return bool(self._signum == signal.SIGHUP)


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

    def put(self, task: Task, *said: Any) -> None:
        with self._changed:
            if len(self._waiting) >= MOST_WAITING:
                return
            self._waiting[task, said] = None
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
        away = False
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._stopping)
                if not self._waiting:
                    return
                # Before they are sent: who puts one again meanwhile may have more to be done.
                sending, self._waiting = self._waiting, {}
            try:
                self._send(list(sending))
            except RedisError as error:
                if not away:
                    logger.warning("the queue cannot be reached: %s", type(error).__name__)
                away = True
                with self._changed:
                    self._waiting = sending | self._waiting
                    if self._changed.wait_for(lambda: self._stopping, AGAIN_SECONDS):
                        return
            else:
                if away:
                    logger.info("the queue answers again")
                away = False


class Queue:
    """Hands runs to workers.

    url: ``embedded``, or the address of a Redis server
    name: keeps apps apart that share a server
    """

    def __init__(self, url: str, *, name: str, embedded: bool) -> None:
        self._embedded = embedded
        if embedded:
            self._huey: Any = MemoryHuey(name, results=False)
        else:
            pool = ConnectionPool.from_url(url, socket_connect_timeout=CONNECT_SECONDS, socket_timeout=ANSWER_SECONDS)
            self._huey = RedisHuey(name, connection_pool=pool, results=False)
        self._sending = _Sending(self._send_all)
        self._worker: Worker | None = None
        self._consumer: Any = None
        self._stopped = False
        self._lock = threading.Lock()
        self._run = self._huey.task(name="turn")(self._on(lambda worker, *said: worker.run(Turn(*said))))
        self._register = self._huey.task(name="register")(self._on(lambda worker, id_: worker.register(id_)))

    def serve(self, worker: Worker) -> None:
        self._worker = worker

    def send_run(self, turn: Turn) -> None:
        """Returns at once, also when the queue cannot be reached."""
        self._send(self._run, *astuple(turn))

    def send_register(self, installation_id: int) -> None:
        """As ``send_run``."""
        self._send(self._register, installation_id)

    def _send(self, task: Task, *said: Any) -> None:
        if self._embedded:
            self.start()
            task(*said)
        else:
            self._sending.put(task, *said)

    def _send_all(self, messages: Sequence[Message]) -> None:
        """In one command. Huey would send each in one of its own, and that takes five times as long."""
        storage = self._huey.storage
        storage.conn.lpush(storage.queue_key, *(self._huey.serialize_task(task.s(*said)) for task, said in messages))

    def start(self) -> None:
        """Embedded: work in threads of this process from now on, if that has not begun. Called after a server's fork,
        since threads do not survive one."""
        with self._lock:
            if not self._embedded or self._stopped or self._consumer is not None or self._worker is None:
                return
            self._worker.start()
            self._consumer = self._consumer_of(_ThreadConsumer, self._worker)
            self._consumer.start()

    def stop(self) -> None:
        """Embedded: finish what is being worked on, and take no more. Otherwise: send what is to be sent."""
        self._sending.stop()
        with self._lock:
            self._stopped = True
            consumer, self._consumer = self._consumer, None
        if consumer is not None and self._worker is not None:
            consumer.stop(graceful=True)
            self._worker.stop()

    def work(self) -> bool:
        """Scaled out: work until a signal ends the process. Whether it is to start anew.

        Raises QueueError when the server cannot be reached.
        """
        try:
            self._huey.storage.conn.ping()
        except RedisError as error:
            raise QueueError(
                f"The queue cannot be reached: {type(error).__name__}. Check QUEUE_URL, and that Redis is running."
            ) from None
        if self._worker is None:
            raise RuntimeError("serve() comes first")
        self._worker.start()
        consumer = self._consumer_of(_ProcessConsumer, self._worker)
        try:
            consumer.run()
        finally:
            self._worker.stop()
            self._sending.stop()
        return consumer.starts_anew

    def _consumer_of(self, consumer: type[_ConsumerT], worker: Worker) -> _ConsumerT:
        # The defaults poll an empty queue only every 10 s in the end.
        return consumer(worker, self._huey, workers=THREADS, periodic=False, initial_delay=0.01, max_delay=0.01)

    def _on(self, work: Callable[..., None]) -> Callable[..., None]:
        def deliver(*said: Any) -> None:
            if self._worker is not None:
                work(self._worker, *said)

        return deliver
