"""Chromium, headless, at the pages of the development portal."""

import shutil
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright

from tests import services
from tests.browser.own_app import OwnApp
from tests.conftest import PATIENCE_SECONDS, Portal

expect.set_options(timeout=PATIENCE_SECONDS * 1000)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Debian's Chromium; Playwright's own would be a download."""
    chromium = shutil.which("chromium")
    if chromium is None:
        services.left_out("there is no chromium; install Debian's package of this name")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser, portal: Portal) -> Iterator[Page]:
    """A fresh browser's page of the portal, at no view yet. The test fails when its console has got an error.

    That the portal refuses a REST call of the app is an answer, though the browser calls it an error.
    """
    context = browser.new_context(viewport={"width": 1280, "height": 860}, base_url=portal.url)
    context.set_default_timeout(PATIENCE_SECONDS * 1000)
    page = context.new_page()
    wrong: list[str] = []

    def note(said: ConsoleMessage) -> None:
        if said.type in ("error", "warning") and "/rest/" not in said.location["url"]:
            wrong.append(f"{said.text} ({said.location['url']})")

    page.on("console", note)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    yield page
    context.close()
    assert wrong == []


@pytest.fixture
def view(page: Page) -> Callable[[str], Page]:
    """Go to a view by the end of its address: `designer`."""

    def at(name: str) -> Page:
        page.goto(f"/#/{name}")
        return page

    return at


@pytest.fixture
def own_app() -> Iterator[OwnApp]:
    app = OwnApp()
    yield app
    app.stop()
