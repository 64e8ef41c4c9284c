"""Another system, with an API of its own: books, which one who knows the secret may read."""

import json
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import trustme

from tests.conftest import POLL_SECONDS

SECRET = "library-secret-5e1f0c72"
Answer = tuple[int, str, bytes, dict[str, str]]


def page(status: int = 200) -> Answer:
    return status, "text/html; charset=utf-8", b"<!doctype html><title>Welcome</title>", {}


class Library:
    """``asked``: how often; ``answers``: what it says instead, by path."""

    def __init__(self) -> None:
        self.url = ""
        self.asked = 0
        self.answers: dict[str, Callable[[], Answer]] = {}

    def answer(self, path: str, authorization: str) -> Answer:
        self.asked += 1
        if path in self.answers:
            return self.answers[path]()
        if authorization != f"Bearer {SECRET}":
            return 401, "application/json", b'{"error": "who are you?"}', {}
        return 200, "application/json", json.dumps({"books": 3}).encode(), {"Set-Cookie": "kept=1"}


@contextmanager
def library(certificate: trustme.LeafCert | None = None) -> Iterator[Library]:
    """A running one on this host, over TLS where it has a certificate."""
    there = Library()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            status, type_, body, headers = there.answer(self.path, self.headers.get("Authorization", ""))
            self.send_response(status)
            for name, value in (headers | {"Content-Type": type_, "Content-Length": str(len(body))}).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        scheme = "http"
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            certificate.configure_cert(context)
            server.socket = context.wrap_socket(server.socket, server_side=True)
            scheme = "https"
        there.url = f"{scheme}://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, args=(POLL_SECONDS,), daemon=True).start()
        yield there
        server.shutdown()
