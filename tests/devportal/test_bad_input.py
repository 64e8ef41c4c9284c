"""What no portal sends and no application should send: nothing here may end a thread or answer a 500."""

import json
import socket
from typing import Any

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

import devportal.portal
import devportal.tokens
from devportal.exchange_log import MAX_BODY
from devportal.queue_server import WORKERS
from tests.conftest import tries
from tests.devportal.driver import App, Portal

BAD_URLS = ["http://a..b/x", f"http://{'a' * 64}.com/x"]


def all_work(portal: Portal) -> bool:
    return all(thread.is_alive() for thread in portal.running.cloud.queue._threads)


@pytest.mark.parametrize("url", BAD_URLS)
def test_a_handler_that_is_no_host(portal: Portal, app: App, url: str) -> None:
    portal.add("bad", HANDLER=url, USE_SUBSCRIPTION="N")
    for id_ in portal.control("run", code="bad", count=WORKERS + 1)["processes"]:
        assert portal.process(id_, wait=5)["delivery"][0]["state"] == "failed"
    assert all_work(portal)
    portal.add("good", HANDLER=app.url, USE_SUBSCRIPTION="N")
    assert portal.process(portal.run("good"), wait=5)["delivery"][0]["state"] == "delivered"


@pytest.mark.parametrize("url", BAD_URLS)
def test_a_page_that_is_no_host(portal: Portal, url: str) -> None:
    for answer in (portal.control("install", app_url=url), portal.control("open", url=url)):
        assert (answer["status"], answer["installed"]) == (None, False)
        assert answer["error"]


def test_a_form_that_the_log_cannot_take_apart(portal: Portal, app: App) -> None:
    properties = {"many": {"Name": "x", "Multiple": "Y"}}
    order: dict[str, Any] = {"properties": {"many": ["1"] * 10_001}}
    portal.control("install", app_url=app.url)
    portal.add(HANDLER="http://127.0.0.1:1/", CODE="none", USE_SUBSCRIPTION="N", PROPERTIES=properties)
    assert portal.process(portal.run("none", **order), wait=5)["delivery"][0]["state"] == "failed"
    portal.call("event.bind", {"EVENT": "ONAPPTEST", "HANDLER": "http://127.0.0.1:1/"})
    nested: Any = "x"
    for _ in range(100):
        nested = {"a": nested}
    portal.call("event.test", nested)
    portal.add("good", HANDLER=app.url, USE_SUBSCRIPTION="N")
    portal.process(portal.run("good"), wait=5)
    sent = [entry for entry in portal.look("log") if entry["url"] == "http://127.0.0.1:1/"]
    assert [entry["request"]["parsed"] for entry in sent[-2:]] == [None, None]
    assert all_work(portal)


def test_a_worker_survives_anything(portal: Portal, app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> None:
        raise RuntimeError("no")

    portal.add(HANDLER=app.url, USE_SUBSCRIPTION="N")
    with monkeypatch.context() as patched:
        patched.setattr(portal.running.cloud.client, "post", broken)
        for id_ in portal.control("run", code="act", count=WORKERS + 1)["processes"]:
            assert portal.process(id_, wait=5)["delivery"][0]["state"] == "failed"
    assert "RuntimeError: no" in portal.look("state")["deliveries"][-1]["error"]
    assert portal.process(portal.run(), wait=5)["delivery"][0]["state"] == "delivered"


def test_the_scheduler_survives_anything(portal: Portal) -> None:
    portal.running.cloud.scheduler.after(1e300, lambda: None)
    portal.running.cloud.scheduler.after(0, lambda: 1 / 0)  # type: ignore[arg-type, return-value]
    portal.add()
    process = portal.process(portal.run(timeout=0.02), wait=3)
    assert (process["status"], process["is_timeout"]) == ("completed", 1)


def test_late_deliveries_do_not_survive_a_reset(portal: Portal, app: App) -> None:
    portal.add(HANDLER=app.url)
    portal.control("faults", queue={"delay": 1, "delay_seconds": 0.1})
    portal.run()
    portal.control("reset")
    app.nothing_more(0, 0.25)


def test_a_secret_of_other_letters(portal: Portal) -> None:
    token = portal.control("token")["refresh_token"]
    for secret in ("пароль", "\ud7ff\x00"):
        answer = portal.refresh(token, client_secret=secret)
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_client")


@tries(50)
@given(
    st.sampled_from(["oauth/token/", "oauth/token", "rest/app.info", "rest/app.info.json", "x"]),
    st.sampled_from(["refresh_token", "authorization_code"]),
    st.dictionaries(
        st.sampled_from(["client_id", "client_secret", "refresh_token", "auth", "auth[]", "refresh_token[a]", "x"]),
        st.text(max_size=20),
        max_size=5,
    ),
    st.booleans(),
)
def test_no_call_makes_the_oauth_server_fail(
    portal: Portal, path: str, grant_type: str, changed: dict[str, str], as_json: bool
) -> None:
    form = {
        "grant_type": grant_type,
        "client_id": portal.ready["client_id"],
        "client_secret": portal.ready["client_secret"],
        "refresh_token": "x",
        **changed,
    }
    url = f"{portal.ready['oauth_url']}/{path}"
    answer = portal.session.post(url, json=form) if as_json else portal.session.post(url, data=form)
    assert answer.status_code < 500


def test_only_a_webhooks_token_makes_a_webhooks_path(portal: Portal) -> None:
    webhook = portal.control("token", admin=False, application=False, user_id=7)["access_token"]
    application = portal.control("token", admin=False, user_id=7)["access_token"]

    def status(user: str, token: str) -> int:
        return requests.get(f"{portal.url}/rest/{user}/{token}/profile").status_code

    assert status("7", webhook) == 200
    assert [status("7", application), status("1", webhook), status("x", webhook), status("7", "x")] == [401] * 4


@pytest.mark.parametrize("url", ["http://[::1", "http://a]b/", "https://[x]/"])
def test_urls_that_are_none(portal: Portal, url: str) -> None:
    assert "app_url: must be an http or https URL" in portal.refused_control("install", app_url=url)
    assert "url: must be an http or https URL" in portal.refused_control("open", url=url)


def test_hosts_and_origins_that_are_none(portal: Portal) -> None:
    for headers in ({"Host": "[::1"}, {"Origin": "http://[::1"}):
        assert requests.post(f"{portal.url}/_dev/token", json={}, headers=headers).status_code == 403


@pytest.mark.parametrize("body", ['{"x": NaN}', '{"x": -Infinity}', '{"x": 1e999}', '{"code": "\\ud800"}'])
def test_control_bodies_that_are_no_json(portal: Portal, body: str) -> None:
    answer = requests.post(f"{portal.url}/_dev/run", data=body)
    assert (answer.status_code, answer.json()["error"]) == (400, "the body must be JSON")


@pytest.mark.parametrize("query", ["a" + "[a]" * 100, "a&" * 10_001, f"since={'9' * 5000}"])
def test_control_queries_beyond_all_limits(portal: Portal, query: str) -> None:
    answer = requests.get(f"{portal.url}/_dev/log?{query}")
    assert answer.status_code == 400, answer.text


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ({"delay_ms": -1}, "rest.scope.delay_ms: must be 0 to 86400000"),
        ({"delay_ms": 1e300}, "rest.scope.delay_ms: must be 0 to 86400000"),
        ({"delay_ms": 10**400}, "rest.scope.delay_ms: must be 0 to 86400000"),
        ({"operating": -1}, "rest.scope.operating: must be 0 to 86400"),
        ({"operating": 86_401}, "rest.scope.operating: must be 0 to 86400"),
        ({"times": -1}, "rest.scope.times: must not be negative"),
        ({"status": 100}, "rest.scope.status: must be 200 to 599"),
        ({"status": 204}, "rest.scope.status: 204 has no body"),
        ({"status": 304}, "rest.scope.status: 304 has no body"),
        ({"status": 600}, "rest.scope.status: must be 200 to 599"),
    ],
)
def test_wrong_faults(portal: Portal, fault: dict[str, Any], error: str) -> None:
    assert error in portal.refused_control("faults", rest={"scope": fault})
    assert portal.call("scope")


@pytest.mark.parametrize("seconds", [1e300, -1, 86_401])
def test_wrong_delays(portal: Portal, seconds: float) -> None:
    error = portal.refused_control("faults", queue={"delay": 1, "delay_seconds": seconds})
    assert "queue.delay_seconds: must be" in error


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1.0])
def test_numbers_that_are_none_are_no_faults(portal: Portal, value: float) -> None:
    faults = portal.running.cloud.portals[0].faults
    for described in (
        {"rest": {"a": {"delay_ms": value}}},
        {"rest": {"a": {"operating": value}}},
        {"queue": {"delay_seconds": value}},
        {"queue": {"drop": value}},
    ):
        with pytest.raises(ValueError, match=r"must be|is a share"):
            faults.replace(described)


def test_what_the_log_keeps_is_bounded(portal: Portal) -> None:
    body = json.dumps({"x": "y" * MAX_BODY})
    portal.session.post(f"{portal.url}/rest/server.time?auth={portal.token}", data=body.encode())
    assert portal.look("log")[-1]["request"]["parsed"] is None
    portal.post("server.time", {"x": "y"})
    assert portal.look("log")[-1]["request"]["parsed"]["x"] == "y"


def test_addresses_run_out() -> None:
    portal = Portal()
    try:
        emulated = portal.running.cloud.portals[0]
        emulated.renamed = 254
        assert portal.control("rename")["domain"].startswith("127.0.255.1:")
        answer = portal.session.post(f"{portal.running.url}/_dev/rename", json={})
        assert (answer.status_code, emulated.renamed, emulated.host) == (409, 255, "127.0.255.1")
        assert "no address" in answer.json()["error"]
    finally:
        portal.stop()


def test_an_address_that_is_taken() -> None:
    portal = Portal()
    try:
        port = int(portal.ready["domain"].split(":")[1])
        with socket.socket() as taken:
            taken.bind(("127.0.1.1", port))
            taken.listen()
            answer = portal.session.post(f"{portal.running.url}/_dev/rename", json={})
            assert answer.status_code == 409
        assert portal.control("rename")["domain"].startswith("127.0.1.1:")
    finally:
        portal.stop()


def test_ended_tokens_are_forgotten(portal: Portal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devportal.tokens, "PURGE_EVERY", 20)
    tokens = portal.running.cloud.tokens
    webhook = portal.control("token", application=False)["access_token"]
    ended = portal.control("token")
    portal.control("expire-tokens")
    for _ in range(40):
        portal.control("token")
    assert portal.refused("scope", token=ended["access_token"]) == (401, "expired_token")
    monkeypatch.setattr(devportal.tokens, "EXPIRED_KEPT", 0.0)
    portal.control("expire-tokens")
    for _ in range(40):
        portal.control("token")
    assert tokens.of_access(ended["access_token"]) is None
    assert portal.refresh(ended["refresh_token"]).status_code == 200
    assert portal.call("user.admin", token=webhook) is True


def test_finished_processes_are_forgotten(portal: Portal, app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devportal.portal, "MAX_FINISHED", 10)
    monkeypatch.setattr(devportal.portal, "PRUNE_EVERY", 5)
    portal.add("waits", HANDLER=app.url)
    waiting = portal.run("waits")
    ids = portal.control("run", code="nothing", count=40)["processes"]
    kept = [process["id"] for process in portal.look("state")["processes"]]
    assert kept[0] == waiting
    assert kept[1:] == ids[-(len(kept) - 1) :]
    assert 10 <= len(kept) - 1 <= 16
