"""HTTP/1.1 with keep-alive, as little of it as an emulated portal needs.

The standard library's threading server answers in a fifth of the time that a WSGI development server takes, and this
portal is every test's.
"""

import json
import logging
import socket
import socketserver
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any, Final
from urllib.parse import unquote

from bizproc.php import PhpArray, from_json, parse_str

MAX_BODY: Final = 32 * 1024 * 1024
MAX_JSON_DEPTH: Final = 256
"""Less than the 512 of a real portal, so that walking through it stays far from the limit of recursion here."""
IDLE_SECONDS: Final = 120

logger = logging.getLogger("devportal")


@dataclass(frozen=True, slots=True)
class Request:
    """A request as received.

    Attributes:
        target: path with query, as sent.
        path: decoded path without query.
        query: raw query string, without `?`.
        headers: by lower-case name; of a repeated one, the last.
        client: the caller's IP address.
        host: the IP address it came in on.
    """

    method: str
    target: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes
    client: str
    host: str

    def fields(self) -> PhpArray:
        """Query and body, merged as the portal does: the body's fields win. JSON that is none counts as no fields.

        Raises:
            ValueError: a query or form beyond the limits of `parse_str`.
        """
        fields = parse_str(self.query)
        type_ = self.headers.get("content-type", "").partition(";")[0].strip().lower()
        if type_ == "application/json":
            fields |= _json_fields(self.body)
        elif type_ in ("application/x-www-form-urlencoded", ""):
            fields |= parse_str(self.body)
        return fields


def _json_fields(body: bytes) -> PhpArray:
    try:
        value = from_json(json.loads(body, parse_constant=_no_constant), max_depth=MAX_JSON_DEPTH)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


@dataclass(frozen=True, slots=True)
class Response:
    """An answer. With `close` nothing is answered at all and the connection ends."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    close: bool = False


def json_response(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    body = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
    return Response(status, body, {"Content-Type": "application/json; charset=utf-8", **(headers or {})})


Answer = Callable[[Request], Response]


class Listener(socketserver.ThreadingTCPServer):
    """One address on which requests are answered, each connection in a thread of its own."""

    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False
    request_queue_size = 256

    def __init__(self, host: str, port: int, answer: Answer) -> None:
        self.answer = answer
        self._connections: set[socket.socket] = set()
        self._connections_lock = threading.Lock()
        super().__init__((host, port), _Handler)
        self.host = host
        self.port = int(self.server_address[1])
        threading.Thread(
            target=self.serve_forever, kwargs={"poll_interval": 0.05}, name=f"devportal-{host}", daemon=True
        ).start()

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._connections_lock:
            self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._connections_lock:
            self._connections.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A caller that went away is its own business."""

    def stop(self) -> None:
        self.shutdown()
        self.server_close()
        with self._connections_lock:
            connections = list(self._connections)
        for connection in connections:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "devportal"
    sys_version = ""
    timeout = IDLE_SECONDS
    disable_nagle_algorithm = True
    wbufsize = -1
    server: Listener

    def _answer(self) -> None:
        length = self.headers.get("Content-Length", "0")
        if self.headers.get("Transfer-Encoding") or not length.isdecimal():
            self._refuse(411, "LENGTH_REQUIRED", "A Content-Length is required")
            return
        if int(length) > MAX_BODY:
            self._refuse(413, "TOO_LARGE", f"At most {MAX_BODY} bytes are taken")
            return
        path, _, query = self.path.partition("?")
        request = Request(
            method=self.command,
            target=self.path,
            path=unquote(path, errors="replace"),
            query=query,
            headers={name.lower(): value for name, value in self.headers.items()},
            body=self.rfile.read(int(length)),
            client=self.client_address[0],
            host=self.server.host,
        )
        try:
            response = self.server.answer(request)
        except Exception:
            logger.exception("%s %s failed", request.method, path)
            response = json_response(
                {"error": "INTERNAL_SERVER_ERROR", "error_description": "Internal server error"}, 500
            )
        self._send(response)

    do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = do_OPTIONS = do_PATCH = _answer

    def _refuse(self, status: int, code: str, description: str) -> None:
        self.close_connection = True
        self._send(json_response({"error": code, "error_description": description}, status))

    def _send(self, response: Response) -> None:
        if response.close:
            self.close_connection = True
            return
        self.send_response_only(response.status)
        for name, value in response.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(response.body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(response.body)
        self.wfile.flush()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Nothing: the exchange log tells more."""
