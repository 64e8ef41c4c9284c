"""Definitions read from raw parameters: refused where a portal refuses, with its words, and hardly anywhere else."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bizproc.definition import Definition, DefinitionError
from bizproc.definition.filters import shown
from bizproc.document_types import DEAL, DocumentType
from bizproc.php import parse_str, to_json

CASES = Path(__file__).parents[2] / "devportal" / "portal_rules.jsonl"
RIGHT: dict[str, Any] = {"CODE": "a", "HANDLER": "https://app.example.com/x", "NAME": "A"}


def recorded() -> list[tuple[str, str, dict[str, Any], dict[str, Any]]]:
    """Name, kind, parameters and outcome of every recorded add that is about its content alone."""
    calls = []
    for case in map(json.loads, CASES.read_text().splitlines()):
        for call, out in zip(case["calls"], case["out"], strict=True):
            if not call.get("method", "").endswith(".add") or call.get("admin") is False or "client_id" in call:
                continue
            if "ALREADY_INSTALLED" in out.get("error", "") or "unique" in str(out.get("error_description")):
                continue  # what else the portal holds is not the definition's
            kind = "robot" if ".robot." in call["method"] else "activity"
            params = to_json(parse_str(call["query"])) if "query" in call else call["params"]
            calls.append((case["name"], kind, params, out))
    return calls


REFUSED = [(name, kind, params, out["error_description"]) for name, kind, params, out in recorded() if "error" in out]
ACCEPTED = [(name, kind, params) for name, kind, params, out in recorded() if "error" not in out]
BEYOND_PORTAL = {"add PROPERTIES #14": "a\n", "add RETURN_PROPERTIES #14": "a\n"}


def faults(**changed: Any) -> list[str]:
    with pytest.raises(DefinitionError) as raised:
        Definition.from_bitrix(RIGHT | changed)
    return [str(fault) for fault in raised.value.faults]


def test_there_are_cases() -> None:
    assert (len(REFUSED), len(ACCEPTED)) == (58, 225)


@pytest.mark.parametrize(("name", "kind", "params", "words"), REFUSED, ids=[case[0] for case in REFUSED])
def test_what_a_portal_refuses_is_refused_in_its_words(name: str, kind: Any, params: Any, words: str | None) -> None:
    with pytest.raises(DefinitionError) as raised:
        Definition.from_bitrix(params, kind)
    assert (words or "") in str(raised.value)


@pytest.mark.parametrize(("name", "kind", "params"), ACCEPTED, ids=[case[0] for case in ACCEPTED])
def test_what_a_portal_accepts_is_accepted(name: str, kind: Any, params: Any) -> None:
    if name in BEYOND_PORTAL:
        with pytest.raises(DefinitionError, match="ends with a line break"):
            Definition.from_bitrix(params, kind)
        return
    definition = Definition.from_bitrix(params, kind)
    assert Definition.from_bitrix(definition.to_bitrix(), kind) == definition


def test_everything_is_read() -> None:
    definition = Definition.from_bitrix(
        {
            "code": "a",
            "Handler": "https://app.example.com/x",
            "NAME": {"EN": "A", "de": "B"},
            "DESCRIPTION": "D",
            "USE_SUBSCRIPTION": "Y",
            "AUTH_USER_ID": "7",
            "DOCUMENT_TYPE": list(DEAL),
            "FILTER": {"include": ["box", ["crm"]], "EXCLUDE": ["b24"]},
            "USE_PLACEMENT": "Y",
            "PLACEMENT_HANDLER": "https://app.example.com/p",
            "PROPERTIES": {
                "kind": {"name": "Kind", "Type": "select", "OPTIONS": {"a": "A"}, "Default": "a", "Required": "Y"},
                "words": {"Name": {"en": "W"}, "Description": "D", "Multiple": "Y", "Default": ["x", ""]},
            },
            "RETURN_PROPERTIES": {"n": {"Name": "N", "Type": "int"}},
        },
        "robot",
    )
    assert definition.to_bitrix() == {
        "CODE": "a",
        "HANDLER": "https://app.example.com/x",
        "NAME": {"en": "A", "de": "B"},
        "DESCRIPTION": "D",
        "USE_SUBSCRIPTION": "Y",
        "AUTH_USER_ID": 7,
        "DOCUMENT_TYPE": list(DEAL),
        "FILTER": {"INCLUDE": ["box", ["crm"]], "EXCLUDE": ["b24"]},
        "USE_PLACEMENT": "Y",
        "PLACEMENT_HANDLER": "https://app.example.com/p",
        "PROPERTIES": {
            "kind": {
                "Name": "Kind",
                "Type": "select",
                "Required": "Y",
                "Multiple": "N",
                "Options": {"a": "A"},
                "Default": "a",
            },
            "words": {
                "Name": {"en": "W"},
                "Description": "D",
                "Type": "string",
                "Required": "N",
                "Multiple": "Y",
                "Default": ["x"],
            },
        },
        "RETURN_PROPERTIES": {"n": {"Name": "N", "Type": "int", "Required": "N", "Multiple": "N"}},
    }
    assert definition.kind == "robot"


@pytest.mark.parametrize(
    ("flag", "waits"), [("Y", True), ("N", False), ("", None), (None, None), ("0", None), ("y", False), (True, False)]
)
def test_only_the_letter_y_waits(flag: Any, waits: bool | None) -> None:
    assert Definition.from_bitrix(RIGHT | {"USE_SUBSCRIPTION": flag}).waits is waits


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        ({"INCLUDE": []}, {"INCLUDE": []}),
        ({"INCLUDE": None}, {"INCLUDE": [""]}),
        ({"EXCLUDE": []}, {"EXCLUDE": []}),
        ({"FOO": ["x"]}, None),
        ({}, None),
        ({"INCLUDE": [["crm", None]]}, {"INCLUDE": [["crm"]]}),
        ({"INCLUDE": [{"1": "CCrmDocumentDeal"}]}, {"INCLUDE": [[]]}),
        ({"INCLUDE": "box"}, {"INCLUDE": ["box"]}),
    ],
)
def test_a_filter_means_the_same_when_it_is_said_again(sent: Any, read: Any) -> None:
    definition = Definition.from_bitrix(RIGHT | {"FILTER": sent})
    again = definition.to_bitrix().get("FILTER")
    assert again == read
    for edition in ("b24", "box"):
        for document_type in (None, list(DEAL), ["lists", "BizprocDocument", "iblock_1"]):
            assert shown(again, document_type, edition) is shown(sent, document_type, edition)


def test_a_document_type_is_read_by_its_keys() -> None:
    parts = {"0": "crm", "2": "DEAL", "1": "CCrmDocumentDeal"}
    assert Definition.from_bitrix(RIGHT | {"DOCUMENT_TYPE": parts}).document_type == DEAL


def test_a_blank_after_the_host_is_no_fault() -> None:
    for handler in ("https://a.b?x y", "https://a.b#x y", "https://a.b/x y", "https://u v@a.b/"):
        assert Definition.from_bitrix(RIGHT | {"HANDLER": handler}).handler == handler


def test_a_bool_default_is_a_letter() -> None:
    property_ = {"Name": "P", "Type": "bool", "Default": False}
    definition = Definition.from_bitrix(RIGHT | {"PROPERTIES": {"a": property_}})
    assert definition.to_bitrix()["PROPERTIES"]["a"]["Default"] == "N"


def test_what_is_no_json_is_refused() -> None:
    assert faults(NAME=b"bytes")[0].startswith("cannot be sent to a portal")


def test_a_document_type_of_two_parts_has_no_module() -> None:
    definition = Definition.from_bitrix(RIGHT | {"DOCUMENT_TYPE": ["CCrmDocumentDeal", "DEAL"]})
    assert definition.document_type == DocumentType("", "CCrmDocumentDeal", "DEAL")


PROPERTY = {"Name": "P", "Type": "string"}


@pytest.mark.parametrize(
    ("changed", "fault"),
    [
        ({"CODE": "a\n"}, "code: 'a\\n' ends with a line break"),
        ({"HANDLER": "https://app.exa mple.com/x"}, "handler: 'https://app.exa mple.com/x' has a blank in its host"),
        (
            {"USE_PLACEMENT": "Y", "PLACEMENT_HANDLER": "https://app.example.com\n/x"},
            "placement_handler: 'https://app.example.com\\n/x' has a blank in its host",
        ),
        ({"PROPERTIES": {"a": PROPERTY | {"Type": "strin"}}}, "properties.a.type: 'strin' is no property type"),
        (
            {"PROPERTIES": {"a": {"Name": "P", "Type": "select", "Options": {"x": "X"}, "Default": "X"}}},
            "properties.a.default: 'X' is no option; options are x",
        ),
        ({"PROPERTIES": {"title": PROPERTY}}, "properties.title: is a name that the portal keeps for itself"),
        (
            {"PROPERTIES": {"a": PROPERTY}, "RETURN_PROPERTIES": {"A": PROPERTY}},
            "return_properties.A: is the same name as properties.a",
        ),
    ],
)
def test_what_cannot_work_is_refused_beyond_the_portal(changed: dict[str, Any], fault: str) -> None:
    (found,) = faults(**changed)
    assert found.startswith(fault)


def test_the_limits_of_what_a_portal_can_store() -> None:
    (fault,) = faults(CODE="a" * 129)
    assert fault == (
        "code: a portal cannot store it: it has more than 128 characters (the portal: Activity save error!)"
    )
    assert Definition.from_bitrix(RIGHT | {"CODE": "a" * 128})
    long = "https://app.example.com/"
    assert Definition.from_bitrix(RIGHT | {"HANDLER": long.ljust(1000, "x")})
    assert faults(HANDLER=long.ljust(1001, "x"))[0].startswith("handler: a portal cannot store it")
    many = {f"p{number:04}": {"Name": "x" * 30} for number in range(1000)}
    assert faults(RETURN_PROPERTIES=many)[0].startswith("return_properties: a portal cannot store it: it takes 65535")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
KEYS = ["CODE", "HANDLER", "NAME", "DESCRIPTION", "PROPERTIES", "RETURN_PROPERTIES", "DOCUMENT_TYPE", "FILTER"]


@given(st.dictionaries(st.sampled_from([*KEYS, "USE_SUBSCRIPTION", "USE_PLACEMENT"]), JSON))
def test_anything_is_a_definition_or_is_refused(changed: dict[str, Any]) -> None:
    try:
        definition = Definition.from_bitrix(RIGHT | changed)
    except DefinitionError as error:
        assert error.faults  # noqa: PT017
    else:
        assert Definition.from_bitrix(definition.to_bitrix()) == definition
