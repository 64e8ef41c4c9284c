"""An app with a SQLite file is one process; whatever else is started on it is refused with one message."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import requests

from tests.commands.test_commands import FLASK, ROOT, flask_process
from tests.conftest import eventually
from tests.whole_way.test_processes import environment, web

pytestmark = pytest.mark.long

__all__ = ["environment"]  # the fixture


def gunicorn(environment: dict[str, str], *options: str) -> subprocess.CompletedProcess[str]:
    """One that is expected to end by itself."""
    return subprocess.run(
        [sys.executable, "-m", "gunicorn", "--bind", "127.0.0.1:0", *options],
        cwd=ROOT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=60,
    )


def children(running: subprocess.Popen[bytes]) -> list[psutil.Process]:
    return psutil.Process(running.pid).children()


def test_a_second_app_on_the_file_is_refused_until_the_first_has_ended(environment: dict[str, str]) -> None:
    with web(environment) as first:
        second = gunicorn(environment)
        assert second.returncode == 1
        assert second.stdout == ""
        (message,) = second.stderr.splitlines()
        assert message.startswith("Error: Another process of the app already uses ")
        assert "PostgreSQL" in message
        assert "Redis" in message
        listed = flask_process("portals", "list", environment=environment)
        assert (listed.returncode, listed.stderr) == (0, "")
        worker = flask_process("worker", environment=environment)
        assert worker.returncode == 1
        assert "PostgreSQL" in worker.stderr
        # Killed, with no chance to give anything back.
        orphans = children(first)
        first.kill()
        psutil.wait_procs(orphans, timeout=20)
    with web(environment):
        pass


def test_an_app_whose_first_process_is_killed_ends_at_once(environment: dict[str, str]) -> None:
    """Though a connection is kept, on which one request follows the other."""
    with web(environment) as first, requests.Session() as kept:
        (orphan,) = children(first)
        kept.get(f"{environment['B24_APP_URL']}/healthz", timeout=5)
        first.kill()
        killed_at = time.monotonic()
        with contextlib.suppress(requests.RequestException):
            while time.monotonic() < killed_at + 12:
                kept.get(f"{environment['B24_APP_URL']}/healthz", timeout=5)
                time.sleep(0.05)
        assert psutil.wait_procs([orphan], timeout=5)[1] == []
        assert time.monotonic() - killed_at < 10


def test_a_reload_keeps_the_app_and_the_file(environment: dict[str, str]) -> None:
    with web(environment) as running:
        (before,) = children(running)
        running.send_signal(signal.SIGHUP)
        eventually(lambda: running.poll() is None and [each.pid for each in children(running)] != [before.pid])
        eventually(lambda: len(children(running)) == 1)
        assert children(running)[0].pid != before.pid
        assert gunicorn(environment).returncode == 1
        assert flask_process("portals", "list", environment=environment).returncode == 0


def test_more_than_one_process_needs_a_queue(environment: dict[str, str]) -> None:
    two = gunicorn(environment, "--workers", "2")
    assert two.returncode == 1
    assert [line for line in two.stderr.splitlines() if line.startswith("Error")] == [
        "Error: --workers 2 needs workers of their own: without a QUEUE_URL the app is one process. Set DATABASE_URL to"
        " PostgreSQL and QUEUE_URL to Redis, and start 'flask worker' besides."
    ]
    with web(environment) as running:
        running.send_signal(signal.SIGTTIN)
        time.sleep(1.5)
        assert len(children(running)) == 1


def test_a_second_dev_leaves_the_first_alone(tmp_path: Path) -> None:
    running = subprocess.Popen([FLASK, "dev"], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        eventually(lambda: (tmp_path / "instance" / "dev" / "b24.sqlite3").exists())
        second = flask_process("dev", "--once", cwd=tmp_path)
        assert second.returncode == 1
        assert second.stderr.startswith("Error: Another 'flask dev' already uses ")
        assert "PostgreSQL" in second.stderr
        assert (tmp_path / "instance" / "dev" / "b24.sqlite3").exists()
    finally:
        running.terminate()
        running.communicate(timeout=30)


@pytest.mark.parametrize("database", ["", "sqlite:///x.sqlite3"])
def test_workers_of_their_own_need_postgresql(environment: dict[str, str], database: str) -> None:
    done = flask_process(
        "worker", environment=environment | {"QUEUE_URL": "redis://127.0.0.1", "DATABASE_URL": database}
    )
    assert done.returncode == 1
    assert "these need PostgreSQL" in done.stderr
    assert "Traceback" not in done.stderr
