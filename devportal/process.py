"""One business process with one step, as the control API shows it."""

import hashlib
import hmac
import secrets
import time
from dataclasses import dataclass, field
from typing import Any, Literal

from devportal.delivery import Delivery
from devportal.values import Taken

Status = Literal["waiting", "completed", "failed", "terminated"]


@dataclass(frozen=True, slots=True)
class EventToken:
    """What an event token names. On the wire `WORKFLOW|ACTIVITY|EVENT.SIGNATURE` (PROTOCOL.md section 7)."""

    workflow_id: str
    activity: str
    event_id: str

    def signed(self, key: bytes) -> str:
        text = f"{self.workflow_id}|{self.activity}|{self.event_id}"
        return f"{text}.{_signature(key, text)}"

    @staticmethod
    def verified(token: str, key: bytes) -> "EventToken | None":
        """The parts of a token with the right signature, else None."""
        text, _, signature = token.rpartition(".")
        if not hmac.compare_digest(signature.encode(), _signature(key, text).encode()):
            return None
        parts = text.split("|")
        return EventToken(*parts) if len(parts) == 3 else None


def _signature(key: bytes, text: str) -> str:
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


def new_event_id() -> str:
    return secrets.token_hex(16)


def new_workflow_id() -> str:
    """Like PHP's `uniqid('', true)`: `681c894d3f0ec8.54818143`."""
    return f"{int(time.time() * 1_000_000):014x}.{secrets.randbelow(10**8):08}"


@dataclass(slots=True)
class LogLine:
    """A line of the process's own log. Times are Unix seconds."""

    at: float
    message: str


@dataclass(slots=True)
class Process:
    """A process that has reached the application's activity or robot.

    Attributes:
        token: of the step's callback; the process takes one answer with it.
        sent: the properties as the callback carries them.
        use_subscription: as the callback tells it; only `Y` waits.
        timeout: seconds after which a waiting step closes by itself; 0 for never.
        returned: by the names of RETURN_PROPERTIES.
        error: why it failed.
        deliveries: of its callback; more than one only by a fault.
    """

    id: str
    code: str
    document_type: list[str]
    document_id: list[str]
    token: EventToken
    use_subscription: str
    timeout: float
    sent: dict[str, str | list[str]] = field(default_factory=dict)
    status: Status = "waiting"
    is_timeout: bool = False
    returned: dict[str, Taken] = field(default_factory=dict)
    log: list[LogLine] = field(default_factory=list)
    error: str | None = None
    deliveries: list[Delivery] = field(default_factory=list)
    started: float = field(default_factory=time.time)
    finished: float | None = None

    @property
    def waits(self) -> bool:
        return self.use_subscription == "Y"

    @property
    def settled(self) -> bool:
        """Whether nothing more will happen to it: it is over, and its callback is delivered or lost."""
        return self.status != "waiting" and all(delivery.state != "queued" for delivery in self.deliveries)

    def write(self, message: str) -> None:
        self.log.append(LogLine(time.time(), message))

    def close(self, status: Status, error: str | None = None) -> None:
        self.status, self.error, self.finished = status, error, time.time()

    def summary(self) -> dict[str, Any]:
        """What a list of processes tells of it."""
        return {
            "id": self.id,
            "code": self.code,
            "status": self.status,
            "is_timeout": int(self.is_timeout),
            "document_id": self.document_id,
            "started": self.started,
            "finished": self.finished,
        }

    def as_json(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "code": self.code,
            "status": self.status,
            "error": self.error,
            "document_type": self.document_type,
            "document_id": self.document_id,
            "use_subscription": self.use_subscription,
            "timeout": self.timeout,
            "is_timeout": int(self.is_timeout),
            "properties": self.sent,
            "returned": {name: taken.as_json() for name, taken in self.returned.items()},
            "log": [{"at": line.at, "message": line.message} for line in self.log],
            "delivery": [
                {
                    "id": delivery.number,
                    "state": delivery.state,
                    "status": delivery.status,
                    "ms": delivery.ms,
                    "error": delivery.error,
                }
                for delivery in self.deliveries
            ],
            "started": self.started,
            "finished": self.finished,
        }
