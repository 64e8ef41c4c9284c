"""`python -m tests.browser.pictures ADDRESS`: makes docs/pictures anew, at the portal of a running `flask dev`."""

import shutil
import sys
from pathlib import Path

from playwright.sync_api import Page, expect, sync_playwright

FOLDER = Path(__file__).parents[2] / "docs" / "pictures"


def take(page: Page, address: str) -> None:
    def picture(name: str) -> None:
        page.screenshot(path=FOLDER / f"{name}.png")

    page.goto(address)
    page.locator(".palette .step").first.click()
    page.get_by_role("button", name="Add").click()
    page.get_by_role("textbox", name="value 1").fill("customer=Ada Lovelace")
    page.get_by_role("textbox", name="value 2").fill("subject={=Document:TITLE}")
    page.get_by_role("heading", name="Designer").click()
    picture("designer")
    page.get_by_role("button", name="Start the process").click()
    expect(page.locator(".badge.completed")).to_be_visible()
    expect(page.locator(".exchange").nth(2)).to_be_visible()
    picture("process")
    page.goto(f"{address}/#/app")
    expect(page.frame_locator("iframe").get_by_role("heading").first).to_be_visible()
    picture("app")
    page.goto(f"{address}/#/faults")
    expect(page.locator(".set-faults li")).to_be_visible()
    picture("faults")


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        wide = browser.new_page(viewport={"width": 1280, "height": 860})
        take(wide, sys.argv[1].rstrip("/"))
        narrow = browser.new_page(viewport={"width": 400, "height": 860})
        narrow.goto(sys.argv[1])
        narrow.locator(".palette .step").first.click()
        expect(narrow.locator(".property").first).to_be_visible()
        narrow.screenshot(path=FOLDER / "narrow.png")
        browser.close()


if __name__ == "__main__":
    main()
