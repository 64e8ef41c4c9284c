"""The signed addresses at which other systems finish deferred runs."""

import json

from flask import Blueprint
from werkzeug.exceptions import NotFound

from bizproc.runs.completion import CannotComplete
from handlers import backend
from handlers.forms import body

blueprint = Blueprint("completion", __name__)


@blueprint.post("/runs/<signed>")
def complete(signed: str) -> tuple[str, int]:
    """Finish a run. The body is JSON: ``{"values": {name: value}}`` or ``{"error": "why"}``.

    204 when it is stored, 404 for an address that is none of this app's, 400 with the reason for a body that is not
    understood, 409 for a run that is not waiting.
    """
    run_id = backend().completion.run_of(signed)
    if run_id is None:
        raise NotFound
    try:
        given = json.loads(body() or b"{}")
    except (ValueError, RecursionError):
        return "The body is no JSON.\n", 400
    if not isinstance(given, dict):
        return 'The body is no JSON object. Send {"values": {...}} or {"error": "why"}.\n', 400
    try:
        backend().completion.complete(run_id, given)
    except CannotComplete as error:
        return f"{error}\n", 409 if error.too_late else 400
    turn = backend().runs.turn(run_id)
    if turn is not None:
        backend().queue.send_runs([turn])
    return "", 204
