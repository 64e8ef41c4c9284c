"""The form of connections on the app's page: whose requests it takes, and that no secret comes back."""

import datetime as dt
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import requests

from bizproc.portal.b24 import Tokens
from bizproc.portal.proof import Proof
from bizproc.portal.visitor import Visitor
from bizproc.settings import Settings
from tests import canaries
from tests.conftest import Portal, RunningApp
from tests.handlers.test_install import employee, install_form, installation_of, page_token, post
from tests.library import SECRET, Library, library


@pytest.fixture
def there() -> Iterator[Library]:
    with library() as there:
        yield there


@pytest.fixture
def settings(settings: Settings, there: Library) -> Settings:
    canaries.PORTALS[settings.oauth_url].note(SECRET)
    return replace(settings, allowed_systems=(there.url,))


def opened(app: RunningApp, portal: Portal, **changed: str) -> str:
    token = portal.state()["installation"]["application_token"]
    return post(app, "/", install_form(portal, APPLICATION_TOKEN=token, **changed)).text


def asked(app: RunningApp, portal: Portal) -> dict[str, str]:
    return {"Authorization": f"Bearer {page_token(opened(app, portal))}"}


def test_an_administrator_manages_the_portals_connections(
    installed: RunningApp, portal: Portal, there: Library
) -> None:
    headers = asked(installed, portal)

    def send(path: str, **given: Any) -> requests.Response:
        return requests.post(f"{installed.url}/connections{path}?LANG=de", json=given, headers=headers, timeout=30)

    main = {"system": "library", "name": "main"}
    refused = send("", **main, base_url="https://10.0.0.1", secret=SECRET)
    assert "is no public address" in refused.json()["error"]
    wrong = send("", **main, base_url=there.url, secret="wrong")
    assert "401 Unauthorized" in wrong.json()["error"]
    shown = {**main, "system_name": "Bibliothek", "known": True, "base_url": there.url}
    added = send("", **main, base_url=there.url, secret=SECRET)
    assert added.status_code == 200
    assert (added.json()["told"], added.json()["connections"]) == ("3 books", [shown])
    assert "Set-Cookie" not in added.headers
    page = opened(installed, portal)
    assert "Leseschlüssel" in page
    assert there.url in page
    assert SECRET not in page
    taken = send("", **main, base_url=there.url, secret=SECRET)
    assert "already" in taken.json()["error"]
    changed = send("", **main, base_url=there.url, secret="other", replace=True, check=False)
    assert (changed.status_code, changed.json()["told"]) == (200, "")
    assert "401 Unauthorized" in send("/check", **main).json()["error"]
    removed = send("/remove", **main)
    assert (removed.status_code, removed.json()["connections"]) == (200, [])
    assert "has no connection 'main'" in send("/remove", **main).json()["error"]


def test_nobody_else_does(installed: RunningApp, portal: Portal, other_portal: Portal, there: Library) -> None:
    here = installation_of(installed, portal)
    installed.backend.connections.add(here, "library", "main", there.url, SECRET)
    page = opened(installed, portal, AUTH_ID=employee(portal))
    assert 'id="connections"' not in page
    assert there.url not in page
    visitor = Visitor(Proof("m", "", "", "", "", 2), Tokens("", None, dt.datetime.now(dt.UTC)), administrator=False)
    theirs = installed.backend.page_token(here, visitor)
    main = {"system": "library", "name": "main"}
    for headers in ({}, {"Authorization": "Bearer forged"}, {"Authorization": f"Bearer {theirs}"}):
        for path, given in (("", main | {"base_url": there.url, "secret": "x"}), ("/check", main), ("/remove", main)):
            answer = requests.post(f"{installed.url}/connections{path}", json=given, headers=headers, timeout=9)
            assert answer.status_code == 403
    other_portal.ask("install", app_url=installed.url)
    proof = Proof("m", "", "", "", "", 1)
    visitor = Visitor(proof, Tokens("", None, dt.datetime.now(dt.UTC)), administrator=True)
    elsewhere = installed.backend.page_token(installation_of(installed, other_portal), visitor)
    headers = {"Authorization": f"Bearer {elsewhere}"}
    answer = requests.post(f"{installed.url}/connections/remove", json=main, headers=headers, timeout=9)
    assert "has no connection 'main'" in answer.json()["error"]
    assert [each.name for each in installed.backend.connections.all(here)] == ["main"]


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"[" * 100_000, b'{"name": 1}', b"\xff"])
def test_what_is_no_such_request_is_refused(installed: RunningApp, portal: Portal, body: bytes) -> None:
    headers = asked(installed, portal)
    answer = requests.post(f"{installed.url}/connections", data=body, headers=headers, timeout=9)
    assert answer.status_code == (200 if body == b"" else 400)
