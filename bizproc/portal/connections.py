"""HTTP to portals and to the OAuth server: certificates verified, every exchange bounded in time and size."""

import ssl
from collections.abc import Iterator, Mapping
from http.cookiejar import DefaultCookiePolicy
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies

import requests
from requests.utils import DEFAULT_CA_BUNDLE_PATH
from urllib3.exceptions import HTTPError

from bizproc.portal.deadline import POOLS

CONNECT_SECONDS = 5
ANSWER_SECONDS = 30
"""How long nothing may come. How long the whole may take: deadline.EXCHANGE_SECONDS."""
LARGEST_ANSWER = 16 * 1024 * 1024
"""Bytes, unpacked. A batch of 50 lists with 50 items each has less than 6 KB for an item; as objects in memory small
values take up to 25 times their JSON."""
_PART = 64 * 1024

_UNKNOWN_AUTHORITY = (18, 19, 20, 21)
"""OpenSSL's verify codes for a certificate whose authority is not known."""


class AnswerTooLarge(requests.ConnectionError):
    """An answer has more than LARGEST_ANSWER bytes."""


class BoundedSession(requests.Session):
    """Keeps no cookies, follows no redirects, and reads each answer to its end, if that comes in time and in size."""

    def __init__(self, adapter: "BoundedAdapter") -> None:
        super().__init__()
        self.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        # Where no proxy is set, requests would look through the environment and for a .netrc with every call.
        self.trust_env = bool(getproxies())
        self.mount("http://", adapter)
        self.mount("https://", adapter)

    def request(self, method: str | bytes, url: str | bytes, *more: Any, **how: Any) -> requests.Response:
        """Raises what ``told`` makes of an error."""
        try:
            return super().request(method, url, *more, **how)
        except (requests.RequestException, HTTPError) as error:
            raise self.told(url if isinstance(url, str) else url.decode(errors="replace"), error) from None

    def told(self, url: str, error: Exception) -> Exception:
        """The error for whoever sends, without the address's query, which can hold a secret."""
        return _told(url, error)

    def send(self, request: requests.PreparedRequest, **how: Any) -> requests.Response:
        timeout = how.pop("timeout", None) or (CONNECT_SECONDS, ANSWER_SECONDS)
        response = super().send(request, **how | {"timeout": timeout, "stream": True, "allow_redirects": False})
        parts, size = [], 0
        for part in response.iter_content(_PART):
            parts.append(part)
            size += len(part)
            if size > LARGEST_ANSWER:  # what is too much is not even unpacked
                response.close()
                limit = LARGEST_ANSWER // 1024 // 1024
                raise AnswerTooLarge(f"{host_of(request.url or '')} answered with more than {limit} MiB")
        response._content = b"".join(parts)
        return response

    def get_redirect_target(self, resp: requests.Response) -> None:
        """None, always: to see where a redirect leads, requests would read the answer without any bound."""


class Connections:
    """The kept connections of this process; safe to use from many threads.

    ca_bundle: a PEM file with authorities that are trusted besides the public ones; empty for none

    Raises OSError when that file cannot be read.
    """

    def __init__(self, ca_bundle: str = "") -> None:
        self.context = trusting(ca_bundle)
        self._session = BoundedSession(BoundedAdapter(self.context))

    def send(self, method: str, url: str, *, seconds: float = ANSWER_SECONDS, **how: Any) -> requests.Response:
        """The answer, read to its end. ``seconds``: how long to wait for each part of it.

        Raises requests.RequestException without the address's query, which can hold the client secret.
        """
        return self._session.request(method, url, timeout=(CONNECT_SECONDS, seconds), **how)

    def close(self) -> None:
        self._session.close()


def host_of(url: str) -> str:
    """Host and, where the address names one, port."""
    return urlsplit(url).netloc


def hostname(address: str) -> str:
    """The host without its port, in lower case; empty for what is no host, nor an address of http or https."""
    try:
        parts = urlsplit(address if "://" in address else f"https://{address}")
        return (parts.hostname or "").lower() if parts.scheme in ("http", "https") else ""
    except ValueError:
        return ""


def same_host(one: str, other: str) -> bool:
    return hostname(one) == hostname(other) != ""


def trusting(ca_bundle: str) -> ssl.SSLContext:
    """Trusts the public authorities, and those in the PEM file, if one is named.

    Raises OSError when that cannot be read, or has no certificate in it.
    """
    context = ssl.create_default_context(cafile=DEFAULT_CA_BUNDLE_PATH)
    if ca_bundle:
        context.load_verify_locations(cafile=ca_bundle)
    return context


def _told(url: str, error: BaseException) -> requests.RequestException:
    if isinstance(error, AnswerTooLarge):
        return error
    host = host_of(url)
    for each in causes(error):
        if isinstance(each, (requests.Timeout, TimeoutError)):
            return requests.Timeout(f"{host} did not answer in time")
        if isinstance(each, ssl.SSLCertVerificationError):
            return requests.ConnectionError(not_trusted(host, each))
    return requests.ConnectionError(f"{host} cannot be reached: {_cause(error)}")


def not_trusted(host: str, error: ssl.SSLCertVerificationError) -> str:
    hint = ""
    if error.verify_code in _UNKNOWN_AUTHORITY:
        hint = ". If its authority is your own, name a PEM file with that authority in the setting CA_BUNDLE"
    return f"the certificate of {host} is not trusted: {error.verify_message}{hint}"


def causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _cause(error: BaseException) -> str:
    reason = getattr(error.args[0], "reason", None) if error.args else None
    return type(reason or error).__name__


class BoundedAdapter(requests.adapters.HTTPAdapter):
    def __init__(self, context: ssl.SSLContext, pools: Mapping[str, Any] = POOLS) -> None:
        self._context = context
        self._pools = pools
        super().__init__(pool_connections=100, pool_maxsize=32)

    def init_poolmanager(self, *sizes: Any, **how: Any) -> None:
        super().init_poolmanager(*sizes, ssl_context=self._context, **how)
        self.poolmanager.pool_classes_by_scheme = self._pools

    def proxy_manager_for(self, proxy: str, **how: Any) -> Any:
        manager = super().proxy_manager_for(proxy, ssl_context=self._context, **how)
        manager.pool_classes_by_scheme = POOLS
        return manager

    def cert_verify(self, *_: Any) -> None:
        """The context verifies. requests would load the public authorities into it again with every connection."""
