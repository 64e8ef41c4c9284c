"""The OAuth server: refreshing tokens and telling whose they are (PROTOCOL.md sections 3 and 4)."""

import hmac
import time
from datetime import datetime
from typing import Any

from bizproc.definition.portal_rules import Refused
from bizproc.php import PhpArray, to_text
from devportal.answering import error_response, time_info, with_faults
from devportal.cloud import Cloud
from devportal.errors import RestError
from devportal.portal import Portal
from devportal.wire import Request, Response, json_response


def respond(cloud: Cloud, request: Request) -> tuple[Response, PhpArray]:
    """The answer, and the fields it was made from."""
    path = request.path.strip("/").lower()
    try:
        fields = request.fields()
    except ValueError as error:
        return error_response(RestError("invalid_request", str(error))), {}
    if path == "oauth/token":
        return _answered(cloud, "oauth/token", fields, lambda: _refreshed(cloud, fields)), fields
    if path in ("rest/app.info", "rest/app.info.json"):
        return _answered(cloud, "oauth/app.info", fields, lambda: _app_info(cloud, fields)), fields
    return error_response(RestError("ERROR_METHOD_NOT_FOUND", "Method not found!", 404)), fields


def portal_of(cloud: Cloud, fields: PhpArray) -> Portal | None:
    """The portal whose token the fields carry."""
    refresh, access = to_text(fields.get("refresh_token")), to_text(fields.get("auth"))
    grant = cloud.tokens.of_refresh(refresh) if refresh else cloud.tokens.of_access(access)
    return cloud.portals[grant.portal - 1] if grant else None


def _answered(cloud: Cloud, method: str, fields: PhpArray, call: Any) -> Response:
    portal = portal_of(cloud, fields) or cloud.portals[0]

    def answer() -> Response:
        try:
            return json_response(call())
        except Refused as error:
            return error_response(error)

    return with_faults(cloud, portal, method, answer)


def _same(given: str, secret: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "replace"), secret.encode("utf-8", "replace"))


def _refreshed(cloud: Cloud, fields: PhpArray) -> dict[str, Any]:
    application = cloud.application
    if fields.get("grant_type") != "refresh_token" or not fields.get("refresh_token"):
        raise RestError("invalid_request", "grant_type must be refresh_token, with a refresh_token")
    given = to_text(fields.get("client_id")), to_text(fields.get("client_secret"))
    if given[0] != application.client_id or not _same(given[1], application.client_secret):
        raise RestError("invalid_client", "Client not found or wrong secret")
    portal = portal_of(cloud, fields)
    if portal and portal.installation.payment_expired:
        raise RestError("PAYMENT_REQUIRED", "Payment required", 401)
    grant = cloud.tokens.refresh(to_text(fields["refresh_token"]))
    if grant is None or portal is None:
        raise RestError("invalid_grant", "The refresh token is not valid any more")
    return {
        "access_token": grant.access_token,
        "refresh_token": grant.refresh_token,
        "expires": int(grant.expires or 0),
        "expires_in": int(cloud.tokens.lives),
        "client_endpoint": portal.client_endpoint,
        "server_endpoint": cloud.server_endpoint,
        "domain": cloud.oauth_url.partition("://")[2],
        "member_id": portal.member_id,
        "scope": application.scope,
        "status": application.status,
        "user_id": grant.user_id,
    }


def _app_info(cloud: Cloud, fields: PhpArray) -> dict[str, Any]:
    started = time.time()
    application = cloud.application
    grant = cloud.tokens.of_access(to_text(fields.get("auth")))
    if grant is None or grant.client_id is None:
        raise RestError("invalid_token", "Unable to get application by token", 401)
    if grant.expired:
        raise RestError("expired_token", "The access token provided has expired.", 401)
    portal = cloud.portals[grant.portal - 1]
    result = {
        "client_id": application.client_id,
        "scope": application.scope,
        "expires": datetime.fromtimestamp(int(grant.expires or 0), portal.dates.zone).isoformat(),
        "user_id": grant.user_id,
        "install": {
            "installed": portal.installation.installed,
            "version": portal.installation.version,
            "status": application.status,
            "scope": application.scope,
            "domain": portal.domain,
            "uri": portal.url,
            "client_endpoint": portal.client_endpoint,
            "member_id": portal.member_id,
            "member_type": portal.edition,
        },
    }
    return {"result": result, "time": time_info(portal, started, started)}
