"""Waiting for a database that is away, with what must not be forgotten meanwhile."""

import logging
import threading
import time
from collections.abc import Callable
from typing import TypeVar

from sqlalchemy import exc

Result = TypeVar("Result")

logger = logging.getLogger(__name__)

AGAIN_SECONDS = 0.5
LAST_SECONDS = 10
"""For so long a process that is to end still waits."""
AWAY = (exc.OperationalError, exc.InterfaceError, exc.InternalError, exc.TimeoutError)
"""What a database says that is stopped, restarted, locked, full or no longer the one that takes writes."""


class Patience:
    """Asks until the database answers. Safe to use from many threads.

    seconds: from now on, after which it gives up
    """

    def __init__(self, seconds: float = float("inf")) -> None:
        self._ending = threading.Event()
        self._ends_at = time.monotonic() + seconds
        self._away = False

    def __call__(self, ask: Callable[[], Result]) -> Result:
        """What ``ask`` gives. It is called again when it was cut off, so it has to bear that.

        Raises what it raises, and one of AWAY when it gives up or the process is to end.
        """
        while True:
            try:
                answered = ask()
            except AWAY as error:
                if time.monotonic() > self._ends_at:
                    raise
                if not self._away:
                    logger.warning("work waits for the database: %s", type(error.__cause__ or error).__name__)
                self._away = True
                if self._ending.is_set():
                    time.sleep(AGAIN_SECONDS)
                else:
                    self._ending.wait(AGAIN_SECONDS)
            else:
                self._away = False
                return answered

    def end(self) -> None:
        """The process is to end: wait for LAST_SECONDS more."""
        self._ends_at = time.monotonic() + LAST_SECONDS
        self._ending.set()
