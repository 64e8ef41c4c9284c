"""Things that happen later: timeouts of steps, late deliveries."""

import heapq
import itertools
import logging
import threading
import time
from collections.abc import Callable
from typing import Final

LONGEST_WAIT: Final = 3600.0
"""Seconds; `Condition.wait` does not take any number."""

logger = logging.getLogger("devportal")


class Scheduler:
    """Runs functions at their time, one after another, in one thread. They must be short."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._order = itertools.count()
        self._waiting: list[tuple[float, int, Callable[[], None]]] = []
        self._stopped = False
        self._thread = threading.Thread(target=self._run, name="devportal-scheduler", daemon=True)
        self._thread.start()

    def after(self, seconds: float, function: Callable[[], None]) -> None:
        with self._changed:
            heapq.heappush(self._waiting, (time.monotonic() + seconds, next(self._order), function))
            self._changed.notify()

    def stop(self) -> None:
        with self._changed:
            self._stopped = True
            self._changed.notify()
        self._thread.join(timeout=5)

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._stopped and not self._due():
                    wait = self._waiting[0][0] - time.monotonic() if self._waiting else LONGEST_WAIT
                    self._changed.wait(min(wait, LONGEST_WAIT))
                if self._stopped:
                    return
                _, _, function = heapq.heappop(self._waiting)
            try:
                function()
            except Exception:
                logger.exception("a scheduled function failed")

    def _due(self) -> bool:
        return bool(self._waiting) and self._waiting[0][0] <= time.monotonic()
