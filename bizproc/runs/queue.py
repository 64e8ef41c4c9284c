"""The messenger between who accepts and who works: Huey, in memory or over Redis.

A message is an id and nothing more; the stored rows are the truth (Huey loses what is in flight when it is killed). So
Huey's own retries, schedule and results are never used.
"""

import logging
import threading
from collections.abc import Callable
from typing import Any, Protocol

from huey import MemoryHuey, RedisHuey
from huey.consumer import Consumer
from redis.exceptions import RedisError

logger = logging.getLogger(__name__)

THREADS = 8


class Worker(Protocol):
    """What is done with messages, and from time to time."""

    def run(self, run_id: int) -> None: ...
    def register(self, installation_id: int) -> None: ...
    def start(self) -> None: ...
    def stop(self) -> None: ...


class _ThreadConsumer(Consumer):  # type: ignore[misc] # huey has no types
    """A consumer inside a process that has a life of its own: the server's signal handlers stay."""

    def _set_signal_handlers(self) -> None:
        pass


class Queue:
    """Hands ids to workers. ``url`` is ``embedded``, or the address of a Redis server."""

    def __init__(self, url: str, *, embedded: bool) -> None:
        self._embedded = embedded
        self._huey: Any = MemoryHuey("b24", results=False) if embedded else RedisHuey("b24", url=url, results=False)
        self._worker: Worker | None = None
        self._consumer: Any = None
        self._stopped = False
        self._lock = threading.Lock()
        self._run = self._huey.task(name="run")(self._on(lambda worker: worker.run))
        self._register = self._huey.task(name="register")(self._on(lambda worker: worker.register))

    def serve(self, worker: Worker) -> None:
        self._worker = worker

    def send_run(self, run_id: int) -> None:
        self._send(self._run, run_id)

    def send_register(self, installation_id: int) -> None:
        self._send(self._register, installation_id)

    def _send(self, task: Callable[[int], Any], id_: int) -> None:
        self.start()
        try:
            task(id_)
        except RedisError as error:
            # Nothing is lost: the row is stored, and the next sweep that reaches the queue hands it over.
            logger.warning("the queue cannot be reached: %s", type(error).__name__)

    def start(self) -> None:
        """Embedded: work in threads of this process from now on, if that has not begun. Called after a server's fork,
        since threads do not survive one."""
        with self._lock:
            if not self._embedded or self._stopped or self._consumer is not None or self._worker is None:
                return
            self._worker.start()
            self._consumer = self._consumer_of(_ThreadConsumer)
            self._consumer.start()

    def stop(self) -> None:
        """Embedded: finish what is being worked on, and take no more."""
        with self._lock:
            self._stopped = True
            consumer, self._consumer = self._consumer, None
        if consumer is not None and self._worker is not None:
            consumer.stop(graceful=True)
            self._worker.stop()

    def work(self) -> None:
        """Scaled out: work until a signal ends the process."""
        if self._worker is None:
            raise RuntimeError("serve() comes first")
        self._worker.start()
        try:
            self._consumer_of(Consumer).run()
        finally:
            self._worker.stop()

    def _consumer_of(self, consumer: type[Any]) -> Any:
        # The defaults poll an empty queue only every 10 s in the end.
        return consumer(self._huey, workers=THREADS, periodic=False, initial_delay=0.01, max_delay=0.01)

    def _on(self, method: Callable[[Worker], Callable[[int], None]]) -> Callable[[int], None]:
        def deliver(id_: int) -> None:
            if self._worker is not None:
                method(self._worker)(id_)

        return deliver
