"""The port of a worker process, which has no other: its health, and what it has counted."""

import threading
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from flask import Flask

from bizproc.backend import Backend
from handlers import health, metrics, refusals

REQUEST_SECONDS = 10


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Handler(WSGIRequestHandler):
    timeout = REQUEST_SECONDS

    def log_message(self, *_: object) -> None:
        """Who asks every few seconds is no news."""


def listen(backend: Backend, address: str) -> WSGIServer:
    """Answer at ``address``, HOST:PORT, in threads, until the process ends. Raises OSError when it is not free."""
    app = Flask(__name__, static_folder=None, template_folder=None)
    app.extensions["b24"] = backend
    for room in (health, metrics, refusals):
        app.register_blueprint(room.blueprint)
    host, _, port = address.rpartition(":")
    server = make_server(host, int(port), app, server_class=_Server, handler_class=_Handler)
    threading.Thread(target=server.serve_forever, name="port", daemon=True).start()
    return server
