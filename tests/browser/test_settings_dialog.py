"""The app's own settings dialog inside the designer: what is typed there is what the process gets."""

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.conftest import Portal, RunningApp

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("browser")]

TYPED = {
    "line": "{=Document:TITLE}!",
    "lines": "a\nb",
    "body": '{"a": 1}',
    "number": "12",
    "amount": "1.5",
    "day": "2026-05-31",
    "moment": "2026-05-31 10:20",
    "hour": "08:30",
    "person": "user_2",
    "paper": "17",
    "mail": "ada@example.com",
    "telephone": "+49 30 1",
    "site": "https://example.com",
    "stage": "NEW",
    "money": "5|EUR",
}
CHOSEN = {"flag": "Y", "choice": "a"}
MANY: dict[str, Any] = {
    "numbers": ["1", "2"],
    "days": ["2026-05-31", "2026-06-01"],
    "choices": ["a", "b"],
    "flags": ["Y", "N"],
    "texts": ["one", "three"],
}


@pytest.mark.parametrize("lang", ["en", "de", "ru"])
def test_every_type_single_and_multiple(
    view: Callable[[str], Page], portal: Portal, installed: RunningApp, lang: str
) -> None:
    page = view("designer")
    page.get_by_label("Language").select_option(lang)
    page.locator('.palette [data-code="every_field"]').click()
    inside = page.frame_locator(".dialog iframe")
    expect(inside.locator("html")).to_have_attribute("lang", lang)
    for name, value in TYPED.items():
        inside.locator(f'[data-property="{name}"]').locator("input, textarea").first.fill(value)
    for name, value in CHOSEN.items():
        inside.locator(f'[data-property="{name}"] select').select_option(value)
    for name, (first, second) in MANY.items():
        field = inside.locator(f'[data-property="{name}"]')
        controls = field.locator("input:visible, textarea:visible, select:visible")
        if controls.count() < 2:
            field.locator("button.add").click()
        for control, value in ((controls.first, first), (controls.nth(1), second)):
            if control.evaluate("each => each.tagName") == "SELECT":
                control.select_option(value)
            else:
                control.fill(value)
    shown = page.locator('.fold [data-name="texts"] textarea')
    expect(shown.nth(1)).to_have_value("three")
    page.locator(".submit .primary").click()
    expect(page.locator(".badge.completed")).to_be_visible()
    process = portal.process(page.url.rpartition("/")[2])
    # The app could read all of it.
    assert [line["message"] for line in process["log"]] == ["Answer received"]
    sent = process["properties"]
    assert sent["line"] == {"en": "Office chairs!", "de": "Bürostühle!", "ru": "Офисные кресла!"}[lang]
    for name, value in (TYPED | CHOSEN | MANY).items():
        if name not in ("line", "day", "days"):
            assert sent[name] == value, name
    assert sent["day"] == "31.05.2026"
    assert sent["days"] == ["31.05.2026", "01.06.2026"]
