"""urllib3's connections with an end to the whole exchange. Its own timeouts, and those of requests, begin anew with
every byte that comes."""

import io
import time
from functools import partial
from http.client import HTTPResponse
from typing import Any

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

EXCHANGE_SECONDS = 60
"""From the first byte of a request to the last of its answer."""


class _HTTPConnection(HTTPConnection):
    """Raises TimeoutError, as a socket does, when the exchange has taken too long."""

    _ends_at = 0.0

    def connect(self) -> None:
        self._begin()  # a proxy is asked for its tunnel before the request
        super().connect()

    def request(self, *what: Any, **how: Any) -> None:
        self._begin()
        super().request(*what, **how)

    def _begin(self) -> None:
        self._ends_at = time.monotonic() + EXCHANGE_SECONDS
        self.response_class = partial(_TimedResponse, ends_at=self._ends_at)  # type: ignore[assignment]

    def send(self, data: Any) -> None:
        if self.sock is None:
            self.connect()
        unsent = memoryview(data)
        while unsent:
            _limit(self.sock, self._ends_at)
            unsent = unsent[self.sock.send(unsent) :]


class _HTTPSConnection(_HTTPConnection, HTTPSConnection):
    pass


class _TimedResponse(HTTPResponse):
    def __init__(self, sock: Any, *how: Any, ends_at: float, **more: Any) -> None:
        super().__init__(sock, *how, **more)
        self.fp = io.BufferedReader(_TimedReader(self.fp.detach(), sock, ends_at))


class _TimedReader(io.RawIOBase):
    def __init__(self, raw: io.RawIOBase, sock: Any, ends_at: float) -> None:
        self._raw = raw
        self._sock = sock
        self._ends_at = ends_at

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int | None:
        _limit(self._sock, self._ends_at)
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


def _limit(sock: Any, ends_at: float) -> None:
    left = ends_at - time.monotonic()
    if left <= 0:
        raise TimeoutError
    patience = sock.gettimeout()
    if patience is None or patience > left:
        sock.settimeout(left)


class _HTTPPool(HTTPConnectionPool):
    ConnectionCls = _HTTPConnection


class _HTTPSPool(HTTPSConnectionPool):
    ConnectionCls = _HTTPSConnection


POOLS = {"http": _HTTPPool, "https": _HTTPSPool}
"""For a PoolManager's ``pool_classes_by_scheme``."""
