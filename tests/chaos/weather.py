"""Portals that fail in all the ways in which portals do."""

import json
import random
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.chaos.meanwhile import meanwhile

EVERY_SECONDS = 30
"""A portal has a fault."""
MOST_CALLS = 3
"""That one fault meets."""
ANSWERS = ("batch", "bizproc.event.send", "bizproc.activity.log")
OAUTH = ("oauth/token", "oauth/app.info")
BUSY, TIME_LIMIT, EXPIRED, DROPPED, MOVED = "503", "429", "expired token", "dropped connection", "302"
KINDS = (BUSY, TIME_LIMIT, EXPIRED, DROPPED, MOVED)

Ask = Callable[..., Any]


class Weather:
    """ask: a control call of a portal, by the portal's number and the control's name
    portals: how many; repeated: share of the deliveries that come twice
    """

    def __init__(self, ask: Ask, portals: int, repeated: float, seed: int) -> None:
        self._ask = ask
        self._portals = portals
        self._queue = {"repeat": repeated}
        self._chance = random.Random(f"{seed} weather")
        self._moved: set[int] = set()
        self._kinds: list[str] = []

    @contextmanager
    def blowing(self) -> Iterator[None]:
        """Until the block ends; then the portals are well, though some have moved."""
        with meanwhile(self._blow, EVERY_SECONDS / self._portals):
            yield
        for number in range(1, self._portals + 1):
            self._ask(number, "faults", queue=self._queue)

    def _blow(self) -> None:
        self._kinds = self._kinds or self._chance.sample(KINDS, len(KINDS))
        self._fault(self._kinds.pop())

    def _fault(self, kind: str) -> None:
        numbers = range(1, self._portals + 1)
        # Only what is in flight meets ended tokens and an old address, since each callback brings new ones.
        if kind == EXPIRED:
            for number in numbers:
                self._ask(number, "expire-tokens")
        elif kind == MOVED:
            for number in self._chance.sample(numbers, (self._portals + 1) // 2):
                self._ask(number, "rename", back=number in self._moved)
                self._moved ^= {number}
        else:
            # The work of a dropped call may be done all the same; that of a refused one is not. New tokens whose answer
            # is lost are lost for good, which only an administrator can mend.
            done = kind == DROPPED and self._chance.random() < 0.5
            fault = self._described(kind) | {"times": self._chance.randint(1, MOST_CALLS)}
            rest = {method: fault | {"after": done} for method in ANSWERS} | dict.fromkeys(OAUTH, fault)
            self._ask(self._chance.choice(numbers), "faults", rest=rest, queue=self._queue)

    def _described(self, kind: str) -> dict[str, Any]:
        if kind == DROPPED:
            return {"close": True}
        if kind == TIME_LIMIT:
            return {"error": "OPERATION_TIME_LIMIT", "status": 429}
        return {"error": self._chance.choice(("QUERY_LIMIT_EXCEEDED", "OVERLOAD_LIMIT")), "status": 503}


def met(rest_log: Path) -> dict[str, int]:
    """How many calls of the app met each kind of fault, as its own log of REST calls tells. What a process that was
    killed had not written yet is missing."""
    counted = Counter(
        _kind(json.loads(line)) for file in rest_log.glob("*.jsonl") for line in file.read_text().splitlines()
    )
    return {kind: counted[kind] for kind in KINDS}


def _kind(call: dict[str, Any]) -> str:
    if call["status"] is None:
        return DROPPED
    if str(call["error"]).lower() == "expired_token":
        return EXPIRED
    return str(call["status"])
