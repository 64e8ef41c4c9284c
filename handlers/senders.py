"""Whether a request is from the portal it says it is from."""

import logging

from structlog.contextvars import bind_contextvars
from werkzeug.exceptions import Forbidden

from bizproc.portal.b24 import AdministratorNeeded, PortalUnavailable
from bizproc.portal.installations import Installation
from bizproc.runs.callback import Sender
from handlers import backend
from handlers.forms import UnreadableForm
from handlers.metrics import Reason, Way, count_refusal

logger = logging.getLogger(__name__)


def proven(sender: Sender, way: Way, what: str = "", *, known: bool = False) -> Installation:
    """The installation of a sender who has its application token (PROTOCOL.md section 3).

    what: the event's name
    known: it may be a few seconds old, so that nothing is asked of the database

    Raises Forbidden, and tells the reason to the log alone.
    """
    installations = backend().installations
    installation = None
    if sender.member_id and sender.application_token:
        installation = (
            installations.claimed(sender.member_id, sender.application_token)
            if known
            else installations.find(sender.member_id)
        )
    reason: Reason
    if sender.member_id and not sender.application_token:
        reason, why = "wrong_application_token", "no application token"
    elif installation is None:
        reason, why = "unknown_member_id", "unknown member id"
    elif not installation.active:
        reason, why = "uninstalled", "the app is not installed there any more"
    elif not installations.proves(installation, sender.application_token):
        reason, why = "wrong_application_token", "wrong application token"
    else:
        bind_contextvars(portal=installation.domain)
        return installation
    _refused(way, reason, what or way, why, sender.member_id)
    raise Forbidden


def refused(way: Way, error: Exception, what: str, member_id: str) -> None:
    """Log and count a request that was refused because of this error."""
    reason: Reason
    match error:
        case UnreadableForm():
            reason = "unreadable"
        case AdministratorNeeded():
            reason = "no_administrator"
        case PortalUnavailable():
            reason = "unavailable"
        case _:
            reason = "unproven"
    _refused(way, reason, what, str(error), member_id)


def _refused(way: Way, reason: Reason, what: str, why: str, member_id: str) -> None:
    count_refusal(way, reason)
    # Whatever of it is the sender's must not begin a line of its own in the log, nor fill it.
    what, why = ascii(what)[1:-1], ascii(why)[1:-1]
    logger.warning("%.40s refused: %.500s (member id %.64a)", what, why, member_id)
