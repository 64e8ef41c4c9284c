"""The app in processes of its own, as an operator starts it, and the databases that it needs."""

import os
import re
import secrets
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import quote_plus

import click
import psutil
import redis
import requests
from sqlalchemy import create_engine, text
from sqlalchemy.exc import OperationalError

from bizproc.storage.database import Database
from tests.benchmarks.portals import ROOT, Portals
from tests.services import POSTGRES_URL, REDIS_URL

SHELF = Path(__file__).parent / "shelf"
CODES = 2
"""How many activities are in the shelf."""
PATIENCE_SECONDS = 60


@dataclass(frozen=True)
class Deployment:
    """A way to run the app.

    queue_url: empty for embedded
    web, threads: processes of gunicorn, and threads of each; workers: processes of ``flask worker``
    """

    name: str
    database_url: str
    folder: Path
    queue_url: str = ""
    web: int = 1
    threads: int = 16
    workers: int = 0


@contextmanager
def sqlite() -> Iterator[Deployment]:
    """The app in one process on a new SQLite file."""
    with TemporaryDirectory() as folder:
        yield Deployment("SQLite, embedded", f"sqlite:///{folder}/b24.sqlite3", Path(folder))


@contextmanager
def postgresql(workers: int = 1) -> Iterator[Deployment]:
    """The app on a new PostgreSQL database and Redis."""
    server = create_engine(POSTGRES_URL, isolation_level="AUTOCOMMIT")
    name = f"b24_bench_{uuid.uuid4().hex}"
    with server.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    try:
        with TemporaryDirectory() as folder:
            url = server.url.set(database=name).render_as_string(hide_password=False)
            yield Deployment("PostgreSQL, Redis", url, Path(folder), REDIS_URL, web=2, threads=8, workers=workers)
    finally:
        with server.connect() as connection:
            connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
        server.dispose()


def both(workers: int = 1) -> list[Callable[[], Any]]:
    """The ways to run the app that can be measured here; what is missing is told. ``workers``: as of ``postgresql``."""
    try:
        create_engine(POSTGRES_URL).connect().close()
        with redis.Redis.from_url(REDIS_URL) as server:
            server.ping()
    except (OperationalError, redis.RedisError) as error:
        click.echo(
            f"PostgreSQL with Redis is left out, since one of them does not answer ({type(error).__name__}). Set"
            " TEST_POSTGRES_URL and TEST_REDIS_URL.",
            err=True,
        )
        return [sqlite]
    return [sqlite, partial(postgresql, workers)]


class App:
    """The processes of a running app."""

    def __init__(self, deployment: Deployment, url: str, web: psutil.Process, workers: list[psutil.Process]) -> None:
        self.deployment = deployment
        self.url = url
        self.database = Database(deployment.database_url)
        self._web = web
        self._workers = workers

    def serving(self) -> list[psutil.Process]:
        """gunicorn's processes that answer requests."""
        return self._web.children()

    def processes(self) -> list[psutil.Process]:
        return [*self.serving(), *self._workers]

    def cpu_seconds(self) -> float:
        return cpu_seconds(self.processes())


def cpu_seconds(processes: Sequence[psutil.Process]) -> float:
    """Which they have taken until now, in the program and in the system: a busy machine hardly changes it."""
    return sum(sum(process.cpu_times()[:2]) for process in processes)


@contextmanager
def running(deployment: Deployment, portals: Portals) -> Iterator[App]:
    """The app, installed in all portals, until the block ends."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    environment = {
        "BIND": f"127.0.0.1:{port}",
        "B24_CLIENT_ID": portals.ready["client_id"],
        "B24_CLIENT_SECRET": portals.ready["client_secret"],
        "B24_APP_URL": url,
        "B24_SECRET_KEY": secrets.token_urlsafe(32),
        "B24_OAUTH_URL": portals.ready["oauth_url"],
        "DATABASE_URL": deployment.database_url,
        "QUEUE_URL": deployment.queue_url,
        "METRICS_TOKEN": secrets.token_urlsafe(32),
        "FLASK_APP": "app",
        "PYTHONPATH": f"{SHELF}{os.pathsep}{ROOT}",
    }
    if deployment.queue_url:
        upgrade = [sys.executable, "-m", "flask", "db", "upgrade"]
        subprocess.run(
            upgrade, cwd=deployment.folder, env=os.environ | environment, check=True, stdout=subprocess.DEVNULL
        )
    with ExitStack() as stack:
        sizes = ["--workers", str(deployment.web), "--threads", str(deployment.threads)]
        config = ["--config", str(ROOT / "gunicorn.conf.py")]
        web = stack.enter_context(process(deployment.folder, "-m", "gunicorn", *config, *sizes, **environment))
        workers = [
            stack.enter_context(process(deployment.folder, "-m", "flask", "worker", **environment))
            for _ in range(deployment.workers)
        ]
        if deployment.queue_url:
            stack.callback(_forget_messages, portals)
        answers(f"{url}/healthz", deployment.folder)
        numbers = range(1, len(portals.ready["portals"]) + 1)
        for number in numbers:
            portals.ask("reset", number)
            portals.ask("install", number, app_url=url)
        until(lambda: all(len(portals.records(number)) == CODES for number in numbers), "installed in all portals")
        app = App(deployment, url, web, workers)
        try:
            yield app
        finally:
            app.database.close()


def _forget_messages(portals: Portals) -> None:
    with redis.Redis.from_url(REDIS_URL) as server:
        server.delete(f"b24-{portals.ready['client_id']}.messages")


@contextmanager
def process(folder: Path, *arguments: str, **environment: str) -> Iterator[psutil.Process]:
    """A Python program, killed with all its children when the block ends: the database goes too, so nothing is lost."""
    with (folder / "app.log").open("ab") as log:
        command = [sys.executable, *arguments]
        started = psutil.Popen(command, cwd=folder, env=os.environ | environment, stdout=log, stderr=log)
    try:
        yield started
    finally:
        killed = [started, *started.children(recursive=True)]
        for each in killed:
            each.kill()
        psutil.wait_procs(killed)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
        return port


def answers(url: str, folder: Path) -> None:
    """Returns when something serves there. Raises ClickException with the last lines of the log."""

    def served() -> bool:
        try:
            return requests.get(url, timeout=5).status_code < 500
        except requests.ConnectionError:
            return False

    try:
        until(served, "started")
    except click.ClickException as error:
        log = (folder / "app.log").read_text(errors="replace").splitlines()
        raise click.ClickException("\n".join([error.message, *log[-5:]])) from None


def until(happened: Callable[[], object], what: str, seconds: float = PATIENCE_SECONDS, pause: float = 0.1) -> None:
    """Raises ClickException when it does not happen in time."""
    deadline = time.monotonic() + seconds
    while not happened():
        if time.monotonic() > deadline:
            raise click.ClickException(f"The app is not {what} within {seconds:.0f} s.")
        time.sleep(pause)


class Callbacks:
    """Callbacks of one portal's activity, made from a real one: the app sees no difference."""

    def __init__(self, app: App, portals: Portals, portal: int, code: str) -> None:
        self._app, self._portals, self._portal, self._code = app, portals, portal, code
        portals.ask("faults", portal)
        process = portals.ask("run", portal, code=code, properties={"word": "again"})["processes"][0]
        sent: list[dict[str, Any]] = []

        def called() -> bool:
            sent[:] = [
                each for each in portals.log() if each["direction"] == "to_app" and process in each["request"]["raw"]
            ]
            return bool(sent)

        until(called, "called")
        self._form = sent[0]["request"]["raw"]
        (token,) = re.findall(r"(?<=event_token=)[^&]+", self._form)
        self._parts = self._form.replace(token, "\0").replace(process, "\1")
        # From now on the benchmark brings the callbacks itself.
        portals.ask("faults", portal, queue={"drop": 1})

    def made_up(self, count: int) -> list[bytes]:
        """Requests of processes that do not exist."""
        return [self._request(uuid.uuid4().hex, uuid.uuid4().hex * 4) for _ in range(count)]

    def of_processes(self, count: int) -> tuple[list[bytes], list[str]]:
        """Requests of new processes that wait, and their event tokens."""
        started = set(self._portals.ask("run", self._portal, code=self._code, count=count)["processes"])
        processes = [each for each in self._portals.state(self._portal)["processes"] if each["id"] in started]
        tokens = [each["event_token"] for each in processes]
        return [self._request(each["id"], each["event_token"]) for each in processes], tokens

    def _request(self, process: str, event_token: str) -> bytes:
        form = self._parts.replace("\0", quote_plus(event_token)).replace("\1", process)
        return _post(self._app.url, f"/activities/{self._code}", form)

    def to_bare_view(self, count: int, url: str) -> list[bytes]:
        return [_post(url, "/", self._parts.replace("\0", uuid.uuid4().hex * 4)) for _ in range(count)]

    @property
    def form(self) -> str:
        return self._form


def _post(url: str, path: str, form: str) -> bytes:
    host, body = url.removeprefix("http://"), form.encode()
    head = (
        f"POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/x-www-form-urlencoded\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body
