"""The application's life in a portal: installed, opened, updated, paid for, removed (PROTOCOL.md section 2)."""

import json
import secrets
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode

from bizproc.php import PhpArray, PhpValue, to_text
from devportal.app_client import Pairs, Reply, bracketed, encoded
from devportal.cloud import Cloud, unix_now
from devportal.portal import ADMIN, EventHandler, Portal

EVENTS: Final = frozenset({
    "ONAPPINSTALL",
    "ONAPPUPDATE",
    "ONAPPUNINSTALL",
    "ONAPPPAYMENT",
    "ONAPPTEST",
    "ONAPPMETHODCONFIRM",
    "ONSUBSCRIPTIONRENEW",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Opening:
    """The POST by which an iframe opens a page of the application; `url` has the query already."""

    url: str
    form: Pairs


def opening(
    cloud: Cloud,
    portal: Portal,
    url: str,
    user_id: int,
    placement: str = "DEFAULT",
    options: Any = None,
    lang: str = "",
) -> Opening:
    """What a page of the application gets: on install, on opening, and in every placement.

    `lang` is the person's language, empty for the portal's.
    """
    with portal.lock:
        grant = cloud.grant(portal, user_id)
        query = urlencode({
            "DOMAIN": portal.domain,
            "PROTOCOL": "0",
            "LANG": lang or portal.lang,
            "APP_SID": secrets.token_hex(16),
        })  # fmt: skip
        form = [
            ("AUTH_ID", grant.access_token),
            ("AUTH_EXPIRES", str(int(cloud.tokens.lives))),
            ("REFRESH_ID", grant.refresh_token or ""),
            ("SERVER_ENDPOINT", cloud.server_endpoint),
            ("APPLICATION_TOKEN", portal.application_token(cloud.application)),
            ("APPLICATION_SCOPE", cloud.application.scope),
            ("member_id", portal.member_id),
            ("status", cloud.application.status),
            ("PLACEMENT", placement),
            ("PLACEMENT_OPTIONS", json.dumps(options or {}, ensure_ascii=False)),
        ]  # fmt: skip
    return Opening(f"{url}{'&' if '?' in url else '?'}{query}", form)


def open_page(
    cloud: Cloud, portal: Portal, url: str, user_id: int, placement: str = "DEFAULT", options: Any = None
) -> Reply:
    """Open a page of the application without a browser."""
    opened = opening(cloud, portal, url, user_id, placement, options)
    return cloud.client.post(portal.number, opened.url, encoded(opened.form))


def begin_install(portal: Portal, app_url: str) -> str:
    """The install page to open. An installation that was not there gets a new application token."""
    with portal.lock:
        _begin(portal)
        portal.installation.app_url = app_url
    return f"{app_url}/install"


def install(cloud: Cloud, portal: Portal, app_url: str) -> Reply:
    """Open the application's install page as an administrator.

    There is no browser to run the page's script: an HTML page with status 200 counts as if it had called installFinish.
    """
    reply = open_page(cloud, portal, begin_install(portal, app_url), ADMIN)
    if reply.status == 200 and _is_html(reply):
        finish_install(cloud, portal)
    return reply


def install_without_page(cloud: Cloud, portal: Portal, event_url: str) -> None:
    """Install an application that has no page: it gets ONAPPINSTALL unasked."""
    with portal.lock:
        _begin(portal)
        portal.installation.installed = True
        handler = EventHandler(0, "ONAPPINSTALL", event_url, 0)
        _send(cloud, portal, handler, _installed_data(portal), tokens=True)


def _begin(portal: Portal) -> None:
    if not portal.installation.installed:
        portal.installation.times += 1


def finish_install(cloud: Cloud, portal: Portal) -> None:
    """What installFinish does: the application counts as installed, and gets ONAPPINSTALL if it was not before."""
    with portal.lock:
        before = portal.installation.installed
        portal.installation.installed = True
        if not before:
            send_event(cloud, portal, "ONAPPINSTALL", _installed_data(portal))
        portal.changed.notify_all()


def _installed_data(portal: Portal) -> dict[str, str]:
    return {
        "VERSION": str(portal.installation.version),
        "ACTIVE": "Y",
        "INSTALLED": "Y",
        "LANGUAGE_ID": portal.lang,
    }


def _is_html(reply: Reply) -> bool:
    types = [value for name, value in reply.headers.items() if name.lower() == "content-type"]
    return any(value.lower().startswith("text/html") for value in types)


def update(cloud: Cloud, portal: Portal, *, stays_installed: bool, new_token: bool) -> None:
    """Bring the application to its next version: everything it registered is gone, and it gets ONAPPUPDATE."""
    with portal.lock:
        previous = portal.installation.version
        portal.installation.version += 1
        portal.installation.times += int(new_token)
        portal.records.wipe()
        data = {"VERSION": str(previous + 1), "PREVIOUS_VERSION": str(previous), "LANGUAGE_ID": portal.lang}
        send_event(cloud, portal, "ONAPPUPDATE", data)
        portal.installation.installed = portal.installation.installed and stays_installed


def uninstall(cloud: Cloud, portal: Portal, *, clean: bool) -> None:
    """Remove the application: records, placements, handlers and tokens are gone. ONAPPUNINSTALL carries no tokens."""
    with portal.lock:
        data = {"LANGUAGE_ID": portal.lang, "CLEAN": str(int(clean))}
        send_event(cloud, portal, "ONAPPUNINSTALL", data, tokens=False)
        portal.records.wipe()
        portal.installation.handlers.clear()
        portal.installation.installed = False
        cloud.tokens.take_back(portal.number, webhooks=False)


def set_payment(cloud: Cloud, portal: Portal, *, expired: bool) -> None:
    """Let the payment run out, of which no event tells, or come in, of which ONAPPPAYMENT tells."""
    with portal.lock:
        portal.installation.payment_expired = expired
        data = {
            "CODE": cloud.application.code,
            "VERSION": str(portal.installation.version),
            "STATUS": cloud.application.status,
            "PAYMENT_EXPIRED": "Y" if expired else "N",
            "DAYS": "",
            "LANGUAGE_ID": portal.lang,
        }
        send_event(cloud, portal, "ONAPPPAYMENT", data, tokens=False)


def send_test(cloud: Cloud, portal: Portal, query: PhpArray, user_id: int) -> None:
    """`event.test`: ONAPPTEST with what was sent."""
    with portal.lock:
        send_event(cloud, portal, "ONAPPTEST", {"LANGUAGE_ID": portal.lang, "QUERY": query}, user_id=user_id)


def send_event(
    cloud: Cloud, portal: Portal, event: str, data: dict[str, Any], *, tokens: bool = True, user_id: int = ADMIN
) -> None:
    """Send an event to its bound handlers. Without payment, or before installation is finished, none is sent."""
    if portal.installation.payment_expired or not portal.installation.installed:
        return
    for handler in portal.installation.handlers:
        if handler.event == event:
            _send(cloud, portal, handler, data, tokens=tokens, user_id=user_id)


def _send(
    cloud: Cloud, portal: Portal, handler: EventHandler, data: dict[str, Any], *, tokens: bool, user_id: int = ADMIN
) -> None:
    pairs: Pairs = [("event", handler.event), ("event_handler_id", str(handler.number))]
    for key, value in data.items():
        pairs += _flattened(f"data[{key}]", value)
    pairs.append(("ts", unix_now()))
    pairs += bracketed("auth", cloud.auth(portal, (handler.user_id or user_id) if tokens else None))
    cloud.queue.send(portal, handler.event, handler.url, pairs)


def _flattened(name: str, value: PhpValue) -> Pairs:
    if not isinstance(value, dict):
        return [(name, to_text(value))]
    return [pair for key, inner in value.items() for pair in _flattened(f"{name}[{key}]", inner)]
