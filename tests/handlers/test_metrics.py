"""Who sees what is counted, and that each refusal is counted and logged once."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
import requests
from prometheus_client.parser import text_string_to_metric_families

from bizproc.settings import Settings
from tests.conftest import Portal, RunningApp, app_of_shelf, serving
from tests.handlers.test_install import install_form

TOKEN = "metrics-token-of-tests"
UNREADABLE = {"x" + "[a]" * 100: ""}


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return replace(settings, metrics_token=TOKEN)


def scrape(url: str, authorization: str = f"Bearer {TOKEN}") -> requests.Response:
    return requests.get(f"{url}/metrics", headers={"Authorization": authorization}, timeout=9)


def refusals(url: str) -> dict[tuple[str, str], float]:
    """By way in and reason."""
    families = list(text_string_to_metric_families(scrape(url).text))
    assert {family.name for family in families} == {"b24_refusals"}
    return {
        (sample.labels["way"], sample.labels["reason"]): sample.value
        for sample in families[0].samples
        if sample.name == "b24_refusals_total"
    }


@contextmanager
def one_refusal(app: RunningApp, log: pytest.LogCaptureFixture, way: str, reason: str) -> Iterator[None]:
    """Of this kind and no other: one line in the log, one more in the counter."""
    before = refusals(app.url)
    log.clear()
    yield
    lines = [record.getMessage() for record in log.records if "refused" in record.getMessage()]
    assert len(lines) == 1, lines
    assert lines[0].isprintable()
    assert lines[0].isascii()
    assert len(lines[0]) < 700
    after = refusals(app.url)
    assert {kind: number - before.get(kind, 0) for kind, number in after.items() if number != before.get(kind)} == {
        (way, reason): 1
    }


@pytest.mark.parametrize(
    "authorization",
    ["", TOKEN, "Bearer", "Bearer ", f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}", f"Basic {TOKEN}", "Bearer \xe9"],
)
def test_nobody_else_sees_them(app: RunningApp, authorization: str) -> None:
    answer = scrape(app.url, authorization)
    assert (answer.status_code, answer.text) == (404, "404 Not Found\n")
    assert scrape(app.url).status_code == 200


@pytest.mark.parametrize("authorization", ["", "Bearer ", "Bearer None", f"Bearer {TOKEN}"])
def test_without_the_setting_there_is_no_such_address(settings: Settings, authorization: str) -> None:
    with serving(replace(settings, metrics_token=""), app_of_shelf) as app:
        assert scrape(app.url, authorization).status_code == 404


LONG_AND_ODD = "\r\n2026 ERROR forged \u202e\u2028" + "x" * 100_000


@pytest.mark.parametrize(
    ("member_id", "application_token", "reason"),
    [
        (None, "wrong", "wrong_application_token"),
        (None, "", "wrong_application_token"),
        ("stranger", "x", "unknown_member_id"),
        ("", "", "unknown_member_id"),
        (LONG_AND_ODD, "x", "unknown_member_id"),
    ],
)
@pytest.mark.parametrize(
    ("way", "path", "event"),
    [
        ("callback", "/activities/tell", ""),
        ("event", "/events", "ONAPPUNINSTALL"),
        ("event", "/events", "ONAPPPAYMENT"),
        ("event", "/events", LONG_AND_ODD),
    ],
)
def test_senders_who_are_not_proven(
    installed: RunningApp,
    portal: Portal,
    caplog: pytest.LogCaptureFixture,
    way: str,
    path: str,
    event: str,
    member_id: str | None,
    application_token: str,
    reason: str,
) -> None:
    form = {
        "event": event,
        "auth[member_id]": portal.description["member_id"] if member_id is None else member_id,
        "auth[application_token]": application_token,
    }
    with one_refusal(installed, caplog, way, reason):
        assert requests.post(installed.url + path, data=form, timeout=9).status_code == 403


def test_a_portal_that_has_removed_the_app(
    installed: RunningApp, portal: Portal, caplog: pytest.LogCaptureFixture
) -> None:
    form = {
        "event": "ONAPPUNINSTALL",
        "auth[member_id]": portal.description["member_id"],
        "auth[application_token]": portal.state()["installation"]["application_token"],
    }
    assert requests.post(f"{installed.url}/events", data=form, timeout=9).status_code == 200
    for way, path in (("event", "/events"), ("callback", "/activities/tell")):
        with one_refusal(installed, caplog, way, "uninstalled"):
            assert requests.post(installed.url + path, data=form, timeout=9).status_code == 403


@pytest.mark.parametrize("path", ["/install", "/", "/events"])
def test_installs(app: RunningApp, portal: Portal, caplog: pytest.LogCaptureFixture, path: str) -> None:
    way = "event" if path == "/events" else "page"

    def sent(form: dict[str, str], domain: str = "") -> int:
        if way == "event":
            form = {
                "event": "ONAPPINSTALL",
                "auth[access_token]": form.get("AUTH_ID", ""),
                "auth[application_token]": form.get("APPLICATION_TOKEN", ""),
                "auth[member_id]": form.get("member_id", ""),
                "auth[client_endpoint]": domain,
            } | {name: value for name, value in form.items() if name in UNREADABLE}
        return requests.post(
            app.url + path, params=None if way == "event" else {"DOMAIN": domain}, data=form, timeout=9
        ).status_code

    form = install_form(portal)
    with one_refusal(app, caplog, way, "unproven"):
        assert sent(form | {"AUTH_ID": "forged"}) == 403
    with one_refusal(app, caplog, way, "unproven"):
        assert sent({}) == 403
    with one_refusal(app, caplog, way, "unproven"):
        assert sent(form, domain=LONG_AND_ODD[:3000]) == 403
    with one_refusal(app, caplog, way, "unreadable"):
        assert sent(form | UNREADABLE) == 403
    with one_refusal(app, caplog, way, "no_administrator"):
        assert sent(form | {"AUTH_ID": portal.ask("token", admin=False)["access_token"]}) == 403
    portal.ask("faults", rest={"oauth/app.info": {"close": True, "times": 1}})
    with one_refusal(app, caplog, way, "unavailable"):
        assert sent(form) == (503 if way == "event" else 403)
    before = refusals(app.url)
    assert sent(form) == 200
    assert refusals(app.url) == before
