"""The processes of the app, as an operator starts them, and their deaths."""

import os
import random
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import requests

ROOT = Path(__file__).parents[2]
SHELF = Path(__file__).parent / "shelf"
PATIENCE_SECONDS = 120
WEB = ("-m", "gunicorn", "--config", str(ROOT / "gunicorn.conf.py"))
WORKER = ("-m", "flask", "worker")


class Service:
    """A program that is started again whenever it was killed, as systemd does (docs/operating.md)."""

    def __init__(self, arguments: Sequence[str], environment: dict[str, str], folder: Path, name: str) -> None:
        self._command = [sys.executable, *arguments]
        self._environment = os.environ | environment
        self._folder = folder
        self._log = folder / f"{name}.log"
        self._running = self._started()

    def _started(self) -> subprocess.Popen[bytes]:
        with self._log.open("ab") as log:
            return subprocess.Popen(
                self._command, cwd=self._folder, env=self._environment, stdout=subprocess.DEVNULL, stderr=log
            )

    def kill(self) -> None:
        """All its processes at once, as when its machine loses power."""
        children = self._children()
        self._kill_first()
        for child in children:
            _kill(child)
        self._come_back(children)

    def kill_first(self) -> None:
        """The process that started the others, which end by themselves when they notice."""
        children = self._children()
        self._kill_first()
        self._come_back(children)

    def kill_child(self, chance: random.Random) -> None:
        """One of the processes that serve; the first process starts another."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not (children := self._children()) and time.monotonic() < deadline:
            time.sleep(0.01)
        _kill(chance.choice(children))

    def _kill_first(self) -> None:
        self._running.kill()
        self._running.wait()

    def _come_back(self, children: Sequence[psutil.Process]) -> None:
        # The address and the database's file are theirs until then.
        psutil.wait_procs(children, timeout=PATIENCE_SECONDS)
        self._running = self._started()

    def _children(self) -> list[psutil.Process]:
        return psutil.Process(self._running.pid).children()

    def has_ended(self) -> bool:
        return self._running.poll() is not None

    def stop(self) -> None:
        self._running.terminate()
        self._running.wait(PATIENCE_SECONDS)


def _kill(process: psutil.Process) -> None:
    with suppress(psutil.NoSuchProcess):
        process.kill()


class App:
    """The app with the activities of the shelf: embedded, or with two web and two worker processes.

    folder: its current folder, with all that it writes
    queue_url: empty for embedded
    """

    def __init__(self, folder: Path, portal: dict[str, Any], database_url: str, queue_url: str) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        self.records = folder / "records.jsonl"
        self.spool = folder / "instance" / "spool"
        self._folder = folder
        self._scaled_out = bool(queue_url)
        self._environment = {
            "BIND": f"127.0.0.1:{port}",
            "B24_CLIENT_ID": portal["client_id"],
            "B24_CLIENT_SECRET": portal["client_secret"],
            "B24_APP_URL": self.url,
            "B24_SECRET_KEY": secrets.token_urlsafe(32),
            "B24_OAUTH_URL": portal["oauth_url"],
            "DATABASE_URL": database_url,
            "QUEUE_URL": queue_url,
            "CHAOS_RECORDS": str(self.records),
            "FLASK_APP": "app",
            "PYTHONPATH": f"{SHELF}{os.pathsep}{ROOT}",
        }

    @contextmanager
    def running(self) -> Iterator[None]:
        """Until the block ends, then asked to stop."""
        if self._scaled_out:
            subprocess.run(
                [sys.executable, "-m", "flask", "db", "upgrade"],
                cwd=self._folder,
                env=os.environ | self._environment,
                stdout=subprocess.DEVNULL,
                check=True,
                timeout=PATIENCE_SECONDS,
            )
        two = ("--workers", "2") if self._scaled_out else ()
        self.web = self._service("web", *WEB, *two)
        self.workers = [self._service(f"worker{number}", *WORKER) for number in (1, 2) if self._scaled_out]
        try:
            deadline = time.monotonic() + PATIENCE_SECONDS
            while not self.answers(5):
                if time.monotonic() > deadline or self.web.has_ended():
                    raise RuntimeError(f"the app has not started: see {self._folder}/web.log")
                time.sleep(0.05)
            yield
        finally:
            for service in (self.web, *self.workers):
                service.stop()

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
        if self._scaled_out:
            return ["worker", "worker", "web process", "web", "gunicorn's first process"]
        return ["web process", "web process", "web process", "web", "gunicorn's first process"]

    def kill(self, what: str, chance: random.Random) -> None:
        """SIGKILL; returns when it has been started again, though it may not be ready."""
        if what == "worker":
            chance.choice(self.workers).kill()
        elif what == "web process":
            self.web.kill_child(chance)
        elif what == "web":
            self.web.kill()
        else:
            self.web.kill_first()
