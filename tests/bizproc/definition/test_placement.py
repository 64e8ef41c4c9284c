"""A settings dialog of the app's own: what a module says, and what a portal is told."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from bizproc import Context, DialogContext, Properties, activity, robot, select, text
from bizproc.definition.checks import LONGEST_CODE_WITH_DIALOG
from bizproc.definition.faults import DefinitionError
from bizproc.registration.payload import Payload, payload
from tests.shelf import dialogs


def connections(context: DialogContext) -> Mapping[str, str]:
    return {"erp": f"ERP of {context.domain}"}


class Input(Properties):
    connection: str = select("Connection", options=connections, required=True)
    others: list[str] = select("Others", options=connections, multiple=True, default=("erp",))
    body: str | None = text("Body", format="json")


def made(code: str = "a", **how: Any) -> Any:
    def function(given: Input, context: Context) -> None: ...

    return activity(code, name="A", **how)(function)


def told(activity: Any, prefix: str = "") -> Payload:
    return payload(activity.definition, app_url="https://app.example.com", edition="b24", prefix=prefix)


def faults(**how: Any) -> list[str]:
    with pytest.raises(DefinitionError) as raised:
        made(**how)
    return [str(fault).removeprefix(f"{__name__}.{how.get('code', 'a')}.") for fault in raised.value.faults]


def test_a_dialog_has_an_address_of_its_own_for_each_code_and_prefix() -> None:
    addresses = {
        told(each, prefix).fields["PLACEMENT_HANDLER"]
        for each in (made("a", placement=True), made("b", placement=True))
        for prefix in ("", "anna.")
    }
    assert addresses == {
        "https://app.example.com/settings/a",
        "https://app.example.com/settings/b",
        "https://app.example.com/settings/a?prefix=anna.",
        "https://app.example.com/settings/b?prefix=anna.",
    }
    assert told(made(placement=True)).fields["USE_PLACEMENT"] == "Y"


def test_no_dialog_is_said_too_so_that_a_portal_forgets_the_one_it_had() -> None:
    def function(given: Properties, context: Context) -> None: ...

    fields = told(robot("a", name="A")(function)).fields
    assert fields["USE_PLACEMENT"] == "N"
    assert "PLACEMENT_HANDLER" not in fields


def test_a_select_whose_options_a_function_lists_is_a_string_for_the_portal() -> None:
    properties = told(made(placement=True)).fields["PROPERTIES"]
    assert properties["connection"] == {"Name": "Connection", "Type": "string", "Required": "Y", "Multiple": "N"}
    assert (properties["others"]["Type"], properties["others"]["Default"]) == ("string", ["erp"])
    assert properties["body"]["Type"] == "text"


def test_a_template_is_found_next_to_the_module() -> None:
    existing = Path(dialogs.__file__).with_name("my_dialog.html")
    assert dialogs.own_dialog.template == existing
    assert existing.is_file()
    assert faults(placement="my_dialog.html") == [
        "placement: there is no template my_dialog.html next to the module, in definition/"
    ]


@pytest.mark.parametrize("placement", ["", "x.txt", "../x.html", "/x.html", "a/b.html", 1, None])
def test_a_placement_that_is_none(placement: Any) -> None:
    assert f"{placement!r} is neither True, False, nor a template's name" in "".join(faults(placement=placement))


def test_what_needs_a_dialog_says_so() -> None:
    words = "come from a function, which only a settings dialog asks: the activity needs placement=True"
    assert faults(placement=False) == [f"properties.{key}.options: {words}" for key in ("connection", "others")]


def test_a_code_that_leaves_its_dialog_no_address_of_its_own() -> None:
    made("a" * LONGEST_CODE_WITH_DIALOG, placement=True)
    assert faults(code="a" * 101, placement=True) == [
        "code: has 101 characters, with a settings dialog at most 100 are allowed"
    ]


def test_a_default_that_is_no_json() -> None:
    class Wrong(Properties):
        body: str = text("Body", format="json", default='{"a": }')

    def function(given: Wrong, context: Context) -> None: ...

    with pytest.raises(DefinitionError, match=r"properties\.body\.default: is no JSON: Expecting value: line 1 col"):
        activity("a", name="A")(function)
