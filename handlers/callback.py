"""The queue server's calls: prove the sender, store, answer 2xx. Everything else is the worker's."""

from flask import Blueprint

from bizproc.runs.callback import essentials, sender, text
from handlers import backend
from handlers.forms import body
from handlers.senders import proven

blueprint = Blueprint("callback", __name__)


@blueprint.post("/activities/<path:code>")
def called(code: str) -> tuple[str, int]:
    """Answers 200 once the callback is stored, also when it came before (PROTOCOL.md section 7: there is no second
    try, so content that cannot be run is the worker's to settle), 403 for a sender who is not proven."""
    # The address says which activity it is: the form's code can have a developer's prefix.
    raw = body()
    fields = essentials(raw)
    installation = proven(sender(fields), "callback")
    run_id = backend().runs.accept(installation.id, code, text(fields, "event_token"), raw)
    if run_id is not None:
        backend().queue.send_run(run_id)
    return "", 200
