"""An application of the tests' own: it takes callbacks, and its page runs a script of the test under a policy as strict
as that of the real one."""

import secrets
from dataclasses import dataclass
from typing import Any

import requests

from bizproc.php import parse_str, to_json
from devportal.wire import Listener, Request, Response
from tests.conftest import Portal, eventually


@dataclass
class OwnApp:
    """`script` is what its page does once BX24 is there; `say(value)` shows a value as JSON."""

    script: str = ""
    js_url: str = ""

    def __post_init__(self) -> None:
        self.opened: list[Any] = []
        self.callbacks: list[Any] = []
        self._listener = Listener("127.0.0.1", 0, self._answer)
        self.url = f"http://127.0.0.1:{self._listener.port}"

    def stop(self) -> None:
        self._listener.stop()

    def register(self, portal: Portal, code: str, **fields: Any) -> None:
        """As the application does it in its portal."""
        self.js_url = f"{portal.url}/api/v1/"
        token = portal.ask("token")["access_token"]
        given = {"CODE": code, "HANDLER": f"{self.url}/run", "NAME": code, "USE_SUBSCRIPTION": "Y", **fields}
        answer = requests.post(f"{portal.url}/rest/bizproc.activity.add", json={**given, "auth": token}, timeout=30)
        assert answer.json().get("result") is True, answer.text

    def sent(self) -> dict[str, Any]:
        """The properties of the latest callback."""
        callback = eventually(lambda: self.callbacks and self.callbacks[-1])
        return callback["properties"]  # type: ignore[no-any-return]

    def _answer(self, request: Request) -> Response:
        fields = to_json(parse_str(request.body))
        if request.path == "/run":
            self.callbacks.append(fields)
            return Response(200)
        self.opened.append(fields)
        nonce = secrets.token_hex(8)
        policy = f"default-src 'none'; script-src 'nonce-{nonce}' {self.js_url}; connect-src 'self'; form-action 'none'"
        page = f"""<!doctype html><html lang=en><title>Own</title><h1>Own</h1><pre id=said></pre>
            <script nonce={nonce} src="{self.js_url}"></script>
            <script nonce={nonce}>
            const say = (value) => {{ document.getElementById("said").textContent = JSON.stringify(value); }};
            BX24.init(async () => {{ {self.script} }});
            </script>"""
        return Response(
            200, page.encode(), {"Content-Type": "text/html; charset=utf-8", "Content-Security-Policy": policy}
        )
