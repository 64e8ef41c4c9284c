"""Plans applied in the development portal: what it holds then, in how many calls, whatever goes wrong."""

import datetime as dt
import threading
from dataclasses import replace
from typing import Any

import pytest
import requests
from sqlalchemy import update

from bizproc.backend import Backend
from bizproc.definition.definition import Definition, Filter
from bizproc.definition.registry import Registry
from bizproc.definition.text import t
from bizproc.document_types import DEAL, LEAD
from bizproc.errors import BizprocError
from bizproc.portal.b24 import BatchAnswer, PortalRefused, PortalUnavailable, SdkError
from bizproc.registration.registration import Registration
from bizproc.settings import Settings
from bizproc.storage.tables import InstallationRow, RegistrationRow, now
from tests.bizproc.registration.conftest import Bench, defined, prop
from tests.bizproc.registration.conftest import installed as installed_in
from tests.conftest import Portal, RunningApp, eventually
from tests.crowd import in_processes

FULL: dict[str, Any] = {
    "description": t(en="D", de="E"),
    "properties": (prop("a"), prop("b", multiple=True, default=["x"])),
    "return_properties": (prop("r"),),
    "document_type": DEAL,
    "filter": Filter(include=["box", ("crm",)], exclude=["b24"]),
    "waits": True,
    "auth_user_id": 1,
    "placement_handler": "http://127.0.0.1:9/settings/a",
}


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses that would have been made, in seconds."""
    pauses: list[float] = []
    sleep = __import__("time").sleep
    monkeypatch.setattr("bizproc.registration.applying.time.sleep", lambda s: (pauses.append(s), sleep(0))[1])
    return pauses


@pytest.mark.parametrize("number", [1, 50, 51, 120])
def test_the_first_registration_takes_the_fewest_calls(bench: Bench, number: int) -> None:
    applied = bench.apply(*(defined(f"a{each}", **FULL | {"placement_handler": None}) for each in range(number)))
    assert applied.calls == bench.calls() == 1 + -(-number // 50)
    assert bench.held() == bench.wanted()
    assert len(applied.registered) == number


def test_nothing_to_do_takes_one_call(bench: Bench) -> None:
    definitions = [defined("a", **FULL), defined("b", "robot")]
    bench.apply(*definitions)
    before = bench.calls()
    again = bench.apply(*definitions)
    assert (again.calls, bench.calls() - before, again.registered) == (1, 1, ())


def test_a_change_sends_what_differs(bench: Bench) -> None:
    bench.apply(defined("a", **FULL), defined("b"))
    applied = bench.apply(defined("a", **FULL | {"description": t("New")}), defined("b"))
    assert applied.calls == 2
    sent = bench.portal.log("activity.update")[-1]["request"]["parsed"]
    assert sent["FIELDS"] == {"DESCRIPTION": "New"}
    assert bench.held() == bench.wanted()


@pytest.mark.parametrize("field", FULL)
def test_what_vanished_is_cleared(bench: Bench, field: str) -> None:
    bench.apply(defined("a", **FULL))
    assert len(bench.placements()) == 1
    without = {name: value for name, value in FULL.items() if name != field}
    bench.apply(defined("a", **without))
    assert bench.held() == bench.wanted()
    assert len(bench.placements()) == (0 if field == "placement_handler" else 1)
    assert bench.apply(defined("a", **without)).calls == 1


def test_everything_at_once_is_cleared(bench: Bench) -> None:
    bench.apply(*(defined(f"a{number}", **FULL | {"placement_handler": None}) for number in range(3)))
    bench.apply(*(defined(f"a{number}") for number in range(3)))
    assert bench.held() == bench.wanted()


@pytest.mark.parametrize(
    "odd",
    [
        {"description": t("see $result[x]")},
        {"description": t("$NEXT[x] and $Error[y]")},
        {"description": t(en="$results[x]")},
        {"description": t(en="$next.[x]")},
        {"description": t(en="$result\u00a0[x]")},
        {"properties": (prop("a", options={" ": "1", "b": "2"}),)},
        {"properties": (prop("a", options={"a\0b": "1", "b": "2"}),)},
        {"properties": (prop("a", options={"x]y": "1", "[z]": "2"}),)},
        {"properties": tuple(prop(f"p{number}") for number in range(300))},
    ],
)
def test_what_no_batch_can_carry_goes_alone(bench: Bench, odd: dict[str, Any]) -> None:
    applied = bench.apply(defined("a"), defined("b", **odd), defined("c"))
    assert applied.calls == 3
    assert bench.held() == bench.wanted()


@pytest.mark.parametrize(
    "words", ["50 % # & = + ?", "a\nb\tc", "[x][y]", "\\", "%5B", "ü 中 🎉", " blank ", "0", "$result"]
)
def test_any_text_arrives_as_it_is(bench: Bench, words: str) -> None:
    bench.apply(defined("a", description=t(en=words), properties=(prop("p", options={"k": words}),)), defined("b"))
    assert bench.held() == bench.wanted()


def test_after_a_wipe_everything_comes_back(bench: Bench) -> None:
    definitions = [defined("a", **FULL), defined("b", "robot")]
    bench.apply(*definitions)
    for code, kind in (("a", "activity"), ("b", "robot")):
        gone(bench, code, kind)
    bench.apply(*definitions)
    assert bench.held() == bench.wanted()


def gone(bench: Bench, code: str, kind: str = "activity") -> None:
    call(bench, f"bizproc.{kind}.delete", CODE=code)


def call(bench: Bench, method: str, **params: Any) -> None:
    token = bench.portal.ask("token")["access_token"]
    answer = requests.post(f"{bench.portal.url}/rest/{method}", json=params | {"auth": token}, timeout=9)
    assert answer.ok, answer.text


def added_by_somebody(bench: Bench, code: str, kind: str = "activity") -> None:
    call(bench, f"bizproc.{kind}.add", CODE=code, NAME="Somebody's", HANDLER="http://127.0.0.1:9/x", DESCRIPTION="old")


def test_what_the_portal_holds_unknown_is_sent_whole(bench: Bench) -> None:
    """This app's database was lost, say."""
    added_by_somebody(bench, "a")
    bench.apply(defined("a"))
    assert bench.held() == bench.wanted()


def test_what_this_app_did_not_register_is_never_deleted(bench: Bench) -> None:
    added_by_somebody(bench, "foreign")
    bench.apply(defined("a"), allow_deletes=True)
    bench.apply(allow_deletes=True)
    assert list(bench.held()) == ["foreign"]
    assert bench.plan().foreign == (("activity", "foreign"),)


def test_deletions_need_to_be_allowed(bench: Bench) -> None:
    bench.apply(defined("a"), defined("b"))
    applied = bench.apply(defined("b"))
    assert set(bench.held()) == {"a", "b"}
    assert [change.action for change in applied.plan.changes] == ["keep", "delete"]
    bench.apply(defined("b"), allow_deletes=True)
    assert set(bench.held()) == {"b"}
    assert bench.apply(defined("b"), allow_deletes=True).calls == 1


def test_a_kind_or_a_code_that_changes_is_replaced(bench: Bench) -> None:
    bench.apply(defined("a"), defined("old", **FULL))
    bench.apply(defined("a", "robot"), defined("new", previous_code="old", **FULL))
    assert bench.held() == bench.wanted()
    assert bench.apply(defined("a", "robot"), defined("new", previous_code="old", **FULL)).calls == 1


def test_a_refused_definition_does_not_stop_the_others(bench: Bench) -> None:
    wrong = Definition(code="wrong", kind="activity", name=t(""))
    applied = bench.apply(defined("a"), wrong, defined("b"))
    assert set(bench.held()) == {"a", "b"}
    (refused,) = [each for each in applied.registered if each.action == "refused"]
    assert (refused.code, refused.error) == ("wrong", "ERROR_ACTIVITY_VALIDATION_FAILURE: Empty activity NAME!")
    assert bench.backend.registrations.refusals() == {bench.installation.id: 1}
    bench.apply(defined("a"), defined("wrong"), defined("b"))
    assert bench.held() == bench.wanted()
    assert bench.backend.registrations.refusals() == {}


FAULTS: dict[str, dict[str, Any]] = {
    "a batch that fails": {"batch": {"error": "INTERNAL_SERVER_ERROR", "status": 500, "times": 2}},
    "a batch whose answer is lost": {"batch": {"close": True, "after": True, "times": 2}},
    "a connection that is closed": {"batch": {"close": True, "times": 2}},
    "a busy portal": {"batch": {"error": "QUERY_LIMIT_EXCEEDED", "status": 503, "times": 5}},
    "a token that expires": {"batch": {"error": "expired_token", "status": 401, "times": 1}},
    "a token that expires within": {"bizproc.activity.add": {"error": "expired_token", "status": 401, "times": 2}},
    "one command that fails": {"bizproc.activity.add": {"error": "INTERNAL_SERVER_ERROR", "status": 500, "times": 1}},
    "an answer that is lost within": {
        "bizproc.activity.add": {"error": "INTERNAL_SERVER_ERROR", "status": 500, "times": 2, "after": True}
    },
    "a limit within": {"bizproc.activity.add": {"error": "QUERY_LIMIT_EXCEEDED", "status": 503, "times": 2}},
    "a portal that is blocked": {"bizproc.activity.add": {"error": "OVERLOAD_LIMIT", "status": 503, "times": 2}},
    "a list that fails": {"bizproc.activity.list": {"error": "INTERNAL_SERVER_ERROR", "status": 500, "times": 2}},
    "a token that expires in the list": {"bizproc.robot.list": {"error": "expired_token", "status": 401, "times": 1}},
    "a limit in the list": {"bizproc.robot.list": {"error": "QUERY_LIMIT_EXCEEDED", "status": 503, "times": 1}},
    "a working time in the list": {"bizproc.robot.list": {"error": "OPERATION_TIME_LIMIT", "status": 429, "times": 1}},
    "somebody was faster": {"bizproc.activity.add": {"error": "ERROR_ACTIVITY_ALREADY_INSTALLED", "times": 1}},
    "somebody deleted it": {"bizproc.activity.update": {"error": "ERROR_ACTIVITY_NOT_FOUND", "times": 1}},
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_passes_is_tried_again(bench: Bench, fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bizproc.portal.b24._Requester._retry_timeout", 0)
    bench.apply(defined("c", **FULL | {"placement_handler": None}))
    bench.portal.ask("faults", rest=FAULTS[fault])
    bench.apply(defined("a", **FULL), defined("b", "robot"), defined("c"))
    assert bench.held() == bench.wanted()
    bench.portal.ask("faults")
    assert bench.apply(*bench.definitions).calls == 1


def test_a_working_time_that_is_used_up_is_waited_for_or_told(bench: Bench) -> None:
    """The portal tells of the method when it works again by the answer to the second definition."""
    spent = {"error": "OPERATION_TIME_LIMIT", "status": 429, "times": 1}
    bench.portal.ask("faults", rest={"bizproc.activity.add": spent})
    with pytest.raises(PortalUnavailable, match=r"OPERATION_TIME_LIMIT.* can be tried again in \d+ s") as raised:
        bench.apply(defined("a"), defined("b"))
    assert raised.value.retry_in is not None
    assert 30 < raised.value.retry_in <= 601
    bench.apply(*bench.definitions)
    assert bench.held() == bench.wanted()


def test_a_portal_that_never_takes_it_is_given_up_and_finished_later(bench: Bench) -> None:
    bench.portal.ask("faults", rest={"bizproc.activity.add": {"error": "INTERNAL_SERVER_ERROR", "status": 500}})
    with pytest.raises(PortalUnavailable, match="did not take all of it"):
        bench.apply(defined("a"))
    bench.portal.ask("faults")
    bench.apply(defined("a"))
    assert bench.held() == bench.wanted()


@pytest.mark.parametrize(("code", "error"), [("PAYMENT_REQUIRED", SdkError), ("ACCESS_DENIED", SdkError)])
def test_what_does_not_pass_is_told_at_once(bench: Bench, code: str, error: type[Exception]) -> None:
    bench.portal.ask("faults", rest={"batch": {"error": code, "status": 401}})
    with pytest.raises(error):
        bench.apply(defined("a"))
    assert bench.calls() == 1


def test_who_is_no_administrator_is_told_who_has_to_come(bench: Bench) -> None:
    bench.portal.ask("faults", rest={"bizproc.robot.list": {"error": "ACCESS_DENIED", "status": 403}})
    with pytest.raises(PortalRefused, match="an administrator of the portal has to open it"):
        bench.apply(defined("a"))


def test_one_apply_in_a_portal_at_a_time(bench: Bench) -> None:
    bench.definitions = [defined("a")]
    bench.portal.ask("faults", rest={"batch": {"delay_ms": 400, "times": 1}})
    first = threading.Thread(target=bench.apply, args=(defined("a"),))
    first.start()
    eventually(lambda: held_by_another(bench))
    with pytest.raises(PortalUnavailable, match="another apply is at work"):
        bench.apply(defined("a"))
    first.join()
    assert bench.apply(defined("a")).calls == 1


def held_by_another(bench: Bench) -> bool:
    with bench.backend.database.reading() as session:
        return session.get_one(InstallationRow, bench.installation.id).apply_until is not None


def end_lease(bench: Bench) -> None:
    with bench.backend.database.writing() as session:
        session.get_one(InstallationRow, bench.installation.id).apply_until = now() - dt.timedelta(seconds=1)


def test_whoever_lost_the_lease_stores_nothing_more(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """One hangs over its update; its lease ends, another applies a newer release, and then the answer comes."""
    bench.apply(defined("a"))
    other = Bench(bench.backend, bench.portal, bench.installation)
    newer = defined("a", description=t("newer"))
    send, number = bench.backend.app.connections.send, iter(range(10**6))

    def sent(*args: Any, **how: Any) -> requests.Response:
        here = next(number)
        answer = send(*args, **how)
        if here == 1:
            end_lease(bench)
            other.apply(newer)
        return answer

    monkeypatch.setattr(bench.backend.app.connections, "send", sent)
    with pytest.raises(PortalUnavailable, match="another apply has taken over"):
        bench.apply(defined("a", description=t("older")))
    assert other.plan(newer).pending(allow_deletes=True) == ()
    assert other.held() == other.wanted()


def test_whoever_lost_the_lease_sends_nothing_more(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    send = bench.backend.app.connections.send

    def sent(*args: Any, **how: Any) -> requests.Response:
        answer = send(*args, **how)
        end_lease(bench)
        with bench.backend.installations.applying(bench.installation):
            pass
        return answer

    monkeypatch.setattr(bench.backend.app.connections, "send", sent)
    with pytest.raises(PortalUnavailable, match="another apply has taken over"):
        bench.apply(defined("a"))
    assert bench.calls() == 1


def test_a_lease_lasts_as_long_as_its_process(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bizproc.portal.installations.APPLY_LEASE", dt.timedelta(seconds=0.4))
    applying = bench.backend.installations.applying
    with applying(bench.installation):
        threading.Event().wait(0.8)
        with pytest.raises(PortalUnavailable, match="one that was killed gives way"), applying(bench.installation):
            pass
    assert not held_by_another(bench)


def test_a_developers_codes_never_meet_productions(bench: Bench) -> None:
    production = [defined("a"), defined("b", "robot")]
    bench.apply(*production)
    bench.apply(defined("a", description=t("Mine")), prefix="anna.")
    assert set(bench.held()) == {"a", "b", "anna.a"}
    assert bench.held()["anna.a"]["HANDLER"] == bench.held()["a"]["HANDLER"]
    assert bench.apply(*production, allow_deletes=True).calls == 1
    assert bench.plan(*production).foreign == ()
    bench.apply(prefix="anna.", allow_deletes=True)
    assert set(bench.held()) == {"a", "b"}


def test_nothing_is_sent_under_another_domain(bench: Bench, portal: Portal) -> None:
    other = installed_in(bench.backend, portal)
    other.installation = other.backend.installations.get(other.installation.id)  # type: ignore[assignment]
    object.__setattr__(other.installation, "app_host", "app.example.com")
    with pytest.raises(PortalRefused) as raised:
        other.apply(defined("a"))
    for words in ("app.example.com", "127.0.0.1", "B24_APP_URL", "callbacks would never come", "flask portals confirm"):
        assert words in str(raised.value)
    assert other.calls() == 0
    object.__setattr__(other.installation, "confirmed_host", "127.0.0.1")
    other.apply(defined("a"))
    assert other.held() == other.wanted()


def test_a_settings_dialog_under_another_domain_is_not_sent_either(bench: Bench) -> None:
    with pytest.raises(PortalRefused, match=r"is on dialog\.example\.com\. Nothing was sent"):
        bench.apply(defined("a", placement_handler="https://dialog.example.com/settings"))
    assert bench.calls() == 0


def test_a_refresh_repairs_what_somebody_changed(bench: Bench) -> None:
    bench.apply(defined("a", **FULL), defined("b", document_type=LEAD))
    call(bench, "bizproc.activity.update", CODE="a", FIELDS={"DESCRIPTION": "changed", "FILTER": ""})
    assert bench.apply(*bench.definitions).calls == 1
    bench.apply(*bench.definitions, refresh=True)
    assert bench.held() == bench.wanted()
    assert bench.apply(*bench.definitions).calls == 1


class Killed(BaseException):
    """The process ends between the portal's answer and the store."""


def killed_before_storing(bench: Bench, *definitions: Definition) -> None:
    def killed(*_: object, **__: object) -> None:
        raise Killed

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bench.backend.registrations, "settle", killed)
        with pytest.raises(Killed):
            bench.apply(*definitions)


def test_what_a_killed_process_had_added_is_this_apps(bench: Bench) -> None:
    killed_before_storing(bench, defined("a", **FULL), defined("b"))
    assert set(bench.held()) == {"a", "b"}
    bench.apply(defined("a"), allow_deletes=True)
    assert bench.held() == bench.wanted()
    assert bench.apply(defined("a")).calls == 1


def test_what_a_killed_process_had_changed_is_known_to_be_unknown(bench: Bench) -> None:
    """The code goes back to what was stored last: the portal holds something else by then."""
    bench.apply(defined("a"))
    killed_before_storing(bench, defined("a", **FULL))
    bench.apply(defined("a"))
    assert bench.held() == bench.wanted()


WRONG = Definition(code="wrong", kind="activity", name=t(""))


def sent_with(bench: Bench, code: str) -> int:
    """How often something of this code was sent."""
    return sum(entry["request"]["raw"].count(f"CODE={code}") for entry in bench.portal.log("/rest/batch")) + sum(
        entry["request"]["parsed"].get("CODE") == code for entry in bench.portal.log("/rest/bizproc")
    )


def test_another_order_is_sent(bench: Bench) -> None:
    options = {"2": "two", "1": "one"}
    bench.apply(defined("a", properties=(prop("x"), prop("y", options=options))))
    bench.apply(defined("a", properties=(prop("y", options=options), prop("x"))))
    assert bench.held() == bench.wanted()
    bench.apply(defined("a", properties=(prop("y", options=dict(reversed(options.items()))), prop("x"))))
    assert bench.held() == bench.wanted()
    assert list(bench.portal.stored()["a"]["PROPERTIES"]) == ["y", "x"]


def dialogs(bench: Bench) -> dict[str, str]:
    return {each["CODE"]: each["PLACEMENT_HANDLER"].rpartition("/")[2] for each in bench.placements()}


def with_dialog(code: str, name: str, **more: Any) -> Definition:
    return defined(code, placement_handler=f"http://127.0.0.1:9/settings/{name}", **more)


def test_the_address_of_a_dialog_changes(bench: Bench) -> None:
    bench.apply(with_dialog("a", "x"))
    applied = bench.apply(with_dialog("a", "y"))
    assert [each.action for each in applied.registered] == ["updated"]
    assert dialogs(bench) == {"a": "y"}


@pytest.mark.parametrize("sure", [True, False])
def test_dialogs_change_places(bench: Bench, sure: bool) -> None:
    bench.apply(with_dialog("a", "x"), with_dialog("b", "y"), defined("c"))
    if not sure:
        killed_before_storing(bench, with_dialog("a", "x", waits=True), with_dialog("b", "y", waits=True), defined("c"))
    applied = bench.apply(with_dialog("c", "x"), with_dialog("a", "y"), defined("b"))
    assert {each.action for each in applied.registered} == {"updated"}
    assert dialogs(bench) == {"c": "x", "a": "y"}
    bench.apply(with_dialog("c", "y"), with_dialog("a", "x"), defined("b"))
    assert dialogs(bench) == {"c": "y", "a": "x"}
    assert bench.held() == bench.wanted()
    assert bench.apply(*bench.definitions).calls == 1


def test_a_renamed_activity_takes_its_dialog_along(bench: Bench) -> None:
    bench.apply(with_dialog("old", "x"))
    bench.apply(with_dialog("new", "x", previous_code="old"))
    assert dialogs(bench) == {"new": "x"}
    assert bench.held() == bench.wanted()


def test_a_developers_dialog_is_another(bench: Bench) -> None:
    for address in ("x", "x?a=1", "x?" + "a" * 190):
        bench.apply(with_dialog("a", address))
        applied = bench.apply(with_dialog("a", address), prefix="anna.")
        assert [each.error for each in applied.registered] == [None]
    assert dialogs(bench) == {"a": address, "anna.a": "x?prefix=anna.&" + address[2:]}


@pytest.mark.parametrize("prefix", ["anna smith/", "a" * 70, "ä", "a\n"])
def test_a_prefix_that_makes_no_codes_is_told(bench: Bench, prefix: str) -> None:
    with pytest.raises(BizprocError, match="cannot be put before codes: take at most 64 Latin letters"):
        bench.apply(defined("a"), prefix=prefix)
    with pytest.raises(BizprocError, match="take at most 8 Latin letters"):
        bench.apply(defined("a" * 120), prefix="anna.anna.")
    assert bench.calls() == 0


def test_no_code_changes_hands_by_its_prefix(bench: Bench) -> None:
    bench.apply(defined("anna.x"))
    with pytest.raises(PortalRefused, match=r"anna\.x is registered in .* with another prefix than 'anna\.'"):
        bench.apply(defined("x"), prefix="anna.")
    assert bench.apply(defined("anna.x")).calls == 1


def test_a_former_code_of_somebody_else_is_never_deleted(bench: Bench) -> None:
    added_by_somebody(bench, "old")
    bench.apply(defined("new", previous_code="old"))
    assert set(bench.held()) == {"old", "new"}


@pytest.mark.parametrize("codes", [("old", None), ("old", "new")])
def test_former_codes_that_are_in_use_come_to_rest(bench: Bench, codes: tuple[str, str | None]) -> None:
    former, latter = codes
    both = [defined("new", previous_code=former), defined("old", previous_code=latter)]
    bench.apply(defined("old"))
    bench.apply(*both)
    assert bench.held() == bench.wanted()
    assert bench.apply(*both).calls == 1


def test_a_rename_that_is_refused_leaves_the_former_code(bench: Bench) -> None:
    bench.apply(defined("old"))
    refused = Definition(code="new", kind="activity", name=t(""), previous_code="old")
    assert [each.action for each in bench.apply(refused).registered] == ["refused"]
    assert set(bench.held()) == {"old"}
    bench.apply(defined("new", previous_code="old"))
    assert set(bench.held()) == {"new"}


def test_an_unknown_error_is_said_of_one_definition_alone(bench: Bench) -> None:
    wrong = {"error": "ERROR_ARGUMENT", "description": "Why", "status": 400, "times": 1}
    bench.apply(defined("z"))
    bench.portal.ask("faults", rest={"bizproc.activity.add": wrong})
    applied = bench.apply(defined("z", "robot"), *(defined(f"a{number}") for number in range(120)))
    assert [(each.code, each.error) for each in applied.registered if each.error] == [("a0", "ERROR_ARGUMENT: Why")]
    assert set(bench.held()) == {"z"} | {f"a{number}" for number in range(1, 120)}
    assert bench.apply(*bench.definitions).calls == 2
    assert bench.held() == bench.wanted()


def test_what_ends_an_apply_loses_nothing_that_was_done(bench: Bench) -> None:
    ended = {"error": "ACCESS_DENIED", "status": 403, "times": 1}
    bench.portal.ask("faults", rest={"bizproc.activity.add": ended})
    with pytest.raises(PortalRefused, match="a: ACCESS_DENIED"):
        bench.apply(defined("a"), defined("b"))
    assert set(bench.backend.registrations.known(bench.installation.id, "")["b"].fields or ()) >= {"NAME"}
    assert [each.action for each in bench.apply(*bench.definitions).registered] == ["added"]


@pytest.mark.parametrize("robot", [True, False])
def test_a_deletion_that_is_refused_is_told(bench: Bench, robot: bool) -> None:
    bench.apply(defined("a"))
    never = {"error": "ERROR_CORE", "description": "Never", "status": 400}
    bench.portal.ask("faults", rest={"bizproc.activity.delete": never})
    after = [defined("a", "robot")] if robot else []
    applied = bench.apply(*after, defined("b"), allow_deletes=True)
    assert {each.code: (each.action, each.error) for each in applied.registered} == {
        "a": ("refused", "ERROR_CORE: Never"),
        "b": ("added", None),
    }
    bench.portal.ask("faults")
    bench.apply(*bench.definitions, allow_deletes=True)
    assert bench.held() == bench.wanted()


def test_what_was_refused_is_not_sent_again_unchanged(bench: Bench) -> None:
    """A robot that fails three times makes new rounds."""
    failing = {"error": "INTERNAL_SERVER_ERROR", "status": 500, "times": 3}
    bench.portal.ask("faults", rest={"bizproc.robot.add": failing})
    definitions = [WRONG, defined("r", "robot")]
    applied = bench.apply(*definitions)
    assert {each.code: each.action for each in applied.registered} == {"wrong": "refused", "r": "added"}
    assert sent_with(bench, "wrong") == 1
    assert not bench.registration.differs(bench.installation)
    assert bench.apply(*definitions, repeat_refused=False).calls == 1
    assert bench.apply(*definitions).calls == 2, "somebody asks for it"
    assert bench.apply(*definitions, refresh=True, repeat_refused=False).calls == 3
    assert sent_with(bench, "wrong") == 3
    bench.definitions = [defined("wrong"), defined("r", "robot")]
    assert bench.registration.differs(bench.installation)
    bench.apply(*bench.definitions, repeat_refused=False)
    assert bench.held() == bench.wanted()


def test_events_that_are_not_bound_are_bound_by_a_second_try(bench: Bench) -> None:
    failing = {"error": "INTERNAL_SERVER_ERROR", "status": 500, "times": 3}
    bench.portal.ask("faults", rest={"event.bind": failing})
    bench.apply(defined("a"))
    assert len(bench.portal.state()["handlers"]) == 5


@pytest.mark.parametrize("odd", [[], None, {}, [1], "a", {"a": "b"}])
def test_a_list_that_is_none_is_told(bench: Bench, odd: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    token = bench.token
    monkeypatch.setattr(token, "batch", lambda _: BatchAnswer({"activity": odd, "robot": odd} if odd != [] else {}, {}))
    with pytest.raises(PortalUnavailable, match=r"is not understood: bizproc\.activity\.list gave no list of codes"):
        bench.registration.apply(bench.installation, token)


def test_a_good_apply_ends_an_old_error(bench: Bench) -> None:
    def errors() -> tuple[str | None, int]:
        row = bench.backend.installations.get(bench.installation.id)
        assert row is not None
        return row.register_error, row.register_attempts

    with bench.backend.database.writing() as session:
        row = session.get_one(InstallationRow, bench.installation.id)
        row.register_error, row.register_attempts = "old", 3
    bench.apply(defined("a"), prefix="anna.")
    assert errors() == ("old", 3), "a developer's says nothing of production's"
    bench.apply(defined("a"))
    assert errors() == (None, 0)


def test_what_vanishes_is_warned_of_when_it_is_done(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    both, one = (defined("a", properties=tuple(map(prop, keys))) for keys in ("xy", "x"))
    bench.apply(both)
    bench.apply(Definition("a", "activity", t(""), properties=both.properties))
    bench.portal.ask("faults", rest={"bizproc.activity.update": {"error": "INTERNAL_SERVER_ERROR", "times": 1}})
    applied = bench.apply(one)
    vanished = "the property y vanishes: process templates that use it refer to nothing"
    assert [each.warnings for each in applied.registered] == [(vanished,)]
    assert [record.getMessage() for record in caplog.records].count(f"{bench.installation.domain}: a: {vanished}") == 1


def test_working_time_is_noted_by_method(bench: Bench) -> None:
    token = bench.token
    token.call_method("server.time")
    token.batch({"a": ("bizproc.activity.list", {}), "b": ("profile", {})})
    assert set(token.operating_resets_at) <= {"server.time", "batch", "bizproc.activity.list", "profile"}
    assert {"bizproc.activity.list", "profile"} <= set(token.operating_resets_at)


def apply_in(backend: Backend, member_id: str) -> str:
    """The work of one of several processes."""
    installation = backend.installations.find(member_id)
    assert installation is not None
    definitions = [defined(f"a{number}") for number in range(60)]
    registration = Registration(backend.registrations, backend.installations, definitions, "http://127.0.0.1:9")
    try:
        return ",".join(
            each.action
            for each in registration.apply(installation, backend.installations.token(installation)).registered
        )
    except PortalUnavailable as error:
        return str(error)


def test_one_apply_at_a_time_over_processes(bench: Bench) -> None:
    bench.portal.ask("faults", rest={"batch": {"delay_ms": 300}})
    results = in_processes(3, bench.backend.settings, apply_in, bench.installation.member_id)
    others = [each for each in results if "another apply is at work" in each]
    assert len(others) == 2
    assert set(results) - set(others) == {",".join(["added"] * 60)}
    assert bench.calls() == 3


def test_opening_the_app_does_not_repeat_what_was_refused(installed: RunningApp, portal: Portal) -> None:
    def refused() -> int:
        return sum("ERROR_ACTIVITY_VALIDATION_FAILURE" in str(entry["answer"]) for entry in portal.log("/rest/"))

    def settled() -> bool:
        installation = installed.backend.installations.find(portal.ready["member_id"])
        return installation is not None and installation.register_due_at is None

    never = {"error": "ERROR_ACTIVITY_VALIDATION_FAILURE", "status": 400}
    portal.ask("faults", rest={"bizproc.activity.update": never})
    with installed.backend.database.writing() as session:
        session.execute(update(RegistrationRow).where(RegistrationRow.code == "tell").values(action="sending"))
    portal.ask("open", url=f"{installed.url}/")
    eventually(lambda: settled() and refused() == 1)
    before = len(portal.log("/rest/batch"))
    portal.ask("open", url=f"{installed.url}/")
    assert settled()
    assert len(portal.log("/rest/batch")) == before
    portal.ask("install", app_url=installed.url)
    eventually(lambda: settled() and refused() == 2)


def test_both_databases_keep_what_the_portal_accepted(portal: Portal, settings: Settings, database_url: str) -> None:
    backend = Backend(replace(settings, app_url="http://127.0.0.1:9", database_url=database_url), Registry([]))
    backend.database.upgrade()
    try:
        bench = installed_in(backend, portal)
        bench.apply(defined("a"), defined("b"), WRONG)
        bench.apply(defined("a", description=t("D")), defined("b", "robot"), allow_deletes=True)
        assert bench.held() == bench.wanted()
        assert bench.apply(*bench.definitions).calls == 1
        assert bench.apply(allow_deletes=True).calls == 2
        assert backend.registrations.last(bench.installation.id) == {}
    finally:
        backend.close()
