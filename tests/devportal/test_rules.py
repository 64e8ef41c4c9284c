"""Rules that the recorded cases do not show, and calls that nobody would make by hand."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bizproc.definition.portal_rules import check_document_type, localized, prepared, shown_text
from bizproc.php import from_json
from tests.conftest import tries
from tests.devportal.driver import HANDLER, Portal

ACT = {"CODE": "act", "HANDLER": HANDLER, "NAME": "Act"}


def php(value: Any) -> Any:
    return from_json(value)


def test_texts_are_shown_in_the_persons_language() -> None:
    text = php({"DE": "Neu", "EN": "New", "RU": "Новый", "*": "plain"})
    assert [shown_text(text, language) for language in ("de", "ua", "fr")] == ["Neu", "Новый", "New"]
    assert shown_text(php({"*": "plain"}), "de") == "plain"
    assert shown_text(php({"DE": ""}), "de") == ""
    assert shown_text("as it is", "de") == "as it is"


def test_keys_are_upper_cased_as_ascii_but_for_names_and_options() -> None:
    data = php({"properties": {"docType": {"name": {"en": "a"}, "options": {"pdf": "PDF"}}}, "straße": 1})
    assert prepared(data) == {
        "PROPERTIES": {"docType": {"NAME": {"EN": "a"}, "OPTIONS": {"pdf": "PDF"}}},
        "STRAßE": 1,
    }
    assert prepared(php({"PROPERTIES": {"PROPERTIES": {"Name": "x"}}})) == {"PROPERTIES": {"PROPERTIES": {"Name": "x"}}}
    assert localized(None) == {"*": ""}


@pytest.mark.parametrize(
    "document_type", [["a", "b"], ["", "a", "b"], ["0", "a", "b"], [None, "a", "b"], ["a", 1, 2.5]]
)
def test_document_types_that_pass(document_type: Any) -> None:
    check_document_type(php(document_type))


def test_two_activities_of_other_case_are_two(portal: Portal) -> None:
    portal.add("act")
    portal.add("ACT")
    assert portal.call("bizproc.activity.list") == ["act", "ACT"]


def test_settings_dialogs_differ_in_their_first_200_characters(portal: Portal) -> None:
    long = "https://app.example.com/" + "p" * 176
    portal.add("one", USE_PLACEMENT="Y", PLACEMENT_HANDLER=long + "1")
    two = {**ACT, "CODE": "two", "USE_PLACEMENT": "Y"}
    assert portal.refused("bizproc.activity.add", {**two, "PLACEMENT_HANDLER": long + "2"}) == (400, "ERROR_CORE")
    too_long = "https://b.example.com/" + "p" * 240
    assert portal.refused("bizproc.activity.add", {**two, "PLACEMENT_HANDLER": too_long}) == (400, "ERROR_CORE")
    portal.call("bizproc.activity.update", {"CODE": "one", "FIELDS": {"NAME": "x", "PLACEMENT_HANDLER": long + "3"}})
    assert portal.look("state")["placements"] == [{"CODE": "one", "PLACEMENT_HANDLER": long + "3"}]


def test_a_dialog_is_unbound_when_the_record_cannot_be_saved(portal: Portal) -> None:
    wrong = {**ACT, "CODE": "x" * 129, "USE_PLACEMENT": "Y", "PLACEMENT_HANDLER": HANDLER}
    assert portal.refused("bizproc.activity.add", wrong) == (400, "ERROR_ACTIVITY_ADD_FAILURE")
    assert portal.look("state")["placements"] == []


def test_a_method_of_one_kind_does_not_find_the_other(portal: Portal) -> None:
    portal.add("act")
    assert portal.refused("bizproc.robot.delete", {"CODE": "act"}) == (400, "ERROR_ACTIVITY_NOT_FOUND")
    assert portal.refused("bizproc.robot.update", {"CODE": "act"}) == (400, "ERROR_ACTIVITY_NOT_FOUND")


def test_parameters_that_are_no_object(portal: Portal) -> None:
    assert portal.refused("bizproc.activity.add", ["a"]) == (400, "ERROR_ACTIVITY_VALIDATION_FAILURE")
    assert portal.refused("bizproc.activity.add", "a") == (400, "ERROR_ACTIVITY_VALIDATION_FAILURE")


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20)
    | st.sampled_from(["Y", "0", HANDLER]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=6) | st.sampled_from(["Name", "0", "1", "Options"]), inner, max_size=3)
    ),
    max_leaves=10,
)
fields = st.dictionaries(
    st.sampled_from(
        [
            *("CODE", "HANDLER", "NAME", "DESCRIPTION", "PROPERTIES", "RETURN_PROPERTIES", "DOCUMENT_TYPE", "FILTER"),
            *("USE_PLACEMENT", "PLACEMENT_HANDLER", "USE_SUBSCRIPTION", "AUTH_USER_ID", "FIELDS", "code", "fields"),
            *("EVENT_TOKEN", "RETURN_VALUES", "LOG_MESSAGE", "EVENT", "AUTH_TYPE", "cmd", "halt", "start", "auth"),
        ]
    ),
    json_values,
    max_size=6,
)
methods = st.sampled_from(
    [
        *("bizproc.activity.add", "bizproc.activity.update", "bizproc.activity.delete", "bizproc.activity.list"),
        *("bizproc.robot.add", "bizproc.robot.update", "bizproc.activity.log", "bizproc.event.send", "batch"),
        *("event.bind", "event.unbind", "event.get", "event.test", "methods", "scope", "app.info", "profile"),
    ]
)
many = tries(60)


@many
@given(methods, fields | json_values)
def test_no_json_makes_the_portal_fail(portal: Portal, method: str, params: Any) -> None:
    assert portal.post(method, params).status_code < 500


@many
@given(fields)
def test_no_complete_record_makes_the_portal_fail(portal: Portal, changed: dict[str, Any]) -> None:
    portal.reset()
    for method in ("bizproc.activity.add", "bizproc.activity.update"):
        assert portal.post(method, {**ACT, **changed}).status_code < 500
        assert portal.post(method, {"CODE": "act", "FIELDS": changed}).status_code < 500
    portal.look("state")
    portal.control("run", code="act")


@many
@given(methods, st.binary(max_size=120) | st.text("CODE[]=&%.+a0 \x00", max_size=80).map(str.encode))
def test_no_body_makes_the_portal_fail(portal: Portal, method: str, body: bytes) -> None:
    for type_ in ("application/x-www-form-urlencoded", "application/json", "text/plain; charset=x"):
        answer = portal.session.post(
            f"{portal.url}/rest/{method}", params={"auth": portal.token}, data=body, headers={"Content-Type": type_}
        )
        assert answer.status_code < 500


@many
@given(
    st.dictionaries(
        st.text(max_size=5), st.text("bizproc.activity.list?a[]=$result[a][0]#:/ ", max_size=60), max_size=5
    )
)
def test_no_batch_makes_the_portal_fail(portal: Portal, commands: dict[str, str]) -> None:
    assert portal.post("batch", {"cmd": commands}).status_code == 200


@many
@given(json_values, json_values)
def test_no_answer_makes_a_process_fail(portal: Portal, values: Any, message: Any) -> None:
    types = ("bool", "int", "double", "date", "datetime", "user", "select", "string", "unknown")
    outputs = {f"out_{type_}": {"Name": "x", "Type": type_} for type_ in types}
    portal.post("bizproc.activity.add", {**ACT, "USE_SUBSCRIPTION": "Y", "RETURN_PROPERTIES": outputs})
    process = portal.run("act")
    token = portal.process(process)["event_token"]
    returned = dict.fromkeys(outputs, values)
    given = {"EVENT_TOKEN": token, "RETURN_VALUES": returned, "LOG_MESSAGE": message}
    assert portal.post("bizproc.event.send", given).status_code == 200
    assert portal.process(process)["status"] == "completed"


def test_deep_and_large_input(portal: Portal) -> None:
    depth = "[" * 100_000
    for body in (depth, depth + "]" * 100_000, '{"a":' * 300 + "1" + "}" * 300, '{"CODE":"\\ud800"}', "NaN", "1e999"):
        answer = portal.session.post(
            f"{portal.url}/rest/bizproc.activity.add?auth={portal.token}",
            data=body,
            headers={"Content-Type": "application/json"},
        )
        assert answer.json()["error_description"] == "Empty data!"
    fields = "&".join(f"f{number}=1" for number in range(10_001))
    answer = portal.session.post(f"{portal.url}/rest/server.time?{'x' * 10}", data=fields.encode())
    assert answer.status_code == 400
    nested = {"a": {}}
    for _ in range(200):
        nested = {"a": nested}
    assert portal.post("bizproc.activity.add", {**ACT, "PROPERTIES": {"x": {"Name": "x", "Default": nested}}}).ok
    portal.look("state")
