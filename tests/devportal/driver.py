"""What the tests drive a development portal with: its own HTTP, and an application that records what it gets."""

import json
import threading
import time
from dataclasses import dataclass, field
from typing import Any

import requests

from bizproc.php import PhpArray, parse_str, to_json
from devportal.options import Options, Seed
from devportal.server import RunningPortal, start
from devportal.wire import Listener, Request, Response

HANDLER = "http://127.0.0.1:1/run"
"""Nobody listens there."""


class Portal:
    """A running development portal, called over HTTP. `number` is the portal that control calls mean."""

    def __init__(self, options: Options | None = None, number: int = 1, running: RunningPortal | None = None) -> None:
        self.running = running or start(options or Options())
        self.number = number
        self.ready = self.running.ready
        self.session = requests.Session()
        self.session.trust_env = False
        self.token = ""

    def stop(self) -> None:
        self.session.close()
        self.running.stop()

    @property
    def url(self) -> str:
        return str(self.ready["portals"][self.number - 1]["url"])

    def at(self, number: int) -> "Portal":
        return Portal(number=number, running=self.running)

    def control(self, name: str, **arguments: Any) -> Any:
        answer = self.session.post(f"{self.running.url}/_dev/{name}", json={"portal": self.number, **arguments})
        assert answer.status_code == 200, answer.text
        return answer.json()

    def refused_control(self, name: str, **arguments: Any) -> str:
        answer = self.session.post(f"{self.running.url}/_dev/{name}", json=arguments)
        assert 400 <= answer.status_code < 500, answer.text
        return str(answer.json()["error"])

    def look(self, name: str, **query: Any) -> Any:
        answer = self.session.get(f"{self.running.url}/_dev/{name}", params={"portal": self.number, **query})
        assert answer.status_code == 200, answer.text
        return answer.json()

    def reset(self) -> None:
        self.control("reset")
        self.token = self.control("token")["access_token"]

    def post(self, method: str, params: Any = None, *, token: str | None = None) -> requests.Response:
        """A REST call by JSON, as it comes back."""
        return self.session.post(
            f"{self.url}/rest/{method}",
            params={"auth": self.token if token is None else token},
            data=json.dumps({} if params is None else params).encode(),
            headers={"Content-Type": "application/json"},
            allow_redirects=False,
        )

    def call(self, method: str, params: Any = None, *, token: str | None = None) -> Any:
        """The result of a REST call that must succeed."""
        answer = self.post(method, params, token=token)
        assert answer.status_code == 200, answer.text
        return answer.json()["result"]

    def refused(self, method: str, params: Any = None, *, token: str | None = None) -> tuple[int, Any]:
        """(status, error code) of a REST call that must fail."""
        answer = self.post(method, params, token=token)
        assert "error" in answer.json(), answer.text
        return answer.status_code, answer.json()["error"]

    def add(self, code: str = "act", **fields: Any) -> None:
        given = {"CODE": code, "HANDLER": HANDLER, "NAME": "Act", "USE_SUBSCRIPTION": "Y", **fields}
        self.call("bizproc.activity.add", given)

    def run(self, code: str = "act", **order: Any) -> str:
        """Start a process; its id."""
        (process,) = self.control("run", code=code, **order)["processes"]
        return str(process)

    def process(self, process: str, wait: float = 0) -> Any:
        return self.look(f"process/{process}", wait=wait) if wait else self.look(f"process/{process}")

    def refresh(self, token: str, **changed: str) -> requests.Response:
        return self.session.get(
            f"{self.ready['oauth_url']}/oauth/token/",
            params={
                "grant_type": "refresh_token",
                "client_id": self.ready["client_id"],
                "client_secret": self.ready["client_secret"],
                "refresh_token": token,
                **changed,
            },
        )


@dataclass
class Received:
    """A request that the application got."""

    path: str
    query: PhpArray
    form: PhpArray
    raw: str

    @property
    def fields(self) -> Any:
        return to_json(self.form)


@dataclass
class App:
    """An application on a port of its own. It answers every POST with `status`, and remembers it."""

    status: int = 200
    page: str = "<!doctype html><title>App</title>"
    received: list[Received] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._changed = threading.Condition()
        self._listener = Listener("127.0.0.1", 0, self._answer)
        self.url = f"http://127.0.0.1:{self._listener.port}"

    def _answer(self, request: Request) -> Response:
        with self._changed:
            self.received.append(
                Received(request.path, parse_str(request.query), parse_str(request.body), request.body.decode())
            )
            self._changed.notify_all()
        return Response(self.status, self.page.encode(), {"Content-Type": "text/html; charset=utf-8"})

    def wait_for(self, count: int, seconds: float = 20) -> list[Received]:
        """The first `count` requests, once they are there."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.received) >= count, seconds), (
                f"{len(self.received)} of {count} requests came"
            )
            return self.received[:count]

    def nothing_more(self, count: int, seconds: float = 0.15) -> None:
        time.sleep(seconds)
        assert len(self.received) == count

    def stop(self) -> None:
        self._listener.stop()


def seeded(**changes: Any) -> Options:
    """Options with a seed of these values; the others are the options' own."""
    seed = {key: changes.pop(key) for key in list(changes) if key in Seed.__dataclass_fields__}
    return Options(seed=Seed(**seed), **changes)
