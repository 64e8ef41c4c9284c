"""What went over the wire: every request and answer, in order, between applications and the emulated servers."""

import itertools
import threading
from collections import deque
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Literal

MAX_ENTRIES: Final = 2000
MAX_BODY: Final = 64 * 1024

Direction = Literal["to_portal", "to_oauth", "to_app"]


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request with its answer. Bodies are text, cut off after 64 KiB.

    Attributes:
        portal: number of the portal it belongs to, None where it belongs to none.
        parsed: the request's fields as the receiver reads them; None where the body is cut off, or beyond the limits of
            `parse_str`.
        status: None when no answer came; then `answer` tells why.
        ms: milliseconds from request to answer.
    """

    number: int
    at: str
    direction: Direction
    portal: int | None
    method: str
    url: str
    body: str
    parsed: Any
    status: int | None
    answer: str
    ms: float

    def as_json(self) -> dict[str, Any]:
        return {
            "n": self.number,
            "at": self.at,
            "direction": self.direction,
            "portal": self.portal,
            "method": self.method,
            "url": self.url,
            "request": {"raw": self.body, "parsed": self.parsed},
            "status": self.status,
            "answer": self.answer,
            "ms": self.ms,
        }


class ExchangeLog:
    """The latest exchanges, of all portals."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        self._entries: deque[Exchange] = deque(maxlen=MAX_ENTRIES)

    def add(
        self,
        direction: Direction,
        portal: int | None,
        method: str,
        url: str,
        *,
        body: bytes,
        parsed: Any,
        status: int | None,
        answer: bytes,
        ms: float,
    ) -> None:
        with self._lock:
            self._entries.append(
                Exchange(
                    number=next(self._numbers),
                    at=datetime.now(UTC).isoformat(timespec="milliseconds"),
                    direction=direction,
                    portal=portal,
                    method=method,
                    url=url,
                    body=body[:MAX_BODY].decode("utf-8", "replace"),
                    parsed=parsed if len(body) <= MAX_BODY else None,
                    status=status,
                    answer=answer[:MAX_BODY].decode("utf-8", "replace"),
                    ms=round(ms, 2),
                )
            )

    def since(self, number: int, limit: int, about: str = "") -> list[Exchange]:
        """Up to `limit` entries after entry `number` whose request has this text in it, oldest first."""
        with self._lock:
            later = [entry for entry in self._entries if entry.number > number]
        return [entry for entry in later if about in entry.body][:limit]
