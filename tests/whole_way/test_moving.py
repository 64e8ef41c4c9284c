"""A portal that gets another address is found again, and nothing goes to an address that is not proven."""

import datetime as dt
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import requests
from sqlalchemy import update

from bizproc.portal.b24 import PortalUnavailable
from bizproc.portal.installations import Installation
from bizproc.storage.tables import InstallationRow
from tests.conftest import POLL_SECONDS, Portal, RunningApp, values


@pytest.fixture
def moving(portal: Portal) -> Iterator[Portal]:
    yield portal
    portal.ask("rename", back=True)


def installation(app: RunningApp, portal: Portal) -> Installation:
    found = app.backend.installations.find(portal.description["member_id"])
    assert found
    return found


def ask(app: RunningApp, portal: Portal) -> str:
    token = app.backend.installations.token(installation(app, portal))
    return str(token.get_client().profile().result["ID"])


@contextmanager
def elsewhere(location: str = "") -> Iterator[tuple[str, list[str]]]:
    """Somebody else's server, and what it was asked. It answers 302 to a location, where one is given."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked.append(self.rfile.read(int(self.headers["Content-Length"])).decode())
            self.send_response(302 if location else 200)
            self.send_header("Location", location)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(POLL_SECONDS,), daemon=True).start()
        yield f"http://localhost:{server.server_port}/rest/", asked
        server.shutdown()


def test_a_renamed_portal_is_called_where_it_is_proven_to_be(installed: RunningApp, moving: Portal) -> None:
    new = moving.ask("rename")
    calls = len(moving.log("/profile"))
    assert ask(installed, moving) == "1"
    assert installation(installed, moving).client_endpoint == new["client_endpoint"]
    assert ask(installed, moving) == "1"
    asked = [entry["url"] for entry in moving.log("/profile")[calls:]]
    assert asked == [f"{new['client_endpoint']}profile.json"] * 2
    event = installed.backend.installations.history(installation(installed, moving))[-1]
    assert (event.what, event.domain) == ("moved", new["domain"])


def test_a_portal_that_moves_back_is_found_too(installed: RunningApp, moving: Portal) -> None:
    first = installation(installed, moving).client_endpoint
    moving.ask("rename")
    ask(installed, moving)
    moving.ask("rename", back=True)
    assert ask(installed, moving) == "1"
    assert installation(installed, moving).client_endpoint == first


def test_a_move_is_followed_with_an_expired_token_too(installed: RunningApp, moving: Portal) -> None:
    moving.ask("rename")
    moving.ask("expire-tokens")
    assert ask(installed, moving) == "1"


def test_a_renamed_portal_frames_the_app_at_its_first_opening(installed: RunningApp, moving: Portal) -> None:
    new = moving.ask("rename")
    opened = moving.ask("open")
    assert f"frame-ancestors {new['url']}" in opened["headers"]["Content-Security-Policy"]
    assert installation(installed, moving).domain == new["domain"]


def test_a_running_process_of_a_renamed_portal_is_answered(installed: RunningApp, moving: Portal) -> None:
    """Its callback names the new domain, which the worker proves before it sends anything there."""
    new = moving.ask("rename")
    process = moving.run("tell", {"words": "moved"})
    assert values(moving.finished(process))["told"].startswith("moved")
    assert installation(installed, moving).domain == new["domain"]


@pytest.mark.parametrize("whose", ["a stranger's", "another portal's"])
def test_a_redirect_to_what_is_not_proven_is_not_followed(
    installed: RunningApp, portal: Portal, other_portal: Portal, whose: str
) -> None:
    with elsewhere() as (stranger, told):
        target = stranger if whose == "a stranger's" else other_portal.description["client_endpoint"]
        with elsewhere(f"{target}profile.json") as (gone, _):
            _at(installed, gone)
            with pytest.raises(PortalUnavailable, match="Nothing was sent there"):
                ask(installed, portal)
        assert told == []
    assert not other_portal.log("/profile")
    assert installation(installed, portal).client_endpoint == gone


def test_a_callback_that_names_a_strangers_address_is_answered_at_the_known_one(
    installed: RunningApp, portal: Portal
) -> None:
    portal.ask("faults", queue={"drop": 1})
    with elsewhere() as (stranger, told):
        process = _called(installed, portal, {"auth[client_endpoint]": stranger})
        assert values(portal.finished(process))["told"].startswith("here")
        assert told == []
    assert installation(installed, portal).client_endpoint == portal.description["client_endpoint"]


def test_a_callback_that_names_another_address_waits_for_the_oauth_server(
    installed: RunningApp, portal: Portal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bizproc.runs.execution.PUT_OFF", dt.timedelta(seconds=1))
    portal.ask("faults", queue={"drop": 1}, rest={"oauth/app.info": {"close": True, "times": 1}})
    process = _called(installed, portal, {"auth[domain]": "new.example.com"})
    assert values(portal.finished(process))["told"].startswith("here")
    assert len(portal.log("/app.info")) >= 3, "at the install, in vain, and then once more"


def _called(app: RunningApp, portal: Portal, auth: dict[str, str]) -> str:
    """A process whose callback, from the proven sender, says more of the portal than is true."""
    process = portal.run("tell", {"words": "here"})
    token = portal.ask("token")
    form: dict[str, Any] = {
        "code": "tell",
        "workflow_id": process,
        "document_id[]": ["crm", "CCrmDocumentDeal", "DEAL_1"],
        "document_type[]": ["crm", "CCrmDocumentDeal", "DEAL"],
        "event_token": portal.process(process)["event_token"],
        "use_subscription": "Y",
        "properties[words]": "here",
        "auth[access_token]": token["access_token"],
        "auth[expires]": str(int(time.time()) + 3600),
        "auth[user_id]": "1",
        "auth[member_id]": portal.description["member_id"],
        "auth[application_token]": portal.state()["installation"]["application_token"],
    }
    assert requests.post(f"{app.url}/activities/tell", data=form | auth, timeout=9).status_code == 200
    return process


def _at(app: RunningApp, endpoint: str) -> None:
    with app.backend.database.writing() as session:
        session.execute(update(InstallationRow).values(client_endpoint=endpoint))
