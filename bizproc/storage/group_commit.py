"""Many threads that write at once share one commit."""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

MOST = 100
"""Items of one commit: few enough that the first does not wait long for the last."""


class TookTooLong(Exception):
    """The commit before did not come to an end in time. Whether the item was written is not known."""


class GroupCommit(Generic[Item, Result]):
    """Calls ``write`` with the items of all threads that came while the last call of it went on.

    It has no thread of its own, so a server may fork: one of the threads that wait writes for all.

    write: gives a result or an error for each item, in order; one at a time. What it raises, all of them get
    patience_seconds: how long an item waits for the commits before it, and for its own; None for as long as it takes
    """

    def __init__(
        self, write: Callable[[Sequence[Item]], Sequence[Result | Exception]], patience_seconds: float | None
    ) -> None:
        self._write = write
        self._patience = patience_seconds
        self._lock = threading.Lock()
        self._waiting: deque[_Place[Item, Result]] = deque()
        self._led = False

    def __call__(self, item: Item) -> Result:
        """Its result, once it is written. Raises its error, or TookTooLong."""
        place: _Place[Item, Result] = _Place(item)
        with self._lock:
            self._waiting.append(place)
            leads, self._led = not self._led, True
        if not leads and not place.woken.wait(self._patience):
            with self._lock:
                if not place.woken.is_set():
                    if place in self._waiting:
                        self._waiting.remove(place)
                    raise TookTooLong
        if place.outcome is None:
            self._lead()
        (outcome,) = place.outcome or (TookTooLong(),)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def _lead(self) -> None:
        """Write what waits, beginning with the leader's own item; then let the next of the waiting lead."""
        with self._lock:
            batch = [self._waiting.popleft() for _ in range(min(len(self._waiting), MOST))]
        try:
            outcomes = self._write([place.item for place in batch])
            for place, outcome in zip(batch, outcomes, strict=True):
                place.outcome = (outcome,)
        except BaseException as error:
            for place in batch:
                place.outcome = (error if isinstance(error, Exception) else TookTooLong(),)
            if not isinstance(error, Exception):
                raise
        finally:
            with self._lock:
                for place in batch:
                    place.woken.set()
                if self._waiting:
                    self._waiting[0].woken.set()
                else:
                    self._led = False


class _Place(Generic[Item, Result]):
    """In the row of those that wait. Woken without an outcome it has to lead."""

    def __init__(self, item: Item) -> None:
        self.item = item
        self.outcome: tuple[Result | Exception] | None = None
        self.woken = threading.Event()
