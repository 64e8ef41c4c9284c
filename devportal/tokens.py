"""The tokens that the OAuth server has given out, for all portals."""

import secrets
import threading
import time
from dataclasses import dataclass, replace
from typing import Final

REFRESH_TOKEN_LIVES: Final = 180 * 86_400
EXPIRED_KEPT = 3600.0
"""Seconds for which an access token is still known after its end, and answers `expired_token`."""
PURGE_EVERY = 1000
"""New grants after which those that ended are dropped."""


@dataclass(frozen=True, slots=True)
class Grant:
    """One access token with its refresh token.

    Attributes:
        portal: number of the portal.
        client_id: None for an incoming webhook, which acts without an application.
        expires: Unix time at which the access token ends; None for a webhook's, which does not.
    """

    access_token: str
    refresh_token: str | None
    portal: int
    user_id: int
    client_id: str | None
    expires: float | None
    refresh_expires: float

    @property
    def expired(self) -> bool:
        return self.expires is not None and time.time() >= self.expires


class Tokens:
    """All grants. A grant ends when it is refreshed, both its tokens with it (PROTOCOL.md section 4)."""

    def __init__(self, lives: float) -> None:
        self.lives = lives
        self._lock = threading.Lock()
        self._by_access: dict[str, Grant] = {}
        self._by_refresh: dict[str, Grant] = {}
        self._new = 0

    def give(self, portal: int, user_id: int, client_id: str | None) -> Grant:
        with self._lock:
            return self._give(portal, user_id, client_id)

    def _give(self, portal: int, user_id: int, client_id: str | None) -> Grant:
        now = time.time()
        self._purge(now)
        grant = Grant(
            access_token=secrets.token_hex(35),
            refresh_token=secrets.token_hex(35) if client_id else None,
            portal=portal,
            user_id=user_id,
            client_id=client_id,
            expires=now + self.lives if client_id else None,
            refresh_expires=now + REFRESH_TOKEN_LIVES,
        )
        self._by_access[grant.access_token] = grant
        if grant.refresh_token:
            self._by_refresh[grant.refresh_token] = grant
        return grant

    def _purge(self, now: float) -> None:
        self._new += 1
        if self._new < PURGE_EVERY:
            return
        self._new = 0
        for token, grant in list(self._by_access.items()):
            if grant.expires is not None and now >= grant.expires + EXPIRED_KEPT:
                del self._by_access[token]
        for token, grant in list(self._by_refresh.items()):
            if now >= grant.refresh_expires:
                del self._by_refresh[token]

    def of_access(self, access_token: str) -> Grant | None:
        """The grant of an access token, expired or not; None for one never given or taken back."""
        with self._lock:
            return self._by_access.get(access_token)

    def of_refresh(self, refresh_token: str) -> Grant | None:
        """The grant of a refresh token that still works."""
        with self._lock:
            return self._valid_refresh(refresh_token)

    def _valid_refresh(self, refresh_token: str) -> Grant | None:
        grant = self._by_refresh.get(refresh_token)
        return grant if grant and time.time() < grant.refresh_expires else None

    def refresh(self, refresh_token: str) -> Grant | None:
        """A new grant for the old one, whose access token counts as expired from now on; None for a dead token."""
        with self._lock:
            old = self._valid_refresh(refresh_token)
            if old is None:
                return None
            del self._by_refresh[refresh_token]
            self._by_access[old.access_token] = _ended(old)
            return self._give(old.portal, old.user_id, old.client_id)

    def expire(self, portal: int) -> None:
        """Let all access tokens of a portal's application end now; their refresh tokens still work."""
        with self._lock:
            for token, grant in self._by_access.items():
                if grant.portal == portal and grant.client_id:
                    self._by_access[token] = _ended(grant)

    def take_back(self, portal: int, *, webhooks: bool) -> None:
        """Forget the tokens of a portal's application, and its webhooks where told."""
        with self._lock:
            for tokens in (self._by_access, self._by_refresh):
                for token in [
                    token for token, grant in tokens.items() if grant.portal == portal and (webhooks or grant.client_id)
                ]:
                    del tokens[token]


def _ended(grant: Grant) -> Grant:
    now = time.time()
    return replace(grant, expires=now if grant.expires is None else min(now, grant.expires))
