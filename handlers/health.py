"""Whether the app is alive, and whether it can work."""

import logging

from flask import Blueprint

from bizproc.secrets import CannotDecrypt
from bizproc.storage.database import DatabaseError
from handlers import backend

logger = logging.getLogger(__name__)
blueprint = Blueprint("health", __name__)


@blueprint.get("/healthz")
def alive() -> tuple[dict[str, str], int]:
    return {"status": "alive"}, 200


@blueprint.get("/readyz")
def ready() -> tuple[dict[str, str], int]:
    """503 while the database cannot be reached, lacks migrations or was made with another key; the reason is in the log
    alone."""
    try:
        pending = backend().database.pending()
        if not pending:
            backend().hashes.load()
    except (DatabaseError, CannotDecrypt) as error:
        logger.warning("not ready: %s", error)
        return {"status": "not ready"}, 503
    if pending:
        logger.warning("not ready: the database is not at this version's migration; run  flask db upgrade")
        return {"status": "not ready"}, 503
    return {"status": "ready"}, 200
