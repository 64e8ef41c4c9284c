"""Signed links to the files that runs keep."""

import mimetypes

from flask import Blueprint, Response

from bizproc.files import LinkError
from handlers import backend
from handlers.refusals import refusal

blueprint = Blueprint("files", __name__)


@blueprint.get("/files/<signed>")
def load(signed: str) -> Response:
    """The file, to be saved; 404 with the reason when the link does not open one."""
    try:
        name, content = backend().files.load(signed)
    except LinkError as error:
        return refusal(404, str(error))
    response = Response(content, mimetype=mimetypes.guess_type(name)[0] or "application/octet-stream")
    response.headers.set("Content-Disposition", "attachment", filename=name)
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Cache-Control"] = "private, no-store"
    return response
