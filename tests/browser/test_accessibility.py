"""Every view can be used with a screen reader, and on a narrow screen."""

from collections.abc import Callable
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.conftest import Portal, RunningApp

pytestmark = pytest.mark.xdist_group("browser")


def found(page: Page) -> list[Any]:
    """What axe-core finds on the page itself; the app's pages inside are another's."""
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
