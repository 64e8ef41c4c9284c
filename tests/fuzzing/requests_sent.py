"""Requests as bytes on a socket: what no HTTP library would send, and forms close to those that a portal sends."""

import contextlib
import json
import socket
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote_plus

from hypothesis import strategies as st

from tests.fuzzing.odd import odd_values

FORM = b"application/x-www-form-urlencoded"
ANSWER_SECONDS = 30
"""After which nothing will come any more."""


@dataclass(frozen=True)
class Answered:
    """statuses: of each answer on the connection; none where the server just ended it. seconds: until it ended"""

    statuses: list[int]
    seconds: float


def send(address: tuple[str, int], raw: bytes) -> Answered:
    """Send it, end our half of the connection, and read what comes back until the server ends the other.

    Raises TimeoutError when it does not.
    """
    started = time.monotonic()
    with socket.create_connection(address, timeout=ANSWER_SECONDS) as connection:
        # A server may answer, and hang up, before it has read all.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError, OSError):
            connection.sendall(raw)
            connection.shutdown(socket.SHUT_WR)
        came = bytearray()
        with contextlib.suppress(ConnectionResetError):
            while part := connection.recv(65536):
                came += part
    heads = [part[:3] for part in came.split(b"HTTP/1.")[1:] for part in [part[2:]]]
    return Answered([int(head) for head in heads if head.isdigit()], time.monotonic() - started)


def request(method: bytes, target: bytes, body: bytes = b"", *headers: bytes) -> bytes:
    lines = [method + b" " + target + b" HTTP/1.1", b"Host: 127.0.0.1", b"Connection: close", *headers]
    return b"\r\n".join([*lines, b"", body])


def form(fields: dict[str, Any]) -> bytes:
    pairs = [(name, each) for name, value in fields.items() for each in (value if isinstance(value, list) else [value])]
    return "&".join(f"{name}={quote_plus(value, errors='surrogatepass')}" for name, value in pairs).encode()


def posted(target: bytes, fields: dict[str, Any], *headers: bytes) -> bytes:
    body = form(fields)
    return request(b"POST", target, body, b"Content-Type: " + FORM, b"Content-Length: %d" % len(body), *headers)


methods = st.sampled_from(
    [
        b"GET",
        b"HEAD",
        b"POST",
        b"PUT",
        b"DELETE",
        b"OPTIONS",
        b"TRACE",
        b"CONNECT",
        b"PATCH",
        b"get",
        b"A" * 100,
        b"P\0ST",
    ]
)
octets = st.binary(max_size=30).map(lambda raw: raw.replace(b"\n", b"").replace(b" ", b""))
in_paths = (
    st.sampled_from(
        [
            b"",
            b"tell",
            b"%00",
            b"%ff%fe",
            b"a" * 3000,
            b"../../etc/passwd",
            b"%2e%2e%2f",
            b"%0d%0aX:%20y",
            b"//",
            b"a/b/c",
            b"\xff",
            b"%",
        ]
    )
    | octets
)
queries = st.sampled_from(
    [
        b"",
        b"?",
        b"?LANG=de",
        b"?LANG=\xff\xfe",
        b"?LANG=%ff&LANG=%00",
        b"?" + b"&" * 3000,
        b"?LANG[]=1",
        b"?a[b][c]=1;x",
    ]
) | octets.map(lambda raw: b"?" + raw)
lengths = st.sampled_from(
    [
        b"0",
        b"-1",
        b"+1",
        b"1" * 30,
        b"x",
        b"",
        b"1, 1",
        b"\xc2\xb2",
        b"1048576",
        b"1048577",
        b"99999999999",
        b"0x10",
        b"1_0",
    ]
)
headers = st.sampled_from(
    [
        b"Host: [::1",
        b"Host: \xff",
        b"Host: a b",
        b"Host: " + b"h" * 5000,
        b"Host:",
        b"Host: x\r\nHost: y",
        b"Host: a:99999",
        b"Transfer-Encoding: chunked",
        b"Transfer-Encoding: chunked, chunked",
        b"Transfer-Encoding: identity",
        b"Content-Type: application/json",
        b"Content-Type: multipart/form-data; boundary=x",
        b"Content-Type: multipart/form-data",
        b"Content-Type: \xff",
        b"Content-Type: text/html; charset=utf-7",
        b"Content-Encoding: gzip",
        b"Expect: 100-continue",
        b"Authorization: Bearer \xff\xfe",
        b"Authorization: Bearer " + b"." * 4000,
        b"Authorization: Bearer a.b.c",
        b"Authorization: Basic " + b"=" * 100,
        b"Authorization",
        b": x",
        b"X: " + b"y" * 7000,
        b"Cookie: " + b"a=b;" * 500,
        b"X-Forwarded-Host: evil",
        b"X-Forwarded-For: " + b"1," * 1000,
        b"Range: bytes=0-",
        b"If-None-Match: *",
        b"If-Modified-Since: \xff",
        b"Upgrade: h2c\r\nConnection: Upgrade",
        b"X_Y: z",
        b"A\0: b",
        b"A: \0",
        b" folded: x",
    ]
)
bodies = st.sampled_from(
    [
        b"",
        b"\0" * 100,
        b"\xff" * 100,
        b"a" + b"[a]" * 300,
        b"a[" * 1000,
        b"a[]&" * 20_000,
        b"a&" * 30_000,
        b"a=1&a[b]=2&a[b][c]=3",
        b"a[9223372036854775807]=1&a[]=2",
        b"[" * 50_000,
        b'{"auth": {"member_id": 1}}',
        b"5\r\nhello\r\n0\r\n\r\n",
        b"fffffffff\r\nx",
        b'--x\r\nContent-Disposition: form-data; name="auth[member_id]"\r\n\r\nx\r\n--x--\r\n',
        b"x" * 1_100_000,
        b"%" * 1000,
        b"&".join(b"a" + b"[]" * 63 for _ in range(300)),
    ]
) | st.binary(max_size=60)


@st.composite
def raw_requests(draw: st.DrawFn, path: Any) -> bytes:
    """Whatever may come in at one endpoint; ``path`` gives its address, with a text in the place of each variable."""
    target = path("\0").encode().replace(b"\0", draw(in_paths)) + draw(queries)
    body = draw(bodies)
    length = draw(st.just(b"%d" % len(body)) | lengths | st.none())
    lines = [
        draw(methods) + b" " + target + draw(st.sampled_from([b" HTTP/1.1", b" HTTP/1.0", b" HTTP/9.9", b"", b" X"]))
    ]
    lines += draw(st.sampled_from([[b"Host: 127.0.0.1"], []]))
    lines += draw(st.lists(headers, max_size=3))
    if length is not None:
        lines.append(b"Content-Length: " + length)
    return draw(st.sampled_from([b"\r\n"] * 9 + [b"\n"])).join([*lines, b"", body])


@st.composite
def near(draw: st.DrawFn, fields: dict[str, Any], kept: tuple[str, ...] = ()) -> dict[str, Any]:
    """The form with some fields changed, gone, twice, or put under another name; those that are ``kept`` stay."""
    changed = dict(fields)
    for _ in range(draw(st.integers(0, 3))):
        name = draw(st.sampled_from([each for each in fields if each not in kept]))
        value = draw(odd_values)
        text = value if isinstance(value, str) else json.dumps(value, default=str)
        match draw(st.integers(0, 4)):
            case 0:
                changed.pop(name, None)
            case 1:
                changed[name + draw(st.sampled_from(["[]", "[a]", "[0][b]", "[", "]", ".x", "%00", "[%ff]"]))] = text
            case 2:
                changed[name] = [text, text]
            case _:
                changed[name] = text
    return changed
