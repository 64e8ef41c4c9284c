"""The queue server's calls: prove the sender, store, answer 2xx. Everything else is the worker's."""

import logging

from flask import Blueprint, request
from werkzeug.exceptions import Forbidden

from bizproc.runs.callback import sender, text
from handlers import backend
from handlers.forms import UnreadableForm, form
from handlers.senders import proven

logger = logging.getLogger(__name__)
blueprint = Blueprint("callback", __name__)


@blueprint.post("/activities/<path:code>")
def called(code: str) -> tuple[str, int]:
    """Answers 200 once the callback is stored, also when it came before (PROTOCOL.md section 7: there is no second
    try, so content that cannot be run is the worker's to settle), 403 for a sender who is not proven."""
    try:
        fields = form()
    except UnreadableForm as error:
        logger.warning("callback refused: %s", error)
        raise Forbidden from None
    installation = proven(sender(fields), "callback")
    run_id = backend().runs.accept(
        installation.id, text(fields, "code") or code, text(fields, "event_token"), request.get_data()
    )
    if run_id is not None:
        backend().queue.send_run(run_id)
    return "", 200
