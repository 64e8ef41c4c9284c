"""The control API, `/_dev/...`: JSON, loopback only. Described call by call in `docs/devportal.md`."""

import json
import time
from collections.abc import Callable, Mapping
from ipaddress import ip_address
from math import isfinite
from typing import Any, Final, cast, get_args
from urllib.parse import urlsplit

from bizproc.definition.filters import Edition, shown
from bizproc.definition.portal_rules import Refused, check_document_type
from bizproc.php import from_json, parse_str, to_int, to_json, to_text
from devportal import designer, lifecycle, steps
from devportal.app_client import Reply
from devportal.arguments import Arguments, ControlError
from devportal.cloud import Cloud
from devportal.faults import FaultsError
from devportal.portal import ADMIN, EMPLOYEE, Portal
from devportal.process import Process
from devportal.wire import Request, Response, json_response

PREFIX: Final = "/_dev/"
MAX_COUNT: Final = 10_000
MAX_WAIT: Final = 60.0


def respond(cloud: Cloud, request: Request) -> Response:
    """The answer to a control call. Errors are `{"error": text}`."""
    try:
        _require_local(request)
        return json_response(_called(cloud, request))
    except ControlError as error:
        return json_response({"error": str(error)}, error.status)


def _require_local(request: Request) -> None:
    """No other machine, and no web page: a browser sends the page's Origin, and the name it asked for as Host."""
    host = _hostname(f"//{request.headers.get('host', '')}")
    origin = request.headers.get("origin")
    page = host if origin is None else _hostname(origin)
    if not ip_address(request.client).is_loopback or not _is_loopback(host) or not _is_loopback(page):
        raise ControlError("control calls are taken from this machine only", 403)


def _hostname(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _called(cloud: Cloud, request: Request) -> Any:
    name = request.path.removeprefix(PREFIX).strip("/")
    if request.method == "GET":
        values = _query(request)
        if name.startswith("process/"):
            values["id"], name = name.removeprefix("process/"), "process"
        calls: Mapping[str, Callable[[Cloud, Portal, Arguments], Any]] = GET_CALLS
    else:
        values = _body(request)
        calls = POST_CALLS
    call = calls.get(name)
    if call is None:
        known = sorted([*(f"GET {PREFIX}{key}" for key in GET_CALLS), *(f"POST {PREFIX}{key}" for key in POST_CALLS)])
        raise ControlError(f"no control call {request.method} {request.path}; there are {', '.join(known)}", 404)
    return call(cloud, _portal(cloud, values), Arguments(values))


def _query(request: Request) -> dict[str, Any]:
    try:
        return {
            str(key): to_int(value) if to_text(value).isdecimal() else value
            for key, value in parse_str(request.query).items()
        }
    except ValueError as error:
        raise ControlError(f"the query cannot be read: {error}") from None


def _body(request: Request) -> dict[str, Any]:
    try:
        values = json.loads(request.body or b"{}", parse_constant=_finite, parse_float=_finite)
        from_json(values)  # refuses lone surrogates
    except (ValueError, RecursionError):
        raise ControlError("the body must be JSON") from None
    if not isinstance(values, dict):
        raise ControlError("the body must be a JSON object")
    return values


def _finite(text: str) -> float:
    value = float(text)
    if not isfinite(value):
        raise ValueError(f"{text} is no number")
    return value


def _portal(cloud: Cloud, values: Mapping[str, Any]) -> Portal:
    number = values.get("portal", 1)
    if isinstance(number, bool) or not isinstance(number, int) or not 1 <= number <= len(cloud.portals):
        raise ControlError(f"portal: must be 1 to {len(cloud.portals)}")
    return cloud.portals[number - 1]


def _reset(cloud: Cloud, portal: Portal, arguments: Arguments) -> dict[str, Any]:
    arguments.end()
    portal.reset()
    cloud.tokens.take_back(portal.number, webhooks=True)
    return {"reset": portal.number}


def _token(cloud: Cloud, portal: Portal, arguments: Arguments) -> dict[str, Any]:
    admin, application = arguments.flag("admin", True), arguments.flag("application", True)
    user_id = arguments.whole("user_id", ADMIN if admin else EMPLOYEE, least=1)
    arguments.end()
    if admin != cloud.is_admin(user_id):
        raise ControlError(f"user_id: {ADMIN} is the administrator, all others are not")
    grant = cloud.tokens.give(portal.number, user_id, cloud.application.client_id if application else None)
    return {
        "access_token": grant.access_token,
        "refresh_token": grant.refresh_token,
        "expires": None if grant.expires is None else int(grant.expires),
        "user_id": user_id,
        "admin": admin,
        "member_id": portal.member_id,
        "client_endpoint": portal.client_endpoint,
    }


def _expire_tokens(cloud: Cloud, portal: Portal, arguments: Arguments) -> dict[str, Any]:
    arguments.end()
    cloud.tokens.expire(portal.number)
    return {"expired": portal.number}


def _state(cloud: Cloud, portal: Portal, arguments: Arguments) -> dict[str, Any]:
    arguments.end()
    with portal.lock:
        installation = portal.installation
        return {
            "portal": describe(cloud, portal),
            "stored": [to_json(record) for record in portal.records.all()],
            "placements": portal.records.placements(),
            "processes": [_process_json(portal, process) for process in portal.processes.values()],
            "deliveries": [delivery.as_json() for delivery in portal.deliveries],
            "handlers": [
                {"event": handler.event, "url": handler.url, "user_id": handler.user_id}
                for handler in installation.handlers
            ],
            "installation": {
                "installed": installation.installed,
                "version": installation.version,
                "application_token": portal.application_token(cloud.application),
                "payment_expired": installation.payment_expired,
            },
        }


def _portal_now(cloud: Cloud, portal: Portal, arguments: Arguments) -> dict[str, Any]:
    arguments.end()
    with portal.lock:
        installation = portal.installation
        return {
            **describe(cloud, portal),
            "portals": len(cloud.portals),
            "renamed": portal.host != f"127.0.0.{portal.number}",
            "installed": installation.installed,
            "app_url": installation.app_url,
            "version": installation.version,
            "payment_expired": installation.payment_expired,
            "registered": [str(record["CODE"]) for record in portal.records.all()],
            "faults": portal.faults.as_json(),
        }


def _processes(_cloud: Cloud, portal: Portal, arguments: Arguments) -> list[dict[str, Any]]:
    limit = arguments.whole("limit", 100)
    arguments.end()
    with portal.lock:
        latest = list(reversed(portal.processes.values()))[:limit]
        return [process.summary() for process in latest]


def _designer(_cloud: Cloud, portal: Portal, arguments: Arguments) -> list[dict[str, Any]]:
    document_type = _document_type(arguments)
    edition, lang = arguments.text("edition", portal.edition), arguments.text("lang", portal.lang)
    arguments.end()
    if edition not in get_args(Edition):
        raise ControlError(f"edition: must be one of {', '.join(get_args(Edition))}")
    with portal.lock:
        return designer.steps_for(portal, document_type, cast("Edition", edition), lang)


def describe(cloud: Cloud, portal: Portal) -> dict[str, Any]:
    """What one needs to know of a portal to work with it."""
    return {
        "portal": portal.number,
        "url": portal.url,
        "domain": portal.domain,
        "client_endpoint": portal.client_endpoint,
        "member_id": portal.member_id,
        "edition": portal.edition,
        "lang": portal.lang,
        "date_format": portal.dates.date_format,
        "oauth_url": cloud.oauth_url,
        "client_id": cloud.application.client_id,
    }


def _process_json(portal: Portal, process: Process) -> dict[str, Any]:
    return {**process.as_json(), "event_token": process.token.signed(portal.signing_key)}


def _process(_cloud: Cloud, portal: Portal, arguments: Arguments) -> dict[str, Any]:
    id_, wait = arguments.text("id"), arguments.number("wait", 0, most=MAX_WAIT)
    arguments.end()
    with portal.lock:
        process = portal.processes.get(id_)
        if process is None:
            raise ControlError(f"no process {id_!r} in portal {portal.number}", 404)
        deadline = time.monotonic() + wait
        while not process.settled and (left := deadline - time.monotonic()) > 0:
            portal.changed.wait(left)
        return _process_json(portal, process)


def _log(cloud: Cloud, _portal: Portal, arguments: Arguments) -> list[dict[str, Any]]:
    since, limit, about = arguments.whole("since", 0), arguments.whole("limit", 2000), arguments.text("about")
    arguments.end()
    return [entry.as_json() for entry in cloud.log.since(since, limit, about)]


def _filter(_cloud: Cloud, _portal: Portal, arguments: Arguments) -> dict[str, bool]:
    filter_, document_type = arguments.any("filter"), arguments.any("document_type")
    arguments.end()
    if document_type is not None and (
        not isinstance(document_type, list) or not all(isinstance(part, str) for part in document_type)
    ):
        raise ControlError("document_type: must be a list of texts, or null")
    try:
        return {edition: shown(filter_, document_type, edition) for edition in get_args(Edition)}
    except ValueError as error:
        raise ControlError(f"filter: {error}") from None


def _reply_json(portal: Portal, reply: Reply) -> dict[str, Any]:
    return {
        "status": reply.status,
        "headers": reply.headers,
        "body": reply.body.decode("utf-8", "replace"),
        "ms": reply.ms,
        "error": reply.error,
        "installed": portal.installation.installed,
    }


def _install(cloud: Cloud, portal: Portal, arguments: Arguments) -> dict[str, Any]:
    event_url = arguments.url("event_url", required=False)
    app_url = arguments.url("app_url", required=not event_url)
    arguments.end()
    if event_url:
        lifecycle.install_without_page(cloud, portal, event_url)
        return {"installed": True}
    return _reply_json(portal, lifecycle.install(cloud, portal, app_url))


def _open(cloud: Cloud, portal: Portal, arguments: Arguments) -> dict[str, Any]:
    url = arguments.url("url", required=False) or f"{portal.installation.app_url}/"
    placement, user_id = arguments.text("placement", "DEFAULT"), arguments.whole("user_id", ADMIN, least=1)
    options = arguments.any("options")
    arguments.end()
    if url == "/":
        raise ControlError("url: needed, as no application was installed by its URL")
    return _reply_json(portal, lifecycle.open_page(cloud, portal, url, user_id, placement, options))


def _frame(cloud: Cloud, portal: Portal, arguments: Arguments) -> dict[str, Any]:
    app_url, url = arguments.url("app_url", required=False), arguments.url("url", required=False)
    placement, user_id = arguments.text("placement", "DEFAULT"), arguments.whole("user_id", ADMIN, least=1)
    options, lang = arguments.any("options"), arguments.text("lang")
    arguments.end()
    if app_url:
        url = lifecycle.begin_install(portal, app_url)
    elif not url and portal.installation.app_url:
        url = f"{portal.installation.app_url}/"
    elif not url:
        raise ControlError("url: needed, as no application was installed by its URL")
    opened = lifecycle.opening(cloud, portal, url, user_id, placement, options, lang)
    return {"url": opened.url, "fields": dict(opened.form), "admin": cloud.is_admin(user_id)}


def _install_finish(cloud: Cloud, portal: Portal, arguments: Arguments) -> dict[str, Any]:
    arguments.end()
    lifecycle.finish_install(cloud, portal)
    return {"installed": portal.installation.installed}


def _update_app(cloud: Cloud, portal: Portal, arguments: Arguments) -> dict[str, Any]:
    stays_installed, new_token = arguments.flag("stays_installed", True), arguments.flag("new_token", False)
    arguments.end()
    lifecycle.update(cloud, portal, stays_installed=stays_installed, new_token=new_token)
    return {"version": portal.installation.version, "installed": portal.installation.installed}


def _uninstall(cloud: Cloud, portal: Portal, arguments: Arguments) -> dict[str, Any]:
    clean = arguments.flag("clean", False)
    arguments.end()
    lifecycle.uninstall(cloud, portal, clean=clean)
    return {"installed": False}


def _payment(cloud: Cloud, portal: Portal, arguments: Arguments) -> dict[str, Any]:
    expired = arguments.flag("expired", True)
    arguments.end()
    lifecycle.set_payment(cloud, portal, expired=expired)
    return {"expired": expired}


def _document_type(arguments: Arguments) -> list[str]:
    document_type = arguments.any("document_type") or list(steps.DEFAULT_DOCUMENT_TYPE)
    if not isinstance(document_type, list) or not all(isinstance(part, str) for part in document_type):
        raise ControlError("document_type: must be a list of module, object and type")
    try:
        check_document_type(dict(enumerate(document_type)))
    except Refused:
        raise ControlError("document_type: must be a list of module, object and type") from None
    return document_type


def _run(cloud: Cloud, portal: Portal, arguments: Arguments) -> dict[str, list[str]]:
    document_type = _document_type(arguments)
    code = arguments.text("code")
    if not code:
        raise ControlError("code: needed, of an activity or robot")
    lists = arguments.text("lists", "[0]")
    if lists not in get_args(steps.ListForm):
        raise ControlError(f"lists: must be one of {', '.join(get_args(steps.ListForm))}")
    user_id = arguments.whole("user_id", -1, least=-1)
    order = steps.StepOrder(
        code=code,
        document_type=tuple(document_type),
        document_id=arguments.text("document_id"),
        properties=arguments.object("properties"),
        wait=arguments.flag("wait", True),
        timeout=arguments.number("timeout", 0, most=5 * 365 * 86_400),
        user_id=None if user_id < 0 else user_id,
        lists=cast("steps.ListForm", lists),
    )
    count = arguments.whole("count", 1, least=1, most=MAX_COUNT)
    arguments.end()
    return {"processes": [steps.run(cloud, portal, order).id for _ in range(count)]}


def _terminate(_cloud: Cloud, portal: Portal, arguments: Arguments) -> dict[str, str]:
    id_ = arguments.text("process")
    arguments.end()
    process = portal.processes.get(id_)
    if process is None:
        raise ControlError(f"no process {id_!r} in portal {portal.number}", 404)
    steps.terminate(portal, process)
    return {"process": id_, "status": process.status}


def _faults(_cloud: Cloud, portal: Portal, arguments: Arguments) -> dict[str, Any]:
    described = {name: value for name in ("rest", "queue") if (value := arguments.any(name)) is not None}
    arguments.end()
    try:
        with portal.lock:
            portal.faults.replace(described)
    except FaultsError as error:
        raise ControlError(str(error)) from None
    return described


def _rename(cloud: Cloud, portal: Portal, arguments: Arguments) -> dict[str, Any]:
    back = arguments.flag("back", False)
    arguments.end()
    if cloud.rename is None:
        raise ControlError("this portal cannot be renamed", 409)
    cloud.rename(portal, back)
    return describe(cloud, portal)


GET_CALLS: Final[Mapping[str, Callable[[Cloud, Portal, Arguments], Any]]] = {
    "state": _state,
    "portal": _portal_now,
    "processes": _processes,
    "process": _process,
    "log": _log,
}

POST_CALLS: Final[Mapping[str, Callable[[Cloud, Portal, Arguments], Any]]] = {
    "reset": _reset,
    "token": _token,
    "expire-tokens": _expire_tokens,
    "filter": _filter,
    "designer": _designer,
    "install": _install,
    "open": _open,
    "frame": _frame,
    "install-finish": _install_finish,
    "update-app": _update_app,
    "uninstall": _uninstall,
    "payment": _payment,
    "run": _run,
    "terminate": _terminate,
    "faults": _faults,
    "rename": _rename,
}
