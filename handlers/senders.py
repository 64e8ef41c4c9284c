"""Whether a request is from the portal it says it is from."""

import logging

from werkzeug.exceptions import Forbidden

from bizproc.portal.installations import Installation
from bizproc.runs.callback import Sender
from handlers import backend

logger = logging.getLogger(__name__)


def proven(sender: Sender, what: str) -> Installation:
    """The installation of a sender who has its application token (PROTOCOL.md section 3).

    Raises Forbidden, and tells the reason to the log alone.
    """
    installation = backend().installations.find(sender.member_id) if sender.member_id else None
    if installation is None:
        reason = "unknown member id"
    elif not installation.active:
        reason = "the app is not installed there any more"
    elif not backend().installations.proves(installation, sender.application_token):
        reason = "wrong application token"
    else:
        return installation
    # An event's name is the sender's too: it must not begin a line of its own in the log.
    logger.warning("%.40s refused: %s (member id %.64r)", ascii(what)[1:-1], reason, sender.member_id)
    raise Forbidden
