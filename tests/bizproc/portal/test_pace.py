"""A portal is called no faster than it takes it."""

import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from limits import RateLimitItemPerSecond

from bizproc.portal.pace import WINDOW, Pace
from devportal.options import Options
from devportal.server import start
from tests.devportal.driver import Portal


@pytest.fixture
def strict() -> Iterator[Portal]:
    """A portal with the cloud's limits."""
    running = start(Options(rate_limit=True))
    portal = Portal(running=running)
    yield portal
    running.stop()


def test_calls_wait_for_the_window(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bizproc.portal.pace.WINDOW", RateLimitItemPerSecond(5, 1))
    pace = Pace("memory://")
    pace.note("cloud", {"time": {"operating": 0.1}})
    moments: list[float] = []

    def call(_: int) -> None:
        pace.wait("cloud")
        moments.append(time.monotonic())

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(call, range(13)))
    moments.sort()
    assert all(later - earlier > 0.9 for earlier, later in zip(moments, moments[5:], strict=False))


def test_a_burst_within_the_window_never_meets_a_503(strict: Portal) -> None:
    """How steady calls fare is measured by ``flask bench registration``, which takes its time."""
    pace = Pace("memory://")
    token = strict.control("token")["access_token"]
    for _ in range(WINDOW.amount):
        pace.wait("portal")
        assert strict.post("profile", token=token).status_code == 200


def test_a_portal_without_limits_is_never_waited_for() -> None:
    pace = Pace("memory://")
    pace.note("box", {"time": {"duration": 0.1}})
    started = time.monotonic()
    for _ in range(WINDOW.amount * 3):
        pace.wait("box")
    assert time.monotonic() - started < 1


def test_processes_share_their_count_in_redis(monkeypatch: pytest.MonkeyPatch, redis_url: str) -> None:
    monkeypatch.setattr("bizproc.portal.pace.WINDOW", RateLimitItemPerSecond(3, 1))
    portal = uuid.uuid4().hex
    paces = [Pace(redis_url), Pace(redis_url)]
    started = time.monotonic()
    for number in range(8):
        paces[number % 2].note(portal, {"time": {"operating": 0.1}})
        paces[number % 2].wait(portal)
    assert time.monotonic() - started > 1.5


def test_without_its_storage_nothing_stops(caplog: pytest.LogCaptureFixture) -> None:
    pace = Pace("redis://127.0.0.1:1")
    pace.wait("portal")
    assert "calls are not counted" in caplog.text
