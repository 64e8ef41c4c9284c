"""The portal's events about this app (PROTOCOL.md section 2). They can come late, twice or never."""

import logging

from flask import Blueprint, request
from werkzeug.exceptions import BadRequest, Forbidden

from bizproc.php import PhpArray
from bizproc.portal.b24 import PortalRefused
from bizproc.portal.proof import prove
from bizproc.runs.callback import number, sender, text
from handlers import backend
from handlers.forms import UnreadableForm, form, tokens
from handlers.senders import proven

logger = logging.getLogger(__name__)
blueprint = Blueprint("events", __name__)


@blueprint.post("/events")
def happened() -> tuple[str, int]:
    """Answers 200 for an event of a proven sender, also one that means nothing here, else 403."""
    try:
        fields = form()
    except UnreadableForm as error:
        raise BadRequest(str(error)) from None
    event = text(fields, "event").upper()
    if event in ("ONAPPINSTALL", "ONAPPUPDATE"):
        _installed(fields, event)
    elif event == "ONAPPUNINSTALL":
        installation = proven(sender(fields), event)
        backend().uninstall(installation, clean=number(fields.get("data"), "CLEAN") == 1)
        logger.info("%s: the app was removed", installation.domain)
    elif event == "ONAPPPAYMENT":
        installation = proven(sender(fields), event)
        data = fields.get("data")
        expired = text(data, "PAYMENT_EXPIRED") in ("Y", "1")
        backend().installations.paid(installation, status=text(data, "STATUS"), expired=expired)
    else:
        installation = proven(sender(fields), event or "event")
        logger.info("%s: event %.40r", installation.domain, event)
    return "", 200


def _installed(fields: PhpArray, event: str) -> None:
    """An install or update is believed when the OAuth server confirms its token: it can carry a new application
    token, and so prove nothing by the old one."""
    auth = fields.get("auth")
    given = tokens(text(auth, "access_token"), text(auth, "refresh_token"), number(auth, "expires_in"))
    claimed = sender(fields)
    try:
        proof = prove(backend().app, given.access)
    except PortalRefused as error:
        logger.warning("%s refused: %s", event, error)
        raise Forbidden from None
    if proof.member_id != claimed.member_id or not claimed.application_token:
        logger.warning("%s refused: it is not of the portal that its token is of", event)
        raise Forbidden
    language = text(fields.get("data"), "LANGUAGE_ID").lower()
    backend().install(
        proof, given, application_token=claimed.application_token, language=language, app_host=request.host
    )
    logger.info("%s: %s", proof.domain, event)
