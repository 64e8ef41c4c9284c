"""A portal's REST interface: who calls, may they, and what do they get (PROTOCOL.md sections 4 and 5)."""

import time
from dataclasses import replace
from typing import Any

from bizproc.definition.portal_rules import Refused
from bizproc.php import PhpArray, from_json, to_json
from devportal import batch
from devportal.answering import error_body, error_response, time_info, with_faults
from devportal.cloud import Cloud
from devportal.errors import RestError
from devportal.limits import WorkingTime
from devportal.methods import METHODS, Call
from devportal.portal import Portal
from devportal.tokens import Grant
from devportal.wire import Request, Response, json_response

_NOT_FOR_METHODS = ("auth", "start", "state")


def respond(cloud: Cloud, portal: Portal, request: Request) -> tuple[Response, PhpArray]:
    """The answer to `/rest/METHOD`, and the fields it was made from."""
    method, webhook = _named(request.path)
    try:
        fields = request.fields()
    except ValueError as error:
        return error_response(RestError("INVALID_REQUEST", str(error))), {}

    def answer() -> Response:
        try:
            return json_response(_answered(cloud, portal, request, method, webhook, fields))
        except Refused as error:
            return error_response(error)

    return with_faults(cloud, portal, method, answer), fields


def _named(path: str) -> tuple[str, tuple[str, str] | None]:
    """(method, a webhook's user and token) of `/rest/METHOD` or `/rest/USER/TOKEN/METHOD`, `.json` or not."""
    parts = path.strip("/").split("/")[1:]
    method = (parts[-1] if parts else "").lower().removesuffix(".json")
    return method, (parts[0], parts[1]) if len(parts) == 3 else None


def _answered(
    cloud: Cloud, portal: Portal, request: Request, method: str, webhook: tuple[str, str] | None, fields: PhpArray
) -> dict[str, Any]:
    started = time.time()
    limited = portal.edition == "b24" and cloud.options.rate_limit
    if limited:
        with portal.lock:
            admitted = portal.bucket(request.client).admit()
        if not admitted:
            raise RestError("QUERY_LIMIT_EXCEEDED", "Too many requests", 503)
    if method != "batch" and method not in METHODS:
        raise RestError("ERROR_METHOD_NOT_FOUND", "Method not found!", 404)
    grant = _authorized(cloud, portal, request, webhook, fields)
    if method != "batch":
        answer = called(Call(cloud, portal, grant, fields), method, started)
        return {"result": to_json(from_json(answer["result"])), "time": answer["time"]}
    _require_working_time(portal, "batch")
    processing = time.time()
    call = Call(cloud, portal, grant, {})

    def run(name: str, params: PhpArray) -> dict[str, Any]:
        with portal.lock:
            fault = portal.faults.next(name, in_batch=True)
        try:
            if fault is not None and fault.error and not fault.after:
                raise RestError(fault.error, fault.description, fault.status)
            answer = called(replace(call, params=params), name, time.time())
            if fault is not None and fault.error:
                raise RestError(fault.error, fault.description, fault.status)
        except Refused as error:
            return error_body(error)
        return answer

    result = to_json(batch.run(fields, run))
    return {"result": result, "time": _time(portal, "batch", started, processing)}


def _authorized(
    cloud: Cloud, portal: Portal, request: Request, webhook: tuple[str, str] | None, fields: PhpArray
) -> Grant:
    bearer = request.headers.get("authorization", "")
    named = fields.get("auth") or (bearer[7:].strip() if bearer.lower().startswith("bearer ") else None)
    token = webhook[1] if webhook else named
    if not isinstance(token, str):
        raise RestError("NO_AUTH_FOUND", "Wrong authorization data", 401)
    grant = cloud.tokens.of_access(token)
    if grant is None or grant.portal != portal.number or (webhook and not _is_webhook(grant, webhook[0])):
        raise RestError("invalid_token", "Unable to get application by token", 401)
    if grant.expired:
        raise RestError("expired_token", "The access token provided has expired.", 401)
    if grant.client_id and portal.installation.payment_expired:
        raise RestError("PAYMENT_REQUIRED", "Payment required", 401)
    return grant


def _is_webhook(grant: Grant, user: str) -> bool:
    """Whether a path of that user may carry this token: an application's may not."""
    return grant.client_id is None and str(grant.user_id) == user


def called(call: Call, name: str, started: float) -> dict[str, Any]:
    """`{"result", "time"}` of a method; `name` in lower case.

    Raises:
        RestError: the method refuses, or is not there, or not permitted.
    """
    method = METHODS.get(name)
    if method is None:
        raise RestError("ERROR_METHOD_NOT_FOUND", "Method not found!", 404)
    if method.scope and method.scope not in call.cloud.application.scopes:
        raise RestError(
            "insufficient_scope", "The request requires higher privileges than provided by the access token", 403
        )
    _require_working_time(call.portal, name)
    params = {key: value for key, value in call.params.items() if key not in _NOT_FOR_METHODS}
    processing = time.time()
    result = method.call(replace(call, params=params))
    return {"result": result, "time": _time(call.portal, name, started, processing)}


def _require_working_time(portal: Portal, method: str) -> None:
    if portal.edition == "b24":
        with portal.lock:
            if portal.working_time(method).exhausted:
                raise RestError("OPERATION_TIME_LIMIT", "Method is blocked due to operation time limit.", 429)


def _time(portal: Portal, method: str, started: float, processing: float) -> dict[str, Any]:
    working: WorkingTime | None = None
    with portal.lock:
        if portal.edition == "b24":
            working = portal.working_time(method)
            working.add(time.time() - processing)
        return time_info(portal, started, processing, working)
