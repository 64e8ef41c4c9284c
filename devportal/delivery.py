"""What the queue server has sent, and how it went."""

from dataclasses import dataclass
from typing import Any, Literal

State = Literal["queued", "dropped", "delivered", "failed"]


@dataclass(slots=True)
class Delivery:
    """One attempt of the queue server, and how it went.

    Attributes:
        kind: `callback`, or the name of an event.
        form: the body as sent.
        state: `queued`, `dropped` (by a fault), `delivered` (answered 2xx) or `failed`.
        ms: milliseconds until the answer.
    """

    number: int
    kind: str
    url: str
    form: str
    process: str | None = None
    state: State = "queued"
    status: int | None = None
    ms: float | None = None
    error: str | None = None

    def as_json(self) -> dict[str, Any]:
        return {
            "id": self.number,
            "kind": self.kind,
            "url": self.url,
            "form": self.form,
            "process": self.process,
            "state": self.state,
            "status": self.status,
            "ms": self.ms,
            "error": self.error,
        }
