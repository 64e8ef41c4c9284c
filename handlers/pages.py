"""Pages that a portal shows in its iframe."""

import logging
import secrets
from urllib.parse import urlsplit

from flask import Response, make_response, render_template, request
from jinja2 import Template
from werkzeug.exceptions import Forbidden

from bizproc.backend import Page
from bizproc.portal.installations import Installation
from handlers import backend

logger = logging.getLogger(__name__)


def page(template: str | Template, *, portal: str, language: str, **values: object) -> Response:
    """A page, by its name in handlers/templates, that only this portal may frame (PROTOCOL.md section 9).

    portal: scheme and host; empty for a page that nobody may frame, ``*`` for one that anybody may
    """
    nonce = secrets.token_urlsafe(16)
    response = make_response(
        render_template(template, nonce=nonce, language=language, js_url=backend().settings.js_url, **values)
    )
    script = urlsplit(backend().settings.js_url)
    response.headers["Content-Security-Policy"] = "; ".join(
        (
            "default-src 'none'",
            f"script-src 'nonce-{nonce}' {script.scheme}://{script.netloc}",
            f"style-src 'nonce-{nonce}'",
            "connect-src 'self'",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors " + (portal or "'none'"),
        )
    )
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Referrer-Policy"] = "no-referrer"
    response.headers["Cache-Control"] = "no-store"
    return response


def asking() -> tuple[Page, Installation]:
    """The page that sends a request, by its page token. Raises Forbidden."""
    scheme, _, page_token = request.headers.get("Authorization", "").partition(" ")
    found = backend().page(page_token) if scheme == "Bearer" else None
    if found is None:
        raise Forbidden
    return found


def administrator() -> Installation:
    """The portal of the page that sends a request, which an administrator has opened. Raises Forbidden."""
    page, installation = asking()
    if not page.administrator:
        raise Forbidden
    logger.info("%s: user %s asks for %s", installation.domain, page.user_id, request.path)
    return installation


def origin(address: str) -> str:
    """Scheme and host of an address."""
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc}"
