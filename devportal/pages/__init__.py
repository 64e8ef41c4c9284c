"""What a browser sees of a portal: the files of this folder, and the BX24 script for the pages of the application."""

import json
from html import escape
from pathlib import Path
from typing import Final

from bizproc.document_types import EXAMPLES
from devportal.cloud import Cloud
from devportal.portal import Portal
from devportal.wire import Request, Response

FOLDER: Final = Path(__file__).parent
SCRIPT: Final = "/api/v1/"
"""Where a portal's BX24 script is; applications load it from `api.bitrix24.com` (PROTOCOL.md section 2)."""
_TYPES: Final = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
_POLICY: Final = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "frame-src http: https:",
        "form-action http: https:",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)


def respond(cloud: Cloud, portal: Portal, request: Request) -> Response | None:
    """The page or one of its files; None for any other path."""
    if request.path == "/":
        # Under another name, such as localhost, the application's pages would not let this page frame them.
        if request.headers.get("host") != portal.domain:
            return Response(302, headers={"Location": f"{portal.url}/"})
        return _home(cloud, portal)
    if request.path == SCRIPT:
        return _file("bx24.js")
    name = request.path.removeprefix("/pages/")
    if name != request.path and Path(name).suffix in _TYPES and name in {file.name for file in FOLDER.iterdir()}:
        return _file(name)
    return None


def _home(cloud: Cloud, portal: Portal) -> Response:
    start = {
        "portal": portal.number,
        "portals": [{"number": each.number, "url": each.url} for each in cloud.portals],
        "domain": portal.domain,
        "edition": portal.edition,
        "lang": portal.lang,
        "documentTypes": {name: list(document_type) for name, document_type in EXAMPLES.items()},
    }
    page = (FOLDER / "index.html").read_text("utf-8")
    page = page.replace("{domain}", escape(portal.domain)).replace("{start}", escape(json.dumps(start), quote=True))
    return Response(200, page.encode(), {**_headers("text/html"), "Content-Security-Policy": _POLICY})


def _file(name: str) -> Response:
    path = FOLDER / name
    return Response(200, path.read_bytes(), _headers(_TYPES[path.suffix]))


def _headers(type_: str) -> dict[str, str]:
    return {
        "Content-Type": f"{type_}; charset=utf-8",
        "Cache-Control": "no-cache",
        "X-Content-Type-Options": "nosniff",
    }
