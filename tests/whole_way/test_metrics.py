"""What is counted by several processes."""

import os
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest
import redis
import requests

from bizproc.storage.database import Database
from tests.conftest import eventually
from tests.handlers.test_metrics import TOKEN, refusals
from tests.whole_way.test_processes import environment, web

__all__ = ["environment"]

STRANGER = {"auth[member_id]": "stranger", "auth[application_token]": "x"}


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_two_workers_count_together(
    environment: dict[str, str],
    database_url: str,
    tmp_path: Path,
) -> None:
    server = os.environ.get("TEST_REDIS_URL", "redis://127.0.0.1:6379")
    try:
        redis.Redis.from_url(server).ping()
    except redis.ConnectionError:
        pytest.skip("no Redis answers; set TEST_REDIS_URL")
    database = Database(database_url)
    database.upgrade()
    database.close()
    environment |= {
        "QUEUE_URL": server,
        "DATABASE_URL": database_url,
        "METRICS_TOKEN": TOKEN,
        "GUNICORN_CMD_ARGS": "--workers 2",
        "TMPDIR": str(tmp_path),
    }
    url = environment["B24_APP_URL"]

    def refused(_number: int) -> int:
        return requests.post(f"{url}/activities/tell", data=STRANGER, timeout=30).status_code

    def counting() -> set[Path]:
        return set(tmp_path.glob("b24-metrics-*/counter_*.db"))

    sent = 0
    with web(environment) as running, ThreadPoolExecutor(16) as threads:
        while len(counting()) < 3:  # the one that forks counts nothing, but has a file too
            assert set(threads.map(refused, range(50))) == {403}
            sent += 50
            assert sent < 5000, "the second worker never had anything to do"
        assert {refusals(url)["callback", "unknown_member_id"] for _ in range(20)} == {sent}
        old = set(psutil.Process(running.pid).children())
        running.send_signal(signal.SIGHUP)
        eventually(lambda: len(new := set(psutil.Process(running.pid).children())) == 2 and not new & old)
        assert set(threads.map(refused, range(50))) == {403}
        assert {refusals(url)["callback", "unknown_member_id"] for _ in range(20)} == {sent + 50}, "after a reload"
    assert not list(tmp_path.glob("b24-metrics-*")), "nothing is left to the next start"
