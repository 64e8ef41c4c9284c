"""``flask runs replay``, ``complete`` and ``cancel``, as an operator uses them beside the running app."""

from collections.abc import Iterator

import pytest

from tests.commands.test_commands import environment, flask
from tests.conftest import Portal, RunningApp, eventually
from tests.shelf import behaviours

__all__ = ["environment"]


@pytest.fixture(autouse=True)
def fresh(installed: RunningApp) -> Iterator[None]:
    """Releases what the app waits for when it ends."""
    behaviours.CALLS.clear()
    behaviours.RELEASED.clear()
    yield
    behaviours.RELEASED.set()


def run_id(app: RunningApp, state: str) -> str:
    (run,) = eventually(lambda: [run for run in app.backend.runs.list() if state in (run.state, run.outcome)])
    return str(run.id)


def test_a_deferred_run_is_completed(environment: dict[str, str], installed: RunningApp, portal: Portal) -> None:
    process = portal.run("hand_on")
    waiting = run_id(installed, "deferred")
    for wrong, why in (
        (("--values", "{"), "--values is no JSON"),
        (("--values", '{"other": 1}'), "the activity returns no other"),
        ((), "Give either --values or --error."),
    ):
        refused = flask("runs", "complete", waiting, *wrong, environment=environment)
        assert refused.exit_code in (1, 2)
        assert why in refused.stderr
    done = flask("runs", "complete", waiting, "--error", "by hand", environment=environment)
    assert (done.exit_code, done.stdout) == (0, f"Run {waiting} is complete. Its process is told within seconds.\n")
    assert portal.finished(process)["log"][-1]["message"] == "The step has failed: by hand"
    late = flask("runs", "complete", waiting, "--error", "no", environment=environment)
    assert (late.exit_code, "is not waiting to be completed" in late.stderr) == (1, True)


def test_a_dead_run_is_replayed(environment: dict[str, str], installed: RunningApp, portal: Portal) -> None:
    portal.finished(portal.run("give_up"))
    dead = run_id(installed, "dead")
    eventually(lambda: installed.backend.runs.list(state="closed"))
    done = flask("runs", "replay", dead, environment=environment)
    assert (done.exit_code, done.stdout) == (0, f"Run {dead} is called once more.\n")
    eventually(lambda: len(behaviours.CALLS) == 4)
    missing = flask("runs", "replay", "99", environment=environment)
    assert (missing.exit_code, missing.stderr.startswith("Error: There is no run 99.")) == (1, True)


def test_a_running_run_is_cancelled(environment: dict[str, str], installed: RunningApp, portal: Portal) -> None:
    process = portal.run("held")
    running = run_id(installed, "running")
    done = flask("runs", "cancel", running, environment=environment)
    assert (done.exit_code, done.stdout) == (0, f"Run {running} is cancelled. Its process is told within seconds.\n")
    assert portal.finished(process)["log"][-1]["message"] == "The step has failed: The operator has cancelled it."
    again = flask("runs", "cancel", running, environment=environment)
    assert (again.exit_code, "there is nothing to cancel" in again.stderr) == (1, True)
    refused = flask("runs", "replay", "1" if running != "1" else "2", environment=environment)
    assert refused.exit_code == 1
