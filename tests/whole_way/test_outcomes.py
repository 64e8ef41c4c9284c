"""What a function can do beside succeed: try again, take too long, hand on, take a step once."""

import datetime as dt
import json
import time
from collections.abc import Iterator

import pytest
import requests
from sqlalchemy import select, text, update

from bizproc.runs.answering import BATCH
from bizproc.runs.runs import LEASE
from bizproc.secrets import Secrets
from bizproc.storage.database import Database
from bizproc.storage.tables import InstallationRow, RunRow, now
from tests.conftest import Portal, RunningApp, eventually, values
from tests.shelf import behaviours


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    behaviours.CALLS.clear()
    behaviours.RELEASED.clear()
    yield
    behaviours.RELEASED.set()


def test_what_is_tried_again_succeeds_and_takes_a_step_once(deployed: RunningApp, portal: Portal) -> None:
    finished = portal.finished(portal.run("stumble"))
    assert values(finished) == {"told": "1"}, "the step of the first try"
    assert len(behaviours.CALLS) == 3
    assert len(set(behaviours.CALLS)) == 1, "one key for all tries"


def test_what_never_succeeds_is_told_and_kept_as_dead(deployed: RunningApp, portal: Portal) -> None:
    finished = portal.finished(portal.run("give_up"))
    assert values(finished) == {"error": "the other system is away"}
    assert len(behaviours.CALLS) == 2
    (run,) = eventually(lambda: deployed.backend.runs.list(state="dead"))
    assert run.error == "the other system is away"


def test_a_reason_that_no_database_keeps_fails_the_run_all_the_same(deployed: RunningApp, portal: Portal) -> None:
    assert values(portal.finished(portal.run("mumble"))) == {"error": "half ? and \ufffd nothing"}
    assert behaviours.CALLS == ["mumble"] * 2
    process = portal.run("hand_on")
    eventually(lambda: deployed.backend.runs.list(state="deferred"))
    assert requests.post(behaviours.CALLS[-1], data=rb'{"error": "half \ud800"}', timeout=9).status_code == 204
    assert values(portal.finished(process)) == {"error": "half ?"}


def test_a_dead_run_can_be_replayed(deployed: RunningApp, portal: Portal) -> None:
    portal.finished(portal.run("give_up"))
    (run,) = eventually(lambda: [run for run in deployed.backend.runs.list(state="dead") if run.state == "closed"])
    assert deployed.backend.runs.replay(run.id)
    eventually(lambda: len(behaviours.CALLS) == 4)
    process = portal.run("tell", {"words": "x"})
    portal.finished(process)
    (told,) = eventually(lambda: deployed.backend.runs.list(state="succeeded"))
    assert not deployed.backend.runs.replay(told.id), "what succeeded never runs again"


def test_what_takes_too_long_fails_and_can_do_nothing_any_more(deployed: RunningApp, portal: Portal) -> None:
    finished = portal.finished(portal.run("dawdle"))
    assert values(finished) == {"error": "it took longer than 0 seconds."} or "took longer" in values(finished)["error"]
    behaviours.RELEASED.set()
    eventually(lambda: behaviours.CALLS)
    assert behaviours.CALLS == ["released"], "the log refuses what comes late"
    assert len(portal.log("bizproc.event.send")) == 1


def test_a_steps_own_timeout_is_its_deadline(deployed: RunningApp, portal: Portal) -> None:
    process = portal.run("held", {"words": "x"}, timeout=1)
    (run,) = eventually(lambda: [run for run in deployed.backend.runs.list(state="failed") if run.state == "closed"])
    assert "took longer than 1 seconds" in (run.error or "")
    # The portal's own timer may end the step first, or the answer that tells the failure.
    assert portal.finished(process)["status"] == "completed"


def test_a_step_that_has_closed_before_its_turn_is_not_run(deployed: RunningApp, portal: Portal) -> None:
    with deployed.backend.database.writing() as session:  # nobody can store or claim meanwhile
        if not deployed.backend.settings.embedded:
            session.execute(text("LOCK TABLE runs"))
        process = portal.run("tell", {"words": "x"}, timeout=1)
        portal.finished(process)
        time.sleep(0.3)  # the app counts from when it got the callback
        time.sleep(0.5)  # the callback came a little later than its step began
    (run,) = eventually(lambda: deployed.backend.runs.list(state="failed"))
    assert run.error == "The step's time ran out."
    assert behaviours.CALLS == []


def test_another_system_finishes_a_deferred_run(deployed: RunningApp, portal: Portal) -> None:
    process = portal.run("hand_on")
    (run,) = eventually(lambda: deployed.backend.runs.list(state="deferred"))
    (url,) = behaviours.CALLS
    for body, status, why in (
        (b"{", 400, "no JSON"),
        (b"[]", 400, "no JSON object"),
        (b'{"values": {"other": 1}}', 400, "returns no other; it returns told, error"),
        (b'{"values": {"told": {}}}', 400, "values.told: must be"),
        (b'{"error": ""}', 400, "must be a text"),
        (b'{"error": "x", "values": {}}', 400, "either values or error"),
    ):
        refused = requests.post(url, data=body, timeout=9)
        assert (refused.status_code, why in refused.text) == (status, True), refused.text
    assert requests.post(url + "x", json={}, timeout=9).status_code == 404
    assert requests.post(url, json={"values": {"TOLD": "from elsewhere"}}, timeout=9).status_code == 204
    assert values(portal.finished(process)) == {"told": "from elsewhere"}
    late = requests.post(url, json={"values": {"told": "again"}}, timeout=9)
    assert late.status_code == 409
    assert "is not waiting to be completed" in late.text
    assert len(behaviours.CALLS) == 1
    assert run.id


def test_a_completion_can_come_before_the_function_has_ended(deployed: RunningApp, portal: Portal) -> None:
    process = portal.run("held", {"words": "x"})
    (run,) = eventually(lambda: deployed.backend.runs.list(state="running"))
    deployed.backend.completion.complete(run.id, {"values": {"told": "early"}})
    behaviours.RELEASED.set()
    assert values(portal.finished(process))["told"] in ("x", "early")


def test_a_deferred_run_ends_with_its_step(deployed: RunningApp, portal: Portal) -> None:
    process = portal.run("hand_on", timeout=1)
    (run,) = eventually(lambda: deployed.backend.runs.list(state="failed"))
    assert run.error == "The step's time ran out."
    assert portal.finished(process)["is_timeout"]


def test_a_cancelled_run_is_told_and_its_function_stores_nothing(deployed: RunningApp, portal: Portal) -> None:
    process = portal.run("held", {"words": "x"})
    (run,) = eventually(lambda: deployed.backend.runs.list(state="running"))
    assert deployed.backend.runs.cancel(run.id)
    assert portal.finished(process)["log"][-1]["message"] == "The step has failed: The operator has cancelled it."
    behaviours.RELEASED.set()
    (run,) = eventually(lambda: deployed.backend.runs.list(state="closed"))
    eventually(lambda: not deployed.backend.execution.busy)
    assert run.outcome == "failed"
    assert not deployed.backend.runs.cancel(run.id)


@pytest.mark.parametrize("deployed", ["embedded"], indirect=True)  # the limit is one of each worker
def test_an_activity_with_a_limit_runs_no_more_at_a_time(deployed: RunningApp, portal: Portal) -> None:
    for each in [portal.run("one_by_one", {"words": str(number)}) for number in range(6)]:
        portal.finished(each)
    assert behaviours.CALLS == ["begin", "end"] * 6


def test_answers_that_queue_up_go_in_one_batch_each_judged_alone(deployed: RunningApp, portal: Portal) -> None:
    """While one answer is on its way the others wait; one of them is refused."""
    portal.ask("faults", rest={"bizproc.event.send": {"delay_ms": 1500, "times": 1}})
    first = portal.run("tell", {"words": "first"})
    eventually(lambda: deployed.backend.runs.list(state="answering"))
    others = [portal.run("tell", {"words": str(number)}) for number in range(12)]
    told = [values(portal.finished(each))["told"] for each in (first, *others)]
    assert [each.split()[0] for each in told] == ["first", *map(str, range(12))]
    batches = [json.loads(entry["request"]["raw"])["cmd"] for entry in portal.log("/rest/batch")]
    sent = [len(cmd) for cmd in batches if any("event.send" in call for call in cmd.values())]
    assert sent
    assert max(sent) > 1
    assert max(sent) <= BATCH
    assert sum(sent) + len(portal.log("/rest/bizproc.event.send")) == 13
    eventually(lambda: {run.state for run in deployed.backend.runs.list()} == {"closed"})


@pytest.mark.parametrize("deployed", ["embedded"], indirect=True)  # another worker would not wait for the first answer
def test_one_refused_answer_of_a_batch_spoils_no_other(deployed: RunningApp, portal: Portal) -> None:
    slow = {"delay_ms": 3000, "times": 1}
    portal.ask("faults", rest={"bizproc.event.send": slow})
    first = portal.run("tell", {"words": "first"})
    eventually(lambda: deployed.backend.runs.list(state="answering"))
    others = [portal.run("tell", {"words": str(number)}) for number in range(4)]
    eventually(lambda: len(deployed.backend.runs.list(state="answering")) == 5)
    portal.ask("faults", rest={"bizproc.event.send": {"error": "INTERNAL_SERVER_ERROR", "status": 500, "times": 1}})
    for each in (first, *others):
        assert values(portal.finished(each))["told"]


def test_answers_to_one_process_never_meet(deployed: RunningApp, portal: Portal) -> None:
    """Another worker's answer to the same process is on its way: as if this one were another machine."""
    process = portal.run("held", {"words": "x"})
    (run,) = eventually(lambda: deployed.backend.runs.list(state="running"))
    with deployed.backend.database.writing() as session:
        row = session.get_one(RunRow, run.id)
        other = RunRow(
            installation_id=row.installation_id,
            event_hash=b"other",
            code="tell",
            raw=row.raw,
            state="answering",
            outcome="succeeded",
            sending=True,
            due_at=now() + dt.timedelta(seconds=60),
            handed_at=now(),
            claim=1,
            answer_attempts=0,
            received_at=now(),
        )
        session.add(other)
        session.flush()
        other_id, run_installation = other.id, row.installation_id
    workflow = f"{run_installation} {_workflow(portal, process)}"
    with deployed.backend.database.writing() as session:
        known = deployed.backend.hashes.hash(workflow.encode())
        session.execute(update(RunRow).where(RunRow.id == other_id).values(workflow_hash=known))
    behaviours.RELEASED.set()
    eventually(lambda: len(deployed.backend.runs.list(state="answering")) == 2)
    assert portal.process(process)["status"] == "waiting"
    with deployed.backend.database.writing() as session:
        session.execute(update(RunRow).where(RunRow.id == other_id).values(state="closed", sending=False))
    assert values(portal.finished(process)) == {"told": "x"}


def _workflow(portal: Portal, process: str) -> str:
    from urllib.parse import parse_qs

    return parse_qs(portal.callback(process))["workflow_id"][0]


def test_what_needs_tokens_that_no_key_can_read_waits_for_the_key(
    installed: RunningApp, portal: Portal, caplog: pytest.LogCaptureFixture
) -> None:
    """Callbacks without tokens of their own: one is to be answered when the key goes missing, one comes then."""
    database = installed.backend.database
    with database.reading() as session:
        readable = session.get_one(InstallationRow, 1).access_token
    processes = [portal.run("held", {"words": "x"}, user_id=0)]
    eventually(lambda: behaviours.CALLS)
    portal.ask("faults", rest={"bizproc.event.send": {"error": "BUSY", "status": 500, "times": 99}})
    behaviours.RELEASED.set()
    eventually(lambda: "not answered, again" in caplog.text)
    portal.ask("faults")
    set_access_token(database, Secrets(["another key" * 4]).encrypt(b"token"))
    processes.append(portal.run("held", {"words": "y"}, user_id=0))
    eventually(lambda: caplog.text.count("B24_SECRET_KEY lacks the key") == 2)
    eventually(lambda: len(put_off(database)) == 2)
    assert behaviours.CALLS == ["x"]
    with database.reading() as session:
        attempts = session.execute(select(RunRow.answer_attempts, RunRow.attempts).order_by(RunRow.id)).all()
        assert attempts == [(1, 0), (0, 0)], "it counts for none"

    set_access_token(database, readable)
    with database.writing() as session:
        session.execute(update(RunRow).values(due_at=now()))
    assert [values(portal.finished(process)) for process in processes] == [{"told": "x"}, {"told": "y"}]


def put_off(database: Database) -> list[int]:
    """The runs whose leases have been given up: they are due later than any lease ends."""
    with database.reading() as session:
        return list(session.scalars(select(RunRow.id).where(RunRow.due_at > now() + LEASE)))


def set_access_token(database: Database, sealed: bytes | None) -> None:
    with database.writing() as session:
        session.execute(update(InstallationRow).values(access_token=sealed))
