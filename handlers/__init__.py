"""The ways in: one blueprint each."""

import random

from flask import Flask, current_app
from structlog import contextvars
from werkzeug.middleware.proxy_fix import ProxyFix

from bizproc.backend import Backend

LARGEST_FORM = 1024 * 1024
"""Bytes; Flask answers 413 to more."""


def attach(app: Flask, backend: Backend) -> None:
    """Give a Flask app its blueprints and the backend that they serve."""
    app.extensions["b24"] = backend
    proxies = backend.settings.trusted_proxies
    if proxies:
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=proxies, x_proto=proxies, x_host=proxies)  # type: ignore[method-assign]
    app.config["MAX_CONTENT_LENGTH"] = LARGEST_FORM
    app.before_request(_name_request)
    open_ways_in(app)


def open_ways_in(app: Flask) -> None:
    from handlers import (
        callback,
        completion,
        connections,
        events,
        files,
        health,
        install,
        metrics,
        refusals,
        settings_dialog,
    )

    for room in (callback, completion, connections, events, files, health, install, metrics, refusals, settings_dialog):
        app.register_blueprint(room.blueprint)


def _name_request() -> None:
    contextvars.clear_contextvars()  # a server's threads have served others before
    contextvars.bind_contextvars(request=f"{random.getrandbits(64):016x}")


def backend_of(app: Flask) -> Backend:
    backend: Backend = app.extensions["b24"]
    return backend


def backend() -> Backend:
    """Of the request that is being served."""
    return backend_of(current_app)
