"""Pages that a portal shows in its iframe."""

import secrets
from urllib.parse import urlsplit

from flask import Response, make_response, render_template
from jinja2 import Template

from handlers import backend


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


def origin(address: str) -> str:
    """Scheme and host of an address."""
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc}"
