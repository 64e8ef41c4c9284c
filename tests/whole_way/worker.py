"""``flask worker`` with the tests' own activities."""

import os

from bizproc import log
from bizproc.backend import Backend
from bizproc.definition.registry import discover
from bizproc.settings import Settings
from tests import shelf
from tests.across_processes import FOLDER


def work() -> None:
    log.to_stderr()
    backend = Backend(Settings.from_environment(os.environ, FOLDER), discover(shelf))
    backend.hashes.load()
    backend.queue.work()


if __name__ == "__main__":
    work()
