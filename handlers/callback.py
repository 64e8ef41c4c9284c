"""The queue server's calls: prove the sender, store, answer 2xx. Everything else is the worker's."""

import logging
import time

from flask import Blueprint
from structlog.contextvars import bind_contextvars
from werkzeug.exceptions import ServiceUnavailable

from bizproc.metrics import ACCEPT_SECONDS
from bizproc.runs.callback import essentials, sender, text
from bizproc.runs.spool import SpoolFailed
from handlers import backend
from handlers.forms import body
from handlers.senders import proven

logger = logging.getLogger(__name__)
blueprint = Blueprint("callback", __name__)


@blueprint.post("/activities/<path:code>")
def called(code: str) -> tuple[str, int]:
    """Answers 200 once the callback is stored, also when it came before (PROTOCOL.md section 7: there is no second
    try, so content that cannot be run is the worker's to settle), 403 for a sender who is not proven. While the
    database is away a sender is proven later. 503 when nothing can take the callback."""
    # The address says which activity it is: the form's code can have a developer's prefix.
    began = time.perf_counter()
    bind_contextvars(activity=code[:255])
    raw = body()
    fields = essentials(raw)
    claimed = sender(fields)
    try:
        backend().inbox.accept(
            code, raw, claimed, text(fields, "event_token"), prove=lambda: proven(claimed, "callback", known=True)
        )
    except SpoolFailed as error:
        logger.error("a callback is lost: %s", error)
        raise ServiceUnavailable from None
    ACCEPT_SECONDS.observe(time.perf_counter() - began)
    return "", 200
