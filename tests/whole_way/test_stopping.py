"""A process that is to end brings what it has begun to its end, and leaves the rest to the next one at once."""

import threading
import time
from collections.abc import Iterator

import pytest

from tests.conftest import Portal, RunningApp, eventually, values
from tests.shelf import behaviours

GRACE_SECONDS = 30
"""gunicorn's, after which it kills."""


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    behaviours.CALLS.clear()
    behaviours.RELEASED.clear()
    yield
    behaviours.RELEASED.set()


def test_what_has_begun_is_finished_and_the_rest_is_handed_on(installed: RunningApp, portal: Portal) -> None:
    """While an answer is sent, a function runs, another hangs, and more wait for their places."""
    runs = installed.backend.runs
    portal.finished(portal.run("dawdle"))
    assert installed.backend.execution.stuck == ["dawdle"]
    portal.ask("faults", rest={"bizproc.event.send": {"delay_ms": 1500, "times": 1}})
    answered = portal.run("tell", {"words": "answered"})
    eventually(lambda: runs.list(code="tell", state="answering"))
    running = portal.run("wait_a_moment", {"words": "running"})
    eventually(lambda: "running" in behaviours.CALLS)
    waiting = [portal.run("wait_a_moment", {"words": "waiting"}) for _ in range(6)]
    eventually(lambda: len(runs.list(code="wait_a_moment")) == 7)
    began = time.monotonic()
    installed.backend.stop()
    assert time.monotonic() - began < GRACE_SECONDS
    assert values(portal.process(answered))["told"].startswith("answered")
    assert values(portal.process(running)) == {"told": "running"}
    assert behaviours.CALLS.count("waiting") == 0
    left = {run.id for run in runs.list(state="received")}
    assert len(left) == len(waiting)
    assert {turn.run_id for turn in runs.due()} == left, "the next process's sweep hands them over at once"


def test_a_portal_that_takes_no_answers_holds_up_no_end(
    installed: RunningApp, portal: Portal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bizproc.runs.answering.STOP_SECONDS", 0)
    portal.ask("faults", rest={"bizproc.event.send": {"delay_ms": 2000, "times": 99}})
    for words in ("first", "second", "third"):
        portal.run("tell", {"words": words})
    eventually(lambda: len(installed.backend.runs.list(state="answering")) == 3)
    stopping = threading.Thread(target=installed.backend.stop)
    stopping.start()
    stopping.join(GRACE_SECONDS)
    assert not stopping.is_alive()
    assert len(portal.log("bizproc.event.send")) == 1
    assert len(installed.backend.runs.list(state="answering")) == 2
