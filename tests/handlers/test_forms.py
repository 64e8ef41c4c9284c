"""What counts as a form, at every way in that takes one: as docs/security.md says under "Forms"."""

import gzip
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import pytest
import requests

from tests.conftest import DEAL, Portal, RunningApp
from tests.handlers.test_events import event
from tests.handlers.test_install import install_form, page_token, post

URLENCODED = "application/x-www-form-urlencoded"
WAYS = ["/install", "/", "/events", "/activities/tell"]
MOST = 1024 * 1024


def proven(portal: Portal, path: str) -> dict[str, str]:
    """A form that is believed here."""
    if path in ("/install", "/"):
        return install_form(portal)
    lists = {f"document_{what}[{index}]": part for what in ("id", "type") for index, part in enumerate(DEAL)}
    return event(portal, "ONAPPTEST", code="tell", workflow_id="1", event_token="1|A1|x.y", **lists)


def stored(app: RunningApp, portal: Portal) -> Any:
    installation = app.backend.installations.find(portal.description["member_id"])
    assert installation is not None
    return installation, app.backend.installations.history(installation), app.backend.runs.list()


@pytest.fixture(params=WAYS)
def path(request: pytest.FixtureRequest) -> str:
    return request.param  # type: ignore[no-any-return]


@pytest.fixture
def refused(installed: RunningApp, portal: Portal) -> Iterator[None]:
    """Afterwards nothing has changed, whatever the test has sent."""
    before = stored(installed, portal)
    yield
    assert stored(installed, portal) == before


def send(app: RunningApp, path: str, body: Any, content_type: str = URLENCODED, **headers: str) -> int:
    headers = {"Content-Type": content_type} | {name.replace("_", "-"): value for name, value in headers.items()}
    return requests.post(app.url + path, data=body, headers=headers, timeout=9).status_code


@pytest.mark.parametrize("content_type", ["", "text/plain", "application/json", "multipart/form-data", "\xff"])
def test_the_content_decides_and_not_its_type(
    installed: RunningApp, portal: Portal, path: str, content_type: str
) -> None:
    """A callback is not sent again when a proxy or a new queue server writes another type."""
    assert send(installed, path, urlencode(proven(portal, path)), content_type) == 200


@pytest.mark.usefixtures("refused")
def test_what_is_no_form_proves_nothing(installed: RunningApp, portal: Portal, path: str) -> None:
    fields = proven(portal, path)
    form = urlencode(fields).encode()
    nested = {"event": "ONAPPTEST", "auth": {name[5:-1]: fields[name] for name in fields if name.startswith("auth[")}}
    for body in (json.dumps(fields), json.dumps(nested)):
        assert send(installed, path, body, "application/json") == 403
    multipart = requests.Request("POST", installed.url, files={name: (None, fields[name]) for name in fields}).prepare()
    assert send(installed, path, multipart.body, multipart.headers["Content-Type"]) == 403
    assert send(installed, path, gzip.compress(form), Content_Encoding="gzip") == 403
    assert send(installed, path, form.decode().encode("utf-16")) == 403
    assert send(installed, path, b"\0" + form) == 403, "for PHP the form ends there"
    assert send(installed, path, form.replace(b"&", b";")) == 403
    assert send(installed, path, b"") == 403


@pytest.mark.usefixtures("refused")
def test_nothing_is_unpacked(installed: RunningApp, path: str) -> None:
    assert send(installed, path, gzip.compress(b"a" * 100_000_000), Content_Encoding="gzip") == 403


def test_a_query_never_counts_beside_the_form(installed: RunningApp, portal: Portal, path: str) -> None:
    fields = proven(portal, path)
    before = stored(installed, portal)
    assert send(installed, f"{path}?{urlencode(fields)}", b"") == 403
    assert stored(installed, portal) == before
    others = "&".join(f"{name}=x" for name in fields)
    assert send(installed, f"{path}?{others}&auth=x", urlencode(fields)) == 200


@pytest.mark.usefixtures("refused")
def test_a_form_has_a_length_and_a_limit(installed: RunningApp, portal: Portal, path: str) -> None:
    form = urlencode(proven(portal, path)).encode()
    assert send(installed, path, iter([form])) == 411
    assert send(installed, path, form + b"&x=" + b"x" * MOST) == 413


def test_a_form_of_the_largest_size_is_read(installed: RunningApp, portal: Portal, path: str) -> None:
    form = urlencode(proven(portal, path)).encode() + b"&x="
    assert send(installed, path, form + b"x" * (MOST - len(form))) == 200


@pytest.mark.parametrize("much", ["&x" * 11_000, "&x" + "[a]" * 65, "&x" + "[]" * 64 + ("&x" + "[][]" * 32) * 200])
def test_a_form_that_is_too_much_is_a_callbacks_alone(
    installed: RunningApp, portal: Portal, path: str, much: str
) -> None:
    """The process of a proven callback would wait for ever."""
    status = send(installed, path, urlencode(proven(portal, path)) + much)
    assert status == (200 if path == "/activities/tell" else 403)


def test_the_later_field_wins(installed: RunningApp, portal: Portal, path: str) -> None:
    fields = proven(portal, path)
    form = urlencode(fields)
    others = "&".join(f"{name}=x&{name}[]=x" for name in fields)
    assert send(installed, path, f"auth=x&{others}&{form}") == 200
    token = "auth[application_token]" if path.startswith(("/events", "/activities")) else "AUTH_ID"
    for later in (f"{token}=x", f"{token.replace('[', '%5B')}=", f"+{token}=x", f"{token.partition('[')[0]}=x"):
        assert send(installed, path, f"{form}&{later}") == 403
    assert send(installed, path, f"{form}&{token}%00=") == 403, "for PHP the name ends there"


@pytest.mark.parametrize("body", [b"", b"x" * MOST * 2, iter([b"x"])], ids=["empty", "large", "without length"])
def test_to_register_takes_the_page_token_alone(installed: RunningApp, portal: Portal, body: Any) -> None:
    token = page_token(post(installed, "/install", install_form(portal)).text)
    query = f"/register?page_token={token}"
    assert send(installed, query, urlencode({"page_token": token, "Authorization": f"Bearer {token}"})) == 403
    assert send(installed, "/register", body, "application/json", Authorization=f"Bearer {token}") == 204
