"""What the attacker has: a host of his own that plays portal and OAuth server, and the forms that portals send."""

import threading
from collections.abc import Callable, Mapping

import requests

from devportal.wire import Listener, Request, Response, json_response
from tests.conftest import Portal

Answer = Callable[[Request], Response]


def portal_that_takes_everything(request: Request) -> Response:
    if request.path.startswith("/oauth/"):
        tokens = {"access_token": "from the attacker", "refresh_token": "from the attacker", "expires_in": 3600}
        return json_response(tokens)
    return json_response({"result": True, "time": {}})


class Host:
    """A host that keeps all that it is sent, and answers as it is told to."""

    def __init__(self, answer: Answer = portal_that_takes_everything, host: str = "127.0.0.1") -> None:
        self.answer = answer
        self.requests: list[Request] = []
        self._listener = Listener(host, 0, self._answered)
        self.host, self.port = host, self._listener.port
        self.url = f"http://{host}:{self.port}"

    def _answered(self, request: Request) -> Response:
        self.requests.append(request)
        return self.answer(request)

    @property
    def heard(self) -> str:
        """Everything that came, as one text."""
        return "\n".join(f"{each.target} {dict(each.headers)} {each.body.decode()}" for each in list(self.requests))

    def stop(self) -> None:
        self._listener.stop()


def garbage() -> Answer:
    """Another answer that no portal gives, each time."""
    bodies = [b"<html>down</html>", b"[]", b"null", b'"text"', b"7", b"{}", b'{"result": 5}', b"[" * 9999, b"\xff", b""]
    bodies += [b'{"result": {"result": 1, "result_error": 2}}', b'{"error": ["list"], "error_description": {}}']
    asked = iter(range(10**9))
    return lambda request: Response(200, bodies[next(asked) % len(bodies)], {"Content-Type": "application/json"})


def silent(_request: Request) -> Response:
    """Ends every connection without an answer."""
    return Response(200, close=True)


def refusing(_request: Request) -> Response:
    return json_response({"error": "ACCESS_DENIED", "error_description": "Access denied!"}, 403)


def hanging() -> tuple[Answer, Callable[[], None]]:
    """Answers nothing until it is released, then refuses."""
    released = threading.Event()

    def answer(request: Request) -> Response:
        released.wait()
        return refusing(request)

    return answer, released.set


def application_token(portal: Portal) -> str:
    return str(portal.state()["installation"]["application_token"])


def install_form(portal: Portal, **changed: str) -> dict[str, str]:
    """The install POST of a portal's administrator."""
    token = portal.ask("token")
    form = {
        "AUTH_ID": token["access_token"],
        "REFRESH_ID": token["refresh_token"],
        "AUTH_EXPIRES": "3600",
        "SERVER_ENDPOINT": f"{portal.ready['oauth_url']}/rest/",
        "APPLICATION_TOKEN": application_token(portal),
        "member_id": portal.description["member_id"],
        "status": "L",
        "PLACEMENT": "DEFAULT",
    }
    return form | changed


def callback_form(portal: Portal, **changed: str) -> dict[str, str]:
    """A callback that nobody in the portal waits for."""
    form = {
        "code": "tell",
        "workflow_id": "1",
        "document_id[0]": "crm",
        "document_id[1]": "CCrmDocumentDeal",
        "document_id[2]": "DEAL_1",
        "document_type[0]": "crm",
        "document_type[1]": "CCrmDocumentDeal",
        "document_type[2]": "DEAL",
        "event_token": "1|A1|x.y",
        "properties[words]": "forged",
        "use_subscription": "Y",
        "auth[member_id]": portal.description["member_id"],
        "auth[application_token]": application_token(portal),
    }
    return form | changed


def event_form(portal: Portal, event: str, **changed: str) -> dict[str, str]:
    form = {
        "event": event,
        "data[CLEAN]": "1",
        "data[LANGUAGE_ID]": "en",
        "auth[domain]": portal.description["domain"],
        "auth[client_endpoint]": portal.description["client_endpoint"],
        "auth[member_id]": portal.description["member_id"],
        "auth[application_token]": application_token(portal),
    }
    return form | changed


def post(url: str, form: Mapping[str, str] | str, query: str = "", timeout: float = 20) -> requests.Response:
    """Send a form, given as fields or as it goes over the wire."""
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    return requests.post(f"{url}?{query}", data=form, headers=headers, timeout=timeout)


def install(app: str, portal: Portal, form: Mapping[str, str], timeout: float = 20) -> requests.Response:
    """Send an install POST as a portal does."""
    query = f"DOMAIN={portal.description['domain']}&PROTOCOL=0&LANG=en"
    return post(f"{app}/install", form, query=query, timeout=timeout)
