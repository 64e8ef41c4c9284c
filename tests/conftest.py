"""The real app against the development portal, over HTTP."""

import functools
import os
import secrets
import shutil
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import pytest
import redis
import requests
from flask import Flask
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from sqlalchemy import create_engine, text
from sqlalchemy.exc import OperationalError
from werkzeug.serving import make_server

from bizproc.backend import Backend
from bizproc.definition.registry import discover
from bizproc.portal.connections import trusting
from bizproc.settings import Settings
from bizproc.storage.database import Database
from devportal.options import Options
from devportal.server import RunningPortal, start
from handlers import attach
from tests import canaries, services, shelf

# The processes that tests start compile the project once, not each for itself.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

DEAL = ["crm", "CCrmDocumentDeal", "DEAL"]
PATIENCE_SECONDS = 20
POLL_SECONDS = 0.02
"""How often a test's own server looks whether it shall stop: after half a second otherwise, which every test waits."""
Found = TypeVar("Found")

# Little and always the same is tried in the suite, much and at random with --hypothesis-profile=thorough. Deadlines and
# health checks tell how busy the machine is.
UNHURRIED: dict[str, Any] = {"deadline": None, "suppress_health_check": list(HealthCheck)}
ALWAYS_THE_SAME: dict[str, Any] = {"derandomize": True, "database": None}
hypothesis_settings.register_profile("suite", **ALWAYS_THE_SAME, **UNHURRIED)
hypothesis_settings.register_profile("thorough", max_examples=10_000, **UNHURRIED)
hypothesis_settings.load_profile("suite")


def tries(number: int) -> hypothesis_settings:
    """For a test that tries so many examples in the suite, and a hundred times as many when it is thorough."""
    thorough = hypothesis_settings.default is not None and hypothesis_settings.default.max_examples >= 10_000
    return hypothesis_settings(max_examples=number * 100) if thorough else hypothesis_settings(max_examples=number)


def eventually(found: Callable[[], Found | None], patience: float = PATIENCE_SECONDS) -> Found:
    """Ask until there is an answer that is not empty."""
    deadline = time.monotonic() + patience
    while True:
        result = found()
        if result:
            return result
        if time.monotonic() > deadline:
            pytest.fail(f"nothing came of it within {patience} s")
        time.sleep(0.01)


@dataclass(frozen=True)
class Portal:
    """One development portal, steered by its control API."""

    url: str
    ready: dict[str, Any]
    number: int = 1
    since: int = 0

    def ask(self, control: str, **what: Any) -> Any:
        answer = requests.post(f"{self.url}/_dev/{control}", json={"portal": self.number, **what}, timeout=30)
        assert answer.ok, answer.text
        return answer.json()

    def state(self) -> dict[str, Any]:
        return requests.get(f"{self.url}/_dev/state?portal={self.number}", timeout=30).json()

    def stored(self) -> dict[str, dict[str, Any]]:
        return {record["CODE"]: record for record in self.state()["stored"]}

    def log(self, part: str = "") -> list[dict[str, Any]]:
        """The requests of this test whose address has this part, in order."""
        entries = requests.get(f"{self.url}/_dev/log?limit=10000&since={self.since}", timeout=30).json()
        return [entry for entry in entries if part in entry["url"]]

    def run(self, code: str, properties: dict[str, Any] | None = None, **how: Any) -> str:
        what = {"document_type": DEAL, "properties": properties or {}, "wait": True} | how
        return self.ask("run", code=code, **what)["processes"][0]

    def process(self, process_id: str) -> dict[str, Any]:
        return requests.get(f"{self.url}/_dev/process/{process_id}?portal={self.number}", timeout=30).json()

    def finished(self, process_id: str) -> dict[str, Any]:
        """The process, once it no longer waits."""
        return eventually(lambda: (p := self.process(process_id))["status"] != "waiting" and p)  # type: ignore[no-any-return]

    def callback(self, process_id: str) -> str:
        """The form of the process's callback, as it went over the wire."""
        sent = [entry for entry in self.log("/activities/") if process_id in entry["request"]["raw"]]
        return sent[0]["request"]["raw"]  # type: ignore[no-any-return]

    @property
    def description(self) -> dict[str, Any]:
        return self.ready["portals"][self.number - 1]  # type: ignore[no-any-return]


@dataclass(frozen=True)
class RunningApp:
    url: str
    backend: Backend


def values(process: dict[str, Any]) -> dict[str, Any]:
    """What a process got back, as it holds it."""
    return {name: taken["value"] for name, taken in process["returned"].items()}


@pytest.fixture(scope="session")
def running_portal() -> Iterator[RunningPortal]:
    running = start(Options(portals=2))
    canaries.PORTALS[running.ready["oauth_url"]] = canaries.Canaries(running.cloud)
    yield running
    running.stop()


@pytest.fixture
def portal(running_portal: RunningPortal) -> Portal:
    """An empty portal."""
    portal = Portal(running_portal.url, running_portal.ready)
    for each in (portal, replace(portal, number=2)):
        each.ask("faults")
        each.ask("reset")
    canaries.PORTALS[portal.ready["oauth_url"]].forget()
    before = running_portal.cloud.log.since(0, 10_000)
    return replace(portal, since=before[-1].number if before else 0)


@pytest.fixture
def other_portal(portal: Portal) -> Portal:
    return replace(portal, number=2)


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file with every migration and nothing else, to be copied."""
    path = tmp_path_factory.mktemp("migrated") / "b24.sqlite3"
    database = Database(f"sqlite:///{path}")
    database.upgrade()
    database.close()
    return path


trusting_once = functools.cache(trusting)


@pytest.fixture
def settings(portal: Portal, tmp_path: Path, migrated: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    # Every app reads all public authorities at its start, which takes longer than all else that it does then.
    monkeypatch.setattr("bizproc.portal.connections.trusting", trusting_once)
    shutil.copy(migrated, tmp_path / "b24.sqlite3")
    return Settings(
        client_id=portal.ready["client_id"],
        client_secret=portal.ready["client_secret"],
        app_url="http://127.0.0.1:1",
        secret_keys=(secrets.token_urlsafe(32),),
        database_url=f"sqlite:///{tmp_path / 'b24.sqlite3'}",
        files_url=(tmp_path / "files").as_uri(),
        rest_log_folder=str(tmp_path / "rest-log"),
        spool_folder=tmp_path / "spool",
        oauth_url=portal.ready["oauth_url"],
        js_url=f"{portal.url}/api/v1/",
    )


def environment_of(settings: Settings, url: str) -> dict[str, str]:
    """The same settings for a process: of the app at this address, or beside it."""
    return {
        "B24_CLIENT_ID": settings.client_id,
        "B24_CLIENT_SECRET": settings.client_secret,
        "B24_APP_URL": url,
        "B24_SECRET_KEY": ",".join(settings.secret_keys),
        "B24_OAUTH_URL": settings.oauth_url,
        "DATABASE_URL": settings.database_url,
        "FILES_URL": settings.files_url,
        "REST_LOG_FOLDER": settings.rest_log_folder,
        "SPOOL_FOLDER": str(settings.spool_folder),
    }


@contextmanager
def serving(settings: Settings, make: Callable[[Settings], Flask], *, watched: bool = True) -> Iterator[RunningApp]:
    """The app under its own address, until the block ends. Fails when a secret has come to light then, if watched."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        settings = replace(settings, app_url=f"http://127.0.0.1:{listener.getsockname()[1]}")
        app = make(settings)
        backend: Backend = app.extensions["b24"]
        with canaries.watched(app, settings) if watched else nullcontext():
            server = make_server("127.0.0.1", 0, app, threaded=True, fd=listener.fileno())
            thread = threading.Thread(target=server.serve_forever, args=(POLL_SECONDS,), daemon=True)
            thread.start()
            backend.start()
            try:
                yield RunningApp(settings.app_url, backend)
            finally:
                server.shutdown()
                thread.join()
                server.server_close()
                backend.close()


def app_of_shelf(settings: Settings) -> Flask:
    """The app with the tests' own activities."""
    app = Flask("shelf")
    backend = Backend(settings, discover(shelf))
    backend.database.upgrade()
    attach(app, backend)
    return app


@pytest.fixture
def app(settings: Settings) -> Iterator[RunningApp]:
    """The app with the activities of tests/shelf, not yet installed."""
    with serving(settings, app_of_shelf) as running:
        yield running


@pytest.fixture
def installed(app: RunningApp, portal: Portal) -> RunningApp:
    """The app, installed in the portal, its activities registered."""
    install(app, portal)
    return app


def install(app: RunningApp, portal: Portal) -> None:
    portal.ask("install", app_url=app.url)
    # The app is in this process; to ask the portal again and again takes longer than all else.
    eventually(lambda: app.backend.installations.find(portal.ready["member_id"]).register_due_at is None)  # type: ignore[union-attr]
    assert len(portal.stored()) == len(app.backend.registry)


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """An empty database of each kind; PostgreSQL where TEST_POSTGRES_URL (the standard port otherwise) answers."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'test.sqlite3'}"
        return
    used_by = request.getfixturevalue("settings") if "settings" in request.fixturenames else None
    with postgresql() as url:
        yield url
        if used_by:
            canaries.look_through(used_by, canaries.in_database(url))


@contextmanager
def postgresql() -> Iterator[str]:
    """The address of an empty database, which is dropped after the block."""
    server = create_engine(services.POSTGRES_URL, isolation_level="AUTOCOMMIT")
    name = f"b24_test_{uuid.uuid4().hex}"
    try:
        with server.connect() as connection:
            connection.execute(text(f"CREATE DATABASE {name}"))
    except OperationalError:
        services.missing("PostgreSQL", "TEST_POSTGRES_URL")
    try:
        yield server.url.set(database=name).render_as_string(hide_password=False)
    finally:
        with server.connect() as connection:
            connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
        server.dispose()


@pytest.fixture(scope="session")
def redis_server() -> str:
    """A Redis server, where TEST_REDIS_URL (the standard port otherwise) answers. Others use it too: what an app keeps
    there is named by its client id, which each development portal makes up."""
    try:
        with redis.Redis.from_url(services.REDIS_URL) as server:
            server.ping()
    except redis.ConnectionError:
        services.missing("Redis", "TEST_REDIS_URL")
    return services.REDIS_URL


@pytest.fixture
def redis_url(redis_server: str, portal: Portal) -> str:
    """The server, on which no call to this test's portals has been counted yet."""
    forget_calls(redis_server, portal)
    return redis_server


def forget_calls(redis_url: str, portal: Portal) -> None:
    with redis.Redis.from_url(redis_url) as server:
        for each in portal.ready["portals"]:
            for key in server.scan_iter(f"LIMITS:*/{each['domain']}/*"):
                server.delete(key)
