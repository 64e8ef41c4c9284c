"""A portal and its OAuth server in memory, which answer whatever they are told to."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import requests

from bizproc.portal.connections import Connections

CLIENT_ID = "local.fuzzed"
MEMBER_ID = "member-of-the-fuzzed-portal"
DOMAIN = "127.0.0.1:9"
ENDPOINT = f"http://{DOMAIN}/rest/"
ACCESS_TOKEN = "valid"
APP_INFO = "rest/app.info"
OAUTH_TOKEN = "oauth/token"


@dataclass(frozen=True)
class Answer:
    body: bytes
    status: int = 200
    content_type: str = "application/json"


def sane(what: str, given: Mapping[str, Any]) -> Answer:
    """What a portal, or the OAuth server, answers to a call when all is well. ``what``: the method, or the path."""
    if what == APP_INFO and given.get("auth") != ACCESS_TOKEN:
        return Answer(b'{"error": "invalid_token"}', 401)
    return Answer(json.dumps(sane_value(what, given)).encode())


def sane_value(what: str, given: Mapping[str, Any]) -> Any:
    if what == APP_INFO:
        install = {"member_id": MEMBER_ID, "client_endpoint": ENDPOINT, "domain": DOMAIN, "status": "L"}
        return {"result": {"client_id": CLIENT_ID, "user_id": 1, "scope": "bizproc,crm", "install": install}}
    if what == OAUTH_TOKEN:
        return {"access_token": ACCESS_TOKEN, "refresh_token": "refresh", "expires_in": 3600, "member_id": MEMBER_ID}
    if what == "batch":
        results = {
            name: [] if call.startswith("bizproc.") and ".list" in call else True for name, call in given["cmd"].items()
        }
        return {"result": {"result": results, "result_error": [], "result_time": []}, "time": {}}
    return {"result": True, "time": {"start": 1.5, "operating_reset_at": 1}}


def asked(url: str) -> str:
    """Which method of a portal, or which path of the OAuth server, an address is of."""
    path = url.partition("?")[0].partition("//")[2].partition("/")[2].strip("/").removesuffix(".json")
    return path if path in (APP_INFO, OAUTH_TOKEN) else path.removeprefix("rest/")


@dataclass
class AnsweringConnections(Connections):
    """Gives the answers that it was told, by method; the others are sane. Nothing goes over a wire."""

    answers: dict[str, Answer] = field(default_factory=dict)

    def send(self, method: str, url: str, **how: Any) -> requests.Response:
        what = asked(url)
        given = how.get("json") or how.get("params") or {}
        answer = self.answers.get(what) or self.answers.get("") or sane(what, given)
        response = requests.Response()
        response.status_code, response.url, response._content = answer.status, url, answer.body
        response.headers["Content-Type"] = answer.content_type
        return response

    def close(self) -> None:
        """Nothing is open."""
