"""Everything that one start of the development portal consists of."""

import secrets
import time
from collections.abc import Callable

from devportal.app_client import AppClient
from devportal.dates import PortalDates
from devportal.exchange_log import ExchangeLog
from devportal.options import Options
from devportal.portal import ADMIN, Application, Portal
from devportal.queue_server import QueueServer
from devportal.scheduler import Scheduler
from devportal.tokens import Grant, Tokens


class Cloud:
    """K portals, the OAuth server's tokens and the queue server. Addresses are known once `server` has bound them."""

    def __init__(self, options: Options) -> None:
        seed = options.seed
        self.options = options
        self.application = Application(
            client_id=seed.client_id or f"local.{secrets.token_hex(7)}.{secrets.randbelow(10**8):08}",
            client_secret=seed.client_secret or secrets.token_urlsafe(37)[:50],
            scope=seed.scope,
            status=seed.status,
        )
        self.log = ExchangeLog()
        self.tokens = Tokens(options.tokens_live)
        self.scheduler = Scheduler()
        self.client = AppClient(self.log)
        self.queue = QueueServer(self.client, self.scheduler)
        self.portals: list[Portal] = []
        self.oauth_url = ""
        self.rename: Callable[[Portal, bool], None] | None = None

    def add_portal(self, host: str, port: int) -> Portal:
        number = len(self.portals) + 1
        given = self.options.seed.member_ids
        portal = Portal(
            number,
            host,
            port,
            given[number - 1] if number <= len(given) else secrets.token_hex(16),
            self.options.lang,
            self.options.edition,
            PortalDates(self.options.date_format, self.options.seed.utc_offset),
        )
        self.portals.append(portal)
        return portal

    @property
    def server_endpoint(self) -> str:
        return f"{self.oauth_url}/rest/"

    def stop(self) -> None:
        self.scheduler.stop()
        self.queue.stop()

    def is_admin(self, user_id: int) -> bool:
        return user_id == ADMIN

    def grant(self, portal: Portal, user_id: int) -> Grant:
        """Fresh tokens of the application, in the name of `user_id`."""
        return self.tokens.give(portal.number, user_id, self.application.client_id)

    def auth(self, portal: Portal, user_id: int | None) -> dict[str, str]:
        """The `auth` of a callback or event; without tokens where `user_id` is None (PROTOCOL.md sections 2 and 7)."""
        auth = {
            "domain": portal.domain,
            "server_endpoint": self.server_endpoint,
            "client_endpoint": portal.client_endpoint,
            "member_id": portal.member_id,
            "application_token": portal.application_token(self.application),
        }
        if user_id is None:
            return auth
        grant = self.grant(portal, user_id)
        return {
            "access_token": grant.access_token,
            "expires": str(int(grant.expires or 0)),
            "expires_in": str(int(self.tokens.lives)),
            "scope": self.application.scope,
            "status": self.application.status,
            "user_id": str(user_id),
            "refresh_token": grant.refresh_token or "",
            **auth,
        }


def unix_now() -> str:
    return str(int(time.time()))
