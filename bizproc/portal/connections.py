"""HTTP to portals and to the OAuth server."""

from http.cookiejar import DefaultCookiePolicy
from typing import Any
from urllib.parse import urlsplit

import requests

CONNECT_SECONDS = 5
ANSWER_SECONDS = 30


class Connections:
    """The kept connections of this process; safe to use from many threads."""

    def __init__(self) -> None:
        self._session = requests.Session()
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        adapter = requests.adapters.HTTPAdapter(pool_connections=100, pool_maxsize=32)
        self._session.mount("http://", adapter)
        self._session.mount("https://", adapter)

    def send(self, method: str, url: str, **how: Any) -> requests.Response:
        """Raises requests.RequestException without the address's query, which can hold the client secret."""
        try:
            return self._session.request(
                method, url, timeout=(CONNECT_SECONDS, ANSWER_SECONDS), allow_redirects=False, **how
            )
        except requests.Timeout:
            raise requests.Timeout(f"{host_of(url)} did not answer in time") from None
        except requests.RequestException as error:
            raise requests.ConnectionError(f"{host_of(url)} cannot be reached: {_cause(error)}") from None

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


def _cause(error: BaseException) -> str:
    reason = getattr(error.args[0], "reason", None) if error.args else None
    return type(reason or error).__name__
