"""What workers do: run what they are handed, and look every other second for what was left behind."""

import datetime as dt
import logging
import threading
import time
from collections.abc import Callable

from sqlalchemy import select, update
from sqlalchemy.exc import SQLAlchemyError
from structlog import contextvars

from bizproc.errors import BizprocError
from bizproc.portal.b24 import PortalRefused, PortalUnavailable, SdkError, described
from bizproc.portal.installations import Installations
from bizproc.registration.registration import Registration
from bizproc.runs.execution import Execution
from bizproc.runs.pauses import growing
from bizproc.runs.queue import THREADS, Queue
from bizproc.runs.retention import Retention
from bizproc.runs.runs import Runs
from bizproc.runs.turns import Turn
from bizproc.storage.database import Database
from bizproc.storage.tables import InstallationRow, now

logger = logging.getLogger(__name__)

SWEEP_SECONDS = 2
MOST_STUCK = THREADS // 4
"""One function that hangs is an accident, and costs a thread; more are a habit, and each may take a processor or hold
what others need."""
CALM_SECONDS = 10
"""After the database was away, for every worker to find it again and renew its leases before they are taken for dead.
"""
REGISTER_LEASE = dt.timedelta(minutes=2)


class AppWorker:
    """The worker of this app.

    embedded: the queue is in memory, so it begins empty. If no other process has the database too, all that a former
        life of this one had begun is free
    """

    def __init__(
        self,
        database: Database,
        runs: Runs,
        execution: Execution,
        installations: Installations,
        registration: Registration,
        queue: Queue,
        retention: Retention,
        *,
        embedded: bool,
    ) -> None:
        self._database = database
        self._runs = runs
        self._execution = execution
        self._installations = installations
        self._registration = registration
        self._queue = queue
        self._retention = retention
        self._embedded = embedded
        self._alone = False
        self._leaving = threading.Event()
        self._calm_at = 0.0
        self._stopping = threading.Event()
        self._sweeper: threading.Thread | None = None
        self.replace: Callable[[], object] | None = None
        """Ends this process gracefully and has another take its place; None where nobody can."""
        self._worn_out = False

    def run(self, turn: Turn) -> None:
        self._execution.work(turn)

    def register(self, installation_id: int) -> None:
        """Register the activities of an installation that is due; a failure that may pass is tried again later."""
        lease = self._claim_registration(installation_id)
        if lease is None:
            return
        installation = self._installations.get(installation_id)
        if installation is None or not installation.active:
            return
        contextvars.clear_contextvars()
        contextvars.bind_contextvars(portal=installation.domain)
        error: str | None = None
        due: dt.datetime | None = None
        pause = growing(installation.register_attempts)
        try:
            token = self._installations.token(installation)
            self._registration.apply(installation, token, repeat_refused=False)
        except PortalRefused as refused:
            error = described(refused)
        except Exception as failed:  # whatever a portal answers, the registration is told and tried again
            if isinstance(failed, (SdkError, BizprocError)):
                error = described(failed)
            else:
                error = f"an unforeseen error: {type(failed).__name__}"
            known = failed.retry_in if isinstance(failed, PortalUnavailable) else None
            due = now() + (dt.timedelta(seconds=known) if known else pause)
        if error:
            logger.warning("%s: activities not registered: %s", installation.domain, error)
        with self._database.writing() as session:
            session.execute(
                update(InstallationRow)
                # Whoever installed or updated the app meanwhile wants it registered once more.
                .where(InstallationRow.id == installation_id, InstallationRow.register_due_at == lease)
                .values(
                    register_due_at=due,
                    register_error=error,
                    register_attempts=installation.register_attempts + 1 if due else 0,
                )
            )

    def start(self) -> None:
        """Free what a former life left behind, and begin to sweep. Before any message is taken."""
        self._stopping.clear()
        self._leaving.clear()
        self._alone = self._embedded and self._database.lock_alone()
        if self._alone:
            self._runs.orphan_all()
        self._sweeper = threading.Thread(target=self._sweep_on, name="sweep", daemon=True)
        self._sweeper.start()

    def begin_no_more(self) -> None:
        """What has been handed to this process and not begun yet goes to another, while what has begun goes on."""
        left = self._execution.begin_no_more()
        self._leaving.set()
        try:
            if self._embedded or left:
                self._runs.hand_again(None if self._embedded else left)
        except SQLAlchemyError as error:
            logger.warning("runs are handed over later: %s", type(error).__name__)

    def stop(self) -> None:
        self._stopping.set()
        if self._sweeper is not None:
            self._sweeper.join()
        self._execution.stop()

    def _sweep_on(self) -> None:
        # A worker often follows one that has died with messages in its hands; embedded, all messages have died.
        started_at = now()
        while True:
            try:
                self._renew_leases()
                if time.monotonic() >= self._calm_at and not (self._embedded and self._leaving.is_set()):
                    self._sweep(lost_before=started_at)
                self._look_for_stuck()
                self._retention.sweep()
            except Exception as error:  # the sweep outlives everything: nobody else hands runs over again
                logger.warning("sweep: %s", type(error).__name__)
            if self._stopping.wait(SWEEP_SECONDS):
                return

    def _look_for_stuck(self) -> None:
        stuck = self._execution.stuck
        if len(stuck) < MOST_STUCK or self._worn_out:
            return
        self._worn_out = True
        logger.error(
            "%d functions hang though their runs are over (%s): %s",
            len(stuck),
            ", ".join(stuck),
            "another process takes the place of this one" if self.replace else "only a restart ends them",
        )
        if self.replace:
            self.replace()

    def _renew_leases(self) -> None:
        try:
            self._execution.renew_leases()
            self._execution.end_what_timed_out()
        except SQLAlchemyError:
            if not self._alone:
                self._calm_at = time.monotonic() + CALM_SECONDS
            raise

    def _sweep(self, *, lost_before: dt.datetime) -> None:
        self._queue.send_runs(self._runs.due(lost_before=lost_before, crowded=self._execution.crowded))
        with self._database.reading() as session:
            due = select(InstallationRow.id).where(InstallationRow.register_due_at <= now())
            installations = list(session.scalars(due))
        for installation_id in installations:
            self._queue.send_register(installation_id)

    def _claim_registration(self, installation_id: int) -> dt.datetime | None:
        """Until when it is ours, None when it is not due or another's."""
        lease = now() + REGISTER_LEASE
        with self._database.writing() as session:
            claimed = session.execute(
                update(InstallationRow)
                .where(InstallationRow.id == installation_id, InstallationRow.register_due_at <= now())
                .values(register_due_at=lease)
                .returning(InstallationRow.id)
            )
            return None if claimed.scalar() is None else lease
