"""Installed, opened, updated, paid for, removed."""

import json
from typing import Any

import pytest

from tests.devportal.driver import HANDLER, App, Portal


def bind(portal: Portal, app: App, *events: str) -> None:
    for event in events:
        assert portal.call("event.bind", {"EVENT": event, "HANDLER": f"{app.url}/events"}) is True


def events(app: App, count: int) -> list[Any]:
    return [got.fields for got in app.wait_for(count) if got.path == "/events"]


def installation(portal: Portal) -> Any:
    return portal.look("state")["installation"]


def test_the_install_post(portal: Portal, app: App) -> None:
    answer = portal.control("install", app_url=app.url)
    assert (answer["status"], answer["body"], answer["installed"]) == (200, app.page, True)
    assert answer["headers"]["Content-Type"].startswith("text/html")
    (got,) = app.received
    query = got.query
    assert got.path == "/install"
    assert {key: query[key] for key in ("DOMAIN", "PROTOCOL", "LANG")} == {
        "DOMAIN": portal.ready["domain"],
        "PROTOCOL": "0",
        "LANG": "en",
    }
    assert len(str(query["APP_SID"])) == 32
    form = got.fields
    assert portal.call("user.admin", token=form["AUTH_ID"]) is True
    assert portal.refresh(form["REFRESH_ID"]).status_code == 200
    assert form["APPLICATION_TOKEN"] == installation(portal)["application_token"]
    assert {key: form[key] for key in ("AUTH_EXPIRES", "member_id", "status", "PLACEMENT", "APPLICATION_SCOPE")} == {
        "AUTH_EXPIRES": "3600",
        "member_id": portal.ready["member_id"],
        "status": "L",
        "PLACEMENT": "DEFAULT",
        "APPLICATION_SCOPE": "bizproc,crm,user_brief",
    }
    assert form["SERVER_ENDPOINT"] == f"{portal.ready['oauth_url']}/rest/"
    assert json.loads(form["PLACEMENT_OPTIONS"]) == {}


def test_in_a_browser_installed_is_what_has_called_install_finish(portal: Portal, app: App) -> None:
    frame = portal.control("frame", app_url=app.url, lang="de")
    assert frame["url"].startswith(f"{app.url}/install?DOMAIN=")
    assert "&LANG=de&" in frame["url"]
    assert frame["fields"]["APPLICATION_TOKEN"] == installation(portal)["application_token"]
    assert portal.call("user.admin", token=frame["fields"]["AUTH_ID"]) is True
    assert (app.received, installation(portal)["installed"]) == ([], False)
    bind(portal, app, "ONAPPINSTALL")
    assert portal.control("install-finish") == {"installed": True}
    (event,) = events(app, 1)
    assert event["event"] == "ONAPPINSTALL"


def test_a_frame_opens_the_main_page_of_what_is_installed(portal: Portal, app: App) -> None:
    assert "no application was installed" in portal.refused_control("frame")
    portal.control("install", app_url=app.url)
    frame = portal.control("frame", user_id=2, placement="X", options={"a": 1})
    assert frame["url"].startswith(f"{app.url}/?DOMAIN=")
    assert (frame["admin"], frame["fields"]["PLACEMENT"]) == (False, "X")
    assert json.loads(frame["fields"]["PLACEMENT_OPTIONS"]) == {"a": 1}
    assert portal.call("user.admin", token=frame["fields"]["AUTH_ID"]) is False


def test_an_install_page_that_fails(portal: Portal, app: App) -> None:
    app.status = 500
    answer = portal.control("install", app_url=app.url)
    assert (answer["status"], answer["installed"]) == (500, False)
    app.stop()
    answer = portal.control("install", app_url=app.url)
    assert (answer["status"], answer["installed"]) == (None, False)
    assert "ConnectionError" in answer["error"]


def test_the_application_token_stays_until_a_reinstall(portal: Portal, app: App) -> None:
    portal.control("install", app_url=app.url)
    first = installation(portal)["application_token"]
    portal.control("install", app_url=app.url)
    assert installation(portal)["application_token"] == first
    portal.control("uninstall")
    portal.control("install", app_url=app.url)
    assert installation(portal)["application_token"] != first


def test_onappinstall_comes_when_installation_is_finished(portal: Portal, app: App) -> None:
    bind(portal, app, "OnAppInstall")
    portal.control("install", app_url=app.url)
    (event,) = events(app, 2)
    assert (event["event"], event["event_handler_id"]) == ("ONAPPINSTALL", "1")
    assert event["data"] == {"VERSION": "1", "ACTIVE": "Y", "INSTALLED": "Y", "LANGUAGE_ID": "en"}
    auth = event["auth"]
    assert portal.call("user.admin", token=auth["access_token"]) is True
    assert {"domain", "scope", "refresh_token", "expires_in", "server_endpoint", "status", "client_endpoint"} <= set(
        auth
    )
    assert (auth["member_id"], auth["application_token"]) == (
        portal.ready["member_id"],
        installation(portal)["application_token"],
    )
    portal.control("install", app_url=app.url)
    app.nothing_more(3)


def test_an_application_without_a_page_gets_its_event_unasked(portal: Portal, app: App) -> None:
    portal.control("install", event_url=f"{app.url}/events")
    (event,) = events(app, 1)
    assert (event["event"], event["data"]["INSTALLED"]) == ("ONAPPINSTALL", "Y")
    assert installation(portal)["installed"] is True


def test_opening_a_page(portal: Portal, app: App) -> None:
    portal.control("install", app_url=app.url)
    portal.control("open")
    options = {"code": "act", "properties": {"a": {"NAME": "x"}}}
    portal.control(
        "open",
        url=f"{app.url}/settings/act?x=1",
        placement="BIZPROC_ACTIVITY_PROPERTIES_DIALOG",
        options=options,
        user_id=2,
    )
    _, main, dialog = app.wait_for(3)
    assert (main.path, main.fields["PLACEMENT"]) == ("/", "DEFAULT")
    assert (dialog.path, dialog.query["x"]) == ("/settings/act", "1")
    assert dialog.fields["PLACEMENT"] == "BIZPROC_ACTIVITY_PROPERTIES_DIALOG"
    assert json.loads(dialog.fields["PLACEMENT_OPTIONS"]) == options
    assert portal.call("user.admin", token=dialog.fields["AUTH_ID"]) is False


def test_an_update_wipes_what_was_registered(portal: Portal, app: App) -> None:
    portal.control("install", app_url=app.url)
    bind(portal, app, "ONAPPUPDATE")
    portal.add("act", USE_PLACEMENT="Y", PLACEMENT_HANDLER=HANDLER)
    before = installation(portal)["application_token"]
    assert portal.control("update-app") == {"version": 2, "installed": True}
    (event,) = events(app, 2)
    assert event["data"] == {"VERSION": "2", "PREVIOUS_VERSION": "1", "LANGUAGE_ID": "en"}
    assert event["auth"]["application_token"] == before
    assert "refresh_token" in event["auth"]
    state = portal.look("state")
    assert (state["stored"], state["placements"]) == ([], [])
    assert len(state["handlers"]) == 1
    assert portal.control("update-app", stays_installed=False, new_token=True) == {"version": 3, "installed": False}
    assert events(app, 3)[-1]["auth"]["application_token"] != before


def test_an_uninstall_leaves_nothing(portal: Portal, app: App) -> None:
    portal.control("install", app_url=app.url)
    bind(portal, app, "ONAPPUNINSTALL")
    portal.add("act", USE_PLACEMENT="Y", PLACEMENT_HANDLER=HANDLER)
    given = app.received[0].fields
    webhook = portal.control("token", application=False)["access_token"]
    portal.control("uninstall", clean=1)
    (event,) = events(app, 2)
    assert event["data"] == {"LANGUAGE_ID": "en", "CLEAN": "1"}
    assert set(event["auth"]) == {"domain", "server_endpoint", "client_endpoint", "member_id", "application_token"}
    assert event["auth"]["application_token"] == given["APPLICATION_TOKEN"]
    state = portal.look("state")
    assert (state["stored"], state["placements"], state["handlers"]) == ([], [], [])
    assert portal.refused("user.admin", token=given["AUTH_ID"]) == (401, "invalid_token")
    assert portal.refresh(given["REFRESH_ID"]).json()["error"] == "invalid_grant"
    assert portal.call("user.admin", token=webhook) is True


def test_payment(portal: Portal, app: App) -> None:
    portal.control("install", app_url=app.url)
    bind(portal, app, "ONAPPPAYMENT")
    portal.control("payment", expired=True)
    app.nothing_more(1)
    portal.control("payment", expired=False)
    (event,) = events(app, 2)
    assert (event["data"]["PAYMENT_EXPIRED"], event["data"]["STATUS"]) == ("N", "L")
    assert "access_token" not in event["auth"]


def test_the_test_event(portal: Portal, app: App) -> None:
    portal.control("install", app_url=app.url)
    bind(portal, app, "ONAPPTEST")
    assert portal.call("event.test", {"a": {"b": "c"}}) == 1
    (event,) = events(app, 2)
    assert event["data"]["QUERY"] == {"a": {"b": "c"}}


def test_nothing_comes_before_installation_is_finished(portal: Portal, app: App) -> None:
    bind(portal, app, "ONAPPTEST")
    portal.call("event.test")
    app.nothing_more(0)


def test_binding(portal: Portal, app: App) -> None:
    handler = {"EVENT": "ONAPPUPDATE", "HANDLER": f"{app.url}/events"}
    bind(portal, app, "ONAPPUPDATE")
    assert portal.refused("event.bind", handler) == (400, "ERROR_CORE")
    assert portal.refused("event.bind", {**handler, "EVENT": "ONNOTHING"}) == (400, "ERROR_EVENT_NOT_FOUND")
    assert portal.refused("event.bind", {**handler, "EVENT": ""}) == (400, "ERROR_ARGUMENT")
    assert portal.refused("event.bind", {**handler, "HANDLER": "x"}) == (400, "ERROR_WRONG_HANDLER_URL")
    assert portal.call("event.get") == [
        {"event": "ONAPPUPDATE", "handler": handler["HANDLER"], "auth_type": "0", "offline": 0}
    ]
    assert portal.call("event.unbind", handler) == {"count": 1}
    assert portal.call("event.unbind", handler) == {"count": 0}
    assert portal.call("event.get") == []


@pytest.mark.parametrize("user_id", [1, 3])
def test_an_employee_binds_only_in_the_own_name(portal: Portal, app: App, user_id: int) -> None:
    employee = portal.control("token", admin=False)["access_token"]
    handler = {"EVENT": "ONAPPUPDATE", "HANDLER": app.url}
    assert portal.refused("event.bind", {**handler, "AUTH_TYPE": user_id}, token=employee) == (403, "ACCESS_DENIED")
    assert portal.call("event.bind", handler, token=employee) is True
    assert portal.look("state")["handlers"] == [{"event": "ONAPPUPDATE", "url": app.url, "user_id": 2}]
