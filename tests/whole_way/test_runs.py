"""A process of the portal, through the queue server, the app and its worker, and back."""

import json
import secrets
import threading
from dataclasses import replace

import pytest
import requests

from bizproc.runs.execution import AT_ONCE_PER_PORTAL
from bizproc.settings import Settings
from tests.conftest import Portal, RunningApp, app_of_shelf, eventually, serving, values
from tests.shelf import behaviours


def test_an_activity_runs_and_the_process_gets_its_answer(deployed: RunningApp, portal: Portal) -> None:
    process = portal.run("tell", {"words": "Grüße, мир"}, document_id="DEAL_7", user_id=1)
    finished = portal.finished(process)
    assert values(finished) == {
        "told": f"Grüße, мир crm.CCrmDocumentDeal.DEAL_7.crm.CCrmDocumentDeal.DEAL 1 en {process}"
    }
    assert finished["log"][0]["message"] == "about to tell Grüße, мир"
    assert len(portal.log("bizproc.activity.log")) == 1
    (delivery,) = finished["delivery"]
    assert delivery["status"] == 200


def test_a_robot_asks_the_portal_with_the_callbacks_token(deployed: RunningApp, portal: Portal) -> None:
    finished = portal.finished(portal.run("ask_portal", user_id=1))
    assert "'ID': '1'" in values(finished)["told"]
    assert "/oauth/token/" not in "".join(entry["url"] for entry in portal.log())


def test_every_type_there_and_back(deployed: RunningApp, portal: Portal) -> None:
    given = {
        "flag": "Y",
        "day": "31.12.2026",
        "moment": "01.08.2026 12:30:00",
        "hour": "12:30",
        "amount": "1 000,5",
        "number": "1 000",
        "choice": "b",
        "line": "a=b&c[d]=e%20f+g",
        "lines": "one\ntwo",
        "person": "user_1",
        "paper": "12",
        "numbers": ["1", "2"],
        "people": ["user_1", "user_2"],
        "days": ["01.01.2026", "02.01.2026"],
    }
    back = portal.finished(portal.run("every_type", given))["returned"]
    assert {name: taken["value"] for name, taken in back.items()} == {
        "flag_back": "Y",
        "day_back": "31.12.2026",
        "moment_back": "01.08.2026 12:30:00",
        "amount_back": 1000.5,
        "number_back": 1000,
        "choice_back": "b",
        "line_back": "a=b&c[d]=e%20f+g",
        "lines_back": "one\ntwo",
        "person_back": "user_1",
        "numbers_back": [1, 2],
        "people_back": ["user_1", "user_2"],
        "days_back": ["01.01.2026", "02.01.2026"],
    }
    assert not [taken for taken in back.values() if taken["fault"]]


def test_what_slashes_in_dates_mean_is_learned_from_callbacks(
    deployed: RunningApp, portal: Portal, other_portal: Portal
) -> None:
    other_portal.ask("install", app_url=deployed.url)
    eventually(lambda: "every_type" in other_portal.stored())

    def read(day: str, where: Portal = portal) -> object:
        """The first of May or the fifth of January: what a portal got back for a day, as day.month.year."""
        return values(where.finished(where.run("every_type", {"day": day})))["day_back"]

    assert read("05/01/2026") == "01.05.2026", "by the portal's language"
    assert read("25/01/2026") == "25.01.2026"
    assert read("05/01/2026") == "05.01.2026", "as the portal has told"
    assert read("05/01/2026", other_portal) == "01.05.2026", "each portal for itself"
    found = deployed.backend.installations.of_domain(portal.description["domain"])
    assert found
    assert found.slashed_dates == "d/m/Y"
    assert read("01/25/2026") == "25.01.2026"
    assert read("05/01/2026") == "01.05.2026", "its administrator has changed it"


def test_nothing_given_is_nothing_returned(deployed: RunningApp, portal: Portal) -> None:
    assert values(portal.finished(portal.run("every_type", {}))) == {
        "numbers_back": [],
        "people_back": [],
        "days_back": [],
    }


def test_a_failure_is_told_to_the_process(deployed: RunningApp, portal: Portal) -> None:
    finished = portal.finished(portal.run("fail", {"words": "fly"}))
    assert values(finished) == {"error": "cannot fly"}
    assert finished["log"][-1]["message"] == "The step has failed: cannot fly"
    (run,) = eventually(lambda: deployed.backend.runs.list(code="fail", state="closed"))
    assert (run.outcome, run.error) == ("failed", "cannot fly")


@pytest.mark.parametrize("code", ["crash", "mistake", "exit"])
def test_an_unexpected_error_is_told_without_its_details(
    deployed: RunningApp, portal: Portal, code: str, caplog: pytest.LogCaptureFixture
) -> None:
    finished = portal.finished(portal.run(code))
    (run,) = deployed.backend.runs.list(code=code)
    expected = f"an unexpected error in the app. Its operator finds it under run {run.id}."
    assert values(finished) == {"error": expected}
    shown = deployed.backend.runs.get(run.id)
    assert shown
    assert shown.trace
    assert "Traceback" in shown.trace
    assert "Traceback" not in caplog.text
    assert "a secret detail" not in caplog.text


def test_an_activity_that_ends_its_thread_ends_no_worker(deployed: RunningApp, portal: Portal) -> None:
    for each in [portal.run("exit") for _ in range(10)]:
        portal.finished(each)
    assert values(portal.finished(portal.run("tell", {"words": "still here"})))["told"].startswith("still here")


@pytest.mark.parametrize("words", ["nan", "surrogate"])
def test_results_that_no_json_can_say_fail_the_run(deployed: RunningApp, portal: Portal, words: str) -> None:
    finished = portal.finished(portal.run("unsayable", {"words": words}))
    assert "an unexpected error in the app" in finished["log"][-1]["message"]


def test_values_that_do_not_fit_are_all_named(deployed: RunningApp, portal: Portal) -> None:
    finished = portal.finished(portal.run("every_type", {"number": "many", "choice": "c", "day": "soon"}))
    assert finished["log"][-1]["message"] == (
        "The step has failed: day: 'soon' is no date that is known here; number: 'many' is no whole number;"
        " choice: 'c' is no option; options are a, b"
    )


def test_a_code_that_the_app_does_not_have_is_told(deployed: RunningApp, portal: Portal) -> None:
    token = portal.ask("token")["access_token"]
    added = {"CODE": "gone", "NAME": "Gone", "HANDLER": f"{deployed.url}/activities/gone", "USE_SUBSCRIPTION": "Y"}
    assert requests.post(f"{portal.url}/rest/bizproc.activity.add", json=added | {"auth": token}, timeout=9).ok
    finished = portal.finished(portal.run("gone"))
    assert finished["delivery"][0]["status"] == 200
    assert finished["log"][-1]["message"] == "The step has failed: the app has no activity gone any more."
    # The portal should not know it, so the app looks what else is different there.
    eventually(lambda: len(portal.log("/rest/batch")) >= 3)


def test_nobody_waits(deployed: RunningApp, portal: Portal) -> None:
    """No answer is sent. A failure goes to the process's log, if the process is still there."""
    portal.run("silent", {"words": "hush"}, wait=False)
    portal.run("silent", {"words": "fail"}, wait=False)
    eventually(lambda: len(deployed.backend.runs.list(code="silent", state="closed")) == 2)
    assert not portal.log("bizproc.event.send")
    (logged,) = portal.log("bizproc.activity.log")
    assert json.loads(logged["request"]["raw"])["LOG_MESSAGE"] == "The step has failed: silently"
    assert {run.error for run in deployed.backend.runs.list(code="silent")} == {"silently", None}


def test_a_repeated_callback_runs_once(deployed: RunningApp, portal: Portal) -> None:
    portal.ask("faults", queue={"repeat": 1})
    behaviours.CALLS.clear()
    process = portal.run("tell", {"words": "once"})
    portal.finished(process)
    eventually(lambda: len(portal.log("/activities/tell")) == 2)
    assert {entry["status"] for entry in portal.log("/activities/tell")} == {200}
    assert behaviours.CALLS == ["once"]
    assert len(deployed.backend.runs.list()) == 1


def test_a_counter_counts_per_portal_and_files_can_be_loaded(
    deployed: RunningApp, portal: Portal, other_portal: Portal
) -> None:
    other_portal.ask("install", app_url=deployed.url)
    eventually(lambda: "count" in other_portal.stored())
    results = [values(each.finished(each.run("count", {"words": "x"}))) for each in (portal, portal, other_portal)]
    assert [each["number"] for each in results] == [1, 2, 1]
    loaded = requests.get(results[1]["link"], timeout=9)
    assert (loaded.text, loaded.headers["Content-Disposition"]) == ("2 x", "attachment; filename=number.txt")
    assert requests.get(results[1]["link"][:-1], timeout=9).status_code == 404


def test_an_answer_is_repeated_until_the_portal_takes_it(deployed: RunningApp, portal: Portal) -> None:
    portal.ask("faults", rest={"bizproc.event.send": {"error": "INTERNAL_SERVER_ERROR", "status": 500, "times": 2}})
    behaviours.CALLS.clear()
    finished = portal.finished(portal.run("tell", {"words": "again"}))
    assert values(finished)["told"].startswith("again")
    assert behaviours.CALLS == ["again"]
    assert len(portal.log("bizproc.event.send")) == 3


def test_an_answer_that_the_portal_refuses_is_not_repeated(deployed: RunningApp, portal: Portal) -> None:
    form = _form_of(portal, portal.run("tell", {"words": "first"}))
    forged = form.replace("event_token=", "event_token=x")
    assert requests.post(f"{deployed.url}/activities/tell", data=forged, headers=FORM, timeout=9).status_code == 200
    run = eventually(lambda: next((r for r in deployed.backend.runs.list(state="failed") if r.state == "closed"), None))
    assert run.state == "closed"
    assert run.error is not None
    assert run.error.startswith("The portal refused the answer: ACCESS_DENIED")


def test_expired_tokens_are_renewed_once(deployed: RunningApp, portal: Portal) -> None:
    """A run that is worked on late has a stale token in its callback and a stale one stored."""
    behaviours.RELEASED.clear()
    processes = [portal.run("held", {"words": str(number)}) for number in range(4)]
    eventually(lambda: len(deployed.backend.runs.list(state="running")) == 4)
    portal.ask("expire-tokens")
    behaviours.RELEASED.set()
    assert [values(portal.finished(each))["told"] for each in processes] == ["0", "1", "2", "3"]
    assert len(portal.log("/oauth/token/")) == 1


FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def _form_of(portal: Portal, process: str) -> str:
    portal.finished(process)
    return portal.callback(process)


def test_runs_are_found_again_after_a_restart(settings: Settings, portal: Portal) -> None:
    """What was accepted and not run, and what was running, is run by the next process on the same database."""
    behaviours.RELEASED.clear()
    behaviours.CALLS.clear()
    settings = replace(settings, secret_keys=(secrets.token_urlsafe(32),))
    running = AT_ONCE_PER_PORTAL
    with serving(settings, app_of_shelf) as first:
        portal.ask("install", app_url=first.url)
        eventually(lambda: len(portal.stored()) == len(first.backend.registry))
        processes = [portal.run("held", {"words": str(number)}) for number in range(running + 3)]
        eventually(lambda: len(behaviours.CALLS) == running)
        eventually(lambda: len(first.backend.runs.list()) == running + 3)
        # As if the process had been killed: its threads never come to an end for the database, and its lock is free.
        first.backend.queue.messages.clear()
        first.backend.database.close()
        dead = threading.Thread(target=first.backend.queue.stop)
        with serving(replace(settings, app_url=first.url), app_of_shelf):
            behaviours.RELEASED.set()
            answered = [values(portal.finished(each))["told"] for each in processes]
        dead.start()
        dead.join()
    assert answered == [str(number) for number in range(running + 3)]


def test_a_malformed_callback_of_a_proven_sender_is_kept_and_told(deployed: RunningApp, portal: Portal) -> None:
    process = portal.run("held", {"words": "x"})
    behaviours.RELEASED.set()
    form = _form_of(portal, process)
    without = "&".join(field for field in form.split("&") if not field.startswith("document_"))
    changed = without.replace("event_token=", "event_token=other", 1)
    assert requests.post(f"{deployed.url}/activities/held", data=changed, headers=FORM, timeout=9).status_code == 200
    run = eventually(lambda: next((r for r in deployed.backend.runs.list(state="failed") if r.state == "closed"), None))
    sent = [json.loads(entry["request"]["raw"]) for entry in portal.log("bizproc.event.send")]
    assert run.state == "closed"
    assert sent[-1]["LOG_MESSAGE"] == (
        "The step has failed: The callback's form has no usable document_id, document_type."
    )
    assert sent[-1]["EVENT_TOKEN"].startswith("other")


def test_documents_are_what_processes_run_on(deployed: RunningApp, portal: Portal) -> None:
    finished = portal.finished(
        portal.run("tell", {"words": "w"}, document_type=["lists", "BizprocDocument", "iblock_3"])
    )
    assert ".lists.BizprocDocument.iblock_3 " in values(finished)["told"]


def test_a_step_that_ran_out_of_time_ignores_the_late_answer(deployed: RunningApp, portal: Portal) -> None:
    behaviours.RELEASED.clear()
    process = portal.run("held", {"words": "late"}, timeout=0.2)
    assert portal.finished(process)["is_timeout"] == 1
    behaviours.RELEASED.set()
    eventually(lambda: deployed.backend.runs.list(state="closed"))
    eventually(lambda: len(portal.log("bizproc.event.send")) == 1)
    assert values(portal.process(process)) == {}
