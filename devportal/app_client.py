"""Requests to the application, as a browser or the queue server sends them."""

import threading
import time
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlencode

import requests
import urllib3

from bizproc.php import parse_str, to_json
from devportal.exchange_log import ExchangeLog

TIMEOUT: Final = 30.0
"""Seconds until an application that does not answer is given up."""

Pairs = list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Reply:
    """The application's answer. Without one, `status` is None and `error` tells why."""

    status: int | None
    ms: float
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    error: str | None = None

    @property
    def ok(self) -> bool:
        return self.status is not None and 200 <= self.status < 300


class AppClient:
    """Posts forms, follows no redirects, and logs every exchange."""

    def __init__(self, log: ExchangeLog) -> None:
        self._log = log
        self._threads = threading.local()

    def post(self, portal: int, url: str, form: str) -> Reply:
        start = time.perf_counter()
        try:
            answer = self._session().post(
                url,
                data=form.encode(),
                headers={"Content-Type": "application/x-www-form-urlencoded"},
                allow_redirects=False,
                timeout=TIMEOUT,
            )
            reply = Reply(answer.status_code, _ms(start), dict(answer.headers), answer.content)
        except (requests.RequestException, urllib3.exceptions.HTTPError, ValueError) as error:
            # A host that is none comes as either of the last two.
            reply = Reply(None, _ms(start), error=f"{type(error).__name__}: {error}")
        self._log.add(
            "to_app",
            portal,
            "POST",
            url,
            body=form.encode(),
            parsed=_parsed(form),
            status=reply.status,
            answer=reply.body if reply.error is None else reply.error.encode(),
            ms=reply.ms,
        )
        return reply

    def _session(self) -> requests.Session:
        """One session a thread: sessions are not made for several."""
        session: requests.Session | None = getattr(self._threads, "session", None)
        if session is None:
            session = requests.Session()
            session.trust_env = False
            self._threads.session = session
        return session


def _parsed(form: str) -> Any:
    """The fields of a form, for the log; None for one beyond the limits of `parse_str`."""
    try:
        return to_json(parse_str(form))
    except ValueError:
        return None


def _ms(start: float) -> float:
    return round((time.perf_counter() - start) * 1000, 2)


def encoded(pairs: Pairs) -> str:
    """A form body."""
    return urlencode(pairs)


def bracketed(name: str, values: dict[str, str]) -> Pairs:
    """`name[key]` for each value."""
    return [(f"{name}[{key}]", value) for key, value in values.items()]
