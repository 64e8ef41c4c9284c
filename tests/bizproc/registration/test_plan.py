"""What the plan says, for everything that a portal and the store can hold."""

from typing import Any

import pytest

from bizproc.definition.definition import CLEARED, Kind
from bizproc.registration.payload import Payload
from bizproc.registration.plan import FieldChange, Known, Plan, plan


def wanted(code: str = "a", kind: Kind = "activity", previous_code: str | None = None, **fields: Any) -> Payload:
    told = {**CLEARED, "HANDLER": "https://app.example.com/x", "NAME": "A", **fields}
    return Payload(code, kind, told, "b24", previous_code)


def known(payload: Payload) -> Known:
    return Known(payload.fingerprint, payload.fields)


def actions(made: Plan) -> list[tuple[str, str]]:
    return [(change.action, change.code) for change in made.changes]


def test_what_the_portal_lacks_is_added() -> None:
    made = plan([wanted("a"), wanted("b", "robot")], {}, {"activity": [], "robot": []})
    assert actions(made) == [("add", "a"), ("add", "b")]
    assert made.changes[0].payload is not None
    assert made.changes[0].payload.to_add() == {"CODE": "a", "HANDLER": "https://app.example.com/x", "NAME": "A"}


def test_after_a_wipe_everything_is_added_again() -> None:
    payload = wanted()
    assert actions(plan([payload], {"a": known(payload)}, {"activity": []})) == [("add", "a")]


def test_what_is_the_same_is_kept() -> None:
    payload = wanted()
    made = plan([payload], {"a": known(payload)}, {"activity": ["a"]})
    assert actions(made) == [("keep", "a")]
    assert made.pending(allow_deletes=True) == ()


def test_an_update_sends_the_fields_that_differ() -> None:
    old = wanted(DESCRIPTION="old", FILTER={"INCLUDE": ["box"]})
    made = plan([wanted(DESCRIPTION="new")], {"a": known(old)}, {"activity": ["a"]})
    (change,) = made.changes
    assert change.action == "update"
    assert change.fields == (
        FieldChange("DESCRIPTION", "old", "new"),
        FieldChange("FILTER", {"INCLUDE": ["box"]}, ""),
    )


def test_another_order_is_a_difference() -> None:
    one, other = ({"x": {"Name": "X"}, "y": {"Name": "Y"}}, {"y": {"Name": "Y"}, "x": {"Name": "X"}})
    (change,) = plan([wanted(PROPERTIES=other)], {"a": known(wanted(PROPERTIES=one))}, {"activity": ["a"]}).changes
    assert [each.field for each in change.fields] == ["PROPERTIES"]


def test_another_address_of_a_dialog_is_not_sent_alone() -> None:
    old, new = (wanted(USE_PLACEMENT="Y", PLACEMENT_HANDLER=f"https://app.example.com/{each}") for each in "ab")
    (change,) = plan([new], {"a": known(old)}, {"activity": ["a"]}).changes
    assert {each.field for each in change.fields} == {"USE_PLACEMENT", "PLACEMENT_HANDLER"}


@pytest.mark.parametrize("stored", [None, Known(), Known(None, wanted(NAME="B").fields)])
def test_of_what_nobody_knows_every_field_is_sent(stored: Known | None) -> None:
    made = plan([wanted()], {"a": stored} if stored else {}, {"activity": ["a"]})
    (change,) = made.changes
    assert change.action == "update"
    assert {each.field: each.new for each in change.fields} == wanted().fields


def test_a_refresh_sends_everything_again() -> None:
    made = plan([wanted()], {"a": known(wanted())}, {"activity": ["a"]}, refresh=True)
    assert actions(made) == [("update", "a")]
    assert len(made.changes[0].fields) == len(wanted().fields)


def test_a_fingerprint_tells_every_difference() -> None:
    payload = wanted()
    others = [
        wanted("b"),
        wanted(kind="robot"),
        wanted(NAME="B"),
        Payload(payload.code, payload.kind, payload.fields, "box"),
    ]
    assert len({each.fingerprint for each in (payload, *others)}) == 5
    reordered = Payload("a", "activity", dict(reversed(payload.fields.items())), "b24")
    assert reordered.fingerprint == payload.fingerprint
    one, other = ({"x": {"Name": "X"}, "y": {"Name": "Y"}}, {"y": {"Name": "Y"}, "x": {"Name": "X"}})
    assert wanted(PROPERTIES=one).fingerprint != wanted(PROPERTIES=other).fingerprint


def test_another_edition_sends_all_fields() -> None:
    old = Payload("a", "activity", wanted().fields, "box")
    (change,) = plan([wanted()], {"a": known(old)}, {"activity": ["a"]}).changes
    assert (change.action, len(change.fields)) == ("update", len(wanted().fields))


def test_an_activity_turned_robot_is_replaced() -> None:
    made = plan([wanted(kind="robot")], {"a": known(wanted())}, {"activity": ["a"], "robot": []})
    (change,) = made.changes
    assert (change.action, change.kind, change.replaces) == ("replace", "robot", (("activity", "a"),))
    assert change.warnings


def test_a_renamed_definition_replaces_its_former_code() -> None:
    renamed = wanted("new", previous_code="old")
    made = plan([renamed], {"old": known(wanted("old"))}, {"activity": ["old"]})
    assert actions(made) == [("replace", "new")]
    assert made.changes[0].replaces == (("activity", "old"),)
    half = plan([renamed], {"new": known(renamed), "old": known(wanted("old"))}, {"activity": ["old", "new"]})
    assert actions(half) == [("replace", "new")]
    assert half.changes[0].replaces == (("activity", "old"),)
    assert half.changes[0].fields == (), "the portal has accepted it already"
    foreign = plan([renamed], {}, {"activity": ["old"]})
    assert actions(foreign) == [("add", "new")]
    assert foreign.foreign == (("activity", "old"),)
    assert actions(plan([renamed], {}, {"activity": []})) == [("add", "new")]
    done = plan([renamed], {"new": known(renamed), "old": known(wanted("old"))}, {"activity": ["new"]})
    assert actions(done) == [("keep", "new")]
    assert done.gone == ("old",)


def test_deletions_are_planned_and_done_only_when_allowed() -> None:
    made = plan([], {"a": known(wanted())}, {"activity": ["a"]})
    assert actions(made) == [("delete", "a")]
    assert made.pending(allow_deletes=False) == ()
    assert [change.code for change in made.pending(allow_deletes=True)] == ["a"]


def test_what_this_app_did_not_register_is_left_alone() -> None:
    made = plan([wanted()], {}, {"activity": ["a", "b"], "robot": ["c"]})
    assert made.foreign == (("activity", "b"), ("robot", "c"))
    assert [change.code for change in made.pending(allow_deletes=True)] == ["a"]


def test_a_vanished_property_is_warned_of() -> None:
    old = wanted(PROPERTIES={"x": {"Name": "X"}, "y": {"Name": "Y"}}, RETURN_PROPERTIES={"r": {"Name": "R"}})
    (change,) = plan([wanted(PROPERTIES={"y": {"Name": "Y"}})], {"a": known(old)}, {"activity": ["a"]}).changes
    assert change.warnings == (
        "the property x vanishes: process templates that use it refer to nothing",
        "the return property r vanishes: process templates that use it refer to nothing",
    )


def test_a_former_code_that_is_in_use_is_left_alone() -> None:
    new, old = wanted("new", previous_code="old"), wanted("old", previous_code="new")
    for both in ([new, wanted("old")], [new, old]):
        stored = {each.code: known(each) for each in both}
        assert actions(plan(both, stored, {"activity": ["new", "old"]})) == [("keep", "new"), ("keep", "old")]


@pytest.mark.parametrize("how", ["refresh", "robot", "renamed", "wiped", "unanswered"])
def test_a_vanished_property_is_warned_of_whatever_else_changes(how: str) -> None:
    old = wanted("old" if how == "renamed" else "a", PROPERTIES={"x": {"Name": "X"}})
    new = wanted(kind="robot" if how == "robot" else "activity", previous_code="old")
    stored = {old.code: Known(None, old.fields) if how == "unanswered" else known(old)}
    held: dict[Kind, list[str]] = {"activity": [] if how == "wiped" else [old.code]}
    (change,) = plan([new], stored, held, refresh=how == "refresh").changes
    assert change.warnings[-1] == "the property x vanishes: process templates that use it refer to nothing"
