"""The portals in which this app is installed, and the tokens with which they are called."""

import datetime as dt
import logging
import threading
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import ColumnElement, Connection, bindparam, case, delete, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from bizproc.portal.b24 import AdministratorNeeded, PortalApp, PortalRefused, PortalToken, PortalUnavailable, Tokens
from bizproc.portal.connections import hostname
from bizproc.portal.leases import Keeper
from bizproc.portal.proof import Proof, check
from bizproc.portal.renewal import Renewal
from bizproc.portal.visitor import Visitor
from bizproc.secrets import Secrets
from bizproc.storage.data_keys import KeyedHashes
from bizproc.storage.database import Database
from bizproc.storage.group_commit import GroupCommit
from bizproc.storage.tables import (
    ConnectionRow,
    CounterRow,
    HistoryRow,
    InstallationRow,
    RegistrationRow,
    RunRow,
    Slashes,
    now,
)

logger = logging.getLogger(__name__)

APPLY_LEASE = dt.timedelta(seconds=20)
KNOWN_SECONDS = 5
"""For so long a sender who was proven is believed by the same token without another look at the database, though
another process may have heard of an uninstall meanwhile."""
PATIENCE_SECONDS = 10
REMOVED = "The app has been removed from the portal."


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
    slashed_dates: Slashes | None
    app_host: str
    confirmed_host: str | None
    user_id: int
    payment_expired: bool
    installed_at: dt.datetime
    uninstalled_at: dt.datetime | None
    person_needed_since: dt.datetime | None
    person_needed_why: str | None
    register_due_at: dt.datetime | None
    register_attempts: int
    register_error: str | None
    application_token_hash: bytes | None
    access_token: bytes | None = field(repr=False)
    refresh_token: bytes | None = field(repr=False)
    token_expires_at: dt.datetime | None

    @property
    def active(self) -> bool:
        return self.uninstalled_at is None


@dataclass(frozen=True)
class Event:
    """Something that happened to an installation. ``user_id``: of the portal's user who did it, 0 where nobody says."""

    happened_at: dt.datetime
    what: str
    domain: str
    user_id: int
    detail: str | None


_FIELDS = tuple(Installation.__dataclass_fields__)


_table: Any = InstallationRow.__table__
_SOME = select(*(_table.c[name] for name in _FIELDS)).where(_table.c.id.in_(bindparam("ids", expanding=True)))


def read(connection: Connection, ids: Collection[int]) -> dict[int, Installation]:
    """Installations by their ids, as this transaction sees them; without those that are gone."""
    found = (Installation(*row) for row in connection.execute(_SOME, {"ids": ids}))
    return {installation.id: installation for installation in found}


def _read(row: InstallationRow) -> Installation:
    return Installation(**{name: getattr(row, name) for name in _FIELDS})


class Lease:
    """The right to apply a plan in one portal. It is prolonged as long as the process of whoever has it lives."""

    def __init__(self, database: Database, installation_id: int, claim: int) -> None:
        self.installation_id = installation_id
        self._database = database
        self._claim = claim
        self._keeper = Keeper(lambda: self._set(apply_until=now() + APPLY_LEASE), APPLY_LEASE)

    def hold(self, session: Session) -> None:
        """Let nobody take it before this transaction ends. Raises PortalUnavailable when somebody else has it by
        now."""
        own = select(InstallationRow.id).where(*self._own).with_for_update()
        if session.scalar(own) is None:
            raise PortalUnavailable("another apply has taken over in this portal; this one has stopped")

    def succeeded(self) -> None:
        """The portal is in step: whatever was wrong before no longer is."""
        self._set(register_error=None, register_attempts=0)

    def end(self) -> None:
        self._keeper.end()
        self._set(apply_until=None)

    @property
    def _own(self) -> tuple[ColumnElement[bool], ...]:
        return InstallationRow.id == self.installation_id, InstallationRow.apply_claim == self._claim

    def _set(self, **values: Any) -> None:
        with self._database.writing() as session:
            session.execute(update(InstallationRow).where(*self._own).values(**values))


class Installations:
    def __init__(self, database: Database, secrets: Secrets, hashes: KeyedHashes, app: PortalApp) -> None:
        self._database = database
        self._secrets = secrets
        self._hashes = hashes
        self._app = app
        self._renewal = Renewal(database, secrets, app)
        self._find_at_once = GroupCommit(self._find_all, patience_seconds=PATIENCE_SECONDS)
        self._known: dict[str, tuple[float, Installation]] = {}
        self._known_since: object = None
        self._known_lock = threading.Lock()

    def find(self, member_id: str) -> Installation | None:
        with self._database.reading() as session:
            row = session.scalar(select(InstallationRow).where(InstallationRow.member_id == member_id))
            return None if row is None else _read(row)

    def get(self, installation_id: int) -> Installation | None:
        with self._database.reads.connect() as connection:
            return read(connection, [installation_id]).get(installation_id)

    def of_domain(self, domain: str) -> Installation | None:
        """The installation that is active in the portal of this domain."""
        active = InstallationRow.uninstalled_at.is_(None)
        wanted = select(InstallationRow).where(InstallationRow.domain == domain, active)
        with self._database.reading() as session:
            row = session.scalar(wanted.order_by(InstallationRow.id.desc()))
            return None if row is None else _read(row)

    def history(self, installation: Installation) -> list[Event]:
        """What happened to it, the oldest first."""
        with self._database.reading() as session:
            rows = session.scalars(
                select(HistoryRow).where(HistoryRow.installation_id == installation.id).order_by(HistoryRow.id)
            )
            return [Event(row.happened_at, row.what, row.domain, row.user_id, row.detail) for row in rows]

    def all(self) -> Iterator[Installation]:
        """Ordered by domain."""
        with self._database.reading() as session:
            for row in session.scalars(select(InstallationRow).order_by(InstallationRow.domain)):
                yield _read(row)

    def proves(self, installation: Installation, application_token: str) -> bool:
        """Whether this is the installation's application token, compared in constant time (PROTOCOL.md section 3)."""
        known = installation.application_token_hash
        return known is not None and self._hashes.is_hash_of(known, application_token.encode())

    def claimed(self, member_id: str, application_token: str) -> Installation | None:
        """The installation of a member id, as ``find`` does, but from memory where this application token has proved it
        within the last KNOWN_SECONDS. Threads that ask at once share a query.

        Raises TookTooLong when the database does not answer.
        """
        since = self._known_since
        known = self.remembered(member_id, application_token, KNOWN_SECONDS)
        if known is not None:
            return known
        found = self._find_at_once(member_id)
        if found is not None and found.active and self.proves(found, application_token):
            with self._known_lock:
                if self._known_since is since:
                    self._known[member_id] = (time.monotonic(), found)
        return found

    def _find_all(self, member_ids: Sequence[str]) -> list[Installation | Exception | None]:
        with self._database.reading() as session:
            rows = session.scalars(select(InstallationRow).where(InstallationRow.member_id.in_(set(member_ids))))
            found = {row.member_id: _read(row) for row in rows}
        return [found.get(member_id) for member_id in member_ids]

    def remembered(self, member_id: str, application_token: str, seconds: float) -> Installation | None:
        """The installation that this application token has proved within so many seconds, without a query."""
        read_at, installation = self._known.get(member_id, (0.0, None))
        if installation is None or time.monotonic() - read_at > seconds:
            return None
        return installation if self.proves(installation, application_token) else None

    def _forget(self, member_id: str) -> None:
        with self._known_lock:
            # Who is reading the old row at this moment must not remember it.
            self._known_since = object()
            self._known.pop(member_id, None)

    def install(
        self, visitor: Visitor, *, application_token: str, language: str, app_host: str, by_event: bool = False
    ) -> Installation:
        """Store an installation, or what is new of a known one; its activities are to be registered then.

        A portal that is known changes its application token only for an administrator, and what an employee brings
        never takes the place of an administrator's tokens.

        by_event: it came by an event, which can be late, or sent again by whoever has seen it. So it does not bring
            back an application token that another has replaced

        Raises AdministratorNeeded, and PortalRefused for a late event.
        """
        token_hash = self._hashes.hash(application_token.encode())
        try:
            with self._database.writing() as session:
                return self._install(session, visitor, token_hash, language, app_host, by_event)
        except IntegrityError:
            # The install page and ONAPPINSTALL came at once, and the other was first.
            with self._database.writing() as session:
                return self._install(session, visitor, token_hash, language, app_host, by_event)
        finally:
            self._forget(visitor.proof.member_id)

    def _install(
        self, session: Session, visitor: Visitor, token_hash: bytes, language: str, app_host: str, by_event: bool
    ) -> Installation:
        proof = visitor.proof
        row = session.scalar(
            select(InstallationRow).where(InstallationRow.member_id == proof.member_id).with_for_update()
        )
        new = row is None or row.uninstalled_at is not None
        if row is None:
            row = InstallationRow(member_id=proof.member_id, language="en", app_host="")
            session.add(row)
        same_secret = row.application_token_hash == token_hash
        if by_event and not new and not same_secret and self._had(session, row.id, token_hash):
            raise PortalRefused("its application token is an older one")
        refused = visitor.administrator is False if new else not (visitor.administrator or same_secret)
        if refused:
            raise AdministratorNeeded(
                "only an administrator of the portal can install the app, and the portal does not say that"
                f" user {proof.user_id} is one"
            )
        if new:
            row.installed_at, row.confirmed_host = now(), None
        detail = None if new or same_secret else "with another application token"
        notable = new or detail or proof.domain != row.domain or proof.user_id != row.user_id
        row.domain = proof.domain
        row.client_endpoint = proof.client_endpoint
        row.server_endpoint = f"{self._app.oauth_url}/rest/"
        row.edition = proof.edition
        row.status = proof.status
        row.scope = proof.scope
        row.language = language or row.language
        row.app_host = app_host[:255] or row.app_host
        row.application_token_hash = token_hash
        row.payment_expired = False
        row.uninstalled_at = None
        row.register_due_at = now()
        row.register_attempts = 0
        row.register_error = None
        if new or visitor.administrator:
            row.user_id = proof.user_id
            self._take(session, row, visitor.tokens)
        session.flush()
        if notable:
            what = "installed" if new else "updated"
            brought = {"user_id": proof.user_id, "detail": detail, "application_token_hash": token_hash}
            self._note(session, row, what, **brought)
        return _read(row)

    def _had(self, session: Session, installation_id: int, token_hash: bytes) -> bool:
        brought = select(HistoryRow.id).where(
            HistoryRow.installation_id == installation_id, HistoryRow.application_token_hash == token_hash
        )
        return session.scalar(brought.limit(1)) is not None

    def opened(self, installation: Installation, visitor: Visitor, *, app_host: str) -> None:
        """Somebody has opened the app. What an administrator brings is kept: the tokens, which are the ones that live
        longest now, and the host under which the portal opens the app. Whatever waited for a person goes on. Anybody
        brings a proof of where the portal is now."""
        with self._database.writing() as session:
            row = session.get_one(InstallationRow, installation.id, with_for_update=True)
            self._move(session, row, visitor.proof)
            if visitor.administrator and row.uninstalled_at is None:
                row.user_id = visitor.proof.user_id
                row.app_host = app_host[:255]
                self._take(session, row, visitor.tokens)

    def _take(self, session: Session, row: InstallationRow, tokens: Tokens) -> None:
        if row.person_needed_since is not None:
            row.register_due_at = now()
        self._renewal.keep(row, tokens)
        session.flush()
        session.execute(
            update(RunRow)
            .where(RunRow.installation_id == row.id, RunRow.state == "waiting")
            .values(state=case((RunRow.outcome.is_(None), "received"), else_="answering"), due_at=now())
        )

    def _note(self, session: Session, row: InstallationRow, what: str, **more: Any) -> None:
        session.add(
            HistoryRow(**{"user_id": 0} | more, installation_id=row.id, happened_at=now(), what=what, domain=row.domain)
        )

    def moved(self, installation: Installation, access_token: str, address: str) -> Installation:
        """Store where the portal is now: an address that the OAuth server confirms for its member id.

        address: where its old address leads, or what a callback of it names

        Raises SdkError when the OAuth server refuses the access token or cannot be asked, PortalRefused when it knows
        the portal under another address.
        """
        proof = check(self._app, access_token, member_id=installation.member_id, endpoint=address)
        with self._database.writing() as session:
            row = session.get_one(InstallationRow, installation.id, with_for_update=True)
            self._move(session, row, proof)
            session.flush()
            return _read(row)

    def _move(self, session: Session, row: InstallationRow, proof: Proof) -> None:
        if row.client_endpoint != proof.client_endpoint:
            before = row.domain
            row.domain, row.client_endpoint, row.edition = proof.domain, proof.client_endpoint, proof.edition
            self._note(session, row, "moved", detail=f"from {before}")

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
            raise PortalUnavailable(
                "another apply is at work in this portal. Try again when it has ended; one that was killed gives way"
                f" after {APPLY_LEASE.total_seconds():.0f} seconds.",
                retry_in=1,
            )
        lease = Lease(self._database, installation.id, claimed)
        try:
            yield lease
        finally:
            lease.end()

    def confirm_host(self, installation: Installation, host: str) -> None:
        """A person says that the app is installed there under this host too."""
        with self._database.writing() as session:
            session.execute(
                update(InstallationRow).where(InstallationRow.id == installation.id).values(confirmed_host=host)
            )

    def dates_seen(self, installation: Installation, slashed_dates: Slashes) -> None:
        """A callback has told what slashes in a date mean there. No method of a portal does, and its administrator can
        change it."""
        with self._database.writing() as session:
            session.execute(
                update(InstallationRow).where(InstallationRow.id == installation.id).values(slashed_dates=slashed_dates)
            )
        logger.info("%s: dates with slashes are %s there", installation.domain, slashed_dates)

    def want_registration(self, installation: Installation) -> None:
        """Have the activities registered (again), as soon as a worker comes to it."""
        with self._database.writing() as session:
            session.execute(
                update(InstallationRow)
                .where(InstallationRow.id == installation.id, InstallationRow.register_due_at.is_(None))
                .values(register_due_at=now(), register_attempts=0)
            )

    def uninstall(self, installation: Installation, *, clean: bool) -> None:
        """The portal has removed the app: its open runs end, and nothing is sent there any more. ``clean`` erases the
        portal's data, as a published app must (PROTOCOL.md section 2). What stays is that it was installed."""
        with self._database.writing() as session:
            row = session.get_one(InstallationRow, installation.id, with_for_update=True)
            row.uninstalled_at = now()
            row.access_token = row.refresh_token = row.token_expires_at = row.application_token_hash = None
            row.person_needed_since = row.person_needed_why = None
            row.register_due_at = row.register_error = row.slashed_dates = None
            self._note(session, row, "uninstalled", detail="data erased" if clean else None)
            session.execute(delete(RegistrationRow).where(RegistrationRow.installation_id == row.id))
            of_portal = RunRow.installation_id == row.id
            if clean:
                session.execute(delete(RunRow).where(of_portal))
                session.execute(delete(CounterRow).where(CounterRow.installation_id == row.id))
                session.execute(delete(ConnectionRow).where(ConnectionRow.installation_id == row.id))
            else:
                # Its claim is taken from whoever works on it.
                ended = {"state": "closed", "outcome": "failed", "error": REMOVED, "claim": RunRow.claim + 1}
                session.execute(update(RunRow).where(of_portal, RunRow.state != "closed").values(**ended))
        self._forget(installation.member_id)

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

        Raises PersonNeeded when there is none that works.
        """
        fresh = given is not None and given.expires_at > now() + dt.timedelta(seconds=10)
        return PortalToken(
            endpoint=installation.client_endpoint,
            tokens=given if given and fresh else self._renewal.held(installation),
            app=self._app,
            renew=lambda stale: self._renewal.renewed(installation.id, stale),
            follow=lambda access, address: self._followed(installation, access, address),
        )

    def _followed(self, installation: Installation, access_token: str, address: str) -> str:
        try:
            return self.moved(installation, access_token, address).client_endpoint
        except PortalRefused as refused:
            # The OAuth server may hear of a rename later than the portal's visitors do.
            where = f"{installation.domain} leads on to {hostname(address) or 'no address'}"
            raise PortalUnavailable(f"{where}. Nothing was sent there: {refused}") from None
