"""HTTP to portals and to the OAuth server: certificates verified, every exchange bounded in time and size."""

import ssl
from collections.abc import Iterator
from http.cookiejar import DefaultCookiePolicy
from typing import Any
from urllib.parse import urlsplit

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


class Connections:
    """The kept connections of this process; safe to use from many threads.

    ca_bundle: a PEM file with authorities that are trusted besides the public ones; empty for none

    Raises OSError when that file cannot be read.
    """

    def __init__(self, ca_bundle: str = "") -> None:
        self._session = _Session()
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        adapter = _Adapter(trusting(ca_bundle))
        self._session.mount("http://", adapter)
        self._session.mount("https://", adapter)

    def send(self, method: str, url: str, *, seconds: float = ANSWER_SECONDS, **how: Any) -> requests.Response:
        """The answer, read to its end. ``seconds``: how long to wait for each part of it.

        Raises requests.RequestException without the address's query, which can hold the client secret.
        """
        try:
            response = self._session.request(
                method, url, timeout=(CONNECT_SECONDS, seconds), allow_redirects=False, stream=True, **how
            )
            content = _content(response)
        except (requests.RequestException, HTTPError) as error:
            raise _told(url, error) from None
        if content is None:
            raise requests.ConnectionError(
                f"{host_of(url)} answered with more than {LARGEST_ANSWER // 1024 // 1024} MiB"
            )
        response._content = content
        return response

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


def _content(response: requests.Response) -> bytes | None:
    """None where it is too large; what is too much is not even unpacked."""
    parts, size = [], 0
    for part in response.iter_content(_PART):
        parts.append(part)
        size += len(part)
        if size > LARGEST_ANSWER:
            response.close()
            return None
    return b"".join(parts)


def _told(url: str, error: BaseException) -> requests.RequestException:
    host = host_of(url)
    for each in _chain(error):
        if isinstance(each, (requests.Timeout, TimeoutError)):
            return requests.Timeout(f"{host} did not answer in time")
        if isinstance(each, ssl.SSLCertVerificationError):
            hint = ""
            if each.verify_code in _UNKNOWN_AUTHORITY:
                hint = ". If its authority is your own, name a PEM file with that authority in the setting CA_BUNDLE"
            return requests.ConnectionError(f"the certificate of {host} is not trusted: {each.verify_message}{hint}")
    return requests.ConnectionError(f"{host} cannot be reached: {_cause(error)}")


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _cause(error: BaseException) -> str:
    reason = getattr(error.args[0], "reason", None) if error.args else None
    return type(reason or error).__name__


class _Session(requests.Session):
    def get_redirect_target(self, resp: requests.Response) -> None:
        """None, always: to see where a redirect leads, requests would read the answer without any bound."""


class _Adapter(requests.adapters.HTTPAdapter):
    def __init__(self, context: ssl.SSLContext) -> None:
        self._context = context
        super().__init__(pool_connections=100, pool_maxsize=32)

    def init_poolmanager(self, *sizes: Any, **how: Any) -> None:
        super().init_poolmanager(*sizes, ssl_context=self._context, **how)
        self.poolmanager.pool_classes_by_scheme = POOLS

    def proxy_manager_for(self, proxy: str, **how: Any) -> Any:
        manager = super().proxy_manager_for(proxy, ssl_context=self._context, **how)
        manager.pool_classes_by_scheme = POOLS
        return manager

    def cert_verify(self, *_: Any) -> None:
        """The context verifies. requests would load the public authorities into it again with every connection."""
