"""Sessions of HTTP to other systems: bounded and verified like those to portals, and led nowhere that is forbidden."""

import socket
import ssl
from functools import partial
from typing import Any, cast
from urllib.parse import urlsplit

import requests
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError

from bizproc.context import ActivityFailed, NoAnswer, Retry
from bizproc.portal.connections import (
    AnswerTooLarge,
    BoundedAdapter,
    BoundedSession,
    causes,
    host_of,
    not_trusted,
)
from bizproc.portal.deadline import POOLS
from bizproc.systems.addresses import Addresses, UnusableAddress


class SystemSession(BoundedSession):
    """Raises, each in a sentence that begins with the host:

    Retry, where nothing was sent: the name is not known, nothing listens there, or it breaks off before TLS is spoken
    NoAnswer, where it was sent and nobody knows what became of it
    ActivityFailed for all else: a forbidden address, a certificate, a redirect, too large an answer
    """

    def __init__(self, addresses: Addresses, context: ssl.SSLContext) -> None:
        pools = {scheme: partial(pool, addresses=addresses) for scheme, pool in _POOLS.items()}
        super().__init__(BoundedAdapter(context, pools))
        self._addresses = addresses
        # What the operator's .netrc says of hosts is no business of whoever administers a portal.
        self.auth = lambda request: request

    def request(self, method: str | bytes, url: str | bytes, *more: Any, **how: Any) -> requests.Response:
        url = url if isinstance(url, str) else url.decode(errors="replace")
        self._require(url)
        try:
            response = super().request(method, url, *more, **how)
        except UnicodeError:  # it quotes the header
            why = "a header has characters that HTTP does not carry. Has the secret?"
            raise ActivityFailed(f"{host_of(url)} cannot be asked: {why}") from None
        if response.is_redirect:
            where = f"{_without_secrets(response.headers['Location'])} ({response.status_code})"
            raise ActivityFailed(
                f"{host_of(response.url)} leads on to {where}, which is not followed: is that the right base URL?"
            )
        return response

    def send(self, request: requests.PreparedRequest, **how: Any) -> requests.Response:
        self._require(request.url or "")  # requests understands an address in its own way
        return super().send(request, **how | {"verify": True})

    def _require(self, url: str) -> None:
        try:
            self._addresses.require(url)
        except UnusableAddress as error:
            raise ActivityFailed(str(error)) from None

    def told(self, url: str, error: Exception) -> Exception:
        host = host_of(url)
        for each in causes(error):
            if isinstance(each, AnswerTooLarge):
                return ActivityFailed(f"{each}.")
            if isinstance(each, NameResolutionError):
                return Retry(f"{host}: there is no such host, or its name cannot be looked up now.")
            if isinstance(each, NewConnectionError):
                return Retry(f"{host} takes no connections: nothing listens there, or nothing leads there.")
            if isinstance(each, (requests.ConnectTimeout, ConnectTimeoutError)):
                return Retry(f"{host} took no connection in time.")
            if isinstance(each, ssl.SSLCertVerificationError):
                return ActivityFailed(f"{not_trusted(host, each)}.".replace("the", "The", 1))
            if isinstance(each, (requests.Timeout, TimeoutError)):
                return NoAnswer(f"{host} did not answer in time. Whether it has done what it was asked is not known.")
        if isinstance(error, (ValueError, requests.exceptions.InvalidJSONError)):
            return ActivityFailed(f"{host} cannot be asked: {type(error).__name__}.")
        return NoAnswer(f"{host} broke off without an answer. Whether it has done what it was asked is not known.")


def _without_secrets(location: str) -> str:
    """Where a redirect leads, without a query and a password."""
    try:
        to = urlsplit(location)
    except ValueError:
        return "no address"
    host = to.netloc.rpartition("@")[2]
    return (f"{to.scheme or 'https'}://{host}{to.path}" if host else to.path)[:200]


class _Guarded:
    """A connection that is made to an address which was looked at, and to no other. Before it is there, nothing of a
    request is sent."""

    addresses: Addresses

    def connect(self) -> None:
        connection = cast("Any", self)
        standard = connection.port == connection.default_port
        host = connection.host if standard else f"{connection.host}:{connection.port}"
        try:
            super().connect()  # type: ignore[misc]
        except ssl.SSLCertVerificationError:
            raise
        except TimeoutError:
            raise Retry(f"{host} took no connection in time.") from None
        except (ConnectionError, ssl.SSLEOFError):
            raise Retry(f"{host} broke off before the connection was there.") from None
        except ssl.SSLError as error:
            raise ActivityFailed(f"{host} does not speak TLS as https needs it ({error.reason}).") from None

    def _new_conn(self) -> socket.socket:
        connection = cast("Any", self)
        name = connection._dns_host
        try:
            found = self.addresses.resolved(name, connection.port)
        except UnusableAddress as error:
            raise ActivityFailed(str(error)) from None
        except OSError as error:
            raise NameResolutionError(name, connection, error) from error  # type: ignore[arg-type]
        try:
            return self._first(found)
        finally:
            connection._dns_host = name

    def _first(self, found: list[str]) -> socket.socket:
        """Raises what the last one raises."""
        for number, address in enumerate(found, 1):
            cast("Any", self)._dns_host = address
            try:
                made: socket.socket = super()._new_conn()  # type: ignore[misc]
                return made
            except (NewConnectionError, ConnectTimeoutError):
                if number == len(found):
                    raise
        raise AssertionError("a host has an address")


class _GuardedPool:
    def __init__(self, *where: Any, addresses: Addresses, **how: Any) -> None:
        super().__init__(*where, **how)
        self._addresses = addresses

    def _new_conn(self) -> Any:
        connection: Any = super()._new_conn()  # type: ignore[misc]
        connection.addresses = self._addresses
        return connection


def _guarded(pool: Any) -> Any:
    connection = type("GuardedConnection", (_Guarded, pool.ConnectionCls), {})
    return type("GuardedPool", (_GuardedPool, pool), {"ConnectionCls": connection})


_POOLS = {scheme: _guarded(pool) for scheme, pool in POOLS.items()}
