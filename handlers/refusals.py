"""What a caller is told when a request fails: never more than they need."""

import logging

from flask import Blueprint, Response
from sqlalchemy.exc import SQLAlchemyError
from werkzeug.exceptions import HTTPException

from bizproc.secrets import CannotDecrypt
from handlers.pages import page

logger = logging.getLogger(__name__)
blueprint = Blueprint("refusals", __name__)


def refusal(status: int, message: str, *, portal: str = "", language: str = "en") -> Response:
    """A page with a message for a person."""
    response = page("refusal.html", portal=portal, language=language, message=message)
    response.status_code = status
    return response


@blueprint.app_errorhandler(HTTPException)
def failed(error: HTTPException) -> HTTPException | tuple[str, int]:
    """Plain text: these are answers to programs, and say no more than the status does."""
    if error.code is None or error.response is not None:
        return error
    return f"{error.code} {error.name}\n", error.code


@blueprint.app_errorhandler(SQLAlchemyError)
def without_database(error: SQLAlchemyError) -> tuple[str, int]:
    logger.error("the database cannot be used: %s", type(getattr(error, "orig", None) or error).__name__)
    return "503 Service Unavailable\n", 503


@blueprint.app_errorhandler(CannotDecrypt)
def without_key(error: CannotDecrypt) -> tuple[str, int]:
    logger.error("%s", error)
    return "503 Service Unavailable\n", 503
