"""The portal's events about this app (PROTOCOL.md section 2). They can come late, twice or never."""

import datetime as dt
import logging

from flask import Blueprint, request
from werkzeug.exceptions import Forbidden, ServiceUnavailable

from bizproc.php import PhpArray
from bizproc.portal.b24 import PortalRefused, PortalUnavailable
from bizproc.portal.visitor import visitor
from bizproc.runs.callback import number, sender, text
from handlers import backend
from handlers.forms import UnreadableForm, form, tokens
from handlers.senders import proven, refused

logger = logging.getLogger(__name__)
blueprint = Blueprint("events", __name__)

CLOCKS_DIFFER = dt.timedelta(minutes=1)


@blueprint.post("/events")
def happened() -> tuple[str, int]:
    """Answers 200 for an event of a proven sender, also one that means nothing here, else 403."""
    try:
        fields = form()
    except UnreadableForm as error:
        refused("event", error, "event", "")
        raise Forbidden from None
    event = text(fields, "event").upper()
    if event in ("ONAPPINSTALL", "ONAPPUPDATE"):
        _installed(fields, event)
    elif event == "ONAPPUNINSTALL":
        installation = proven(sender(fields), "event", event)
        if _older(fields, installation.installed_at):
            logger.warning("%s: %s came late and is of an earlier installation", installation.domain, event)
            return "", 200
        backend().uninstall(installation, clean=number(fields.get("data"), "CLEAN") == 1)
        logger.info("%s: the app was removed", installation.domain)
    elif event == "ONAPPPAYMENT":
        installation = proven(sender(fields), "event", event)
        data = fields.get("data")
        expired = text(data, "PAYMENT_EXPIRED") in ("Y", "1")
        backend().installations.paid(installation, status=text(data, "STATUS")[:8], expired=expired)
    else:
        installation = proven(sender(fields), "event", event)
        logger.info("%s: event %.40r", installation.domain, event)
    return "", 200


def _installed(fields: PhpArray, event: str) -> None:
    """An install or update is believed when the OAuth server confirms its token: it can carry a new application
    token, and so prove nothing by the old one."""
    auth = fields.get("auth")
    given = tokens(text(auth, "access_token"), text(auth, "refresh_token"), number(auth, "expires_in"))
    claimed = sender(fields)
    try:
        if not given.access or not claimed.application_token:
            raise PortalRefused("it brings no tokens")
        who = visitor(backend().app, given, member_id=claimed.member_id, endpoint=text(auth, "client_endpoint"))
        installation = backend().install(
            who,
            application_token=claimed.application_token,
            language=text(fields.get("data"), "LANGUAGE_ID").lower()[:8],
            app_host=request.host,
            by_event=True,
        )
    except PortalRefused as error:
        refused("event", error, event, claimed.member_id)
        raise Forbidden from None
    except PortalUnavailable as error:
        refused("event", error, event, claimed.member_id)
        raise ServiceUnavailable from None
    logger.info("%s: %s", installation.domain, event)


def _older(fields: PhpArray, installed_at: dt.datetime) -> bool:
    """Whether an event was sent before the app was installed, and not just by a clock that is a little off."""
    sent = number(fields, "ts")
    return 0 < sent < (installed_at - CLOCKS_DIFFER).timestamp()
