"""The portals in which this app is installed, and the tokens with which they are called."""

import datetime as dt
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from sqlalchemy import delete, or_, select, update

from bizproc.portal.b24 import PortalApp, PortalRefused, PortalToken, PortalUnavailable, Tokens
from bizproc.portal.proof import Proof
from bizproc.secrets import Secrets
from bizproc.storage.database import Database
from bizproc.storage.tables import CounterRow, InstallationRow, RegistrationRow, RunRow, now

APPLY_LEASE = dt.timedelta(minutes=2)


@dataclass(frozen=True)
class Installation:
    """This app in one portal, as it was when read."""

    id: int
    member_id: str
    domain: str
    client_endpoint: str
    edition: str
    status: str
    scope: str
    language: str
    app_host: str
    confirmed_host: str | None
    user_id: int
    payment_expired: bool
    installed_at: dt.datetime
    uninstalled_at: dt.datetime | None
    register_due_at: dt.datetime | None
    register_attempts: int
    register_error: str | None
    application_token_hash: bytes | None

    @property
    def active(self) -> bool:
        return self.uninstalled_at is None


_FIELDS = tuple(Installation.__dataclass_fields__)


def _read(row: InstallationRow) -> Installation:
    return Installation(**{name: getattr(row, name) for name in _FIELDS})


class Lease:
    """The right to apply a plan in one portal, which ends by itself if whoever has it dies."""

    def __init__(self, database: Database, installation_id: int, claim: int) -> None:
        self._database = database
        self._installation_id = installation_id
        self._claim = claim
        self._renewed_at = now()

    def renew(self) -> None:
        """Prolong it, if a part of it has passed. Raises PortalUnavailable when somebody else has it by now."""
        if now() - self._renewed_at < APPLY_LEASE / 4:
            return
        self._renewed_at = now()
        if not self._until(self._renewed_at + APPLY_LEASE):
            raise PortalUnavailable("another apply has taken over in this portal")

    def release(self) -> None:
        self._until(None)

    def _until(self, moment: dt.datetime | None) -> bool:
        with self._database.writing() as session:
            own = update(InstallationRow).where(
                InstallationRow.id == self._installation_id, InstallationRow.apply_claim == self._claim
            )
            return session.execute(own.values(apply_until=moment).returning(InstallationRow.id)).scalar() is not None


class Installations:
    def __init__(self, database: Database, secrets: Secrets, app: PortalApp) -> None:
        self._database = database
        self._secrets = secrets
        self._app = app
        self._renewing: defaultdict[int, threading.Lock] = defaultdict(threading.Lock)

    def find(self, member_id: str) -> Installation | None:
        with self._database.reading() as session:
            row = session.scalar(select(InstallationRow).where(InstallationRow.member_id == member_id))
            return None if row is None else _read(row)

    def get(self, installation_id: int) -> Installation | None:
        with self._database.reading() as session:
            row = session.get(InstallationRow, installation_id)
            return None if row is None else _read(row)

    def all(self) -> Iterator[Installation]:
        """Ordered by domain."""
        with self._database.reading() as session:
            for row in session.scalars(select(InstallationRow).order_by(InstallationRow.domain)):
                yield _read(row)

    def proves(self, installation: Installation, application_token: str) -> bool:
        """Whether this is the installation's application token, compared in constant time (PROTOCOL.md section 3)."""
        known = installation.application_token_hash
        return known is not None and self._secrets.is_hash_of(known, application_token.encode())

    def install(
        self, proof: Proof, tokens: Tokens, *, application_token: str, language: str, app_host: str
    ) -> Installation:
        """Store a proven installation, or what is new of a known one; its activities are to be registered then."""
        with self._database.writing() as session:
            row = session.scalar(select(InstallationRow).where(InstallationRow.member_id == proof.member_id))
            if row is None:
                row = InstallationRow(member_id=proof.member_id, language="en", app_host="", installed_at=now())
                session.add(row)
            elif row.uninstalled_at is not None:
                row.installed_at = now()
            row.domain = proof.domain
            row.client_endpoint = proof.client_endpoint
            row.server_endpoint = f"{self._app.oauth_url}/rest/"
            row.edition = proof.edition
            row.status = proof.status
            row.scope = proof.scope
            row.user_id = proof.user_id
            row.language = language or row.language
            row.app_host = app_host or row.app_host
            row.application_token_hash = self._secrets.hash(application_token.encode())
            row.payment_expired = False
            row.uninstalled_at = None
            row.register_due_at = now()
            row.register_attempts = 0
            row.register_error = None
            self._keep(row, tokens)
            session.flush()
            return _read(row)

    @contextmanager
    def applying(self, installation: Installation) -> Iterator[Lease]:
        """At most one apply in a portal at a time, over all processes.

        Raises PortalUnavailable when another is at it.
        """
        with self._database.writing() as session:
            free = or_(InstallationRow.apply_until.is_(None), InstallationRow.apply_until <= now())
            claimed = session.execute(
                update(InstallationRow)
                .where(InstallationRow.id == installation.id, free)
                .values(apply_until=now() + APPLY_LEASE, apply_claim=InstallationRow.apply_claim + 1)
                .returning(InstallationRow.apply_claim)
            ).scalar()
        if claimed is None:
            raise PortalUnavailable("another apply is at work in this portal; try again in a minute", retry_in=5)
        lease = Lease(self._database, installation.id, claimed)
        try:
            yield lease
        finally:
            lease.release()

    def confirm_host(self, installation: Installation, host: str) -> None:
        """A person says that the app is installed there under this host too."""
        with self._database.writing() as session:
            session.execute(
                update(InstallationRow).where(InstallationRow.id == installation.id).values(confirmed_host=host)
            )

    def want_registration(self, installation: Installation) -> None:
        """Have the activities registered (again), as soon as a worker comes to it."""
        with self._database.writing() as session:
            session.execute(
                update(InstallationRow)
                .where(InstallationRow.id == installation.id, InstallationRow.register_due_at.is_(None))
                .values(register_due_at=now(), register_attempts=0)
            )

    def uninstall(self, installation: Installation, *, clean: bool) -> None:
        """The portal has removed the app: nothing is sent there any more. ``clean`` erases the portal's data, as a
        published app must (PROTOCOL.md section 2)."""
        with self._database.writing() as session:
            session.execute(
                update(InstallationRow)
                .where(InstallationRow.id == installation.id)
                .values(uninstalled_at=now(), access_token=None, refresh_token=None, register_due_at=None)
            )
            session.execute(delete(RegistrationRow).where(RegistrationRow.installation_id == installation.id))
            if clean:
                session.execute(delete(RunRow).where(RunRow.installation_id == installation.id))
                session.execute(delete(CounterRow).where(CounterRow.installation_id == installation.id))

    def paid(self, installation: Installation, *, status: str, expired: bool) -> None:
        with self._database.writing() as session:
            session.execute(
                update(InstallationRow)
                .where(InstallationRow.id == installation.id)
                .values(status=status or installation.status, payment_expired=expired)
            )

    def token(self, installation: Installation, given: Tokens | None = None) -> PortalToken:
        """The token to call this portal with: ``given``, such as a callback's own, while it is fresh, else the stored
        one, which is renewed when it has expired.

        Raises PortalRefused when there is none.
        """
        fresh = given is not None and given.expires_at > now() + dt.timedelta(seconds=10)
        return PortalToken(
            endpoint=installation.client_endpoint,
            tokens=given if given and fresh else self._stored(installation.id),
            app=self._app,
            renew=lambda stale: self._renewed(installation.id, stale),
        )

    def _stored(self, installation_id: int) -> Tokens:
        with self._database.reading() as session:
            row = session.get(InstallationRow, installation_id)
            if row is None or row.access_token is None or row.token_expires_at is None:
                raise PortalRefused("There is no token for this portal: an administrator has to open the app there.")
            return Tokens(
                access=self._secrets.decrypt(row.access_token).decode(),
                refresh=None if row.refresh_token is None else self._secrets.decrypt(row.refresh_token).decode(),
                expires_at=row.token_expires_at,
            )

    def _renewed(self, installation_id: int, stale: str) -> Tokens:
        """Tokens that work in the place of a stale one; one refresh per installation at a time, since each makes the
        tokens of the one before useless (PROTOCOL.md section 4)."""
        with self._renewing[installation_id]:
            stored = self._stored(installation_id)
            if stored.access != stale and stored.expires_at > now():
                return stored
            if not stored.refresh:
                raise PortalRefused("The portal gave no refresh token: an administrator has to open the app there.")
            tokens = self._app.refreshed(stored.refresh)
            with self._database.writing() as session:
                row = session.get(InstallationRow, installation_id)
                if row is not None:
                    self._keep(row, tokens)
            return tokens

    def _keep(self, row: InstallationRow, tokens: Tokens) -> None:
        row.access_token = self._secrets.encrypt(tokens.access.encode())
        row.refresh_token = self._secrets.encrypt(tokens.refresh.encode()) if tokens.refresh else None
        row.token_expires_at = tokens.expires_at
