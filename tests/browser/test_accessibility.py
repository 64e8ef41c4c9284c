"""Every view can be used with a screen reader, and on a narrow screen."""

from collections.abc import Callable
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Frame, Page, expect

from tests.conftest import Portal, RunningApp

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("browser")]


def found(page: Page | Frame) -> list[Any]:
    """What axe-core finds in this page or frame alone."""
    report = Axe().run(page, {"exclude": [["iframe"]]})
    return [
        (wrong["id"], [(node["target"], node["failureSummary"]) for node in wrong["nodes"]])
        for wrong in report.response["violations"]
    ]


@pytest.mark.parametrize("width", [1280, 400])
def test_axe_finds_nothing(view: Callable[[str], Page], portal: Portal, installed: RunningApp, width: int) -> None:
    process = portal.run("tell", {"words": "a"})
    portal.finished(process)
    portal.ask("faults", rest={"batch": {"error": "X", "times": None}})
    page = view("designer")
    page.set_viewport_size({"width": width, "height": 800})
    page.get_by_role("button", name="Every type").click()
    page.get_by_text("How it runs").click()
    expect(page.get_by_label("Run as")).to_be_visible()
    wrong = {"designer": found(page)}
    for name, ready in (
        (f"process/{process}", ".exchange"),
        ("requests", ".exchange"),
        ("faults", ".set-faults code"),
        ("app", "iframe"),
    ):
        view(name)
        expect(page.locator(ready).first).to_be_visible()
        for fold in page.locator(".exchange").all()[:2]:
            fold.evaluate("each => { each.open = true }")
        wrong[name] = found(page)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, name
    assert {name: rules for name, rules in wrong.items() if rules} == {}
    for language in ("de", "ru"):
        page.locator(".top select").last.select_option(language)
        expect(page.locator("html")).to_have_attribute("lang", language)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, language


@pytest.mark.parametrize("width", [1280, 400])
def test_axe_finds_nothing_inside_the_app(view: Callable[[str], Page], installed: RunningApp, width: int) -> None:
    page = view("app")
    page.set_viewport_size({"width": width, "height": 800})
    expect(page.frame_locator("iframe").get_by_role("button", name="Register again")).to_be_visible()
    wrong = {"main": found(page.frames[1])}
    view("designer")
    page.locator('.palette [data-code="every_field"]').click()
    inside = page.frame_locator(".dialog iframe")
    number = inside.locator('[data-property="number"]')
    number.locator("input").first.fill("many")
    expect(number.get_by_text("whole number")).to_be_visible()
    (dialog,) = (frame for frame in page.frames if "/settings/" in frame.url)
    wrong["dialog"] = found(dialog)
    assert dialog.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert {name: rules for name, rules in wrong.items() if rules} == {}
