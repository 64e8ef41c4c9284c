"""The ways in: one blueprint each."""

from flask import Flask, current_app

from bizproc.backend import Backend

LARGEST_FORM = 1024 * 1024
"""Bytes; Flask answers 413 to more."""


def attach(app: Flask, backend: Backend) -> None:
    """Give a Flask app its blueprints and the backend that they serve."""
    from handlers import callback, events, files, health, install, refusals

    app.extensions["b24"] = backend
    app.config["MAX_CONTENT_LENGTH"] = LARGEST_FORM
    for room in (callback, events, files, health, install, refusals):
        app.register_blueprint(room.blueprint)


def backend_of(app: Flask) -> Backend:
    backend: Backend = app.extensions["b24"]
    return backend


def backend() -> Backend:
    """Of the request that is being served."""
    return backend_of(current_app)
