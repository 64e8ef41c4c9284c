"""The stored tokens of an installation, and their renewal.

One renewal at a time over all threads, processes and machines, since each makes the tokens of the one before useless
(PROTOCOL.md section 4). No transaction stays open during the call.
"""

import datetime as dt
import threading
import time
from collections import defaultdict
from typing import Protocol

from sqlalchemy import or_, update

from bizproc.portal.b24 import PersonNeeded, PortalApp, PortalUnavailable, SdkError, Tokens, described, error_code
from bizproc.portal.leases import Keeper
from bizproc.secrets import Secrets
from bizproc.storage.database import Database
from bizproc.storage.patience import Patience
from bizproc.storage.tables import HistoryRow, InstallationRow, now

LEASE = dt.timedelta(seconds=15)
"""How long a process that was killed holds up the others. Prolonged while it lives, for a refresh can take minutes."""
PATIENCE_SECONDS = 30
"""More than LEASE."""
LOOK_SECONDS = 0.1
STORE_SECONDS = 60
"""How long new tokens wait for a database that is away. The old ones have ended, so without them a person is needed."""
DEAD = frozenset(("INVALID_GRANT", "EXPIRED_TOKEN", "INVALID_TOKEN"))
"""What the OAuth server says of a refresh token that never works again."""


class WithTokens(Protocol):
    """What an installation has, stored or read."""

    @property
    def access_token(self) -> bytes | None: ...
    @property
    def refresh_token(self) -> bytes | None: ...
    @property
    def token_expires_at(self) -> dt.datetime | None: ...
    @property
    def person_needed_since(self) -> dt.datetime | None: ...
    @property
    def person_needed_why(self) -> str | None: ...


class Renewal:
    """Safe to use from many threads."""

    def __init__(self, database: Database, secrets: Secrets, app: PortalApp) -> None:
        self._database = database
        self._secrets = secrets
        self._app = app
        self._locks: defaultdict[int, threading.Lock] = defaultdict(threading.Lock)

    def stored(self, installation_id: int) -> Tokens:
        """Raises PersonNeeded when there are none that work."""
        with self._database.reading() as session:
            return self.held(session.get(InstallationRow, installation_id))

    def held(self, row: WithTokens | None) -> Tokens:
        """The tokens of an installation as it was when read. Raises as ``stored``."""
        if row is None or row.access_token is None or row.token_expires_at is None:
            raise PersonNeeded("there is no token for it.")
        if row.person_needed_since is not None:
            raise PersonNeeded(row.person_needed_why or "")
        return Tokens(
            access=self._secrets.decrypt(row.access_token).decode(),
            refresh=self._refresh_token(row),
            expires_at=row.token_expires_at,
        )

    def keep(self, row: InstallationRow, tokens: Tokens) -> None:
        """Put tokens that work into the row of their installation."""
        row.access_token = self._secrets.encrypt(tokens.access.encode())
        row.refresh_token = self._secrets.encrypt(tokens.refresh.encode()) if tokens.refresh else None
        row.token_expires_at = tokens.expires_at
        row.person_needed_since = row.person_needed_why = None

    def renewed(self, installation_id: int, stale: str) -> Tokens:
        """Tokens that work in the place of a stale access token; stored before anybody uses them.

        Raises PersonNeeded when the OAuth server will not renew them any more, SdkError when it cannot be asked now,
        PortalUnavailable when another process has been at it for too long.
        """
        give_up_at = time.monotonic() + PATIENCE_SECONDS
        with self._locks[installation_id]:
            while True:
                stored = self.stored(installation_id)
                if stored.access != stale and stored.expires_at > now():
                    return stored
                claim = self._claim(installation_id)
                if claim is not None:
                    break
                if time.monotonic() > give_up_at:
                    raise PortalUnavailable("the portal's tokens are being renewed by another process")
                time.sleep(LOOK_SECONDS)
            try:
                # Somebody may have renewed them between the look and the claim.
                stored = self.stored(installation_id)
                if stored.access != stale and stored.expires_at > now():
                    return stored
                keeper = Keeper(lambda: self._set_lease(installation_id, claim, now() + LEASE), LEASE)
                try:
                    return self._renewed(installation_id, stored)
                finally:
                    keeper.end()
            finally:
                self._set_lease(installation_id, claim, None)

    def _renewed(self, installation_id: int, old: Tokens) -> Tokens:
        if not old.refresh:
            return self._give_up(installation_id, old, "the portal gave no refresh token.")
        try:
            tokens = self._app.refreshed(old.refresh)
        except SdkError as error:
            if error_code(error) not in DEAD:
                raise
            return self._give_up(installation_id, old, f"its tokens cannot be renewed ({described(error)}).")
        return Patience(STORE_SECONDS)(lambda: self._kept(installation_id, old, tokens))

    def _kept(self, installation_id: int, old: Tokens, new: Tokens) -> Tokens:
        """The new tokens, now stored; unless others have been stored meanwhile: then those."""
        with self._database.writing() as session:
            row = session.get(InstallationRow, installation_id, with_for_update=True)
            if row is not None and self._refresh_token(row) == old.refresh:
                self.keep(row, new)
                return new
        return self.stored(installation_id)

    def _give_up(self, installation_id: int, old: Tokens, why: str) -> Tokens:
        """Mark the installation, unless others have been stored meanwhile: then those."""
        with self._database.writing() as session:
            row = session.get(InstallationRow, installation_id, with_for_update=True)
            if row is not None and self._refresh_token(row) == old.refresh and row.person_needed_since is None:
                row.person_needed_since, row.person_needed_why = now(), why
                session.add(
                    HistoryRow(
                        installation_id=row.id,
                        happened_at=now(),
                        what="person needed",
                        domain=row.domain,
                        user_id=0,
                        detail=why,
                    )
                )
        return self.stored(installation_id)

    def _refresh_token(self, row: WithTokens) -> str | None:
        return None if row.refresh_token is None else self._secrets.decrypt(row.refresh_token).decode()

    def _claim(self, installation_id: int) -> int | None:
        with self._database.writing() as session:
            free = or_(InstallationRow.refresh_until.is_(None), InstallationRow.refresh_until <= now())
            return session.execute(
                update(InstallationRow)
                .where(InstallationRow.id == installation_id, free)
                .values(refresh_until=now() + LEASE, refresh_claim=InstallationRow.refresh_claim + 1)
                .returning(InstallationRow.refresh_claim)
            ).scalar()

    def _set_lease(self, installation_id: int, claim: int, until: dt.datetime | None) -> None:
        with self._database.writing() as session:
            session.execute(
                update(InstallationRow)
                .where(InstallationRow.id == installation_id, InstallationRow.refresh_claim == claim)
                .values(refresh_until=until)
            )
