"""Where a callback is made safe before 2xx goes out: in the database, or in the spool while the database is away."""

import datetime as dt
import logging
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.exc import DataError, IntegrityError, SQLAlchemyError

from bizproc.metrics import CALLBACKS
from bizproc.portal.installations import Installation, Installations
from bizproc.runs.callback import Sender, essentials, sender, text
from bizproc.runs.spool import Spool, Spooled, SpoolFailed
from bizproc.runs.turns import Turn
from bizproc.secrets import Secrets
from bizproc.storage.data_keys import KeyedHashes
from bizproc.storage.database import Database
from bizproc.storage.group_commit import GroupCommit, TookTooLong
from bizproc.storage.tables import RunRow, now

logger = logging.getLogger(__name__)

INSERT_SECONDS = 5
"""A PostgreSQL server that takes longer counts as away."""
PATIENCE_SECONDS = 10
DRAIN_SECONDS = 1
SWEPT = dt.timedelta(seconds=1)
"""A run that was handed over before it was due counts as not handed over at all."""

Row = dict[str, Any]


class Inbox:
    """Takes callbacks in.

    send: hands stored runs to the queue
    """

    def __init__(
        self,
        database: Database,
        secrets: Secrets,
        hashes: KeyedHashes,
        installations: Installations,
        spool: Spool,
        send: Callable[[Sequence[Turn]], object],
    ) -> None:
        self._database = database
        self._secrets = secrets
        self._hashes = hashes
        self._installations = installations
        self._spool = spool
        self._send = send
        self._new = (
            database.insert(RunRow)
            .on_conflict_do_nothing(index_elements=["installation_id", "event_hash"])
            .returning(RunRow.id, RunRow.installation_id, RunRow.event_hash)
        )
        self._insert = GroupCommit(self._stored_and_sent, patience_seconds=PATIENCE_SECONDS)
        self._away = threading.Event()
        """Known to be away: so nobody waits for the database only to hear it once more."""
        self._stopping = threading.Event()
        self._drainer: threading.Thread | None = None
        self._lock = threading.Lock()

    def accept(
        self, code: str, raw: bytes, claimed: Sender, event_token: str, prove: Callable[[], Installation]
    ) -> None:
        """Make a callback safe, once: the same event token again is no other callback.

        prove: gives the installation of a sender who is proven, asking the database if it has to

        Raises SpoolFailed when neither the database nor the spool can take it, and what ``prove`` raises.
        """
        # Who brings nothing to be proven by is refused without the database.
        if not self._away.is_set() or not claimed.member_id or not claimed.application_token:
            domain = ""
            try:
                installation = prove()
                domain = installation.domain
                run_id = self.store(installation.id, code, event_token, raw)
            except (IntegrityError, DataError):
                CALLBACKS.labels(domain, "lost").inc()
                raise  # the database is there, and refuses this row
            except (SQLAlchemyError, TookTooLong) as error:
                self._lost(error)
            else:
                CALLBACKS.labels(domain, "repeated" if run_id is None else "accepted").inc()
                return
        known = self._installations.remembered(claimed.member_id, claimed.application_token, float("inf"))
        domain = known.domain if known else ""
        try:
            self._spool.add(Spooled(code, raw, time.time(), known.id if known else None))
        except SpoolFailed:
            CALLBACKS.labels(domain, "lost").inc()
            raise
        CALLBACKS.labels(domain, "spooled").inc()
        self.start()

    def store(self, installation_id: int, code: str, event_token: str, raw: bytes) -> int | None:
        """Store a proven callback and hand its run over; durable when this returns. The run's id, or None when the
        event token came before.

        A callback without an event token is told apart by its whole text.

        Raises SQLAlchemyError, TookTooLong.
        """
        return self._insert(self._row(installation_id, code, event_token, raw, now()))

    def leave(self, installation_id: int, code: str, event_token: str, raw: bytes) -> int | None:
        """Store a proven callback as ``store`` does, for the app that is at work elsewhere: its sweep hands the run
        over, within seconds."""
        row = self._row(installation_id, code, event_token, raw, now())
        (run_id,) = self._together([row | {"handed_at": row["due_at"] - SWEPT}])
        return run_id

    def spooled_bytes(self) -> int:
        return self._spool.size()

    def start(self) -> None:
        """Bring what is in the spool into the database from now on, in a thread. Called after a server's fork, since
        threads do not survive one."""
        with self._lock:
            if self._drainer is None and not self._stopping.is_set():
                self._drainer = threading.Thread(target=self._drain_on, name="spool", daemon=True)
                self._drainer.start()

    def stop(self) -> None:
        """What is in the spool then waits for the next start."""
        with self._lock:
            self._stopping.set()
        if self._drainer is not None:
            self._drainer.join(PATIENCE_SECONDS)

    def _row(self, installation_id: int, code: str, event_token: str, raw: bytes, arrived: dt.datetime) -> Row:
        return {
            "installation_id": installation_id,
            "event_hash": self._hashes.hash(event_token.encode() or raw),
            "code": _storable(code),
            "raw": self._secrets.encrypt(raw),
            "state": "received",
            "due_at": arrived,
            "handed_at": now(),
            "claim": 0,
            "answer_attempts": 0,
            "received_at": arrived,
        }

    def _stored_and_sent(self, rows: Sequence[Row]) -> list[int | Exception | None]:
        outcomes = self._stored(rows)
        new = [(run_id, row) for run_id, row in zip(outcomes, rows, strict=True) if isinstance(run_id, int)]
        self._send([Turn(run_id, row["installation_id"], row["code"]) for run_id, row in new])
        return outcomes

    def _stored(self, rows: Sequence[Row]) -> list[int | Exception | None]:
        """One transaction for all; where one row spoils it, one for each."""
        try:
            return list(self._together(rows))
        except (IntegrityError, DataError) as error:
            return [error] if len(rows) == 1 else [self._stored([row])[0] for row in rows]

    def _together(self, rows: Sequence[Row]) -> list[int | None]:
        # Two processes that insert the same event tokens wait for each other, so both do it in the same order.
        ordered = sorted(rows, key=_identity)
        with self._database.transaction() as connection:
            if not self._database.is_sqlite:
                connection.exec_driver_sql(f"SET LOCAL statement_timeout = {INSERT_SECONDS * 1000}")
            inserted = connection.execute(self._new, ordered)
            ids = {(installation_id, event_hash): run_id for run_id, installation_id, event_hash in inserted}
        return [ids.pop(_identity(row), None) for row in rows]

    def _lost(self, error: Exception) -> None:
        if not self._away.is_set():
            self._away.set()
            why = type(getattr(error, "orig", None) or error).__name__
            logger.error("the database cannot take callbacks (%s): the spool takes them", why)

    def _drain_on(self) -> None:
        told = ""
        while True:
            try:
                self._drain()
                told = ""
            except Exception as error:  # nobody else empties the spool
                why = type(getattr(error, "orig", None) or error).__name__
                if why != told:
                    logger.warning("the spool cannot be emptied: %s", why)
                told = why
            if self._stopping.wait(DRAIN_SECONDS):
                return

    def _drain(self) -> None:
        if self._away.is_set():
            with self._database.writing() as session:
                session.execute(select(1))
            self._away.clear()
            logger.info("the database answers again")
        self._spool.drain(self._drained)

    def _drained(self, callbacks: Sequence[Spooled]) -> int:
        """Store callbacks from the spool; how many of them the database refuses."""
        rows = []
        for callback in callbacks:
            fields = essentials(callback.raw)
            installation = self._proven(callback, sender(fields))
            if installation is None:
                CALLBACKS.labels("", "dropped").inc()
                logger.warning(
                    "a callback in the spool is dropped: its sender is not proven (member id %.64r)",
                    sender(fields).member_id,
                )
                continue
            arrived = dt.datetime.fromtimestamp(callback.received_at, dt.UTC)
            token = text(fields, "event_token")
            rows.append(self._row(installation.id, callback.code, token, callback.raw, arrived))
        outcomes = self._stored_and_sent(rows) if rows else []
        return sum(isinstance(outcome, Exception) for outcome in outcomes)

    def _proven(self, callback: Spooled, claimed: Sender) -> Installation | None:
        """The installation, unless the app has been removed there meanwhile."""
        if callback.installation_id is not None:
            installation = self._installations.get(callback.installation_id)
        else:
            installation = self._installations.claimed(claimed.member_id, claimed.application_token)
            if installation and not self._installations.proves(installation, claimed.application_token):
                return None
        return installation if installation and installation.active else None


def _storable(code: str) -> str:
    return code.replace("\0", "\ufffd")[:255]


def _identity(row: Row) -> tuple[int, bytes]:
    return row["installation_id"], row["event_hash"]
