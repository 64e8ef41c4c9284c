"""Functions that hang though their runs are over end with their process, and another takes its place."""

import os
import signal
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.commands.test_commands import FLASK, ROOT
from tests.conftest import Portal, eventually, values
from tests.whole_way.test_alone import children
from tests.whole_way.test_processes import GRACE_SECONDS, environment, process, web

pytestmark = pytest.mark.long

__all__ = ["environment"]  # the fixture

ACTIVITIES = '''
"""One that hangs, one that takes its time, and one that tells in which life of its process it runs."""
import secrets
import threading
import time

from bizproc import Context, Properties, ReturnProperties, activity, string

LIFE = secrets.token_hex(8)


class Nothing(Properties):
    pass


class Told(ReturnProperties):
    told: str | None = string("Told", default=None)


@activity("hang", name="Hang", waits=True, seconds=0.3)
def hang(given: Nothing, context: Context) -> Told:
    threading.Event().wait()
    return Told()


@activity("dally", name="Dally", waits=True)
def dally(given: Nothing, context: Context) -> Told:
    time.sleep(3)
    return Told(told=LIFE)


@activity("life", name="Life", waits=True)
def life(given: Nothing, context: Context) -> Told:
    return Told(told=LIFE)
'''


@pytest.fixture
def elsewhere(environment: dict[str, str], tmp_path: Path) -> Path:
    """A folder from which the app finds these activities and no others."""
    (tmp_path / "activities").mkdir()
    (tmp_path / "activities" / "__init__.py").touch()
    (tmp_path / "activities" / "hanging.py").write_text(ACTIVITIES)
    environment["PYTHONPATH"] = os.pathsep.join((str(tmp_path), str(ROOT)))
    return tmp_path


def install(portal: Portal, environment: dict[str, str]) -> None:
    portal.ask("install", app_url=environment["B24_APP_URL"])
    eventually(lambda: len(portal.stored()) == 3)


def life(portal: Portal) -> object:
    return values(portal.finished(portal.run("life")))["told"]


def test_the_embedded_apps_process_is_replaced_and_nobody_notices(
    portal: Portal, environment: dict[str, str], elsewhere: Path
) -> None:
    with (elsewhere / "log").open("w") as log, web(environment, cwd=elsewhere, stderr=log) as running:
        install(portal, environment)
        (before,) = children(running)
        first = life(portal)
        assert life(portal) == first
        slow = portal.run("dally")
        with ThreadPoolExecutor(4) as pool:
            for each in [portal.run("hang"), portal.run("hang")]:
                portal.finished(each)
            eventually(lambda: [each.pid for each in children(running)] != [before.pid])
            # The old process and the new one, at the very moment when one takes over from the other.
            processes = list(pool.map(lambda _: portal.run("life"), range(16)))
            eventually(lambda: len(children(running)) == 1)
            taken = [eventually(lambda each=each: portal.process(each)["delivery"]) for each in processes]  # type: ignore[misc]
            assert {each["status"] for (each,) in taken} == {200}, "nothing that was called was refused"
            for each in processes:
                assert values(portal.finished(each))["told"]
        assert children(running)[0].pid != before.pid
        assert values(portal.finished(slow)) == {"told": first}, "what ran went on"
        assert running.poll() is None
    assert "2 functions hang though their runs are over (hang, hang)" in (elsewhere / "log").read_text()


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_worker_starts_itself_anew(
    portal: Portal, environment: dict[str, str], elsewhere: Path, database_url: str, redis_url: str
) -> None:
    environment |= {"QUEUE_URL": redis_url, "DATABASE_URL": database_url}
    subprocess.run([FLASK, "db", "upgrade"], cwd=elsewhere, env=os.environ | environment, timeout=60, check=True)
    with ExitStack() as running:
        running.enter_context(web(environment, cwd=elsewhere))
        log = running.enter_context((elsewhere / "log").open("w"))
        worker = running.enter_context(process(FLASK, "worker", environment=environment, cwd=elsewhere, stderr=log))
        install(portal, environment)
        first = life(portal)
        slow = portal.run("dally")
        for each in [portal.run("hang"), portal.run("hang")]:
            portal.finished(each)
        assert values(portal.finished(slow)) == {"told": first}, "what ran went on"
        second = life(portal)
        assert second != first
        assert worker.poll() is None, "it is the same process"
        assert "2 functions hang though their runs are over (hang, hang)" in (elsewhere / "log").read_text()
        # Who is told to end while it is about to start anew does end, also while a function hangs.
        portal.finished(portal.run("hang"))
        slow = portal.run("dally")
        eventually(lambda: len(portal.log("/activities/dally")) == 2)
        time.sleep(0.5)
        worker.send_signal(signal.SIGHUP)
        time.sleep(0.5)
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(GRACE_SECONDS) == 0
        assert values(portal.process(slow)) == {"told": second}
