"""The tables. Migrations lie beside; a test holds that both agree."""

import datetime as dt
from typing import Any, Literal

from sqlalchemy import (
    BigInteger,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Text,
    TypeDecorator,
    UniqueConstraint,
    false,
    text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

Id = BigInteger().with_variant(Integer, "sqlite")

Slashes = Literal["m/d/Y", "d/m/Y"]
"""What slashes in a portal's dates mean, in PHP's letters."""


def now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


class UtcDateTime(TypeDecorator[dt.datetime]):
    """An aware datetime. SQLite keeps no zone, so both sides hold UTC."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: dt.datetime | None, _dialect: Any) -> dt.datetime | None:
        return value and value.astimezone(dt.UTC)

    def process_result_value(self, value: dt.datetime | None, _dialect: Any) -> dt.datetime | None:
        return value and (value.replace(tzinfo=dt.UTC) if value.tzinfo is None else value.astimezone(dt.UTC))


class Table(DeclarativeBase):
    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(column_0_label)s",
            "uq": "uq_%(table_name)s_%(column_0_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {dt.datetime: UtcDateTime, bytes: LargeBinary}  # noqa: RUF012 - SQLAlchemy's declaration


class InstallationRow(Table):
    """This app in one portal.

    access_token, refresh_token: encrypted; of the user who installed the app last
    application_token_hash: keyed, since it is only ever compared
    app_host: under which host the portal opened this app; confirmed_host: another that a person has confirmed
    apply_until, apply_claim: who applies a plan in the portal, one at a time, and how often that was
    refresh_until, refresh_claim: the same for who renews the tokens
    person_needed_since: when the tokens were found to be worth nothing, so that a person has to open the app; null
        while they work. person_needed_why: what the OAuth server said
    slashed_dates: as the last date has told that can be read in one way only; null before
    register_due_at: when the activities are to be registered (again), null when that is done
    """

    __tablename__ = "installations"

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    member_id: Mapped[str] = mapped_column(String(64), unique=True)
    domain: Mapped[str] = mapped_column(String(255))
    client_endpoint: Mapped[str] = mapped_column(String(1000))
    server_endpoint: Mapped[str] = mapped_column(String(1000))
    edition: Mapped[str] = mapped_column(String(8))
    status: Mapped[str] = mapped_column(String(8))
    scope: Mapped[str] = mapped_column(Text)
    language: Mapped[str] = mapped_column(String(8))
    slashed_dates: Mapped[Slashes | None] = mapped_column(String(8))
    app_host: Mapped[str] = mapped_column(String(255))
    confirmed_host: Mapped[str | None] = mapped_column(String(255))
    user_id: Mapped[int] = mapped_column(BigInteger)
    access_token: Mapped[bytes | None]
    refresh_token: Mapped[bytes | None]
    token_expires_at: Mapped[dt.datetime | None]
    application_token_hash: Mapped[bytes | None]
    payment_expired: Mapped[bool]
    installed_at: Mapped[dt.datetime]
    uninstalled_at: Mapped[dt.datetime | None]
    apply_until: Mapped[dt.datetime | None]
    apply_claim: Mapped[int] = mapped_column(Integer, server_default="0")
    refresh_until: Mapped[dt.datetime | None]
    refresh_claim: Mapped[int] = mapped_column(Integer, server_default="0")
    person_needed_since: Mapped[dt.datetime | None]
    person_needed_why: Mapped[str | None] = mapped_column(Text)
    register_due_at: Mapped[dt.datetime | None] = mapped_column(index=True)
    register_attempts: Mapped[int]
    register_error: Mapped[str | None] = mapped_column(Text)


class HistoryRow(Table):
    """What happened to an installation; kept when the portal's data is erased.

    what: ``installed``, ``updated`` (installed once more), ``moved`` (to another domain), ``person needed``,
        ``uninstalled``
    user_id: who did it, 0 where nobody says
    application_token_hash: of the application token that it brought
    """

    __tablename__ = "installation_history"

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    installation_id: Mapped[int] = mapped_column(ForeignKey("installations.id", ondelete="CASCADE"), index=True)
    happened_at: Mapped[dt.datetime]
    what: Mapped[str] = mapped_column(String(16))
    domain: Mapped[str] = mapped_column(String(255))
    user_id: Mapped[int] = mapped_column(BigInteger)
    detail: Mapped[str | None] = mapped_column(Text)
    application_token_hash: Mapped[bytes | None]


class DataKeyRow(Table):
    """A random key of this database, encrypted with the operator's key: it stays the same when that one changes."""

    __tablename__ = "data_keys"

    name: Mapped[str] = mapped_column(String(32), primary_key=True)
    sealed: Mapped[bytes]


class PayloadRow(Table):
    """What portals hold of definitions, once for all portals: the payload of a fingerprint, as JSON."""

    __tablename__ = "payloads"

    fingerprint: Mapped[str] = mapped_column(String(64), primary_key=True)
    fields: Mapped[str] = mapped_column(Text)


class RegistrationRow(Table):
    """One definition as one portal holds it.

    code: with the prefix; prefix: of the developer who registered it, empty in production
    fingerprint: of the payload that the portal last accepted; whether it still holds that, nobody knows while the
        action is ``sending`` or ``refused``
    refused_fingerprint: of the payload that it refused, until something is sent again
    action: ``sending``, then ``added``, ``updated``, ``replaced`` or ``refused``, then with the portal's words in error
    """

    __tablename__ = "registrations"
    __table_args__ = (UniqueConstraint("installation_id", "code"),)

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    installation_id: Mapped[int] = mapped_column(ForeignKey("installations.id", ondelete="CASCADE"))
    code: Mapped[str] = mapped_column(String(128))
    prefix: Mapped[str] = mapped_column(String(64), server_default="")
    fingerprint: Mapped[str | None] = mapped_column(ForeignKey("payloads.fingerprint"))
    refused_fingerprint: Mapped[str | None] = mapped_column(String(64))
    kind: Mapped[str] = mapped_column(String(8))
    action: Mapped[str] = mapped_column(String(8))
    error: Mapped[str | None] = mapped_column(Text)
    sent_at: Mapped[dt.datetime]


_CLOSED = text("state = 'closed'")
FAILED = text("outcome IN ('failed', 'dead')")


class RunRow(Table):
    """One callback's life.

    raw: the callback as it came, encrypted
    state: ``received``, ``running``, ``answering``, ``closed``; ``waiting`` for a person, ``deferred`` by its function
    outcome: ``succeeded``, ``failed``, or ``dead`` when all tries failed; null before. error: why, for a person
    attempts: how often the function has failed and is tried again
    workflow_hash: of its process, keyed; known once a worker has read the callback
    sending: its answer is on its way, while ``due_at`` lasts
    result: the answer, encrypted JSON; stored before it is sent
    trace: the stack trace of an unforeseen error, encrypted
    due_at: before this nobody may claim the run: a lease while somebody works on it, a pause after a failed answer
    handed_at: when it was last given to the queue
    claim: counts the claims, so that who lost its lease cannot store anything any more
    changed_at: when the row was last changed, whatever changed it: once the run is closed, since when it is
    """

    __tablename__ = "runs"
    __table_args__ = (
        UniqueConstraint("installation_id", "event_hash"),
        Index("ix_runs_state_due_at", "state", "due_at"),
        Index("ix_runs_installation_id_workflow_hash", "installation_id", "workflow_hash"),
        Index("ix_runs_outcome_changed_at", "outcome", "changed_at", sqlite_where=_CLOSED, postgresql_where=_CLOSED),
        Index("ix_runs_received_at", "received_at"),
        Index("ix_runs_installation_id_received_at", "installation_id", "received_at"),
        Index("ix_runs_installation_id_code_received_at", "installation_id", "code", "received_at"),
        Index("ix_runs_code_received_at", "code", "received_at"),
        Index("ix_runs_outcome_received_at", "outcome", "received_at", sqlite_where=FAILED, postgresql_where=FAILED),
    )

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    installation_id: Mapped[int] = mapped_column(ForeignKey("installations.id", ondelete="CASCADE"))
    event_hash: Mapped[bytes]
    code: Mapped[str] = mapped_column(String(255))
    raw: Mapped[bytes]
    state: Mapped[str] = mapped_column(String(16))
    outcome: Mapped[str | None] = mapped_column(String(16))
    error: Mapped[str | None] = mapped_column(Text)
    result: Mapped[bytes | None]
    trace: Mapped[bytes | None]
    due_at: Mapped[dt.datetime]
    handed_at: Mapped[dt.datetime]
    claim: Mapped[int] = mapped_column(Integer)
    answer_attempts: Mapped[int] = mapped_column(Integer)
    attempts: Mapped[int] = mapped_column(Integer, server_default="0")
    workflow_hash: Mapped[bytes | None]
    sending: Mapped[bool] = mapped_column(server_default=false())
    received_at: Mapped[dt.datetime]
    started_at: Mapped[dt.datetime | None]
    finished_at: Mapped[dt.datetime | None]
    answered_at: Mapped[dt.datetime | None]
    changed_at: Mapped[dt.datetime | None] = mapped_column(onupdate=now)


class CheckpointRow(Table):
    """What one step of a run's function gave, as encrypted JSON: when the run is repeated, the step is not."""

    __tablename__ = "checkpoints"
    __table_args__ = (UniqueConstraint("run_id", "name"),)

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    run_id: Mapped[int] = mapped_column(ForeignKey("runs.id", ondelete="CASCADE"))
    name: Mapped[str] = mapped_column(String(255))
    value: Mapped[bytes]


class CounterRow(Table):
    """The last number given by one portal's counter."""

    __tablename__ = "counters"

    installation_id: Mapped[int] = mapped_column(ForeignKey("installations.id", ondelete="CASCADE"), primary_key=True)
    name: Mapped[str] = mapped_column(String(255), primary_key=True)
    last: Mapped[int] = mapped_column(BigInteger)


class CounterNumberRow(Table):
    """The number that one run got, so that it gets the same when it is repeated."""

    __tablename__ = "counter_numbers"

    run_id: Mapped[int] = mapped_column(ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True)
    name: Mapped[str] = mapped_column(String(255), primary_key=True)
    number: Mapped[int] = mapped_column(BigInteger)


class ConnectionRow(Table):
    """A portal's access to another system.

    system: its code; secret: encrypted, such as an API token
    """

    __tablename__ = "connections"
    __table_args__ = (UniqueConstraint("installation_id", "system", "name"),)

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    installation_id: Mapped[int] = mapped_column(ForeignKey("installations.id", ondelete="CASCADE"))
    system: Mapped[str] = mapped_column(String(64))
    name: Mapped[str] = mapped_column(String(100))
    base_url: Mapped[str] = mapped_column(String(1000))
    secret: Mapped[bytes]
    stored_at: Mapped[dt.datetime]


class ChoreRow(Table):
    """What is done from time to time, by one process of all.

    due_at: before this nobody does it
    """

    __tablename__ = "chores"

    name: Mapped[str] = mapped_column(String(32), primary_key=True)
    due_at: Mapped[dt.datetime]
