"""The threads in which functions are called: nobody can end a function that hangs, so its thread is left to it."""

import contextvars
import queue
import threading
from collections.abc import Callable
from typing import Any

Call = Callable[[], Any]


class TookTooLong(Exception):
    """A function is still at it when its time is over."""


class Callers:
    """Safe to use from many threads. A thread is kept for the next function, unless its own hangs."""

    def __init__(self) -> None:
        self._idle: queue.SimpleQueue[_Caller] = queue.SimpleQueue()
        self._left: set[_Caller] = set()
        self._lock = threading.Lock()

    def call(self, name: str, function: Call, seconds: float) -> Any:
        """What the function returns, with what is bound to this thread. Raises what it raises, and TookTooLong.

        name: of the thread meanwhile
        """
        try:
            caller = self._idle.get_nowait()
        except queue.Empty:
            caller = _Caller()
        caller.name = name
        bound = contextvars.copy_context()
        try:
            returned, error = caller.call(lambda: bound.run(function), seconds)
        except TookTooLong:
            with self._lock:
                self._left.add(caller)
            raise
        self._idle.put(caller)
        if error is not None:
            raise error
        return returned

    @property
    def stuck(self) -> list[str]:
        """The names of the threads whose functions go on though their time is over. Nothing can end them but their
        process."""
        with self._lock:
            self._left = {each for each in self._left if each.is_alive()}
            return sorted(each.name for each in self._left)


class _Caller(threading.Thread):
    def __init__(self) -> None:
        super().__init__(daemon=True)
        self._calls: queue.SimpleQueue[Call | None] = queue.SimpleQueue()
        self._ended: queue.SimpleQueue[tuple[Any, BaseException | None]] = queue.SimpleQueue()
        self.start()

    def call(self, function: Call, seconds: float) -> tuple[Any, BaseException | None]:
        self._calls.put(function)
        try:
            return self._ended.get(timeout=seconds)
        except queue.Empty:
            self._calls.put(None)
            raise TookTooLong from None

    def run(self) -> None:
        while (function := self._calls.get()) is not None:
            try:
                self._ended.put((function(), None))
            except BaseException as error:  # it is raised again where the function was asked for
                self._ended.put((None, error))
            del function  # what it was given may be large
