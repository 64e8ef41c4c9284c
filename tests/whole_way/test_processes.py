"""The app in processes of its own: gunicorn with the worker embedded, and scaled out over Redis."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
import requests

from bizproc.settings import Settings
from tests.chaos.outages import RedisServer
from tests.commands.test_commands import FLASK, ROOT
from tests.conftest import Portal, environment_of, eventually, values
from tests.handlers.test_metrics import TOKEN, value
from tests.services import left_out

pytestmark = pytest.mark.long

GRACE_SECONDS = 25
"""Less than the 30 after which gunicorn kills a worker that has not ended, on a machine that may be busy."""


@contextmanager
def process(*command: str | Path, environment: dict[str, str], **how: object) -> Iterator[subprocess.Popen[bytes]]:
    running = subprocess.Popen(command, env=os.environ | environment, **{"cwd": ROOT, **how})  # type: ignore[call-overload]
    try:
        yield running
    finally:
        running.terminate()
        running.wait(GRACE_SECONDS)


@contextmanager
def web(environment: dict[str, str], **how: object) -> Iterator[subprocess.Popen[bytes]]:
    address = environment["B24_APP_URL"].removeprefix("http://")
    gunicorn = (sys.executable, "-m", "gunicorn", "--config", ROOT / "gunicorn.conf.py", "--bind", address)
    with process(*gunicorn, environment=environment, **how) as running:
        eventually(lambda: running.poll() is None and _ready(environment["B24_APP_URL"]))
        yield running


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
        return port


def _ready(url: str) -> bool:
    try:
        return requests.get(f"{url}/readyz", timeout=5).ok
    except requests.RequestException:
        return False


@pytest.fixture
def environment(settings: Settings) -> dict[str, str]:
    return environment_of(settings, f"http://127.0.0.1:{_free_port()}")


def install(portal: Portal, environment: dict[str, str]) -> None:
    portal.ask("install", app_url=environment["B24_APP_URL"])
    eventually(lambda: "save_document" in portal.stored())


def test_a_killed_app_finds_its_runs_again(portal: Portal, environment: dict[str, str]) -> None:
    """SIGKILL while documents are made: whatever got its 2xx is answered by the next life."""
    with web(environment) as first:
        install(portal, environment)
        # The answers cannot be given in this life, so every accepted run is still open when it ends.
        portal.ask(
            "faults", rest={"bizproc.event.send": {"error": "INTERNAL_SERVER_ERROR", "status": 500, "times": 99}}
        )
        processes = [portal.run("save_document", {"Parameters": [f"customer={number}"]}) for number in range(12)]
        eventually(lambda: sum(entry["status"] == 200 for entry in portal.log("/activities/")) == len(processes))
        worker = subprocess.run(
            ["pgrep", "-P", str(first.pid)], capture_output=True, text=True, check=True
        ).stdout.split()
        first.kill()
        for pid in worker:
            os.kill(int(pid), signal.SIGKILL)
    portal.ask("faults")
    with web(environment):
        # In a batch a number goes as text, as in any form.
        numbers = [int(values(portal.finished(each))["number"]) for each in processes]
    assert sorted(numbers) == list(range(1, 13))
    # Whose outcome was stored in the first life was not run again in the second.
    logged = [entry["request"]["parsed"]["LOG_MESSAGE"] for entry in portal.log("bizproc.activity.log")]
    sent_before = [entry for entry in portal.log("bizproc.event.send") if entry["status"] == 500]
    assert len(logged) <= 2 * len(processes) - len({entry["request"]["raw"] for entry in sent_before})


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_web_and_worker_share_redis_and_postgresql(
    portal: Portal, environment: dict[str, str], database_url: str, redis_url: str
) -> None:
    environment |= {"QUEUE_URL": redis_url, "DATABASE_URL": database_url, "METRICS_TOKEN": TOKEN}
    upgraded = subprocess.run([FLASK, "db", "upgrade"], cwd=ROOT, env=os.environ | environment, timeout=60, check=True)
    assert upgraded.returncode == 0
    with ExitStack() as running:
        running.enter_context(web(environment))
        ports = [f"127.0.0.1:{_free_port()}" for _ in range(2)]
        workers = [
            running.enter_context(
                process(FLASK, "worker", environment=environment | {"WORKER_BIND": port}, stderr=subprocess.DEVNULL)
            )
            for port in ports
        ]
        install(portal, environment)
        processes = [portal.run("save_document") for _ in range(12)]
        # In a batch a number goes as text, as in any form.
        numbers = [int(values(portal.finished(each))["number"]) for each in processes]
        assert sorted(numbers) == list(range(1, 13))
        # Each worker tells what it has counted itself.
        assert sum(value(f"http://{port}", "b24_outcomes_total", outcome="succeeded") for port in ports) == 12
        portal.ask("faults", rest={"bizproc.activity.log": {"delay_ms": 1500, "times": 9}})
        slow = [portal.run("save_document") for _ in range(4)]
        eventually(lambda: len(portal.log("bizproc.activity.log")) >= 12)
        time.sleep(0.5)
        for worker in workers:
            worker.send_signal(signal.SIGTERM)
        assert [worker.wait(GRACE_SECONDS) for worker in workers] == [0, 0]
        assert {portal.process(each)["status"] for each in slow} == {"completed"}, "a stop lets them finish"


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_worker_bears_a_redis_that_is_away(
    portal: Portal, environment: dict[str, str], database_url: str, tmp_path: Path
) -> None:
    """It says so, but not a hundred times a second."""
    if shutil.which("redis-server") is None:
        left_out("there is no redis-server to be killed")
    server = RedisServer(tmp_path)
    environment |= {"QUEUE_URL": server.url, "DATABASE_URL": database_url}
    subprocess.run([FLASK, "db", "upgrade"], cwd=ROOT, env=os.environ | environment, timeout=60, check=True)
    log = tmp_path / "worker.log"
    with (
        server.running(),
        web(environment),
        log.open("wb") as told,
        process(FLASK, "worker", environment=environment, stderr=told),
    ):
        install(portal, environment)
        portal.finished(portal.run("save_document"))
        server.kill(away_seconds=2)
        portal.finished(portal.run("save_document"))
    lines = log.read_text().splitlines()
    assert "the queue cannot be reached" in log.read_text()
    assert len(lines) < 20, lines[:40]


def test_a_full_stop_is_graceful(portal: Portal, environment: dict[str, str]) -> None:
    with web(environment) as running:
        install(portal, environment)
        processes = [portal.run("save_document") for _ in range(5)]
        eventually(lambda: len(portal.log("bizproc.activity.log")) >= 1)
        running.send_signal(signal.SIGTERM)
        assert running.wait(GRACE_SECONDS) == 0
    # What had begun was brought to its end, and each function that began ran once.
    logged = [entry["request"]["parsed"]["LOG_MESSAGE"] for entry in portal.log("bizproc.activity.log")]
    answered = [process for process in processes if portal.process(process)["status"] != "waiting"]
    assert len(logged) == len(set(logged)) == len(answered) >= 1
