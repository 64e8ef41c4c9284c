"""Faults on demand: answers that fail and deliveries that get lost, come twice or late."""

import random
from dataclasses import asdict, dataclass, field
from typing import Any, Final

MAX_SECONDS: Final = 86_400
"""A day is longer than anybody waits."""

_WITHOUT_BODY: Final = (204, 205, 304)


class FaultsError(ValueError):
    """A wrong description of faults; its text says what and where."""


@dataclass(slots=True)
class MethodFault:
    """What happens to the next `times` calls of a method (None: to all of them).

    Attributes:
        after: do the work first, then answer the error: an answer that got lost.
        close: answer nothing, close the connection.
        operating: seconds of working time to count for each call; without an `error` the call is answered as usual.
        delay_ms: milliseconds before the call is looked at.
    """

    error: str | int | None = None
    description: str = "A fault set by the control API"
    status: int = 500
    times: int | None = None
    after: bool = False
    close: bool = False
    operating: float = 0.0
    delay_ms: float = 0.0


@dataclass(slots=True)
class QueueFaults:
    """Shares (0 to 1) of deliveries that are dropped, sent twice, or sent `delay_seconds` late."""

    drop: float = 0.0
    repeat: float = 0.0
    delay: float = 0.0
    delay_seconds: float = 1.0


_METHOD_KEYS: Final = {
    "error": (str, int, type(None)),
    "description": (str,),
    "status": (int,),
    "times": (int, type(None)),
    "after": (bool,),
    "close": (bool,),
    "operating": (int, float),
    "delay_ms": (int, float),
}


@dataclass(slots=True)
class Faults:
    """The faults of one portal. The caller holds the portal's lock."""

    methods: dict[str, MethodFault] = field(default_factory=dict)
    queue: QueueFaults = field(default_factory=QueueFaults)
    chance: random.Random = field(default_factory=random.Random)

    def replace(self, described: dict[str, Any]) -> None:
        """Set the faults anew; those not described are off.

        Args:
            described: `{"rest": {method: {...}}, "queue": {...}}`. The method `*` is any. The OAuth server's are
                `oauth/token` and `oauth/app.info`.
        """
        unknown = set(described) - {"rest", "queue"}
        if unknown:
            raise FaultsError(f"unknown {', '.join(sorted(unknown))}; known are rest and queue")
        methods = described.get("rest", {})
        if not isinstance(methods, dict):
            raise FaultsError("rest: must be an object of methods")
        queue = described.get("queue", {})
        new_methods = {str(method).lower(): _method_fault(method, fault) for method, fault in methods.items()}
        new_queue = _queue_faults(queue)
        self.methods, self.queue = new_methods, new_queue

    def as_json(self) -> dict[str, Any]:
        """As `replace` takes them, with every key."""
        return {"rest": {method: asdict(fault) for method, fault in self.methods.items()}, "queue": asdict(self.queue)}

    def next(self, method: str, *, in_batch: bool = False) -> MethodFault | None:
        """The fault for this call, counted. A command of a batch has only the faults of its own method."""
        for key in (method,) if in_batch else (method, "*"):
            fault = self.methods.get(key)
            if fault is None:
                continue
            if fault.times is not None:
                if fault.times <= 0:
                    continue
                fault.times -= 1
            return fault
        return None

    def hits(self, share: float) -> bool:
        return share > 0 and self.chance.random() < share


def _method_fault(method: str, described: Any) -> MethodFault:
    if not isinstance(described, dict):
        raise FaultsError(f"rest.{method}: must be an object")
    for key, value in described.items():
        types = _METHOD_KEYS.get(key)
        if types is None:
            raise FaultsError(f"rest.{method}: unknown {key!r}; known are {', '.join(_METHOD_KEYS)}")
        if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
            raise FaultsError(f"rest.{method}.{key}: wrong type")
    fault = MethodFault(**described)
    if not 200 <= fault.status <= 599:
        raise FaultsError(f"rest.{method}.status: must be 200 to 599")
    if fault.status in _WITHOUT_BODY:
        raise FaultsError(f"rest.{method}.status: {fault.status} has no body, and an error is told in one")
    if fault.times is not None and fault.times < 0:
        raise FaultsError(f"rest.{method}.times: must not be negative")
    _require_number(f"rest.{method}.operating", fault.operating, MAX_SECONDS)
    _require_number(f"rest.{method}.delay_ms", fault.delay_ms, MAX_SECONDS * 1000)
    return fault


def _require_number(name: str, value: float, most: int) -> None:
    """No NaN either, which is neither less nor more than anything."""
    if not 0 <= value <= most:
        raise FaultsError(f"{name}: must be 0 to {most}")


def _queue_faults(described: Any) -> QueueFaults:
    if not isinstance(described, dict):
        raise FaultsError("queue: must be an object")
    for key, value in described.items():
        if key not in ("drop", "repeat", "delay", "delay_seconds"):
            raise FaultsError(f"queue: unknown {key!r}; known are drop, repeat, delay, delay_seconds")
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not value >= 0:
            raise FaultsError(f"queue.{key}: must be a number, not negative")
        if key == "delay_seconds":
            _require_number("queue.delay_seconds", value, MAX_SECONDS)
        elif value > 1:
            raise FaultsError(f"queue.{key}: is a share, 0 to 1")
    return QueueFaults(**described)
