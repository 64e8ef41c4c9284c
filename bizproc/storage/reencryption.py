"""Encrypts anew, with the newest key, what older keys have encrypted; web and workers may be at work meanwhile."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, select, update
from sqlalchemy.orm import InstrumentedAttribute

from bizproc.secrets import CannotDecrypt, Secrets
from bizproc.storage.database import Database
from bizproc.storage.tables import CheckpointRow, ConnectionRow, DataKeyRow, InstallationRow, RunRow, Table

ENCRYPTED: Mapping[type[Table], Sequence[str]] = {
    DataKeyRow: ("sealed",),
    InstallationRow: ("access_token", "refresh_token"),
    RunRow: ("raw", "result", "trace"),
    CheckpointRow: ("value",),
    ConnectionRow: ("secret",),
}
"""Every column that is encrypted; a test holds that none is missing."""

BATCH = 200
"""Rows: few enough that nobody waits long for the transaction that stores them."""

BUSY_PAUSE_SECONDS = 0.05


@dataclass(frozen=True)
class Reencrypted:
    """How many rows of one table were encrypted anew, and which could not be read.

    what: the table's name; unreadable: their primary keys
    """

    what: str
    anew: int
    unreadable: tuple[int | str, ...]


class Reencryption:
    def __init__(self, database: Database, secrets: Secrets) -> None:
        self._database = database
        self._secrets = secrets

    def run(self) -> Iterator[Reencrypted]:
        """One table after the other, a transaction a batch. What an interrupted run has done need not be done again."""
        for table in ENCRYPTED:
            yield self._table(table)

    def _table(self, table: type[Table]) -> Reencrypted:
        anew = 0
        unreadable: list[int | str] = []
        after: int | str | None = None
        while rows := self._batch(table, after):
            changed, broken = self._changed(rows)
            stored = self._store(table, changed)
            anew += stored
            if stored < len(changed):
                # The others are being changed by somebody else, or were since they were read: look once more.
                time.sleep(BUSY_PAUSE_SECONDS)
                continue
            unreadable += broken
            after = rows[-1][0]
        return Reencrypted(str(table.__tablename__), anew, tuple(unreadable))

    def _batch(self, table: type[Table], after: int | str | None) -> Sequence[Row[Any]]:
        key = _key(table)
        rows = select(*_columns(table)).order_by(key).limit(BATCH)
        with self._database.reading() as session:
            return session.execute(rows if after is None else rows.where(key > after)).all()

    def _changed(self, rows: Sequence[Row[Any]]) -> tuple[dict[Row[Any], list[bytes | None]], list[int | str]]:
        """The rows that hold something under an older key with their new contents, and the keys of the unreadable."""
        changed: dict[Row[Any], list[bytes | None]] = {}
        unreadable = []
        for row in rows:
            contents: list[bytes | None] = list(row[1:])
            for number, content in enumerate(contents):
                if content is None or self._secrets.is_newest(content):
                    continue
                try:
                    contents[number] = self._secrets.reencrypt(content)
                except CannotDecrypt:
                    if row[0] not in unreadable:
                        unreadable.append(row[0])
            if contents != list(row[1:]):
                changed[row] = contents
        return changed, unreadable

    def _store(self, table: type[Table], changed: Mapping[Row[Any], Sequence[bytes | None]]) -> int:
        """Store the new contents of the rows that still are as they were read; how many these are."""
        if not changed:
            return 0
        key = _key(table)
        with self._database.writing() as session:
            # Locks what nobody else has locked (SQLite has the whole database by now). Never to wait for a row while
            # holding others means never to be part of a deadlock.
            unchanged = session.execute(
                select(*_columns(table))
                .where(key.in_([row[0] for row in changed]))
                .with_for_update(key_share=True, skip_locked=True)
            ).all()
            new = [
                dict(zip((key.key, *ENCRYPTED[table]), (row[0], *changed[row]), strict=True))
                for row in unchanged
                if row in changed
            ]
            if new:
                session.execute(update(table), new)
            return len(new)


def _columns(table: type[Table]) -> list[InstrumentedAttribute[Any]]:
    return [_key(table), *(getattr(table, name) for name in ENCRYPTED[table])]


def _key(table: type[Table]) -> InstrumentedAttribute[Any]:
    (column,) = table.__table__.primary_key
    attribute: InstrumentedAttribute[Any] = getattr(table, column.name)
    return attribute
