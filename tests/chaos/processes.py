"""The processes of the app, as an operator starts them, and how they die."""

import os
import random
import secrets
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import requests

from bizproc.storage.database import Database
from tests.benchmarks.app import free_port
from tests.chaos.outages import RedisServer, cut_connections, hold_lock

ROOT = Path(__file__).parents[2]
SHELF = Path(__file__).parent / "shelf"
PATIENCE_SECONDS = 120
WEB = ("-m", "gunicorn", "--config", str(ROOT / "gunicorn.conf.py"))
WORKER = ("-m", "flask", "worker")
ORPHAN_SECONDS = 5
"""systemd would not wait for them at all."""
AWAY = 0, 5
LOCKED = 1, 12
"""Seconds for which PostgreSQL or Redis is away, and a SQLite file locked: at least and at most. The app counts a lock
of more than 10 as away."""


class Service:
    """A program that is started again whenever it has ended, as systemd does (docs/operating.md).

    ended: how often it has ended though nobody killed it
    """

    def __init__(self, arguments: Sequence[str], environment: dict[str, str], folder: Path, name: str) -> None:
        self.ended = 0
        self._command = [sys.executable, *arguments]
        self._environment = os.environ | environment
        self._folder = folder
        self._log = folder / f"{name}.log"
        self._lock = threading.Lock()
        self._running = self._started()

    def _started(self) -> subprocess.Popen[bytes]:
        with self._log.open("ab") as log:
            return subprocess.Popen(
                self._command, cwd=self._folder, env=self._environment, stdout=subprocess.DEVNULL, stderr=log
            )

    def kill(self) -> None:
        """All its processes at once, as when its machine loses power."""
        with self._lock:
            children = self._children()
            self._kill_first()
            for child in children:
                _kill(child)
            self._come_back(children)

    def kill_first(self) -> None:
        """The process that started the others, which end by themselves when they notice, and are killed if they take
        long."""
        with self._lock:
            children = self._children()
            self._kill_first()
            for child in psutil.wait_procs(children, timeout=ORPHAN_SECONDS)[1]:
                _kill(child)
            self._come_back(children)

    def kill_child(self, chance: random.Random) -> None:
        """One of the processes that serve; the first process starts another."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            with self._lock:
                if children := self._children():
                    _kill(chance.choice(children))
                    return
            time.sleep(0.01)
        raise RuntimeError(f"nothing serves: see {self._log}")

    def _kill_first(self) -> None:
        self._running.kill()
        self._running.wait()

    def _come_back(self, children: Sequence[psutil.Process]) -> None:
        # The address and the database's file are theirs until then.
        psutil.wait_procs(children, timeout=PATIENCE_SECONDS)
        self._running = self._started()

    def _children(self) -> list[psutil.Process]:
        children: list[psutil.Process] = []
        with suppress(psutil.NoSuchProcess):
            children = psutil.Process(self._running.pid).children()
        return children

    def look(self) -> None:
        """Start it again when it has ended. Returns at once, also while it is being killed."""
        if self._lock.acquire(blocking=False):
            try:
                if self.has_ended():
                    self.ended += 1
                    self._running = self._started()
            finally:
                self._lock.release()

    def has_ended(self) -> bool:
        return self._running.poll() is not None

    def stop(self) -> None:
        self._running.terminate()
        self._running.wait(PATIENCE_SECONDS)


def _kill(process: psutil.Process) -> None:
    with suppress(psutil.NoSuchProcess):
        process.kill()


class App:
    """The app with the activities of the shelf: embedded on SQLite, or with two web processes, two workers and a Redis
    of its own on PostgreSQL.

    folder: its current folder, with all that it writes
    """

    def __init__(self, folder: Path, portal: dict[str, Any], database: Database, database_url: str) -> None:
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self.records = folder / "records.jsonl"
        self.spool = folder / "instance" / "spool"
        self.rest_log = folder / "instance" / "rest-log"
        self._folder = folder
        self._database = database
        self._redis = None if database.is_sqlite else RedisServer(folder)
        self._environment = {
            "BIND": f"127.0.0.1:{port}",
            "B24_CLIENT_ID": portal["client_id"],
            "B24_CLIENT_SECRET": portal["client_secret"],
            "B24_APP_URL": self.url,
            "B24_SECRET_KEY": secrets.token_urlsafe(32),
            "B24_OAUTH_URL": portal["oauth_url"],
            "DATABASE_URL": database_url,
            "QUEUE_URL": self._redis.url if self._redis else "",
            "CHAOS_RECORDS": str(self.records),
            "FLASK_APP": "app",
            "PYTHONPATH": f"{SHELF}{os.pathsep}{ROOT}",
        }

    @contextmanager
    def running(self) -> Iterator[None]:
        """Until the block ends, then asked to stop."""
        with ExitStack() as stack:
            if self._redis:
                stack.enter_context(self._redis.running())
                self._upgrade()
            two = ("--workers", "2") if self._redis else ()
            self.web = self._service("web", *WEB, *two)
            self.workers = [self._service(f"worker{number}", *WORKER) for number in (1, 2) if self._redis]
            for service in (self.web, *self.workers):
                stack.callback(service.stop)
            deadline = time.monotonic() + PATIENCE_SECONDS
            while not self.answers(5):
                if time.monotonic() > deadline or self.web.has_ended():
                    raise RuntimeError(f"the app has not started: see {self._folder}/web.log")
                time.sleep(0.05)
            yield

    def _upgrade(self) -> None:
        subprocess.run(
            [sys.executable, "-m", "flask", "db", "upgrade"],
            cwd=self._folder,
            env=os.environ | self._environment,
            stdout=subprocess.DEVNULL,
            check=True,
            timeout=PATIENCE_SECONDS,
        )

    def look(self) -> None:
        """Start again what has ended."""
        for service in (self.web, *self.workers):
            service.look()

    @property
    def ended(self) -> int:
        """How often a program has ended though nobody killed it."""
        return sum(service.ended for service in (self.web, *self.workers))

    def _service(self, name: str, *arguments: str) -> Service:
        return Service(arguments, self._environment, self._folder, name)

    def answers(self, seconds: float) -> bool:
        """Whether it serves now."""
        try:
            return requests.get(f"{self.url}/healthz", timeout=seconds).ok
        except requests.RequestException:
            return False

    def ways_to_die(self) -> list[str]:
        """What ``kill`` takes, the more frequent ones more often."""
        return [what for what, (times, _) in self._ways().items() for _ in range(times)]

    def kill(self, what: str, chance: random.Random) -> None:
        """Returns when it has been started again, though it may not be ready."""
        self._ways()[what][1](chance)

    def _ways(self) -> dict[str, tuple[int, Callable[[random.Random], object]]]:
        ways: dict[str, tuple[int, Callable[[random.Random], object]]] = {
            "web process": (2, self.web.kill_child),
            "web": (1, lambda _: self.web.kill()),
            "gunicorn's first process": (1, lambda _: self.web.kill_first()),
        }
        if self._redis is None:
            return ways | {"database locked": (1, lambda chance: hold_lock(self._database, chance.uniform(*LOCKED)))}
        server = self._redis
        return ways | {
            "worker": (2, lambda chance: chance.choice(self.workers).kill()),
            "Redis": (1, lambda chance: server.kill(chance.uniform(*AWAY))),
            "database connections": (2, lambda chance: cut_connections(self._database, chance.uniform(*AWAY))),
        }
