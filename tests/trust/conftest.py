"""The naive and the real app behind one interface: an address."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from werkzeug.serving import make_server

from bizproc.settings import Settings
from tests.conftest import Portal, RunningApp, eventually
from tests.trust import naive as naive_backend
from tests.trust.hosts import Host


@contextmanager
def serving_naive(settings: Settings, database: Path) -> Iterator[str]:
    server = make_server("127.0.0.1", 0, lambda *_: [], threaded=True)
    url = f"http://127.0.0.1:{server.server_port}"
    server.app = naive_backend.create_app(
        client_id=settings.client_id, client_secret=settings.client_secret, app_url=url, database=database
    )
    thread = threading.Thread(target=server.serve_forever, daemon=True)
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
