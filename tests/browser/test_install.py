"""The app in its iframe, and the script by which it speaks to the portal."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.own_app import OwnApp
from tests.conftest import Portal, RunningApp

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("browser")]


def test_the_app_is_installed_once_its_page_says_so(
    view: Callable[[str], Page], portal: Portal, app: RunningApp
) -> None:
    page = view("app")
    expect(page.get_by_text("App not installed")).to_be_visible()
    page.get_by_label("Address of your app").fill(app.url)
    page.get_by_role("button", name="Install").click()
    inside = page.frame_locator("iframe")
    expect(inside.get_by_text("Done. You find the activities")).to_be_visible()
    expect(page.get_by_text("App installed", exact=True)).to_be_visible()
    now = portal.state()
    assert now["installation"]["installed"] is True
    assert len(now["stored"]) == len(app.backend.registry)
    page.get_by_role("button", name="Open again").click()
    expect(inside.get_by_role("button", name="Register again")).to_be_visible()
    page.get_by_label("Opened by").select_option(label="Erika (employee)")
    expect(inside.get_by_text("Every type")).to_be_visible()
    expect(inside.get_by_role("button", name="Register again")).to_have_count(0)


def said(page: Page) -> Any:
    words = page.frame_locator("iframe").locator("#said")
    expect(words).not_to_be_empty()
    return json.loads(words.inner_text())


def test_what_the_script_answers(view: Callable[[str], Page], portal: Portal, own_app: OwnApp) -> None:
    own_app.js_url = f"{portal.url}/api/v1/"
    own_app.script = """
        const called = (method, params) => new Promise((done) => BX24.callMethod(method, params, done));
        const batch = (calls) => new Promise((done) => BX24.callBatch(calls, done));
        const before = BX24.getAuth();
        const profile = await called("profile");
        const wrong = await called("bizproc.activity.delete", {CODE: "none"});
        const added = {CODE: "x", HANDLER: "http://127.0.0.1/x", NAME: "ü & = # %", FILTER: {INCLUDE: ["b24"]}};
        const many = await batch({
            me: ["user.current"],
            add: {method: "bizproc.activity.add", params: added},
            bad: ["bizproc.activity.delete", {CODE: "none"}],
        });
        const list = await batch([["user.admin"], ["server.time", {}]]);
        const after = await new Promise((done) => BX24.refreshAuth(done));
        const size = await new Promise((done) => BX24.resizeWindow(300, 432, done));
        say({
            before, after, size, lang: BX24.getLang(), domain: BX24.getDomain(), admin: BX24.isAdmin(),
            placement: BX24.placement.info(), profile: profile.data().ADMIN, none: profile.error() === undefined,
            wrong: [wrong.error().getError().error, wrong.error().getStatus()],
            many: [many.add.data(), many.me.data().ID, many.bad.error().getError().error],
            list: list.map((each) => !each.error()),
        });
    """
    portal.ask("install", app_url=own_app.url)
    portal.ask("expire-tokens")
    page = view("app")
    told = said(page)
    assert told["before"].keys() == {"access_token", "refresh_token", "expires_in", "domain", "member_id"}
    assert told["before"]["member_id"] == portal.ready["member_id"]
    assert told["after"]["access_token"] != told["before"]["access_token"]
    assert told["size"]["height"] == 432
    expect(page.locator("iframe")).to_have_css("height", "432px")
    assert {key: told[key] for key in ("lang", "domain", "admin", "placement", "profile", "none", "wrong", "many")} == {
        "lang": "en",
        "domain": portal.ready["domain"],
        "admin": True,
        "placement": {"placement": "DEFAULT", "options": {}},
        "profile": True,
        "none": True,
        "wrong": ["ERROR_ACTIVITY_NOT_FOUND", 400],
        "many": [True, "1", "ERROR_ACTIVITY_NOT_FOUND"],
    }
    assert told["list"] == [True, True]
    record = portal.stored()["x"]
    assert (record["NAME"], record["FILTER"]) == ({"*": "ü & = # %"}, {"INCLUDE": ["b24"]})


def test_a_person_is_chosen_an_expired_token_renewed_and_an_app_can_close_itself(
    view: Callable[[str], Page], portal: Portal, own_app: OwnApp
) -> None:
    own_app.js_url = f"{portal.url}/api/v1/"
    own_app.script = """
        const close = (answer) => answer.data() === true && BX24.closeApplication();
        document.body.addEventListener("click", () => BX24.callMethod("user.admin", {}, close));
        BX24.selectUser("Who is it?", ({id, name}) => say([id, name]));
    """
    portal.ask("install", app_url=own_app.url)
    page = view("app")
    page.get_by_role("dialog", name="Who is it?").get_by_role("button", name="Erika").click()
    expect(page.frame_locator("iframe").get_by_text('["2","Erika"]')).to_be_visible()
    portal.ask("expire-tokens")
    page.frame_locator("iframe").get_by_role("heading").click()
    expect(page.get_by_text("The app has closed itself.")).to_be_visible()


@pytest.mark.parametrize(
    ("lang", "state", "app_title", "step", "start", "completed"),
    [
        ("de", "App installiert", "Aktivitäten", "Sagen", "Prozess starten", "abgeschlossen"),
        ("ru", "Приложение установлено", "Действия", "Tell", "Запустить процесс", "завершён"),
    ],
)
@pytest.mark.usefixtures("installed")
def test_page_and_app_speak_the_persons_language(
    view: Callable[[str], Page], lang: str, state: str, app_title: str, step: str, start: str, completed: str
) -> None:
    page = view("app")
    page.get_by_label("Language").select_option(lang)
    expect(page.locator("html")).to_have_attribute("lang", lang)
    expect(page.get_by_text(state, exact=True)).to_be_visible()
    expect(page.frame_locator("iframe").get_by_role("heading", name=app_title)).to_be_visible()
    view("designer")
    page.get_by_role("button", name=step).first.click()
    page.get_by_role("button", name=start).click()
    expect(page.locator(".badge")).to_contain_text(completed)
