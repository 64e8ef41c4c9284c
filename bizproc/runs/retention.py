"""Deletes what closed runs leave behind once it has been kept long enough. An open run is never touched."""

import datetime as dt
import logging
import time
from collections.abc import Sequence

from sqlalchemy import delete, select, update

from bizproc.files import FileStore
from bizproc.storage.database import Database
from bizproc.storage.tables import ChoreRow, InstallationRow, RunRow, now

logger = logging.getLogger(__name__)

EVERY = dt.timedelta(hours=1)
BATCH = 500
"""Runs: few enough that nobody waits long for the transaction that deletes them."""
LONGEST_SECONDS = 5
"""For the files of a batch, since the sweep renews leases too."""


class Retention:
    """Keeps runs for so many days after they were closed, by their outcome."""

    def __init__(
        self, database: Database, files: FileStore, *, keep_succeeded_days: int, keep_failed_days: int
    ) -> None:
        self._database = database
        self._files = files
        self._kept = {
            "succeeded": dt.timedelta(days=keep_succeeded_days),
            "failed": dt.timedelta(days=keep_failed_days),
            "dead": dt.timedelta(days=keep_failed_days),
        }
        self._next = 0.0

    def sweep(self) -> None:
        """Delete a batch where it is time for it: once an hour over all processes, and in the next sweeps until
        nothing is left to delete. Costs nothing in between."""
        if time.monotonic() < self._next:
            return
        self._next = time.monotonic() + EVERY.total_seconds() / 60
        if not self._is_ours():
            return
        for outcome, kept in self._kept.items():
            if self._delete(outcome, now() - kept):
                self._go_on()
                return

    def _is_ours(self) -> bool:
        """Whoever dies at it is followed by another an hour later."""
        moment = now()
        with self._database.writing() as session:
            claimed = session.execute(
                update(ChoreRow)
                .where(ChoreRow.name == "retention", ChoreRow.due_at <= moment)
                .values(due_at=moment + EVERY)
                .returning(ChoreRow.name)
            )
            return claimed.scalar() is not None

    def _go_on(self) -> None:
        with self._database.writing() as session:
            session.execute(update(ChoreRow).where(ChoreRow.name == "retention").values(due_at=now()))
        self._next = 0.0

    def _delete(self, outcome: str, before: dt.datetime) -> bool:
        """Whether there may be more."""
        old = (RunRow.state == "closed", RunRow.outcome == outcome, RunRow.changed_at <= before)
        with self._database.reading() as session:
            wanted = select(RunRow.id, InstallationRow.member_id).join(InstallationRow).where(*old)
            rows = session.execute(wanted.order_by(RunRow.changed_at).limit(BATCH))
            found = [(run_id, member_id) for run_id, member_id in rows]
        erased = self._without_files(found)
        if erased:
            with self._database.writing() as session:
                # Not those that were begun anew meanwhile.
                session.execute(delete(RunRow).where(RunRow.id.in_(erased), *old))
            logger.info("%d runs that %s have been kept long enough, and are deleted", len(erased), outcome)
        return bool(erased) and len(found) == BATCH

    def _without_files(self, found: Sequence[tuple[int, str]]) -> list[int]:
        """The runs whose files are gone now. The rows of others stay, else nobody would know of their files."""
        erased: list[int] = []
        failed: dict[int, str] = {}
        until = time.monotonic() + LONGEST_SECONDS
        for run_id, member_id in found:
            try:
                self._files.erase_run(member_id, run_id)
                erased.append(run_id)
            except OSError as error:
                failed[run_id] = type(error).__name__
            if time.monotonic() > until:
                break
        if failed:
            run_id, why = failed.popitem()
            logger.warning(
                "run %d, and %d others: the files cannot be erased (%s), so these runs are kept: check FILES_URL",
                run_id,
                len(failed),
                why,
            )
        return erased
