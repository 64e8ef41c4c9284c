"""What a clever attacker would try next on the real app, hole by hole."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

import pytest
import requests

from bizproc.portal.installations import Installation
from bizproc.runs.queue import THREADS
from bizproc.settings import Settings
from devportal.wire import Request, Response, json_response
from tests.conftest import Portal, RunningApp, app_of_shelf, eventually, serving, values
from tests.trust.conftest import neighbours_of
from tests.trust.hosts import (
    Host,
    application_token,
    callback_form,
    event_form,
    install,
    install_form,
    post,
)


@pytest.fixture
def victim(real: str, portal: Portal) -> Portal:
    """A portal in which the app is installed, beside the attacker's own, ``other_portal``."""
    return portal


def installation(app: RunningApp, portal: Portal) -> Installation:
    found = app.backend.installations.find(portal.description["member_id"])
    assert found
    return found


def works(portal: Portal) -> bool:
    """Whether the portal's own callbacks are taken and answered."""
    process = portal.run("tell", {"words": "genuine"})
    taken = eventually(lambda: (d := portal.process(process)["delivery"][0])["state"] != "queued" and d)
    return taken["status"] == 200 and values(portal.finished(process))["told"].startswith("genuine")


MEMBER_IDS: dict[str, Callable[[str], list[tuple[str, str]]]] = {
    "other case": lambda id_: [("member_id", id_.upper())],
    "blank before": lambda id_: [("member_id", f" {id_}")],
    "blank behind": lambda id_: [("member_id", f"{id_} ")],
    "line end": lambda id_: [("member_id", f"{id_}\r\n")],
    "NUL behind": lambda id_: [("member_id", f"{id_}\0")],
    "zero width": lambda id_: [("member_id", f"{id_}\u200b")],
    "array": lambda id_: [("member_id[]", id_)],
    "array with a key": lambda id_: [("member_id[0]", id_)],
    "text, then array": lambda id_: [("member_id", id_), ("member_id[a]", id_)],
    "pattern": lambda id_: [("member_id", f"{id_[:8]}%")],
    "SQL": lambda id_: [("member_id", f"' OR member_id = '{id_}")],
    "nothing": lambda id_: [("member_id", "")],
    "none": lambda id_: [],
    "huge": lambda id_: [("member_id", id_ * 10_000)],
    "as it is": lambda id_: [("member_id", id_)],
}


def test_no_way_to_write_a_member_id_is_another_portals(
    installed: RunningApp, victim: Portal, other_portal: Portal
) -> None:
    """The attacker has all that is true of his own portal, and writes the victim's member id in every way."""
    before = installation(installed, victim)
    for way, written in MEMBER_IDS.items():
        ids = written(victim.description["member_id"])
        nested = [(name.replace("member_id", "auth[member_id]"), value) for name, value in ids]
        own = {
            "auth[application_token]": application_token(other_portal),
            "auth[access_token]": other_portal.ask("token")["access_token"],
        }
        called = with_ids(callback_form(victim, **own), nested)
        assert post(f"{installed.url}/activities/tell", called).status_code == 403, way
        for name in ("ONAPPUNINSTALL", "ONAPPPAYMENT", "ONAPPINSTALL", "ONAPPUPDATE", "ONAPPTEST"):
            form = with_ids(event_form(victim, name, **own), nested)
            assert post(f"{installed.url}/events", form).status_code == 403, (way, name)
        assert install(installed.url, victim, with_ids(install_form(other_portal), ids)).status_code == 403, way
    assert installation(installed, victim) == before
    assert installed.backend.runs.list() == []


def with_ids(form: dict[str, str], ids: list[tuple[str, str]]) -> str:
    """The form over the wire, with these member ids in the place of its own."""
    return urlencode([each for each in form.items() if "member_id" not in each[0]] + ids)


@pytest.mark.parametrize("order", [1, -1], ids=["victim last", "victim first"])
def test_of_a_member_id_given_twice_one_counts_everywhere(
    installed: RunningApp, victim: Portal, other_portal: Portal, order: int
) -> None:
    """Whichever it is, it is the one whose token has to be shown."""
    ids = [other_portal.description["member_id"], victim.description["member_id"]][::order]
    own = [each for each in event_form(other_portal, "ONAPPUNINSTALL").items() if each[0] != "auth[member_id]"]
    post(f"{installed.url}/events", urlencode(own + [("auth[member_id]", id_) for id_ in ids]))
    assert installation(installed, victim).active
    assert works(victim)


def test_the_query_proves_nothing(installed: RunningApp, victim: Portal) -> None:
    """A query is read by proxies and logs, and a form's fields could be overridden by it."""
    forms = {
        "/activities/tell": callback_form(victim),
        "/events": event_form(victim, "ONAPPUNINSTALL"),
        "/install": install_form(victim),
        "/": install_form(victim),
    }
    for path, form in forms.items():
        assert post(installed.url + path, {}, query=urlencode(form)).status_code == 403, path
        stripped = {name: value for name, value in form.items() if "token" not in name.lower() and name != "AUTH_ID"}
        assert post(installed.url + path, stripped, query=urlencode(form)).status_code == 403, path
    assert works(victim)


def test_other_kinds_of_body_prove_nothing(installed: RunningApp, victim: Portal) -> None:
    form = event_form(victim, "ONAPPUNINSTALL")
    part = '--x\r\nContent-Disposition: form-data; name="{}"\r\n\r\n{}\r\n'
    bodies = {
        "multipart/form-data; boundary=x": "".join(part.format(*each) for each in form.items()),
        "application/json": json.dumps(form),
        "text/plain": "\r\n".join(f"{name}={value}" for name, value in form.items()),
    }
    for kind, body in bodies.items():
        headers = {"Content-Type": kind}
        assert requests.post(f"{installed.url}/events", data=body, headers=headers, timeout=9).status_code == 403, kind
    assert installation(installed, victim).active


class OAuthServer:
    """An OAuth server that says what a test lets it say of any token."""

    def __init__(self, portal: Portal) -> None:
        self.info: Any = {
            "client_id": portal.ready["client_id"],
            "scope": "bizproc",
            "user_id": 1,
            "install": {
                "member_id": portal.description["member_id"],
                "client_endpoint": portal.description["client_endpoint"],
                "status": "L",
            },
        }
        self.raw: bytes | None = None
        self.host = Host(self._answer)

    def _answer(self, _request: Request) -> Response:
        if self.raw is not None:
            return Response(200, self.raw, {"Content-Type": "application/json"})
        return json_response({"result": self.info, "time": {}})


@pytest.fixture
def oauth(portal: Portal) -> Iterator[OAuthServer]:
    server = OAuthServer(portal)
    yield server
    server.host.stop()


@pytest.fixture
def asking(settings: Settings, oauth: OAuthServer) -> Iterator[RunningApp]:
    """The app, which asks this OAuth server."""
    with serving(replace(settings, oauth_url=oauth.host.url), app_of_shelf) as app:
        yield app


def test_a_token_of_another_application_proves_nothing(asking: RunningApp, portal: Portal, oauth: OAuthServer) -> None:
    """Its publisher has valid tokens of every portal that uses it."""
    oauth.info["client_id"] = "app.of.the.attacker"
    assert install(asking.url, portal, install_form(portal)).status_code == 403
    event = event_form(portal, "ONAPPINSTALL", **{"auth[access_token]": "of the attacker's application"})
    assert post(f"{asking.url}/events", event).status_code == 403
    assert list(asking.backend.installations.all()) == []
    assert len(oauth.host.requests) == 2


def test_a_proof_of_another_shape_proves_nothing(asking: RunningApp, portal: Portal, oauth: OAuthServer) -> None:
    """Nobody could confirm the shape: what cannot be confirmed is refused, and is no fault of the app."""
    genuine = oauth.info
    shapes: list[dict[str, Any]] = [{"client_id": None}]
    shapes += [{"install": install} for install in (None, [], "x", {})]
    shapes += [{"user_id": user_id} for user_id in ("nobody", "9" * 400, -1, [1], {"a": 1})]
    addresses = ("", "http://", "http://[/rest/", "ftp://127.0.0.1/rest/", "javascript:alert(1)", ["x"], {"a": 1})
    shapes += [{"install": genuine["install"] | {"client_endpoint": address}} for address in addresses]
    shapes += [{"install": genuine["install"] | {"member_id": id_}} for id_ in (None, "", ["x"], 7)]
    for shape in shapes:
        oauth.info = genuine | shape
        assert install(asking.url, portal, install_form(portal)).status_code == 403, shape
    assert list(asking.backend.installations.all()) == []


def test_an_answer_that_is_no_proof_is_refused(asking: RunningApp, portal: Portal, oauth: OAuthServer) -> None:
    for raw in (b"<html>", b"\xff", b"{}", b'{"result": []}', b"[]", b"null", b"7", b'"x"', b"[" * 9999):
        oauth.raw = raw
        assert install(asking.url, portal, install_form(portal)).status_code == 403, raw
    assert list(asking.backend.installations.all()) == []


def test_an_employee_takes_nothing_over(installed: RunningApp, victim: Portal) -> None:
    """His token is of the victim's portal, but he is no administrator, and names an application token of his own."""
    employee = victim.ask("token", admin=False)
    own = install_form(victim, AUTH_ID=employee["access_token"], REFRESH_ID=employee["refresh_token"])
    own["APPLICATION_TOKEN"] = "chosen by the employee"
    install(installed.url, victim, own)
    assert installed.backend.installations.proves(installation(installed, victim), application_token(victim))
    forged = callback_form(victim, **{"auth[application_token]": "chosen by the employee"})
    assert post(f"{installed.url}/activities/tell", forged).status_code == 403
    assert works(victim)


def test_an_employee_takes_nothing_over_by_an_event(installed: RunningApp, victim: Portal) -> None:
    employee = victim.ask("token", admin=False)
    chosen = {"auth[access_token]": employee["access_token"], "auth[application_token]": "chosen by the employee"}
    post(f"{installed.url}/events", event_form(victim, "ONAPPUPDATE", **chosen))
    assert installed.backend.installations.proves(installation(installed, victim), application_token(victim))
    assert works(victim)


def _sent(portal: Portal, event: str) -> list[str]:
    """The forms of an event that has been delivered, in order."""
    return [entry["request"]["raw"] for entry in portal.log("/events") if f"event={event}&" in entry["request"]["raw"]]


def test_an_uninstall_of_before_a_reinstall_changes_nothing(installed: RunningApp, victim: Portal) -> None:
    victim.ask("uninstall", clean=True)
    (late,) = eventually(lambda: _sent(victim, "ONAPPUNINSTALL"))
    eventually(lambda: not installation(installed, victim).active)
    assert post(f"{installed.url}/events", late).status_code == 403, "once more, for an app that is gone"
    victim.ask("install", app_url=installed.url)
    eventually(lambda: "tell" in victim.stored())
    assert post(f"{installed.url}/events", late).status_code == 403
    assert works(victim)


def test_an_update_after_an_uninstall_brings_nothing_back(installed: RunningApp, victim: Portal) -> None:
    victim.ask("update-app")
    (late,) = eventually(lambda: _sent(victim, "ONAPPUPDATE"))
    victim.ask("uninstall", clean=True)
    eventually(lambda: not installation(installed, victim).active)
    assert post(f"{installed.url}/events", late).status_code == 403
    assert not installation(installed, victim).active


def test_an_update_that_comes_late_brings_no_old_application_token_back(installed: RunningApp, victim: Portal) -> None:
    """Events are not in order, and one can be sent again by whoever has seen it."""
    victim.ask("update-app", new_token=True)
    (late,) = eventually(lambda: _sent(victim, "ONAPPUPDATE"))
    victim.ask("update-app", new_token=True)
    eventually(lambda: len(_sent(victim, "ONAPPUPDATE")) == 2)
    eventually(lambda: "tell" in victim.stored())
    post(f"{installed.url}/events", late)
    assert installed.backend.installations.proves(installation(installed, victim), application_token(victim))
    assert works(victim)


def test_a_callback_goes_nowhere_else(installed: RunningApp, victim: Portal, attacker: Host) -> None:
    """All that a callback says of addresses is another's, though its application token is right."""
    victim.ask("faults", queue={"drop": 1})
    process = victim.run("tell", {"words": "confidential"})
    victim.ask("faults")
    form = str(victim.state()["deliveries"][-1]["form"])
    for name in ("domain", "client_endpoint", "server_endpoint"):
        form += "&" + urlencode({f"auth[{name}]": attacker.url + "/rest/"})
    assert post(f"{installed.url}/activities/tell", form).status_code == 200
    assert "confidential" in values(victim.finished(process))["told"]
    assert attacker.requests == []


def test_one_portals_callback_answers_no_process_of_another(
    installed: RunningApp, victim: Portal, other_portal: Portal
) -> None:
    """Its administrator has a right application token, and the event token of somebody else's process."""
    victim.ask("faults", queue={"drop": 1})
    process = victim.run("tell", {"words": "genuine"})
    victim.ask("faults")
    stolen = callback_form(other_portal, event_token=victim.process(process)["event_token"], workflow_id=process)
    assert post(f"{installed.url}/activities/tell", stolen).status_code == 200
    eventually(lambda: installed.backend.runs.list(state="closed"))
    assert victim.process(process)["status"] == "waiting"
    genuine = str(victim.state()["deliveries"][-1]["form"])
    assert post(f"{installed.url}/activities/tell", genuine).status_code == 200
    assert "genuine" in values(victim.finished(process))["told"], "it is not taken for a repetition"


ODD = {
    "NUL": "\0",
    "surrogate": b"\xed\xa0\x80",
    "no UTF-8": b"\xff\xfe",
    "huge": "x" * 100_000,
    "line ends": "a\r\nSet-Cookie: a=b\r\n",
    "markup": "<script>alert(1)</script>",
    "format": "%s%n{0}{auth}",
    "right to left": "\u202e",
    "digits of another script": "\u0661\u0662",
    "number": "9" * 400,
    "minus": "-1",
}
FIELDS = {
    "/activities/tell": [
        ("event_token", "workflow_id"),
        ("auth[expires]", "auth[user_id]", "auth[access_token]", "auth[refresh_token]", "code"),
        ("auth[application_token]",),
    ],
    "/events": [
        ("event",),
        ("data[CLEAN]", "data[LANGUAGE_ID]", "data[STATUS]", "data[PAYMENT_EXPIRED]"),
        ("auth[application_token]",),
    ],
    "/install": [
        # Together: every install that is proven costs the portal calls, of which it has few.
        ("REFRESH_ID", "AUTH_EXPIRES", "PLACEMENT", "status", "APPLICATION_TOKEN"),
        ("AUTH_ID",),
        ("member_id",),
    ],
}
"""By address, the fields that are odd at the same time."""


@pytest.mark.parametrize("path", FIELDS)
def test_odd_values_are_no_fault(
    installed: RunningApp, victim: Portal, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Of a proven sender and of a stranger. Nothing breaks, nothing of it is repeated, and the portal goes on."""
    genuine = {
        "/activities/tell": callback_form(victim),
        "/events": event_form(victim, "ONAPPPAYMENT"),
        "/install": install_form(victim),
    }[path]
    for odd, value in ODD.items():
        for fields in FIELDS[path]:
            form: dict[str, Any] = genuine | dict.fromkeys(fields, value)
            answer = post(installed.url + path, urlencode(form))
            assert answer.status_code in (200, 403), (odd, fields)
            assert "Set-Cookie" not in answer.headers
            assert "<script>alert" not in answer.text
            strange = form | {"auth[application_token]": "forged", "AUTH_ID": "forged"}
            assert post(installed.url + path, urlencode(strange)).status_code == 403, (odd, fields)
    assert "Traceback" not in caplog.text
    told = [record.getMessage() for record in caplog.records if record.name.startswith("handlers")]
    assert told
    assert not [line for line in told if "\n" in line or len(line) > 1000], "a stranger writes lines of the log"
    install(installed.url, victim, install_form(victim))
    assert works(victim)


def test_a_portal_that_hangs_holds_up_nobody_else(settings: Settings) -> None:
    """It has more processes than the app has workers."""
    with neighbours_of("hanging", settings) as both, serving(both.settings, app_of_shelf) as app:
        for each in (both.good, both.bad):
            install(app.url, each, install_form(each))
        eventually(lambda: "tell" in both.good.stored())
        for number in range(2 * THREADS):
            called = callback_form(both.bad, event_token=f"{number}|A|x.y")
            assert post(f"{app.url}/activities/tell", called).status_code == 200
        process = both.good.run("tell", {"words": "here"})
        try:
            assert eventually(lambda: both.good.process(process)["status"] != "waiting", patience=3)
        finally:
            both.relent()
