"""The app for gunicorn, with the tests' own activities beside the shipped ones."""

import os
from pathlib import Path

from flask import Flask

import activities
from bizproc import log
from bizproc.backend import Backend
from bizproc.definition.registry import Registry, discover
from bizproc.settings import Settings
from handlers import attach
from tests import shelf

WAITS_FOR_A_TEST = "held"


def serve() -> Flask:
    log.to_stderr()
    all_of_them = [*discover(shelf), *discover(activities)]
    registry = Registry([each for each in all_of_them if each.definition.code != WAITS_FOR_A_TEST])
    app = Flask("fuzzed", static_folder=None)
    backend = Backend(Settings.from_environment(os.environ, Path.cwd() / "instance"), registry)
    backend.database.upgrade()
    attach(app, backend)
    return app
