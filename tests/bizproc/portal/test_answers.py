"""Answers that no portal gives, from a real server, to everything that asks one."""

import datetime as dt
import itertools
import json
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

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
from bizproc.portal.proof import prove
from bizproc.portal.rest_log import RestLog
from tests.conftest import POLL_SECONDS

TIME = {
    "start": 1.0,
    "finish": 2.0,
    "duration": 1.0,
    "processing": 0.1,
    "date_start": "2026-08-01T10:00:00+00:00",
    "date_finish": "2026-08-01T10:00:01+00:00",
    "operating": 0.1,
    "operating_reset_at": 1785578400,
}


@dataclass
class Answer:
    body: bytes = b""
    status: int = 200


@contextmanager
def answering(answer: Answer) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"] or 0))
            self.send_response(answer.status)
            self.send_header("Content-Type", "application/json; charset=utf-8")
            self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body)

        do_GET = do_POST

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(POLL_SECONDS,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


CONNECTIONS = Connections()


def app_at(url: str) -> PortalApp:
    return PortalApp(
        client_id="local.1",
        client_secret="s",
        oauth_url=url,
        connections=CONNECTIONS,
        pace=Pace("memory://"),
        rest_log=RestLog(tempfile.mkdtemp()),
    )


def token_at(url: str) -> PortalToken:
    tokens = Tokens("access", None, dt.datetime.now(dt.UTC) + dt.timedelta(hours=1))

    def renew(_: str) -> Tokens:
        raise PortalRefused("no tokens")

    def follow(_access: str, _address: str) -> str:
        raise PortalRefused("no other address")

    return PortalToken(endpoint=f"{url}/rest/", tokens=tokens, app=app_at(url), renew=renew, follow=follow)


ASKING: dict[str, Callable[[str], object]] = {
    "call_method": lambda url: token_at(url).call_method("profile"),
    "batch": lambda url: token_at(url).batch({"a": ("profile", {})}),
    "refresh": lambda url: app_at(url).refreshed("refresh"),
    "app_info": lambda url: app_at(url).app_info("access"),
    "prove": lambda url: prove(app_at(url), "access", member_id="m"),
    "context.portal": lambda url: token_at(url).get_client().profile().result,
    "context.portal batch": lambda url: (
        token_at(url).get_client().call_batch([token_at(url).get_client().profile()]).result
    ),
}
DEEP = b"[" * 100_000 + b"]" * 100_000


ODD: list[bytes] = [
    b"[]",
    b'["error"]',
    b'"error"',
    b"5",
    b"null",
    b"true",
    b"{}",
    b"NaN",
    b"",
    DEEP,
    b'{"result": %b}' % DEEP,
    b'{"result": ' + b"9" * 5000 + b"}",
    b'{"error": null}',
    b'{"error": ["x"]}',
    b'{"error": {"code": ["x"], "message": {}}}',
    b'{"error": true}',
    b'{"error": "x", "error_description": {"a": 1}}',
    b'{"result": "\\ud800", "access_token": "\\ud800", "refresh_token": "x", "expires_in": 1}',
    b'{"access_token": null, "refresh_token": ["x"], "expires_in": 1}',
    b'{"access_token": "x", "refresh_token": "x", "expires_in": 1e400}',
    b"\xff",
]


@pytest.mark.parametrize("asking", ASKING)
def test_no_odd_answer_is_anything_but_an_error(asking: str) -> None:
    answer = Answer()
    with answering(answer) as url:
        for answer.body, answer.status in itertools.product(ODD, (200, 401)):
            with pytest.raises((SdkError, PortalRefused, PortalUnavailable)) as raised:
                ASKING[asking](url)
            assert described(raised.value), answer
            assert str(raised.value), answer


@pytest.mark.parametrize(
    "install", [{"client_endpoint": "http://["}, {"client_endpoint": "https://a.b/", "member_id": "m"}]
)
def test_a_proof_that_cannot_be_read_is_refused(install: dict[str, str]) -> None:
    result = {"client_id": "local.1", "install": install, "user_id": "x"}
    with (
        answering(Answer(json.dumps({"result": result}).encode())) as url,
        pytest.raises(PortalRefused, match="names no portal"),
    ):
        prove(app_at(url), "access", member_id="m")


@pytest.mark.parametrize(
    "result",
    [
        [],
        None,
        {"result": [1], "result_error": []},
        {"result": [], "result_error": ["x"]},
        {"result": [], "result_error": [{"error": "X"}]},
        {"result": {}, "result_error": {"a": "x"}},
        {"result": {}},
    ],
)
def test_a_batch_without_its_parts_is_an_error(result: object) -> None:
    with answering(Answer(json.dumps({"result": result, "time": TIME}).encode())) as url:
        with pytest.raises(SdkError) as raised:
            token_at(url).batch({"a": ("profile", {})})
        assert described(raised.value).startswith("a batch's answer with")


def test_the_parts_of_a_batch_can_be_empty_lists() -> None:
    result = {"result": [], "result_error": {"a": {"error": "X"}}, "result_time": {"a": {"operating_reset_at": "9²"}}}
    with answering(Answer(json.dumps({"result": result, "time": TIME}).encode())) as url:
        answer = token_at(url).batch({"a": ("profile", {})})
    assert (answer.results, answer.errors) == ({}, {"a": {"error": "X"}})


@pytest.mark.parametrize("time", [None, [], {}, TIME | {"date_start": "x"}, TIME | {"operating_reset_at": 1e300}])
def test_an_answer_counts_without_its_time(time: object) -> None:
    """What the portal has done is done; the SDK alone would stumble."""
    with answering(Answer(json.dumps({"result": 1, "time": time}).encode())) as url:
        assert token_at(url).get_client().profile().result == 1


def test_an_error_can_be_a_number() -> None:
    with (
        answering(Answer(b'{"error": 404, "error_description": "gone"}', 400)) as url,
        pytest.raises(SdkError) as raised,
    ):
        token_at(url).call_method("bizproc.activity.log")
    assert (error_code(raised.value), described(raised.value)) == ("404", "404: gone")
