"""The cloud's limits of use: a leaky bucket for calls, and working time per method (PROTOCOL.md section 5)."""

import time
from collections import deque
from dataclasses import dataclass, field
from typing import Final

LEAK_PER_SECOND: Final = 2.0
BURST: Final = 50.0
WORKING_TIME: Final = 480.0
"""Seconds of work a method may do for one application within the window."""
WINDOW: Final = 600.0
"""Seconds over which working time is counted."""


@dataclass(slots=True)
class LeakyBucket:
    """One caller's bucket. The caller holds the portal's lock."""

    level: float = 0.0
    seen: float = field(default_factory=time.monotonic)

    def admit(self) -> bool:
        """Count one call; False when the bucket is full."""
        now = time.monotonic()
        self.level = max(0.0, self.level - (now - self.seen) * LEAK_PER_SECOND)
        self.seen = now
        if self.level + 1 > BURST:
            return False
        self.level += 1
        return True


@dataclass(slots=True)
class WorkingTime:
    """The working time of one method for one application. The caller holds the portal's lock."""

    _spent: deque[tuple[int, float]] = field(default_factory=deque)
    """(Unix second, seconds of work in it), oldest first."""

    pending: float = 0.0
    """Seconds that a fault adds to the call under way. They count when it is over, so that it still gets its answer."""

    def add(self, seconds: float) -> None:
        seconds += self.pending
        self.pending = 0.0
        now = int(time.time())
        if self._spent and self._spent[-1][0] == now:
            seconds += self._spent.pop()[1]
        self._spent.append((now, seconds))

    @property
    def operating(self) -> float:
        """Seconds of work within the window."""
        while self._spent and self._spent[0][0] <= time.time() - WINDOW:
            self._spent.popleft()
        return sum(seconds for _, seconds in self._spent)

    @property
    def resets_at(self) -> int:
        """Unix time at which the oldest work leaves the window."""
        return int((self._spent[0][0] if self._spent else time.time()) + WINDOW)

    @property
    def exhausted(self) -> bool:
        return self.operating >= WORKING_TIME
