"""Whose turn it is: no portal and no activity takes all of a worker, so that one that is slow or noisy holds up nobody.

Pure: it only counts. What waits here is not claimed, so another worker may take it, and nothing is lost with it.
"""

import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Turn:
    """A run that is to be worked on, of one portal and activity."""

    run_id: int
    installation_id: int
    code: str


class Turns:
    """Safe to use from many threads.

    per_portal: how many runs of a portal are worked on at a time
    per_activity: the same by code, where there is a limit
    """

    def __init__(self, per_portal: int, per_activity: Mapping[str, int]) -> None:
        self._per_portal = per_portal
        self._per_activity = dict(per_activity)
        self._portals: Counter[int] = Counter()
        self._activities: Counter[str] = Counter()
        self._waiting: dict[tuple[int, str], dict[int, Turn]] = {}
        self._lock = threading.Lock()

    def begin(self, turn: Turn) -> bool:
        """Whether the run can be worked on now. If not, ``end`` gives it to whoever makes room for it."""
        with self._lock:
            if self._has_room(turn.installation_id, turn.code):
                self._count(turn, 1)
                return True
            # One that waits for long is handed over again and again.
            self._waiting.setdefault((turn.installation_id, turn.code), {})[turn.run_id] = turn
            return False

    def end(self, turn: Turn) -> Turn | None:
        """The run is done with. The next one that can be worked on in its place, which has begun then."""
        with self._lock:
            self._count(turn, -1)
            for key, turns in self._waiting.items():
                if self._has_room(*key):
                    following = turns.pop(next(iter(turns)))
                    # At the end, so that portals take turns.
                    del self._waiting[key]
                    if turns:
                        self._waiting[key] = turns
                    self._count(following, 1)
                    return following
            return None

    def waiting(self) -> list[int]:
        """The ids of the runs that cannot be worked on yet."""
        with self._lock:
            return [turn.run_id for turns in self._waiting.values() for turn in turns.values()]

    def crowded(self) -> list[tuple[int, str]]:
        """The portals, each with an activity, of which runs wait."""
        with self._lock:
            return list(self._waiting)

    def _has_room(self, installation_id: int, code: str) -> bool:
        of_activity = self._per_activity.get(code)
        return self._portals[installation_id] < self._per_portal and (
            of_activity is None or self._activities[code] < of_activity
        )

    def _count(self, turn: Turn, one: int) -> None:
        self._portals[turn.installation_id] += one
        self._activities[turn.code] += one
        if not self._portals[turn.installation_id]:
            del self._portals[turn.installation_id]
