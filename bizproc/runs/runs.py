"""The stored runs: the truth about every callback, from its arrival to the answer.

A run is ``received``, then ``running``, then ``answering`` once its outcome is stored, then ``closed``. It is
``waiting`` while its portal's tokens are worth nothing, until a person has opened the app there.
"""

import datetime as dt
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from bizproc.secrets import CannotDecrypt, Secrets
from bizproc.storage.data_keys import KeyedHashes
from bizproc.storage.database import Database
from bizproc.storage.tables import CounterNumberRow, CounterRow, InstallationRow, RunRow, now

LEASE = dt.timedelta(seconds=60)
HAND_AGAIN = dt.timedelta(seconds=30)
OPEN = ("received", "running", "answering")


@dataclass(frozen=True)
class Outcome:
    """What a run came to.

    values: RETURN_VALUES of the answer
    error: why it failed, for a person; None when it succeeded
    trace: the stack trace of an error that nobody foresaw, for the operator alone
    """

    values: dict[str, Any]
    error: str | None = None
    trace: str | None = None


@dataclass(frozen=True)
class Claim:
    """The right to work on a run until its lease ends.

    number: the fencing number; outcome: what the function came to, None while it has not run
    """

    run_id: int
    installation_id: int
    number: int
    code: str
    raw: bytes
    outcome: Outcome | None
    answer_attempts: int


@dataclass(frozen=True)
class Run:
    """A run as a person sees it."""

    id: int
    domain: str
    code: str
    state: str
    outcome: str | None
    error: str | None
    trace: str | None
    values: dict[str, Any]
    claims: int
    received_at: dt.datetime
    started_at: dt.datetime | None
    finished_at: dt.datetime | None
    answered_at: dt.datetime | None


class Runs:
    def __init__(self, database: Database, secrets: Secrets, hashes: KeyedHashes) -> None:
        self._database = database
        self._secrets = secrets
        self._hashes = hashes

    def accept(self, installation_id: int, code: str, event_token: str, raw: bytes) -> int | None:
        """Store a callback; durable when this returns. Its run's id, or None when the event token came before.

        A callback without an event token is told apart by its whole text.
        """
        arrived = now()
        event_hash = self._hashes.hash(event_token.encode() or raw)
        try:
            with self._database.writing() as session:
                return session.scalar(
                    insert(RunRow)
                    .values(
                        installation_id=installation_id,
                        event_hash=event_hash,
                        code=code.replace("\0", "\ufffd")[:255],
                        raw=self._secrets.encrypt(raw),
                        state="received",
                        due_at=arrived,
                        handed_at=arrived,
                        claim=0,
                        answer_attempts=0,
                        received_at=arrived,
                    )
                    .returning(RunRow.id)
                )
        except IntegrityError:
            return None

    def claim(self, run_id: int) -> Claim | None:
        """Take a run to work on it; None when there is nothing to do, or somebody else is at it."""
        moment = now()
        with self._database.writing() as session:
            taken = session.execute(
                update(RunRow)
                .where(RunRow.id == run_id, RunRow.state.in_(OPEN), RunRow.due_at <= moment)
                .values(claim=RunRow.claim + 1, due_at=moment + LEASE)
                .returning(RunRow.claim)
            ).scalar()
            if taken is None:
                return None
            row = session.get_one(RunRow, run_id)
            if row.state != "answering":
                row.state = "running"
                row.started_at = moment
            try:
                return self._claimed(row)
            except CannotDecrypt as error:
                row.state, row.outcome, row.error = "closed", "failed", str(error)
                return None

    def _claimed(self, row: RunRow) -> Claim:
        return Claim(
            run_id=row.id,
            installation_id=row.installation_id,
            number=row.claim,
            code=row.code,
            raw=self._secrets.decrypt(row.raw),
            outcome=None if row.outcome is None else Outcome(self._values(row), row.error),
            answer_attempts=row.answer_attempts,
        )

    def renew(self, claims: Sequence[Claim]) -> None:
        """Prolong the leases of claims that are still being worked on."""
        with self._database.writing() as session:
            for claim in claims:
                session.execute(
                    update(RunRow)
                    .where(RunRow.id == claim.run_id, RunRow.claim == claim.number, RunRow.state.in_(OPEN))
                    .values(due_at=now() + LEASE)
                )

    def finish(self, claim: Claim, outcome: Outcome) -> bool:
        """Store what the function came to, before anybody is told. False when the claim was lost meanwhile: then the
        outcome is another's to store."""
        return self._change(
            claim,
            state="answering",
            outcome="succeeded" if outcome.error is None else "failed",
            error=outcome.error,
            result=self._secrets.encrypt(json.dumps(outcome.values).encode()),
            trace=None if outcome.trace is None else self._secrets.encrypt(outcome.trace.encode("utf-8", "replace")),
            finished_at=now(),
        )

    def close(self, claim: Claim, *, error: str | None = None) -> None:
        """Nothing more is to be done. ``error``: why the process could not be told."""
        if error is None:
            self._change(claim, state="closed", answered_at=now())
        else:
            self._change(claim, state="closed", error=error, outcome="failed")

    def answer_later(self, claim: Claim, pause: dt.timedelta) -> None:
        self._change(claim, due_at=now() + pause, answer_attempts=claim.answer_attempts + 1)

    def later(self, claim: Claim, pause: dt.timedelta) -> None:
        """Work on it again after a pause, from where it is."""
        self._change(claim, due_at=now() + pause)

    def wait_for_person(self, claim: Claim) -> None:
        """Leave it until a person has opened the app in the portal."""
        with self._database.writing() as session:
            # Whoever opens the app locks this row too, so the run cannot miss them.
            installation = session.get_one(InstallationRow, claim.installation_id, with_for_update=True)
            session.execute(
                update(RunRow)
                .where(RunRow.id == claim.run_id, RunRow.claim == claim.number, RunRow.state != "closed")
                .values({"state": "waiting"} if installation.person_needed_since else {"due_at": now()})
            )

    def due(self, *, orphaned: bool = False, limit: int = 1000) -> list[int]:
        """The runs that nobody works on though they are due, now marked as handed to the queue. Those that were handed
        since they became due are left out for a while, unless the queue is known to have lost everything
        (``orphaned``)."""
        moment = now()
        with self._database.writing() as session:
            waiting = select(RunRow.id).where(RunRow.state.in_(OPEN), RunRow.due_at <= moment)
            if not orphaned:
                waiting = waiting.where(or_(RunRow.handed_at < RunRow.due_at, RunRow.handed_at <= moment - HAND_AGAIN))
            ids = list(session.scalars(waiting.order_by(RunRow.due_at).limit(limit)))
            if ids:
                session.execute(update(RunRow).where(RunRow.id.in_(ids)).values(handed_at=moment))
            return ids

    def orphan_all(self) -> None:
        """End every lease: the one process that worked on runs has just started anew."""
        with self._database.writing() as session:
            session.execute(update(RunRow).where(RunRow.state.in_(OPEN), RunRow.claim > 0).values(due_at=now()))

    def next_number(self, claim: Claim, name: str) -> int:
        """The counter's number for this run: the next one, or the one it got before."""
        with self._database.writing() as session:
            given = session.get(CounterNumberRow, (claim.run_id, name))
            if given is not None:
                return given.number
            first = self._database.insert(CounterRow).values(installation_id=claim.installation_id, name=name, last=1)
            counted = first.on_conflict_do_update(
                index_elements=["installation_id", "name"], set_={"last": CounterRow.last + 1}
            )
            number: int = session.execute(counted.returning(CounterRow.last)).scalar_one()
            session.add(CounterNumberRow(run_id=claim.run_id, name=name, number=number))
            return number

    def list(
        self, *, domain: str | None = None, code: str | None = None, state: str | None = None, limit: int = 50
    ) -> list[Run]:
        """The newest first; ``state`` is a state or an outcome."""
        wanted = select(RunRow, InstallationRow.domain).join(InstallationRow)
        if domain:
            wanted = wanted.where(InstallationRow.domain == domain)
        if code:
            wanted = wanted.where(RunRow.code == code)
        if state:
            wanted = wanted.where(or_(RunRow.state == state, RunRow.outcome == state))
        with self._database.reading() as session:
            found = session.execute(wanted.order_by(RunRow.id.desc()).limit(limit))
            return [self._run(row, of) for row, of in found]

    def get(self, run_id: int) -> Run | None:
        """With its results and its trace, which the list leaves out. Raises CannotDecrypt."""
        with self._database.reading() as session:
            found = session.execute(
                select(RunRow, InstallationRow.domain).join(InstallationRow).where(RunRow.id == run_id)
            ).first()
            if found is None:
                return None
            row, domain = found
            trace = None if row.trace is None else self._secrets.decrypt(row.trace).decode()
            return replace(self._run(row, domain), values=self._values(row), trace=trace)

    def _change(self, claim: Claim, **values: Any) -> bool:
        with self._database.writing() as session:
            changed = session.execute(
                update(RunRow)
                .where(RunRow.id == claim.run_id, RunRow.claim == claim.number)
                .values(**values)
                .returning(RunRow.id)
            )
            return changed.scalar() is not None

    def _run(self, row: RunRow, domain: str) -> Run:
        return Run(
            id=row.id,
            domain=domain,
            code=row.code,
            state=row.state,
            outcome=row.outcome,
            error=row.error,
            trace=None,
            values={},
            claims=row.claim,
            received_at=row.received_at,
            started_at=row.started_at,
            finished_at=row.finished_at,
            answered_at=row.answered_at,
        )

    def _values(self, row: RunRow) -> dict[str, Any]:
        if row.result is None:
            return {}
        values: dict[str, Any] = json.loads(self._secrets.decrypt(row.result))
        return values
