"""Steps: called by the queue server, answered by REST."""

import re
import time
from typing import Any

import pytest

from tests.devportal.driver import App, Portal

PROPERTIES = {
    "docType": {"Name": "Type", "Type": "select", "Options": {"pdf": "PDF"}, "Default": "pdf"},
    "saveDoc": {"Name": "Save", "Type": "bool", "Default": "Y"},
    "Parameters": {"Name": "Parameters", "Type": "string", "Multiple": "Y"},
}
OUTPUTS = {
    "number": {"Name": "Number", "Type": "int"},
    "when": {"Name": "When", "Type": "datetime"},
    "fileName": {"Name": "File", "Type": "string"},
}


@pytest.fixture
def act(portal: Portal, app: App) -> Portal:
    """The portal with the activity `act`, which waits, handled by `app`."""
    portal.add(HANDLER=app.url + "/run", PROPERTIES=PROPERTIES, RETURN_PROPERTIES=OUTPUTS, AUTH_USER_ID=1)
    return portal


def send(portal: Portal, process: Any, **answer: Any) -> Any:
    return portal.call("bizproc.event.send", {"EVENT_TOKEN": process["event_token"], **answer})


def test_the_callback(act: Portal, app: App) -> None:
    id_ = act.run(properties={"doctype": "docx", "Parameters": ["a", "b"]}, document_id="DEAL_7", timeout=60)
    (got,) = app.wait_for(1)
    fields = got.fields
    auth = fields.pop("auth")
    assert abs(int(fields.pop("ts")) - time.time()) < 10
    token = fields.pop("event_token")
    assert re.fullmatch(rf"{re.escape(id_)}\|A\d+_\d+_\d+_\d+\|[0-9a-f]{{32}}\.[0-9a-f]{{64}}", token)
    assert (got.path, fields) == (
        "/run",
        {
            "workflow_id": id_,
            "code": "act",
            "document_id": ["crm", "CCrmDocumentDeal", "DEAL_7"],
            "document_type": ["crm", "CCrmDocumentDeal", "DEAL"],
            "properties": {"docType": "docx", "saveDoc": "Y", "Parameters": ["a", "b"]},
            "use_subscription": "Y",
            "timeout_duration": "60",
        },
    )
    assert "document_id%5B%5D=crm&" in got.raw
    ready = act.ready
    assert act.call("user.admin", token=auth["access_token"]) is True
    assert act.refresh(auth["refresh_token"]).status_code == 200
    assert {
        key: auth[key] for key in ("member_id", "client_endpoint", "domain", "user_id", "status", "expires_in")
    } == {
        "member_id": ready["member_id"],
        "client_endpoint": ready["client_endpoint"],
        "domain": ready["domain"],
        "user_id": "1",
        "status": "L",
        "expires_in": "3600",
    }
    assert auth["application_token"] == act.look("state")["installation"]["application_token"]
    assert auth["server_endpoint"] == f"{ready['oauth_url']}/rest/"


def test_an_answer_closes_the_step(act: Portal, app: App) -> None:
    id_ = act.run()
    app.wait_for(1)
    waiting = act.process(id_)
    assert (waiting["status"], waiting["returned"]) == ("waiting", {})
    assert waiting["delivery"][0]["id"] > 0
    values = {"NUMBER": 7, "filename": "a.pdf", "other": "dropped"}
    assert send(act, waiting, RETURN_VALUES=values, LOG_MESSAGE="Done") is True
    done = act.process(id_, wait=2)
    assert (done["status"], done["is_timeout"]) == ("completed", 0)
    assert [line["message"] for line in done["log"]] == ["Done"]
    assert {name: (taken["value"], taken["typed"], taken["fault"]) for name, taken in done["returned"].items()} == {
        "number": (7, 7, None),
        "fileName": ("a.pdf", "a.pdf", None),
    }
    (delivery,) = done["delivery"]
    assert (delivery["state"], delivery["status"]) == ("delivered", 200)
    assert delivery["ms"] > 0


def test_a_second_answer_does_nothing(act: Portal) -> None:
    process = act.process(act.run())
    assert send(act, process, RETURN_VALUES={"number": 1}) is True
    assert send(act, process, RETURN_VALUES={"number": 2}, LOG_MESSAGE="again") is True
    done = act.process(process["id"])
    assert done["returned"]["number"]["value"] == 1
    assert len(done["log"]) == 1


def test_tokens_are_signed(act: Portal) -> None:
    process = act.process(act.run())
    token = process["event_token"]
    for wrong in (token[:-1] + ("0" if token[-1] != "0" else "1"), token.replace("|A", "|B"), "x", "", None, ["a"]):
        assert act.refused("bizproc.event.send", {"EVENT_TOKEN": wrong}) == (403, "ACCESS_DENIED")
        assert act.refused("bizproc.activity.log", {"EVENT_TOKEN": wrong}) == (403, "ACCESS_DENIED")
    assert act.refused("bizproc.event.send") == (403, "ACCESS_DENIED")
    assert act.process(process["id"])["status"] == "waiting"


def test_answers_need_no_administrator_and_no_application(act: Portal) -> None:
    for admin, application in ((False, True), (False, False)):
        token = act.control("token", admin=admin, application=application)["access_token"]
        process = act.process(act.run())
        assert act.call("bizproc.event.send", {"EVENT_TOKEN": process["event_token"]}, token=token) is True
        assert act.process(process["id"])["status"] == "completed"


def test_log_lines(act: Portal) -> None:
    process = act.process(act.run())
    log = {"event_token": process["event_token"]}
    assert act.call("bizproc.activity.log", {**log, "log_message": "half done"}) is True
    for empty in ("", "0", None):
        refused = act.refused("bizproc.activity.log", {**log, "LOG_MESSAGE": empty})
        assert refused == (400, "ERROR_EMPTY_LOG_MESSAGE")
    running = act.process(process["id"])
    assert (running["status"], [line["message"] for line in running["log"]]) == ("waiting", ["half done"])
    send(act, process)
    assert act.refused("bizproc.activity.log", {**log, "LOG_MESSAGE": "late"}) == (400, 404)


def test_a_process_that_is_gone(act: Portal) -> None:
    process = act.process(act.run())
    act.control("terminate", process=process["id"])
    assert send(act, process, RETURN_VALUES={"number": 1}) is True
    log = {"EVENT_TOKEN": process["event_token"], "LOG_MESSAGE": "late"}
    assert act.refused("bizproc.activity.log", log) == (400, 404)
    gone = act.process(process["id"])
    assert (gone["status"], gone["returned"]) == ("terminated", {})


def test_a_busy_process(act: Portal) -> None:
    act.control("faults", rest={"bizproc.activity.log": {"error": 423, "status": 400, "times": 1}})
    process = act.process(act.run())
    log = {"EVENT_TOKEN": process["event_token"], "LOG_MESSAGE": "x"}
    assert act.refused("bizproc.activity.log", log) == (400, 423)
    assert act.call("bizproc.activity.log", log) is True


def test_a_timeout_closes_the_step(act: Portal) -> None:
    process = act.process(act.run(timeout=0.05))
    done = act.process(process["id"], wait=5)
    assert (done["status"], done["is_timeout"], done["returned"]) == ("completed", 1, {})
    assert send(act, process, RETURN_VALUES={"number": 1}) is True
    assert act.process(process["id"])["returned"] == {}


def test_long_timeouts_are_written_in_digits(act: Portal, app: App) -> None:
    act.run(timeout=5 * 365 * 86_400)
    assert app.wait_for(1)[0].fields["timeout_duration"] == "157680000"


def test_an_answered_step_does_not_time_out(act: Portal) -> None:
    process = act.process(act.run(timeout=0.1))
    send(act, process)
    time.sleep(0.15)
    assert act.process(process["id"])["is_timeout"] == 0


@pytest.mark.parametrize(
    ("stored", "wait", "sent", "waits"),
    [
        ("Y", False, "Y", True),
        ("N", True, "N", False),
        ("", True, "Y", True),
        ("", False, "N", False),
        (None, True, "Y", True),
        ("y", True, "y", False),
        (True, True, "1", False),
    ],
)
def test_who_waits(portal: Portal, app: App, stored: Any, wait: bool, sent: str, waits: bool) -> None:
    portal.add(HANDLER=app.url, USE_SUBSCRIPTION=stored)
    process = portal.process(portal.run(wait=wait))
    assert (process["use_subscription"], process["status"]) == (sent, "waiting" if waits else "completed")
    (got,) = app.wait_for(1)
    assert got.fields["use_subscription"] == sent
    assert "event_token" in got.fields
    assert "properties" not in got.fields


def test_nobody_waits_for_the_answer_of_a_step_that_went_on(portal: Portal, app: App) -> None:
    portal.add(HANDLER=app.url, USE_SUBSCRIPTION="N", RETURN_PROPERTIES=OUTPUTS)
    process = portal.process(portal.run())
    assert send(portal, process, RETURN_VALUES={"number": 1}) is True
    assert portal.process(process["id"])["returned"] == {}


def test_a_missing_record(act: Portal, app: App) -> None:
    failed = act.process(act.run("nothing"))
    assert (failed["status"], failed["delivery"]) == ("failed", [])
    assert "'nothing'" in failed["error"]
    waiting = act.process(act.run())
    app.wait_for(1)
    act.call("bizproc.activity.delete", {"CODE": "act"})
    send(act, waiting, RETURN_VALUES={"number": 1}, LOG_MESSAGE="Done")
    done = act.process(waiting["id"])
    assert (done["status"], done["returned"], done["log"][0]["message"]) == ("completed", {}, "Done")


def test_robots_are_called_alike(portal: Portal, app: App) -> None:
    portal.call("bizproc.robot.add", {"CODE": "rob", "HANDLER": app.url, "NAME": "x", "USE_SUBSCRIPTION": "Y"})
    portal.run("rob", document_type=["lists", "BizprocDocument", "iblock_5"])
    (got,) = app.wait_for(1)
    assert (got.fields["code"], got.fields["document_type"][0]) == ("rob", "lists")


@pytest.mark.parametrize(("status", "state"), [(204, "delivered"), (302, "failed"), (404, "failed"), (500, "failed")])
def test_a_delivery_is_tried_once(act: Portal, app: App, status: int, state: str) -> None:
    app.status = status
    id_ = act.run()
    app.wait_for(1)
    while act.process(id_)["delivery"][0]["state"] == "queued":
        pass
    (delivery,) = act.process(id_)["delivery"]
    assert (delivery["state"], delivery["status"]) == (state, status)
    assert act.process(id_)["status"] == "waiting"
    app.nothing_more(1)


def test_an_application_that_is_not_there(portal: Portal) -> None:
    portal.add(USE_SUBSCRIPTION="N")
    done = portal.process(portal.run(), wait=5)
    assert (done["delivery"][0]["state"], done["delivery"][0]["status"]) == ("failed", None)
    (delivery,) = portal.look("state")["deliveries"]
    assert "ConnectionError" in delivery["error"]


def test_without_a_user_there_are_no_tokens(portal: Portal, app: App) -> None:
    portal.add(HANDLER=app.url, AUTH_USER_ID=0)
    portal.run()
    portal.run(user_id=5)
    without, with_user = sorted((got.fields["auth"] for got in app.wait_for(2)), key=len)
    assert set(without) == {"domain", "server_endpoint", "client_endpoint", "member_id", "application_token"}
    assert with_user["user_id"] == "5"
    assert portal.call("user.admin", token=with_user["access_token"]) is False


def test_many_processes(act: Portal, app: App) -> None:
    ids = act.control("run", code="act", count=50)["processes"]
    assert len(set(ids)) == 50
    got = app.wait_for(50)
    assert {one.fields["workflow_id"] for one in got} == set(ids)
    assert len({one.fields["event_token"] for one in got}) == 50


def test_faults_of_the_queue(act: Portal, app: App) -> None:
    act.control("faults", queue={"repeat": 1})
    twice = act.run()
    first, second = app.wait_for(2)
    assert first.raw == second.raw
    assert len(act.process(twice)["delivery"]) == 2
    act.control("faults", queue={"drop": 1})
    dropped = act.run()
    assert act.process(dropped)["delivery"][0]["state"] == "dropped"
    app.nothing_more(2)
    act.control("faults", queue={"delay": 1, "delay_seconds": 0.2})
    start = time.monotonic()
    act.run()
    app.wait_for(3)
    assert time.monotonic() - start >= 0.2


@pytest.mark.parametrize(
    ("lists", "raw"),
    [
        ("[0]", "properties%5BParameters%5D%5B0%5D=a"),
        ("[]", "properties%5BParameters%5D%5B%5D=a"),
        ("plain", "properties%5BParameters%5D=a"),
    ],
)
def test_the_forms_of_a_list(act: Portal, app: App, lists: str, raw: str) -> None:
    act.run(properties={"Parameters": ["a"]}, lists=lists)
    assert raw in app.wait_for(1)[0].raw


def test_empty_values(act: Portal, app: App) -> None:
    act.run(properties={"docType": None, "saveDoc": "", "Parameters": []})
    (got,) = app.wait_for(1)
    assert got.fields["properties"] == {"docType": "", "saveDoc": ""}
