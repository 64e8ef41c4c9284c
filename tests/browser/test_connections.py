"""The form of connections on the app's page, with mouse, keyboard and screen reader."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from bizproc.settings import Settings
from tests import canaries
from tests.conftest import Portal, RunningApp
from tests.library import SECRET, Library, library
from tests.shelf.library_books import LIBRARY

pytestmark = pytest.mark.xdist_group("browser")


@pytest.fixture
def there() -> Iterator[Library]:
    with library() as there:
        yield there


@pytest.fixture
def settings(settings: Settings, there: Library) -> Settings:
    canaries.PORTALS[settings.oauth_url].note(SECRET)
    return replace(settings, allowed_systems=(there.url,))


@pytest.mark.parametrize("width", [1280, 400])
def test_from_the_first_to_the_last(
    view: Callable[[str], Page], portal: Portal, installed: RunningApp, there: Library, width: int
) -> None:
    page = view("app")
    page.set_viewport_size({"width": width, "height": 800})
    inside = page.frame_locator("iframe")
    form = inside.get_by_role("form", name="Add a connection")
    expect(inside.get_by_text("There is no connection yet.")).to_be_visible()
    form.get_by_label("Name").fill("main")
    form.get_by_label("Base URL").fill(there.url)
    form.get_by_label("Reader's key").fill("wrong")
    page.keyboard.press("Enter")
    expect(form.get_by_role("status")).to_contain_text("401 Unauthorized: it does not take the secret")
    form.get_by_label("Reader's key").fill(SECRET)
    page.keyboard.press("Enter")
    expect(form.get_by_role("status")).to_have_text("Stored. It works: 3 books")
    expect(form.get_by_label("Name")).to_be_focused()
    expect(form.get_by_label("Reader's key")).to_have_value("")
    item = inside.get_by_role("listitem").filter(has_text=there.url)
    item.get_by_role("button", name="Check: main (Library)").press("Enter")
    expect(item.get_by_role("status")).to_have_text("It works: 3 books")

    frame = next(each for each in page.frames if each.url.startswith(installed.url))
    assert frame.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    found = Axe().run(frame).response["violations"]  # type: ignore[arg-type]
    assert [(wrong["id"], [node["failureSummary"] for node in wrong["nodes"]]) for wrong in found] == []

    item.get_by_role("button", name="Change: main").click()
    change = inside.get_by_role("form", name="Change the connection")
    expect(change.get_by_label("Reader's key")).to_be_focused()
    expect(change.get_by_label("Name")).to_be_disabled()
    page.keyboard.type("other")
    change.get_by_label("Store it only if it works").uncheck()
    change.get_by_role("button", name="Store").click()
    expect(form.get_by_role("status")).to_have_text("Stored.")
    item.get_by_role("button", name="Check").click()
    expect(item.get_by_role("status")).to_contain_text("401 Unauthorized")

    remove = item.get_by_role("button", name="Remove: main")
    remove.click()
    asking = inside.get_by_role("dialog")
    expect(asking.get_by_role("button", name="Cancel")).to_be_focused()
    page.keyboard.press("Escape")
    expect(remove).to_be_focused()
    remove.click()
    asking.get_by_role("button", name="Remove").click()
    expect(inside.get_by_text("There is no connection yet.")).to_be_visible()
    expect(form.get_by_role("status")).to_have_text("Removed.")
    assert list(installed.backend.connections.all(next(installed.backend.installations.all()))) == []


def test_a_system_with_one_base_url_needs_none(
    view: Callable[[str], Page], installed: RunningApp, there: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LIBRARY, "base_url", there.url)
    form = view("app").frame_locator("iframe").get_by_role("form", name="Add a connection")
    expect(form.get_by_label("Base URL")).to_have_attribute("placeholder", there.url)
    form.get_by_label("Name").fill("main")
    form.get_by_label("Reader's key").fill(SECRET)
    form.get_by_label("Reader's key").press("Enter")
    expect(form.get_by_role("status")).to_have_text("Stored. It works: 3 books")
