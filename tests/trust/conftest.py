"""The naive and the real app behind one interface: an address."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from werkzeug.serving import make_server

from bizproc.settings import Settings
from devportal.control import describe
from devportal.options import Options
from devportal.server import start
from tests.conftest import POLL_SECONDS, Portal, RunningApp, eventually
from tests.trust import naive as naive_backend
from tests.trust.hosts import Host, garbage, hanging, refusing, silent


@contextmanager
def serving_naive(settings: Settings, database: Path) -> Iterator[str]:
    server = make_server("127.0.0.1", 0, lambda *_: [], threaded=True)
    url = f"http://127.0.0.1:{server.server_port}"
    server.app = naive_backend.create_app(
        client_id=settings.client_id, client_secret=settings.client_secret, app_url=url, database=database
    )
    thread = threading.Thread(target=server.serve_forever, args=(POLL_SECONDS,), daemon=True)
    thread.start()
    try:
        yield url
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def empty_naive(settings: Settings, tmp_path: Path) -> Iterator[str]:
    """The address of the naive app, which no portal has installed yet."""
    with serving_naive(settings, tmp_path / "naive.sqlite3") as url:
        yield url


@pytest.fixture
def naive(empty_naive: str, portal: Portal, other_portal: Portal) -> str:
    """The address of the naive app, installed in two portals."""
    for each in (portal, other_portal):
        each.ask("install", app_url=empty_naive)
        assert set(each.stored()) == set(naive_backend.ACTIVITIES)
    return empty_naive


@pytest.fixture
def real(installed: RunningApp, other_portal: Portal) -> str:
    """The address of the real app, installed in two portals."""
    other_portal.ask("install", app_url=installed.url)
    eventually(lambda: len(other_portal.stored()) == len(installed.backend.registry))
    eventually(
        lambda: installed.backend.installations.find(other_portal.description["member_id"]).register_due_at is None  # type: ignore[union-attr]
    )
    return installed.url


@pytest.fixture
def attacker() -> Iterator[Host]:
    host = Host()
    yield host
    host.stop()


@dataclass(frozen=True)
class Neighbours:
    """A portal behind whose address nothing good is, and a good one at the same OAuth server.

    settings: of an app for both
    relent: lets the bad one refuse everything at once, so that nobody waits for it any more
    """

    bad: Portal
    good: Portal
    settings: Settings
    relent: Callable[[], None]


@contextmanager
def neighbours_of(kind: str, settings: Settings) -> Iterator[Neighbours]:
    """``kind``: ``unreachable``, ``garbage`` or ``hanging``."""
    running = start(Options(portals=2))
    hang, release = hanging()
    host = Host({"unreachable": silent, "garbage": garbage(), "hanging": hang}[kind])
    running.cloud.portals[0].host, running.cloud.portals[0].port = host.host, host.port
    ready = running.ready | {"portals": [describe(running.cloud, portal) for portal in running.cloud.portals]}

    def relent() -> None:
        host.answer = refusing
        release()

    bad, good = (Portal(running.url, ready, number) for number in (1, 2))
    told = {name: ready[name] for name in ("client_id", "client_secret", "oauth_url")}
    try:
        yield Neighbours(bad, good, replace(settings, **told), relent)
    finally:
        relent()
        host.stop()
        running.stop()
