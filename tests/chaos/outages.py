"""What the app needs beside itself goes away for a moment."""

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import redis
from sqlalchemy import make_url, text

from bizproc.storage.database import Database
from tests.benchmarks.app import free_port

PATIENCE_SECONDS = 30
CUT_AGAIN_SECONDS = 0.05
OBSERVER = "chaos"
"""The name under which the chaos itself is connected to PostgreSQL."""


def observing(database_url: str) -> str:
    """The same database, for connections that are not cut."""
    url = make_url(database_url)
    if url.get_backend_name() == "sqlite":
        return database_url
    return url.update_query_dict({"application_name": OBSERVER}).render_as_string(hide_password=False)


def cut_connections(database: Database, seconds: float) -> None:
    """PostgreSQL ends all connections of the app, whatever they are at, and for so long all new ones too."""
    cut = text(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND application_name <> :observer"
    )
    deadline = time.monotonic() + seconds
    while True:
        with database.writing() as session:
            session.execute(cut, {"observer": OBSERVER})
        if time.monotonic() > deadline:
            return
        time.sleep(CUT_AGAIN_SECONDS)


def hold_lock(database: Database, seconds: float) -> None:
    """Another program writes to the SQLite file for so long: nobody else can."""
    with database.transaction():
        time.sleep(seconds)


class RedisServer:
    """A Redis of one's own, which remembers nothing when it is killed.

    folder: for its log
    """

    def __init__(self, folder: Path) -> None:
        self._port = free_port()
        self._folder = folder
        self.url = f"redis://127.0.0.1:{self._port}"

    @contextmanager
    def running(self) -> Iterator[None]:
        self._running = self._started()
        try:
            yield
        finally:
            self._running.kill()
            self._running.wait()

    def kill(self, away_seconds: float) -> None:
        """Returns when it answers again."""
        self._running.kill()
        self._running.wait()
        time.sleep(away_seconds)
        self._running = self._started()

    def _started(self) -> subprocess.Popen[bytes]:
        command = ["redis-server", "--bind", "127.0.0.1", "--port", str(self._port), "--save", "", "--appendonly", "no"]
        with (self._folder / "redis.log").open("ab") as log:
            started = subprocess.Popen(command, cwd=self._folder, stdout=log, stderr=log)
        deadline = time.monotonic() + PATIENCE_SECONDS
        with redis.Redis.from_url(self.url) as client:
            while time.monotonic() < deadline and started.poll() is None:
                with suppress(redis.RedisError):
                    client.ping()
                    return started
                time.sleep(0.05)
        raise RuntimeError(f"Redis has not started: see {self._folder}/redis.log")
