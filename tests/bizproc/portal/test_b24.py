"""The SDK over this app's own connections. Answers that no portal gives on demand come from ``responses``."""

import datetime as dt
import re
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import responses

from bizproc.portal.b24 import (
    PortalApp,
    PortalRefused,
    PortalToken,
    PortalUnavailable,
    SdkError,
    Tokens,
    described,
    error_code,
)
from bizproc.portal.connections import Connections
from bizproc.portal.pace import Pace
from bizproc.portal.proof import Proof, prove
from bizproc.portal.rest_log import RestLog
from tests.conftest import POLL_SECONDS, Portal, RunningApp

SECRET = "client-secret"


@pytest.fixture
def sdk(tmp_path: Path) -> PortalApp:
    return PortalApp(
        client_id="local.1",
        client_secret=SECRET,
        oauth_url="https://oauth.example.com",
        connections=Connections(),
        pace=Pace("memory://"),
        rest_log=RestLog(str(tmp_path)),
    )


def token(app: PortalApp, endpoint: str, access: str = "access", *, follow: bool = False) -> PortalToken:
    def renew(_stale: str) -> Tokens:
        raise AssertionError("not to be renewed")

    def followed(_access: str, address: str) -> str:
        if follow:
            return address.removesuffix("profile.json")
        raise PortalRefused(f"not to be followed to {address}")

    lives = dt.datetime.now(dt.UTC) + dt.timedelta(hours=1)
    return PortalToken(endpoint=endpoint, tokens=Tokens(access, None, lives), app=app, renew=renew, follow=followed)


def app_info(**changed: object) -> dict[str, object]:
    install = {"member_id": "m", "client_endpoint": "https://acme.bitrix24.com/rest/", "status": "X", "domain": "x"}
    return {"result": {"client_id": "local.1", "user_id": "7", "scope": "bizproc", "install": install} | changed}


@responses.activate
def test_a_proof_holds_what_the_oauth_server_says(sdk: PortalApp) -> None:
    responses.get("https://oauth.example.com/rest/app.info/", json=app_info())
    proof = prove(sdk, "access", member_id="m", endpoint="ACME.bitrix24.com")
    assert proof == Proof(
        member_id="m",
        domain="acme.bitrix24.com",
        client_endpoint="https://acme.bitrix24.com/rest/",
        scope="bizproc",
        status="X",
        user_id=7,
    )
    assert responses.calls[0].request.params == {"auth": "access"}  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "answer",
    [
        {"json": app_info(client_id="local.2")},
        {"json": app_info(install=None)},
        {"json": app_info(install={"member_id": "", "client_endpoint": "https://a.example.com/rest/"})},
        {"json": app_info(install={"member_id": "m", "client_endpoint": "javascript:alert(1)"})},
        {"json": app_info(install={"member_id": "m"})},
        {"json": {"error": "invalid_token"}, "status": 401},
    ],
)
def test_what_the_oauth_server_does_not_confirm_is_refused(sdk: PortalApp, answer: dict[str, object]) -> None:
    with responses.RequestsMock() as mocked:
        mocked.get("https://oauth.example.com/rest/app.info/", **answer)  # type: ignore[arg-type]
        with pytest.raises(PortalRefused, match="did not confirm the portal"):
            prove(sdk, "access", member_id="m")


@pytest.mark.parametrize(
    "answer",
    [
        {"body": "<html>", "status": 502},
        {"body": "", "status": 302, "headers": {"Location": "https://evil.example.com"}},
    ],
)
def test_an_oauth_server_that_cannot_be_asked_proves_nothing(sdk: PortalApp, answer: dict[str, object]) -> None:
    with responses.RequestsMock() as mocked:
        mocked.get("https://oauth.example.com/rest/app.info/", **answer)  # type: ignore[arg-type]
        with pytest.raises(PortalUnavailable, match="cannot be asked"):
            prove(sdk, "access", member_id="m")


@pytest.mark.parametrize(
    ("member_id", "endpoint", "why"),
    [
        ("another", "", "another portal"),
        ("m", "https://evil.example.com/rest/", "acme.bitrix24.com, not as 'evil.example.com'"),
        ("m", "//[", "not as ''"),
    ],
)
@responses.activate
def test_a_request_that_says_something_else_is_refused(sdk: PortalApp, member_id: str, endpoint: str, why: str) -> None:
    responses.get("https://oauth.example.com/rest/app.info/", json=app_info())
    with pytest.raises(PortalRefused, match=re.escape(why)):
        prove(sdk, "access", member_id=member_id, endpoint=endpoint)


@pytest.mark.parametrize(
    ("allowed", "believed"),
    [((), True), (("*.bitrix24.com",), True), (("other.com", "ACME.*"), True), (("*.bitrix24.de",), False)],
)
@responses.activate
def test_only_allowed_portals_are_believed(sdk: PortalApp, allowed: tuple[str, ...], believed: bool) -> None:
    responses.get("https://oauth.example.com/rest/app.info/", json=app_info())
    sdk.allowed_portals = allowed
    if believed:
        assert prove(sdk, "access", member_id="m").domain == "acme.bitrix24.com"
    else:
        with pytest.raises(PortalRefused, match=r"acme\.bitrix24\.com is not among the portals"):
            prove(sdk, "access", member_id="m")


@pytest.mark.parametrize(
    ("host", "edition"),
    [
        ("acme.bitrix24.com", "b24"),
        ("acme.bitrix24.com.br", "b24"),
        ("acme.bitrix24.de:8443", "b24"),
        ("bitrix24.acme.com", "box"),
        ("portal.acme.com", "box"),
    ],
)
def test_the_edition_shows_in_the_domain(host: str, edition: str) -> None:
    assert Proof("m", host, f"https://{host}/rest/", "", "", 1).edition == edition


@responses.activate
def test_a_refresh_takes_an_answer_with_an_unknown_status(sdk: PortalApp) -> None:
    answer = {"access_token": "a", "refresh_token": "r", "expires_in": 3600, "status": "new", "scope": "x"}
    responses.get("https://oauth.example.com/oauth/token/", json=answer)
    tokens = sdk.refreshed("old")
    assert (tokens.access, tokens.refresh) == ("a", "r")
    assert dt.timedelta(minutes=59) < tokens.expires_at - dt.datetime.now(dt.UTC) <= dt.timedelta(hours=1)


@responses.activate
def test_a_refresh_without_tokens_is_refused(sdk: PortalApp) -> None:
    responses.get("https://oauth.example.com/oauth/token/", json={"access_token": "a"})
    with pytest.raises(PortalRefused, match="has no tokens"):
        sdk.refreshed("old")


def test_a_server_that_is_not_there_is_named_without_secrets(sdk: PortalApp) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        address = f"127.0.0.1:{closed.getsockname()[1]}"
    sdk.oauth_url = f"http://{address}"
    with pytest.raises(SdkError) as raised:
        sdk.refreshed("refresh-token")
    chain = [raised.value, raised.value.__cause__, raised.value.__context__]
    assert described(raised.value).startswith(f"{address} cannot be reached")
    assert error_code(raised.value) == ""
    for error in chain:
        assert SECRET not in str(error)
        assert "refresh-token" not in str(error)


@responses.activate
def test_a_redirect_that_is_not_proven_is_never_followed(sdk: PortalApp) -> None:
    location = {"Location": "https://evil.example.com/rest/profile.json"}
    responses.post("https://acme.bitrix24.com/rest/profile.json", status=302, headers=location)
    with pytest.raises(PortalRefused, match=r"not to be followed to https://evil\.example\.com"):
        token(sdk, "https://acme.bitrix24.com/rest/").get_client().profile().result  # noqa: B018
    assert len(responses.calls) == 1


@responses.activate
def test_a_portal_that_leads_on_and_on_is_given_up(sdk: PortalApp) -> None:
    for number in (1, 2):
        location = {"Location": f"https://portal{number + 1}.example.com/rest/profile.json"}
        responses.post(f"https://portal{number}.example.com/rest/profile.json", status=302, headers=location)
    with pytest.raises(PortalUnavailable, match=r"leads on to portal3\.example\.com"):
        token(sdk, "https://portal1.example.com/rest/", follow=True).get_client().profile().result  # noqa: B018
    assert len(responses.calls) == 2


def test_a_busy_portal_is_asked_again_after_a_pause(
    installed: RunningApp, portal: Portal, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []
    monkeypatch.setattr("time.sleep", pauses.append)
    portal.ask("faults", rest={"profile": {"error": "QUERY_LIMIT_EXCEEDED", "status": 503, "times": 3}})
    installation = installed.backend.installations.find(portal.description["member_id"])
    assert installation
    client = installed.backend.installations.token(installation).get_client()
    assert client.profile().result["ID"] == "1"
    assert [pause for pause in pauses if pause >= 1] == [1, 2, 4]


def test_connections_are_kept_and_cookies_are_not() -> None:
    connections: list[object] = []
    cookies: list[str | None] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def setup(self) -> None:
            connections.append(self)
            super().setup()

        def do_POST(self) -> None:
            cookies.append(self.headers["Cookie"])
            self.send_response(204)
            self.send_header("Set-Cookie", "session=1")
            self.end_headers()

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(POLL_SECONDS,), daemon=True).start()
        kept = Connections()
        for _ in range(5):
            kept.send("POST", f"http://127.0.0.1:{server.server_port}/")
        kept.close()
        server.shutdown()
    assert (len(connections), cookies) == (1, [None] * 5)
