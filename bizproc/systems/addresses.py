"""Where connections to other systems may lead: over https, to public addresses, and to what the operator allows.

Whoever gives a base URL administers a portal, and not the network in which this app runs.
"""

import contextlib
import ipaddress
import socket
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from urllib.parse import SplitResult, urlsplit

from bizproc.errors import BizprocError

SETTING = "B24_ALLOWED_SYSTEMS"
LONGEST_URL = 1000
_PORTS = {"http": 80, "https": 443}
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_METADATA = ipaddress.ip_address("168.63.129.16")
"""Where Azure answers its own machines: a public address, unlike those of the other clouds."""


class UnusableAddress(BizprocError):
    """A base URL that is none, or that leads where connections may not go."""


class Addresses:
    """What a connection may reach.

    allowed: the operator's patterns of hosts besides: ``zabbix.internal``, ``*.internal:8443`` or, where http will do
        too, ``http://127.0.0.1:8080``
    """

    def __init__(self, allowed: Sequence[str] = ()) -> None:
        self._allowed = [_Pattern(each) for each in allowed]

    def base_url(self, given: str) -> str:
        """The base URL as it is stored, without a slash at its end.

        Raises UnusableAddress, also where its host has an address now that is not allowed.
        """
        url = given.strip().rstrip("/")
        if not url.isprintable() or " " in url or len(url) > LONGEST_URL:
            raise UnusableAddress(f"A base URL has at most {LONGEST_URL} characters, without spaces between them.")
        parts = self.require(url)
        if "?" in url or "#" in url:
            raise UnusableAddress("A base URL ends before the ? or #.")
        if not self._is_allowed(parts):
            with contextlib.suppress(OSError):  # a check tells that its name is not known
                self.resolved(parts.hostname or "", _port(parts))
        return url

    def require(self, url: str) -> SplitResult:
        """Raises UnusableAddress for an address that can be refused by itself, before anything is asked."""
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, _port(parts)
        except ValueError:
            host, port = None, 0
        if not host or not 0 < port < 65536:
            raise UnusableAddress("A base URL is an address such as https://zabbix.example.com.")
        if "@" in parts.netloc:
            raise UnusableAddress("A base URL has no user and no password in it: the secret is given by itself.")
        if not self._is_allowed(parts):
            if parts.scheme != "https":
                raise UnusableAddress(
                    f"A base URL begins with https://. The operator of this app can allow http://{parts.netloc} in"
                    f" {SETTING}."
                )
            try:
                literal = ipaddress.ip_address(host)
            except ValueError:
                pass
            else:
                _require_public(host, literal)
        return parts

    def resolved(self, host: str, port: int) -> list[str]:
        """The addresses of a host, to connect to no others: a name can mean something else the next time.

        Raises UnusableAddress where one of them is not allowed, OSError when the name is not known.
        """
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        addresses = [str(each[4][0]) for each in found]
        if not self.allows(host, port):
            for address in addresses:
                _require_public(host, ipaddress.ip_address(address))
        return list(dict.fromkeys(addresses))

    def allows(self, host: str, port: int) -> bool:
        """Whether the operator has named this host."""
        return any(each.matches(host, port) for each in self._allowed)

    def _is_allowed(self, parts: SplitResult) -> bool:
        host, port = parts.hostname or "", _port(parts)
        return any(
            each.matches(host, port) and (each.plain or parts.scheme == "https") and parts.scheme in _PORTS
            for each in self._allowed
        )


def faults_of(allowed: Sequence[str]) -> Iterator[str]:
    """What is wrong with the operator's patterns."""
    for each in allowed:
        try:
            _Pattern(each)
        except ValueError:
            yield f"{SETTING} has {each}, which is no host such as zabbix.internal or http://127.0.0.1:8080"


class _Pattern:
    """Raises ValueError."""

    def __init__(self, pattern: str) -> None:
        parts = urlsplit(pattern if "://" in pattern else f"https://{pattern}")
        if parts.scheme not in _PORTS or not parts.hostname or parts.path.strip("/") or set("?#@") & set(pattern):
            raise ValueError(pattern)
        self.plain = parts.scheme == "http"
        self._host = parts.hostname
        self._port = parts.port or (_PORTS[parts.scheme] if "://" in pattern else None)

    def matches(self, host: str, port: int) -> bool:
        return fnmatchcase(host.lower(), self._host) and self._port in (None, port)


def _port(parts: SplitResult) -> int:
    return _PORTS.get(parts.scheme, 1) if parts.port is None else parts.port


def _require_public(host: str, address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> None:
    if not all(each.is_global and not each.is_multicast and each != _METADATA for each in _meant(address)):
        what = f"{host} is" if host == str(address) else f"{host} leads to {address}, which is"
        raise UnusableAddress(f"{what} no public address. The operator of this app can allow {host} in {SETTING}.")


def _meant(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> Iterator[ipaddress.IPv4Address | ipaddress.IPv6Address]:
    """The address, and one of IPv4 that a gateway takes out of it."""
    yield address
    if isinstance(address, ipaddress.IPv6Address):
        within = address.ipv4_mapped or address.sixtofour
        if within is not None:
            yield within
        elif address in _NAT64:
            yield ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
