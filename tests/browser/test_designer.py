"""The designer: what it offers, and the settings of a step."""

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.own_app import OwnApp
from tests.conftest import Portal, RunningApp, eventually, values

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("browser")]


def test_filter_decides_what_is_offered(view: Callable[[str], Page], portal: Portal, own_app: OwnApp) -> None:
    own_app.register(
        portal, "lists_only", NAME={"en": "For lists", "de": "Für Listen"}, FILTER={"INCLUDE": [["lists"]]}
    )
    own_app.register(portal, "cloud", FILTER={"INCLUDE": [["crm", "CCrmDocumentDeal"]], "EXCLUDE": ["box"]})
    list_34 = ["lists", "Bitrix\\Lists\\BizprocDocumentLists", "iblock_34"]
    own_app.register(portal, "list_34", FILTER={"INCLUDE": [list_34]})
    page = view("designer")
    offered = page.locator(".palette .step strong")
    hidden = page.locator(".hidden-steps li")
    expect(offered).to_have_text(["cloud"])
    expect(hidden).to_contain_text(["FILTER includes only: lists", "FILTER includes only: lists · "])
    page.get_by_label("Self-hosted").check(force=True)
    expect(page.get_by_text("FILTER shows no step")).to_be_visible()
    expect(hidden.filter(has_text="cloud")).to_contain_text("FILTER excludes: Self-hosted")
    page.get_by_label("Document type").first.select_option(label="Universal list")
    expect(offered).to_have_text(["For lists"])
    expect(hidden.filter(has_text="cloud")).to_contain_text("FILTER includes only: Deal")
    page.get_by_label("Number", exact=True).first.fill("34")
    expect(offered).to_have_text(["For lists", "list_34"])
    page.get_by_label("Language").select_option("de")
    expect(offered).to_have_text(["Für Listen", "list_34"])


ONE = {
    "bool": (lambda field: field.select_option(label="Yes"), "Y"),
    "date": (lambda field: field.fill("2026-05-31"), "31.05.2026"),
    "datetime": (lambda field: field.fill("2026-05-31T10:20"), "31.05.2026 10:20:00"),
    "double": (lambda field: field.fill("1 000,5"), "1 000,5"),
    "int": (lambda field: field.fill("42"), "42"),
    "select": (lambda field: field.select_option(label="B"), "b"),
    "string": (lambda field: field.fill("{=Document:TITLE} {=Constant:X}"), "Office chairs {=Constant:X}"),
    "text": (lambda field: field.fill("a\nb"), "a\r\nb"),
    "user": (lambda field: field.select_option(label="Erika"), "user_2"),
    "file": (lambda field: field.fill("17"), "17"),
    "time": (lambda field: field.fill("08:30"), "08:30"),
    "internalselect": (lambda field: field.fill("x"), "x"),
    "email": (lambda field: field.fill("ada@example.com"), "ada@example.com"),
    "phone": (lambda field: field.fill("+49 30 1"), "+49 30 1"),
    "web": (lambda field: field.fill("https://example.com"), "https://example.com"),
    "UF:money": (lambda field: field.fill("5|EUR"), "5|EUR"),
}


def property_of(page: Page, name: str) -> Locator:
    return page.locator(f'.property[data-name="{name}"]')


def test_every_type_single_and_multiple(view: Callable[[str], Page], portal: Portal, own_app: OwnApp) -> None:
    properties: dict[str, Any] = {}
    for type_ in ONE:
        for name, multiple in ((f"one_{type_}", "N"), (f"many_{type_}", "Y")):
            properties[name.replace(":", "_")] = {
                "Name": {"en": f"The {name}"},
                "Description": f"About {name}",
                "Type": type_,
                "Multiple": multiple,
                "Options": {"a": "A", "b": "B"} if type_ == "select" else None,
            }
    own_app.register(portal, "all", PROPERTIES=properties)
    page = view("designer")
    page.get_by_role("button", name="all").click()
    for type_, (fill, _) in ONE.items():
        key = type_.replace(":", "_")
        fill(page.get_by_label(f"The one_{type_}", exact=True))
        group = page.get_by_role("group", name=f"The many_{type_}", exact=True)
        if type_ == "select":
            group.get_by_label("A", exact=True).check()
            group.get_by_label("B", exact=True).check()
            continue
        expect(property_of(page, f"many_{key}")).to_contain_text(f"About many_{type_}")
        fill(group.get_by_label(f"The many_{type_}, value 1", exact=True))
        group.get_by_role("button", name="Add").click()
        expect(group.get_by_label(f"The many_{type_}, value 2", exact=True)).to_be_focused()
        group.get_by_role("button", name="Add").click()
        fill(group.get_by_label(f"The many_{type_}, value 3", exact=True))
        group.get_by_role("button", name=f"Remove: The many_{type_}, value 2").click()
    page.get_by_role("button", name="Start the process").click()
    sent = own_app.sent()
    for type_, (_, value) in ONE.items():
        key = type_.replace(":", "_")
        # A browser's form control gives lines that end with \n alone.
        wanted = value.replace("\r", "")
        assert sent[f"one_{key}"] == wanted, type_
        assert sent[f"many_{key}"] == (["a", "b"] if type_ == "select" else [wanted, wanted]), type_


def test_defaults_are_filled_in_and_what_is_required_is_asked_for(
    view: Callable[[str], Page], portal: Portal, own_app: OwnApp
) -> None:
    own_app.register(
        portal,
        "asks",
        PROPERTIES={
            "flag": {"Name": "Flag", "Type": "bool", "Default": "Y"},
            "choice": {"Name": "Choice", "Type": "select", "Options": {"a": "A", "b": "B"}, "Default": "b"},
            "words": {"Name": "Words", "Type": "string", "Multiple": "Y", "Default": ["x", "y"]},
            "name": {"Name": "Who", "Type": "string", "Required": "Y"},
        },
    )
    page = view("designer")
    page.get_by_role("button", name="asks").click()
    expect(page.get_by_label("Flag")).to_have_value("Y")
    expect(page.get_by_label("Words, value 2", exact=True)).to_have_value("y")
    page.get_by_role("button", name="Start the process").click()
    who = page.get_by_role("textbox", name="Who")
    expect(who).to_be_focused()
    expect(who).to_have_attribute("aria-invalid", "true")
    expect(page.get_by_text("Fill this in.")).to_be_visible()
    assert portal.state()["processes"] == []
    who.fill("Ada")
    expect(page.get_by_text("Fill this in.")).to_be_hidden()
    # What was typed is there again when the page is loaded anew.
    page.reload()
    expect(who).to_have_value("Ada")
    page.get_by_role("button", name="Start the process").click()
    assert own_app.sent() == {"flag": "Y", "choice": "b", "words": ["x", "y"], "name": "Ada"}


def test_by_keyboard_alone(view: Callable[[str], Page], portal: Portal, own_app: OwnApp) -> None:
    own_app.register(portal, "typed", PROPERTIES={"words": {"Name": "Words", "Type": "string", "Multiple": "Y"}})
    page = view("app")
    # The install page of an app that is not there; the way on leads over the links of the views.
    expect(page.get_by_label("Address of your app")).to_be_visible()

    def go_to(name: str, role: Any = "button") -> None:
        wanted = page.get_by_role(role, name=name).first
        expect(wanted).to_be_visible()
        for _ in range(60):
            page.keyboard.press("Tab")
            if wanted.evaluate("each => each === document.activeElement"):
                return
        pytest.fail(f"Tab does not lead to {name}")

    page.locator("body").press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    go_to("Designer", "link")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Designer")).to_be_visible()
    expect(page.get_by_role("main")).to_be_focused()
    go_to("Cloud", "radio")
    page.keyboard.press("ArrowRight")
    expect(page.get_by_label("Self-hosted")).to_be_checked()
    go_to("typed")
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="typed")).to_be_focused()
    go_to("Words, value 1", "textbox")
    page.keyboard.type("first")
    go_to("Add Words")
    page.keyboard.press("Enter")
    page.keyboard.type("second")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Processes")).to_be_visible()
    assert own_app.sent() == {"words": ["first", "second"]}
    go_to("End it")
    page.keyboard.press("Enter")
    expect(page.locator(".badge")).to_contain_text("terminated")


DIALOG = """
    const {placement, options} = BX24.placement.info();
    say({placement, options});
    BX24.placement.call("setPropertyValue", {words: "from the dialog", MANY: ["1", "2"], none: "x"});
    BX24.resizeWindow(0, 222);
"""


def test_the_apps_own_settings_dialog(view: Callable[[str], Page], portal: Portal, own_app: OwnApp) -> None:
    properties = {
        "words": {"Name": "Words", "Type": "string", "Required": "Y"},
        "Many": {"Name": "Many", "Type": "int", "Multiple": "Y", "Default": ["7"]},
    }
    dialog = {"USE_PLACEMENT": "Y", "PLACEMENT_HANDLER": f"{own_app.url}/settings/own"}
    own_app.script = DIALOG
    own_app.register(portal, "own", PROPERTIES=properties, **dialog)
    page = view("designer")
    page.get_by_role("button", name="own").click()
    told = page.frame_locator("iframe").locator("#said")
    expect(told).to_contain_text("BIZPROC_ACTIVITY_PROPERTIES_DIALOG")
    frame = page.locator(".dialog iframe")
    expect(frame).to_have_css("height", "222px")
    placed = told.evaluate("said => JSON.parse(said.textContent)")["options"]
    assert placed.keys() == {
        "code", "activity_name", "properties", "current_values", "document_type", "document_fields", "template",
    }  # fmt: skip
    assert placed["code"] == "own"
    assert placed["properties"]["words"]["NAME"] == "Words"
    assert placed["current_values"] == {"words": "", "Many": ["7"]}
    assert placed["document_type"] == ["crm", "CCrmDocumentDeal", "DEAL"]
    assert placed["document_fields"]["TITLE"] == {"Name": "Title", "Type": "string"}
    page.get_by_text("Values, as the dialog has set them").click()
    expect(page.get_by_label("Words")).to_have_value("from the dialog")
    page.get_by_role("button", name="Start the process").click()
    assert own_app.sent() == {"words": "from the dialog", "Many": ["1", "2"]}


def test_a_step_of_the_real_app_gives_back_every_type(
    view: Callable[[str], Page], portal: Portal, installed: RunningApp
) -> None:
    page = view("designer")
    page.get_by_role("button", name="Every type").click()
    page.get_by_label("Flag").select_option(label="Yes")
    page.get_by_label("Day", exact=True).fill("2026-05-31")
    page.get_by_label("Moment").fill("2026-05-31T10:20")
    page.locator(".properties").get_by_label("Amount", exact=True).fill("1.5")
    page.get_by_label("Person").select_option(label="Ada")
    page.get_by_label("Numbers, value 1", exact=True).fill("1")
    page.get_by_role("button", name="Add Numbers").click()
    page.keyboard.type("2")
    page.get_by_role("button", name="Start the process").click()
    expect(page.locator(".badge")).to_contain_text("completed")
    row = page.locator("tr[data-name]")
    told = {
        name: row.and_(page.locator(f'[data-name="{name}"]')).locator("td").last.inner_text()
        for name in ("flag_back", "day_back", "moment_back", "amount_back", "person_back", "numbers_back")
    }
    assert told == {
        "flag_back": "true as sent: Y",
        "day_back": "2026-05-31",
        "moment_back": told["moment_back"],
        "amount_back": "1.5",
        "person_back": "user_1",
        "numbers_back": told["numbers_back"],
    }
    assert told["moment_back"].startswith("2026-05-31T10:20:00+00:00 as sent: ")
    assert told["numbers_back"].startswith("[1,2]")
    id_ = page.url.rpartition("/")[2]
    assert values(eventually(lambda: portal.finished(id_)))["day_back"] == "31.05.2026"
