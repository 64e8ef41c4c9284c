"""Who sees what is counted, and that each thing is counted once."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
import requests
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import text

from bizproc.settings import Settings
from handlers import worker_port
from tests.conftest import Portal, RunningApp, app_of_shelf, eventually, serving, values
from tests.handlers.test_callback import form
from tests.handlers.test_install import install_form

__all__ = ["form"]

TOKEN = "metrics-token-of-tests"
UNREADABLE = {"x" + "[a]" * 100: ""}


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return replace(settings, metrics_token=TOKEN)


def scrape(url: str, authorization: str = f"Bearer {TOKEN}") -> requests.Response:
    return requests.get(f"{url}/metrics", headers={"Authorization": authorization}, timeout=9)


def samples(url: str) -> dict[str, list[tuple[dict[str, str], float]]]:
    """Labels and values of all samples, by the sample's name."""
    found: dict[str, list[tuple[dict[str, str], float]]] = {}
    for family in text_string_to_metric_families(scrape(url).text):
        for sample in family.samples:
            found.setdefault(sample.name, []).append((dict(sample.labels), sample.value))
    return found


def value(url: str, name: str, **labels: str) -> float:
    return sum(number for given, number in samples(url).get(name, ()) if labels.items() <= given.items())


def refusals(url: str) -> dict[tuple[str, str], float]:
    """By way in and reason."""
    return {(labels["way"], labels["reason"]): value for labels, value in samples(url).get("b24_refusals_total", ())}


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


@contextmanager
def counted(url: str) -> Iterator[dict[tuple[str, ...], float]]:
    """What has changed when the block ends, without buckets: by the sample's name and its labels' values, the labels in
    the order of their names."""

    def now() -> dict[tuple[str, ...], float]:
        return {
            (name, *(labels[each] for each in sorted(labels))): value
            for name, found in samples(url).items()
            for labels, value in found
            if name.endswith(("_total", "_count"))
        }

    before, changed = now(), {}
    yield changed
    changed |= {key: number - before.get(key, 0) for key, number in now().items() if number != before.get(key, 0)}


def test_the_life_of_a_run(installed: RunningApp, portal: Portal, form: dict[str, str]) -> None:
    domain = portal.description["domain"]
    with counted(installed.url) as changed:
        assert values(portal.finished(portal.run("tell", {"words": "x"})))["told"]
        for _ in range(2):
            assert requests.post(f"{installed.url}/activities/nowhere", data=form, timeout=9).status_code == 200
        portal.finished(portal.run("crash"))
        eventually(lambda: {run.state for run in installed.backend.runs.list()} == {"closed"})
    calls = {key: changed.pop(key) for key in list(changed) if key[0] == "b24_rest_calls_total"}
    assert changed == {
        ("b24_callbacks_total", domain, "accepted"): 3,
        ("b24_callbacks_total", domain, "repeated"): 1,
        ("b24_accept_seconds_count",): 4,
        ("b24_function_seconds_count", "tell"): 1,
        ("b24_function_seconds_count", "crash"): 2,
        ("b24_outcomes_total", "tell", "succeeded"): 1,
        ("b24_outcomes_total", "crash", "dead"): 1,
        ("b24_outcomes_total", "other", "failed"): 1,  # whoever knows a portal's token cannot make up names
        ("b24_retries_total", "crash"): 1,
        ("b24_answers_total", "taken"): 2,
        ("b24_answers_total", "refused"): 1,  # the form's event token is made up
        ("b24_answered_seconds_count",): 2,
    }
    assert calls[("b24_rest_calls_total", "", "bizproc.activity.log")] == 1
    assert sum(number for key, number in calls.items() if not key[1] and key[2] in ("bizproc.event.send", "batch"))
    assert calls[("b24_rest_calls_total", "ACCESS_DENIED", "bizproc.event.send")] == 1


def test_answers_that_a_portal_does_not_take(installed: RunningApp, portal: Portal) -> None:
    portal.ask(
        "faults",
        rest={"bizproc.event.send": {"error": "made up by the portal " * 9, "status": 400, "times": 1}},
    )
    with counted(installed.url) as changed:
        process = portal.run("silent") and portal.run("tell")
        portal.finished(process)
        eventually(lambda: {run.state for run in installed.backend.runs.list()} == {"closed"})
    assert changed["b24_answers_total", "again"] == changed["b24_answers_total", "taken"] == 1
    assert changed["b24_rest_calls_total", "4xx", "bizproc.event.send"] == 1
    assert changed["b24_outcomes_total", "silent", "succeeded"] == 1


def test_what_waits(installed: RunningApp, portal: Portal) -> None:
    assert value(installed.url, "b24_portals", state="installed") == 1
    portal.run("hand_on")
    eventually(lambda: value(installed.url, "b24_runs", state="deferred") == 1)
    assert value(installed.url, "b24_runs_due") == value(installed.url, "b24_oldest_due_seconds") == 0
    assert value(installed.url, "b24_spool_bytes") == 0
    assert value(installed.url, "b24_database_up") == 1


def test_a_database_that_is_away(settings: Settings) -> None:
    with serving(settings, app_of_shelf) as app:
        eventually(lambda: value(app.url, "b24_database_up") == 1)
        app.backend.stop()
        with app.backend.database.writing() as session:
            session.execute(text("ALTER TABLE runs RENAME TO gone"))
        assert value(app.url, "b24_database_up") == 0
        assert "b24_runs" not in samples(app.url)
        assert "b24_spool_bytes" in samples(app.url)


def test_a_workers_own_port(app: RunningApp) -> None:
    with worker_port.listen(app.backend, "127.0.0.1:0") as server:
        url = f"http://127.0.0.1:{server.server_port}"
        assert scrape(url, "").status_code == 404
        assert samples(url).keys() == samples(app.url).keys()
        assert requests.get(f"{url}/readyz", timeout=9).status_code == 200
        assert requests.post(f"{url}/activities/tell", timeout=9).status_code == 404, "and nothing else"
        with pytest.raises(OSError, match="in use"):
            worker_port.listen(app.backend, f"127.0.0.1:{server.server_port}")
        server.shutdown()
