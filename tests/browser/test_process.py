"""What happens to a process, live, and the faults that can happen to it."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.own_app import OwnApp
from tests.conftest import Portal, RunningApp, eventually

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("browser")]


def started(view: Callable[[str], Page], code: str) -> Page:
    page = view("designer")
    page.locator(f'.palette [data-code="{code}"]').click()
    page.get_by_role("button", name="Start the process").click()
    return page


def test_every_step_is_told_with_the_requests_behind_it(
    view: Callable[[str], Page], portal: Portal, installed: RunningApp
) -> None:
    page = started(view, "tell")
    expect(page.locator(".badge")).to_contain_text("completed in")
    expect(page.locator(".event strong")).to_have_text(
        [
            "Process started",
            "Callback taken by the app",
            "about to tell ",
            "Answer received",
            "The app answered",
            "The process goes on",
        ]
    )
    expect(page.get_by_text("200 after")).to_be_visible()
    expect(page.locator('tr[data-name="told"] .typed')).to_contain_text("crm.CCrmDocumentDeal.DEAL_1188")
    answer = page.locator(".exchange", has_text="bizproc.event.send")
    answer.locator("summary").first.click()
    expect(answer.locator("dt", has_text="RETURN_VALUES[told]")).to_be_visible()
    expect(answer.get_by_text('"result": true')).to_be_visible()
    page.get_by_role("button", name="Start again").click()
    expect(page.locator(".processes a")).to_have_count(2)
    expect(page.locator(".badge")).to_contain_text("completed in")


def test_it_is_live(view: Callable[[str], Page], portal: Portal, own_app: OwnApp) -> None:
    """The log lines and values appear while one looks, typed and with their faults; then the process is over."""
    own_app.register(portal, "slow", RETURN_PROPERTIES={"n": {"Name": "N", "Type": "int"}})
    page = started(view, "slow")
    expect(page.get_by_text("Waits for the app's answer")).to_be_visible()
    token = eventually(lambda: own_app.callbacks)[0]["event_token"]
    rest = {"token": portal.ask("token")["access_token"]}

    def call(method: str, **params: object) -> None:
        page.request.post(f"{portal.url}/rest/{method}", data={"auth": rest["token"], "EVENT_TOKEN": token, **params})

    call("bizproc.activity.log", LOG_MESSAGE="halfway")
    expect(page.locator(".event", has_text="halfway")).to_be_visible()
    call("bizproc.event.send", RETURN_VALUES={"n": "many"}, LOG_MESSAGE="done")
    expect(page.get_by_text("'many' is no int")).to_be_visible()
    expect(page.locator(".badge")).to_contain_text("completed")


def test_what_never_comes_is_told_too(view: Callable[[str], Page], portal: Portal, own_app: OwnApp) -> None:
    own_app.register(portal, "lost")
    page = view("faults")
    slider = page.get_by_label("get lost")
    slider.focus()
    page.keyboard.press("End")
    expect(page.locator("nav .mark")).to_be_visible()
    assert portal.ask("designer")[0]["code"] == "lost"
    page = view("designer")
    page.locator('[data-code="lost"]').click()
    page.get_by_text("How it runs").click()
    page.get_by_label("Timeout in seconds").fill("1")
    page.get_by_role("button", name="Start the process").click()
    expect(page.get_by_text("Callback lost by the queue server")).to_be_visible()
    expect(page.get_by_text("the step closed by itself, IsTimeout is 1")).to_be_visible()
    expect(page.locator(".badge")).to_contain_text("timed out")


def test_faults_are_set_and_taken_back(view: Callable[[str], Page], portal: Portal, installed: RunningApp) -> None:
    page = view("faults")
    page.get_by_label("Fault", exact=True).select_option(label="503 OVERLOAD_LIMIT")
    page.get_by_label("How often").fill("1")
    page.get_by_role("button", name="Add").click()
    expect(page.locator(".set-faults")).to_contain_text("1 more times")
    page.get_by_label("Method").fill("app.info")
    page.get_by_label("Fault", exact=True).select_option(label="Answer lost")
    page.get_by_label("How often").fill("")
    page.get_by_role("button", name="Add").click()
    expect(page.locator(".set-faults li")).to_have_count(2)
    page.get_by_role("button", name="Remove: app.info: Answer lost").click()
    expect(page.locator(".set-faults li")).to_have_count(1)
    started(view, "tell")
    expect(page.locator(".badge")).to_contain_text("completed in")
    expect(page.locator(".exchange", has_text="bizproc.event.send").locator(".status")).to_have_text(["503", "200"])


def test_the_apps_life(view: Callable[[str], Page], portal: Portal, installed: RunningApp) -> None:
    page = view("faults")
    page.get_by_role("button", name="Let the payment run out").click()
    expect(page.get_by_text("Payment has run out")).to_be_visible()
    page.get_by_role("button", name="Pay", exact=True).click()
    expect(page.get_by_text("App installed", exact=True)).to_be_visible()
    before = portal.state()["installation"]["application_token"]
    page.get_by_label("with a new application token").check()
    page.get_by_role("button", name="Update the app").click()
    expect(page.get_by_text("Done: Update the app")).to_be_visible()
    assert portal.state()["installation"]["application_token"] != before
    page.get_by_role("button", name="Expire tokens").click()
    expect(page.get_by_text("Done: Expire tokens")).to_be_visible()
    page.get_by_role("button", name="Rename the portal").click()
    expect(page.locator(".brand small")).not_to_have_text(portal.ready["domain"])
    page.get_by_role("link", name="App", exact=True).click()
    expect(page.frame_locator("iframe").get_by_role("button", name="Register again")).to_be_visible()
    page.get_by_role("link", name="Faults").click()
    page.get_by_role("button", name="Take the first name back").click()
    expect(page.locator(".brand small")).to_have_text(portal.ready["domain"])
    page.get_by_label("CLEAN: erase the data").check()
    page.get_by_role("button", name="Uninstall the app").click()
    expect(page.get_by_text("App not installed")).to_be_visible()
    assert portal.stored() == {}
    view("app")
    expect(page.frame_locator("iframe").get_by_text("Done. You find")).to_be_visible()
    expect(page.get_by_text("App installed", exact=True)).to_be_visible()
