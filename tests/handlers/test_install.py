"""Installing: the pages, the proof, what is stored, what is registered."""

import datetime as dt
import re
from pathlib import Path

import pytest
import requests
from sqlalchemy import text, update

from bizproc.portal.b24 import Tokens
from bizproc.portal.installations import Installation
from bizproc.portal.proof import Proof
from bizproc.portal.visitor import Visitor
from bizproc.settings import Settings
from bizproc.storage.tables import InstallationRow, RegistrationRow
from tests.conftest import Portal, RunningApp, eventually

INSTALL_QUERY = {"DOMAIN": "127.0.0.1", "PROTOCOL": "0", "LANG": "de", "APP_SID": "x"}


def install_form(portal: Portal, **changed: str) -> dict[str, str]:
    token = portal.ask("token")
    form = {
        "AUTH_ID": token["access_token"],
        "REFRESH_ID": token["refresh_token"],
        "AUTH_EXPIRES": "3600",
        "APPLICATION_TOKEN": "application-token",
        "member_id": portal.description["member_id"],
        "status": "L",
        "PLACEMENT": "DEFAULT",
        "SERVER_ENDPOINT": "https://evil.example.com/rest/",
    }
    return form | changed


def post(app: RunningApp, path: str, form: dict[str, str], **query: str) -> requests.Response:
    return requests.post(app.url + path, params=INSTALL_QUERY | query, data=form, timeout=9)


def page_token(page: str) -> str:
    found = re.search(r'"Bearer " \+ "([^"]+)"', page)
    assert found
    return found[1]


@pytest.mark.parametrize("path", ["/", "/install"])
def test_the_publisher_console_finds_the_pages(app: RunningApp, path: str) -> None:
    assert requests.head(app.url + path, timeout=9).status_code == 200
    answer = requests.get(app.url + path, timeout=9)
    assert answer.status_code == 200
    assert "It is opened from a portal." in answer.text
    assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]


@pytest.mark.parametrize("path", ["/", "/install"])
def test_an_install_is_stored_as_it_was_proven_and_registered(app: RunningApp, portal: Portal, path: str) -> None:
    form = install_form(portal, DOMAIN="evil.example.com")
    assert post(app, path, form).status_code == 200
    installation = app.backend.installations.find(form["member_id"])
    assert installation is not None
    assert installation.domain == portal.description["domain"]
    assert installation.client_endpoint == portal.description["client_endpoint"]
    assert (installation.edition, installation.status, installation.language) == ("box", "L", "de")
    assert installation.scope == "bizproc,crm,user_brief"
    assert f"http://{installation.app_host}" == app.url
    assert app.backend.installations.proves(installation, "application-token")
    eventually(lambda: len(portal.stored()) == len(app.backend.registry))
    kinds = {code: record["IS_ROBOT"] for code, record in portal.stored().items()}
    assert kinds["ask_portal"] == "Y"
    assert kinds["tell"] == "N"


def test_tokens_and_callbacks_are_not_readable_in_the_database(
    installed: RunningApp, portal: Portal, settings: Settings
) -> None:
    process = portal.run("tell", {"words": "confidential"})
    portal.finished(process)
    form = install_form(portal)
    post(installed, "/install", form)
    for kept in Path(settings.database_url.removeprefix("sqlite:///")).parent.glob("b24.sqlite3*"):
        content = kept.read_bytes()
        for secret in (form["AUTH_ID"], form["REFRESH_ID"], form["APPLICATION_TOKEN"], process, "confidential"):
            assert secret.encode() not in content, (kept.name, secret)


def test_the_page_shows_the_progress_and_calls_install_finish_last(app: RunningApp, portal: Portal) -> None:
    page = post(app, "/install", install_form(portal)).text
    assert '<html lang="de">' in page
    assert "Die Aktivitäten werden in Ihrem Portal angemeldet." in page
    assert page.count("installFinish") == 1
    assert page.index("installFinish") > page.index('state === "failed"')
    asked = {"Authorization": f"Bearer {page_token(page)}"}

    def done() -> dict[str, object] | None:
        progress = requests.get(f"{app.url}/install/progress?LANG=de", headers=asked, timeout=9).json()
        return progress if progress["state"] != "running" else None

    progress = eventually(done)
    assert progress["state"] == "done"
    shown = {each["code"]: each for each in progress["activities"]}  # type: ignore[attr-defined]
    assert shown["tell"] == {
        "code": "tell",
        "kind": "activity",
        "name": "Sagen",
        "description": "Tells what it knows",
        "action": "added",
        "error": "",
    }


@pytest.mark.parametrize("authorization", ["", "Bearer ", "Bearer forged", "Basic abc"])
def test_nobody_else_sees_the_progress(installed: RunningApp, authorization: str) -> None:
    headers = {"Authorization": authorization}
    assert requests.get(f"{installed.url}/install/progress", headers=headers, timeout=9).status_code == 403


def test_only_the_portal_may_frame_the_page(installed: RunningApp, portal: Portal) -> None:
    headers = post(installed, "/install", install_form(portal)).headers
    policy = headers["Content-Security-Policy"]
    assert f"frame-ancestors http://{portal.description['domain']}" in policy
    assert "unsafe-inline" not in policy
    assert "X-Frame-Options" not in headers


def test_the_apps_page_lists_the_activities_in_the_persons_language(installed: RunningApp, portal: Portal) -> None:
    opened = portal.ask("open", url=f"{installed.url}/")
    assert opened["status"] == 200
    assert "This app adds steps to the designer" in opened["body"]
    assert opened["body"].count('data-action="added"') == len(installed.backend.registry)
    assert "installFinish" not in opened["body"]
    russian = requests.post(f"{installed.url}/?LANG=ru", data=_opened_form(portal), timeout=9).text
    assert "добавлено" in russian


def _opened_form(portal: Portal) -> dict[str, str]:
    application_token = portal.state()["installation"]["application_token"]
    return install_form(portal, APPLICATION_TOKEN=application_token)


def test_a_second_install_registers_what_the_portal_lost(installed: RunningApp, portal: Portal) -> None:
    token = portal.ask("token")["access_token"]
    lost = {"CODE": "tell", "auth": token}
    assert requests.post(f"{portal.url}/rest/bizproc.activity.delete", json=lost, timeout=9).json()["result"] is True
    assert "tell" not in portal.stored()
    portal.ask("install", app_url=installed.url)
    eventually(lambda: "tell" in portal.stored())


@pytest.mark.parametrize(
    "changed",
    [
        {"AUTH_ID": "forged"},
        {"AUTH_ID": ""},
        {"APPLICATION_TOKEN": ""},
        {"member_id": "another"},
    ],
)
def test_an_install_that_is_not_proven_is_refused(app: RunningApp, portal: Portal, changed: dict[str, str]) -> None:
    answer = post(app, "/install", install_form(portal, **changed))
    assert answer.status_code == 403
    assert "Das Portal konnte nicht bestätigt werden" in answer.text
    assert "frame-ancestors *" in answer.headers["Content-Security-Policy"], "nobody would see it in the portal"
    assert list(app.backend.installations.all()) == []


def test_a_token_without_application_context_is_refused(app: RunningApp, portal: Portal) -> None:
    webhook = portal.ask("token", application=False)["access_token"]
    assert post(app, "/install", install_form(portal, AUTH_ID=webhook)).status_code == 403


def test_who_is_no_administrator_learns_why_nothing_is_installed(app: RunningApp, portal: Portal) -> None:
    answer = post(app, "/install", install_form(portal, AUTH_ID=employee(portal)))
    assert answer.status_code == 403
    assert "Nur ein Administrator Ihres Portals kann diese App installieren." in answer.text
    assert list(app.backend.installations.all()) == []


def employee(portal: Portal) -> str:
    token: str = portal.ask("token", admin=False)["access_token"]
    return token


def test_an_employee_changes_nothing_of_an_installation(installed: RunningApp, portal: Portal) -> None:
    before = installation_of(installed, portal)
    stored = installed.backend.installations.token(before).auth_token
    own = {"AUTH_ID": employee(portal), "REFRESH_ID": "of-the-employee"}
    assert post(installed, "/install", install_form(portal, **own)).status_code == 403, "another application token"
    known = portal.state()["installation"]["application_token"]
    for path in ("/", "/install"):
        assert post(installed, path, install_form(portal, APPLICATION_TOKEN=known, **own)).status_code == 200
    after = installation_of(installed, portal)
    assert installed.backend.installations.token(after).auth_token == stored
    assert installed.backend.installations.proves(after, known)
    assert after.user_id == before.user_id


def test_an_administrator_can_bring_another_application_token(installed: RunningApp, portal: Portal) -> None:
    form = install_form(portal, APPLICATION_TOKEN="of-a-reinstall")
    assert post(installed, "/install", form).status_code == 200
    installation = installation_of(installed, portal)
    assert installed.backend.installations.proves(installation, "of-a-reinstall")
    assert installed.backend.installations.token(installation).auth_token == form["AUTH_ID"]
    history = [(event.what, event.detail) for event in installed.backend.installations.history(installation)]
    assert history == [("installed", None), ("updated", "with another application token")]


@pytest.mark.parametrize("answers", ["refuses", "nothing"])
def test_a_portal_that_does_not_say_who_is_administrator_gives_nothing_away(
    installed: RunningApp, portal: Portal, answers: str
) -> None:
    fault = {"error": "ERROR_METHOD_NOT_FOUND", "status": 404} if answers == "refuses" else {"close": True}
    portal.ask("faults", rest={"user.admin": fault})
    assert post(installed, "/install", install_form(portal)).status_code == 403
    known = portal.state()["installation"]["application_token"]
    assert installed.backend.installations.proves(installation_of(installed, portal), known)


def test_the_first_install_needs_no_word_of_the_portal(app: RunningApp, portal: Portal) -> None:
    portal.ask("faults", rest={"user.admin": {"error": "ERROR_METHOD_NOT_FOUND", "status": 404}})
    assert post(app, "/install", install_form(portal)).status_code == 200


def test_a_page_that_says_another_domain_is_refused(app: RunningApp, portal: Portal) -> None:
    answer = post(app, "/install", install_form(portal), DOMAIN="evil.example.com")
    assert answer.status_code == 403
    assert list(app.backend.installations.all()) == []


def test_an_app_that_has_moved_registers_when_it_is_opened_at_its_new_address(
    installed: RunningApp, portal: Portal
) -> None:
    with installed.backend.database.writing() as session:
        session.execute(update(InstallationRow).values(app_host="old.example.com"))
        session.execute(update(RegistrationRow).values(fingerprint=None))
    opened = _opened_form(portal)
    post(installed, "/", opened | {"AUTH_ID": employee(portal)})
    eventually(lambda: "old.example.com" in (installation_of(installed, portal).register_error or ""))
    post(installed, "/", opened)
    eventually(lambda: not installed.backend.registration.differs(installation_of(installed, portal)))


def test_an_administrator_registers_again_from_the_page(installed: RunningApp, portal: Portal) -> None:
    lost = {"CODE": "tell", "auth": portal.ask("token")["access_token"]}
    assert requests.post(f"{portal.url}/rest/bizproc.activity.delete", json=lost, timeout=9).json()["result"] is True
    asked = {"Authorization": f"Bearer {page_token(post(installed, '/', _opened_form(portal)).text)}"}
    assert requests.post(f"{installed.url}/register", headers=asked, timeout=9).status_code == 204
    eventually(lambda: "tell" in portal.stored())


def test_nobody_else_registers_again(installed: RunningApp, portal: Portal) -> None:
    page = post(installed, "/", _opened_form(portal) | {"AUTH_ID": employee(portal)}).text
    assert 'id="register"' not in page
    visitor = Visitor(Proof("m", "", "", "", "", 2), Tokens("", None, dt.datetime.now(dt.UTC)), administrator=False)
    theirs = installed.backend.page_token(installation_of(installed, portal), visitor)
    for headers in ({}, {"Authorization": "Bearer forged"}, {"Authorization": f"Bearer {theirs}"}):
        assert requests.post(f"{installed.url}/register", headers=headers, timeout=9).status_code == 403


def test_one_refused_definition_does_not_stop_the_others(app: RunningApp, portal: Portal) -> None:
    refusal = {"error": "ERROR_ACTIVITY_ADD_FAILURE", "status": 400, "times": 1}
    portal.ask("faults", rest={"bizproc.activity.add": refusal})
    page = post(app, "/install", install_form(portal)).text
    asked = {"Authorization": f"Bearer {page_token(page)}"}
    progress = eventually(
        lambda: (
            (p := requests.get(f"{app.url}/install/progress", headers=asked, timeout=9).json())["state"]
            not in ("running",)
            and p
        )
    )
    assert progress["state"] == "partly"
    assert [each["action"] for each in progress["activities"]].count("refused") == 1
    assert len(portal.stored()) == len(app.backend.registry) - 1


@pytest.mark.parametrize("method", ["batch", "bizproc.activity.add", "bizproc.activity.list"])
def test_a_registration_that_the_portal_could_not_take_is_tried_again(
    app: RunningApp, portal: Portal, method: str
) -> None:
    """Meanwhile the page does not give up: it would never call installFinish."""
    portal.ask("faults", rest={method: {"error": "INTERNAL_SERVER_ERROR", "status": 500, "times": 1}})
    page = post(app, "/install", install_form(portal)).text
    asked = {"Authorization": f"Bearer {page_token(page)}"}
    states = set()

    def state() -> str:
        states.add(requests.get(f"{app.url}/install/progress", headers=asked, timeout=9).json()["state"])
        return "done" if "done" in states else ""

    eventually(state)
    assert states == {"running", "done"}
    assert len(portal.stored()) == len(app.backend.registry)


def test_an_update_during_a_registration_is_registered_too(app: RunningApp, portal: Portal) -> None:
    """What the one that is under way has sent may be wiped already."""
    portal.ask("faults", rest={"batch": {"delay_ms": 500, "times": 1}})
    post(app, "/install", install_form(portal))
    eventually(lambda: app.backend.installations.find(portal.description["member_id"]))
    post(app, "/install", install_form(portal))
    eventually(lambda: len(portal.log("/rest/batch")) == 2)
    eventually(lambda: len(portal.stored()) == len(app.backend.registry))


def test_a_token_with_an_absurd_life_is_no_fault(app: RunningApp, portal: Portal) -> None:
    assert post(app, "/install", install_form(portal, AUTH_EXPIRES="99999999999999999")).status_code == 200


def test_events_are_bound(installed: RunningApp, portal: Portal) -> None:
    bound = {handler["event"]: handler["url"] for handler in portal.state()["handlers"]}
    events = ("ONAPPINSTALL", "ONAPPUPDATE", "ONAPPUNINSTALL", "ONAPPPAYMENT", "ONAPPTEST")
    assert bound == dict.fromkeys(events, f"{installed.url}/events")


def test_the_database_is_where_the_settings_say(installed: RunningApp) -> None:
    with installed.backend.database.engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM installations")).scalar() == 1


def test_opening_the_app_registers_what_the_release_changed(installed: RunningApp, portal: Portal) -> None:
    """As if the portal had accepted another version before."""
    with installed.backend.database.writing() as session:
        session.execute(update(RegistrationRow).where(RegistrationRow.code == "tell").values(fingerprint=None))
    token = portal.ask("token")["access_token"]
    changed = {"CODE": "tell", "FIELDS": {"DESCRIPTION": "old"}, "auth": token}
    assert requests.post(f"{portal.url}/rest/bizproc.activity.update", json=changed, timeout=9).json()["result"] is True
    portal.ask("open", url=f"{installed.url}/")
    eventually(lambda: portal.stored()["tell"]["DESCRIPTION"] == {"*": "Tells what it knows"})
    eventually(lambda: not installed.backend.registration.differs(installation_of(installed, portal)))
    calls = len(portal.log("/rest/batch"))
    portal.ask("open", url=f"{installed.url}/")
    assert len(portal.log("/rest/batch")) == calls, "nothing differs, so nothing is asked"


def installation_of(app: RunningApp, portal: Portal) -> Installation:
    installation = app.backend.installations.find(portal.description["member_id"])
    assert installation
    return installation
