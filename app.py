"""The app: reads the settings, wires the rooms, nothing else."""

import os
from pathlib import Path

import click
from flask import Flask

import activities
from bizproc import log
from bizproc.backend import Backend
from bizproc.definition.registry import discover
from bizproc.errors import BizprocError
from bizproc.settings import Settings
from handlers import attach


class CannotStart(click.ClickException):
    """Why the app cannot start, for whoever starts it; Flask's commands show it without a stack trace."""


def create_app(settings: Settings | None = None, *, serves: bool = False) -> Flask:
    """The Flask app. ``settings``: None reads the environment.

    serves: this process is to answer callbacks, and not a command beside the one that does

    Raises CannotStart.
    """
    log.to_stderr()
    app = Flask(__name__, instance_path=str(Path.cwd() / "instance"), static_folder=None, template_folder=None)
    try:
        settings = settings or Settings.from_environment(os.environ, Path(app.instance_path))
        backend = Backend(settings, discover(activities))
        if serves:
            backend.database.serve_alone()
        if settings.embedded:
            backend.database.upgrade()
            backend.hashes.load()
    except BizprocError as error:
        raise CannotStart(str(error)) from None
    attach(app, backend)
    return app


def serve() -> Flask:
    """The Flask app for a WSGI server, which knows nothing of ClickException: exits with the message."""
    try:
        return create_app(serves=True)
    except CannotStart as error:
        raise SystemExit(f"Error: {error.message}") from None
