"""Start and stop a development portal, and bring each request to its room."""

import time
from dataclasses import dataclass
from typing import Any

from bizproc.php import PhpArray, to_json
from devportal import control, oauth, pages, rest
from devportal.arguments import ControlError
from devportal.cloud import Cloud
from devportal.options import Options, OptionsError
from devportal.portal import Portal
from devportal.wire import Listener, Request, Response, json_response

MAX_RENAMES = 255
_ATTEMPTS = 20


@dataclass(frozen=True, slots=True)
class RunningPortal:
    """A started development portal.

    Attributes:
        url: of the first portal, where control calls go too.
        ready: what the command line prints when ready; see `docs/devportal.md`.
        cloud: the state behind it, for a test that runs in the same process.
    """

    url: str
    ready: dict[str, Any]
    cloud: Cloud
    _listeners: list[Listener]

    def stop(self) -> None:
        self.cloud.stop()
        for listener in self._listeners:
            listener.stop()


def start(options: Options | None = None) -> RunningPortal:
    """Start portals, OAuth server and queue server, in threads of this process.

    Portal k answers on 127.0.0.k, all on one port. The OAuth server has a port of its own on 127.0.0.1, the next one if
    it is free.

    Raises:
        OptionsError: the port is taken.
    """
    options = options or Options()
    cloud = Cloud(options)
    listeners: list[Listener] = []

    def answer(request: Request) -> Response:
        return _portal_answer(cloud, request)

    try:
        listeners += _bound(options, answer)
        for listener in listeners:
            cloud.add_portal(listener.host, listener.port)
        oauth_listener = _bound_oauth(listeners[0].port + 1, lambda request: _oauth_answer(cloud, request))
    except OSError as error:
        cloud.stop()
        for listener in listeners:
            listener.stop()
        raise OptionsError(f"port {options.port} cannot be used: {error.strerror or error}") from None
    listeners.append(oauth_listener)
    cloud.oauth_url = f"http://{oauth_listener.host}:{oauth_listener.port}"

    def rename(portal: Portal, back: bool) -> None:
        with portal.lock:
            if back:
                portal.host = f"127.0.0.{portal.number}"
                return
            if portal.renamed >= MAX_RENAMES:
                raise ControlError(f"renamed {portal.renamed} times: no address is left", 409)
            host = f"127.0.{portal.renamed + 1}.{portal.number}"
            try:
                listeners.append(Listener(host, portal.port, answer))
            except OSError as error:
                raise ControlError(f"{host}:{portal.port} cannot be used: {error.strerror or error}", 409) from None
            portal.renamed += 1
            portal.host = host

    cloud.rename = rename
    first = cloud.portals[0]
    ready = {
        **{key: value for key, value in control.describe(cloud, first).items() if key != "portal"},
        "client_secret": cloud.application.client_secret,
        "portals": [control.describe(cloud, portal) for portal in cloud.portals],
    }
    return RunningPortal(first.url, ready, cloud, listeners)


def _bound(options: Options, answer: Any) -> list[Listener]:
    """One listener a portal, all on the same port; any port that is free on all addresses, if none was given."""
    for attempt in range(_ATTEMPTS):
        listeners = [Listener("127.0.0.1", options.port, answer)]
        try:
            for number in range(2, options.portals + 1):
                listeners.append(Listener(f"127.0.0.{number}", listeners[0].port, answer))
            return listeners
        except OSError:
            for listener in listeners:
                listener.stop()
            if options.port or attempt == _ATTEMPTS - 1:
                raise
    raise AssertionError("unreachable")


def _bound_oauth(wished: int, answer: Any) -> Listener:
    try:
        return Listener("127.0.0.1", wished, answer)
    except (OSError, OverflowError):
        return Listener("127.0.0.1", 0, answer)


def _portal_answer(cloud: Cloud, request: Request) -> Response:
    if request.path.startswith(control.PREFIX):
        return control.respond(cloud, request)
    portal = _portal_on(cloud, request.host)
    if request.host != portal.host:
        return Response(302, headers={"Location": f"{portal.url}{request.target}"})
    if request.path.startswith("/rest/"):
        return _logged(cloud, portal, request)
    page = pages.respond(cloud, portal, request)
    if page is not None:
        return page
    return json_response({"error": "NOT_FOUND", "error_description": "There is nothing here"}, 404)


def _portal_on(cloud: Cloud, host: str) -> Portal:
    """The portal whose address this is or was: the last number never changes."""
    return cloud.portals[int(host.rpartition(".")[2]) - 1]


def _logged(cloud: Cloud, portal: Portal, request: Request) -> Response:
    started = time.perf_counter()
    response, fields = rest.respond(cloud, portal, request)
    _log(cloud, portal, "to_portal", portal.url, request, fields, response, started)
    return response


def _oauth_answer(cloud: Cloud, request: Request) -> Response:
    started = time.perf_counter()
    # Looked up first: a refresh ends the token by which the portal is known.
    portal = oauth.portal_of(cloud, _readable(request))
    response, fields = oauth.respond(cloud, request)
    _log(cloud, portal, "to_oauth", cloud.oauth_url, request, fields, response, started)
    return response


def _readable(request: Request) -> PhpArray:
    try:
        return request.fields()
    except ValueError:
        return {}


def _log(
    cloud: Cloud,
    portal: Portal | None,
    direction: Any,
    url: str,
    request: Request,
    fields: PhpArray,
    response: Response,
    started: float,
) -> None:
    cloud.log.add(
        direction,
        portal.number if portal else None,
        request.method,
        f"{url}{request.target}",
        body=request.body,
        parsed=to_json(fields),
        status=None if response.close else response.status,
        answer=response.body,
        ms=(time.perf_counter() - started) * 1000,
    )
