"""The stored runs: the truth about every callback, from its arrival to the answer.

A run is ``received``, then ``running``, then ``answering`` once its outcome is stored, then ``closed``. It is
``waiting`` while its portal's tokens are worth nothing, until a person has opened the app there.
"""

import datetime as dt
import json
import logging
import zlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from sqlalchemy import Connection, and_, bindparam, or_, select, tuple_, update
from sqlalchemy.orm import defer

from bizproc.portal.installations import Installation, read
from bizproc.runs.pauses import growing
from bizproc.runs.statements import BEING_ANSWERED, CLAIM, CLOSE, FINISH, LOCK_PROCESSES, PUT_OFF, SENDING
from bizproc.runs.turns import Turn
from bizproc.secrets import KEY_IS_MISSING, CannotDecrypt, Secrets
from bizproc.storage.data_keys import KeyedHashes
from bizproc.storage.database import Database
from bizproc.storage.tables import FAILED, CheckpointRow, CounterNumberRow, CounterRow, InstallationRow, RunRow, now

logger = logging.getLogger(__name__)

LEASE = dt.timedelta(seconds=15)
"""How long a dead worker holds up what it had. Renewed with each sweep, so that one that lives can miss six."""
HAND_AGAIN = dt.timedelta(seconds=30)
SOON = dt.timedelta(seconds=1)
FOR_EVER = dt.timedelta(days=36500)
OPEN = ("received", "running", "answering")
KINDS = ("succeeded", "failed", "dead")
"""Of outcomes."""
RARE = (*OPEN, "waiting", "deferred", "failed", "dead")
"""States and outcomes that few of all runs have, each with an index of its own."""
CANCELLED = "The operator has cancelled it."
TIME_RAN_OUT = "The step's time ran out."
NOTHING = object()

Stored = Literal["answer", "later", "closed", "lost"]


@dataclass(frozen=True)
class Outcome:
    """What a run came to.

    values: RETURN_VALUES of the answer
    error: why it failed, for a person; None when it succeeded
    trace: the stack trace of an error that nobody foresaw, for the operator alone
    dead: it failed though it was tried as often as its definition says
    """

    values: dict[str, Any]
    error: str | None = None
    trace: str | None = None
    dead: bool = False

    @property
    def kind(self) -> str:
        """``succeeded``, ``failed`` or ``dead``."""
        return "succeeded" if self.error is None else "dead" if self.dead else "failed"


@dataclass(frozen=True)
class Claim:
    """The right to work on a run until its lease ends.

    installation: as it was then, None when it is gone
    number: the fencing number; outcome: what the function came to, None while it has not run
    attempts: how often the function has failed before; answer_attempts: the same of its answer
    key: the same for every claim of this run, and no other's
    """

    run_id: int
    installation_id: int
    installation: Installation | None
    number: int
    code: str
    raw: bytes
    outcome: Outcome | None
    attempts: int
    answer_attempts: int
    key: str
    received_at: dt.datetime


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


@dataclass(frozen=True)
class _Finished:
    """What is to be stored of a run whose function is done.

    told, besides: as ``Runs.finish`` takes them; stored: the columns
    """

    claim: Claim
    workflow_hash: bytes | None
    told: bool
    stored: dict[str, Any]
    besides: frozenset[int]


class _OneIsLost(Exception):
    """One of several claims is not this process's any more."""


class Runs:
    def __init__(self, database: Database, secrets: Secrets, hashes: KeyedHashes) -> None:
        self._database = database
        self._secrets = secrets
        self._hashes = hashes

    def turn(self, run_id: int) -> Turn | None:
        """Of which portal and activity a run is, None when there is nothing to do now."""
        wanted = select(RunRow.installation_id, RunRow.code).where(
            RunRow.id == run_id, RunRow.state.in_(OPEN), RunRow.due_at <= now()
        )
        with self._database.reading() as session:
            found = session.execute(wanted).first()
            return None if found is None else Turn(run_id, found.installation_id, found.code)

    def claim(self, run_id: int) -> Claim | None:
        """Take a run to work on it; None when there is nothing to do, or somebody else is at it, or it cannot be read.

        What was encrypted with a key that is not here stays open and is tried again after a growing pause: the operator
        can add that key again, or another worker may have it.
        """
        return self._database.together(self._claim_all, run_id)

    def _claim_all(self, connection: Connection, run_ids: Sequence[int]) -> list[Claim | None]:
        moment = now()
        own = {"run_ids": sorted(set(run_ids)), "moment": moment, "until": moment + LEASE}
        rows = {row.id: row._mapping for row in connection.execute(CLAIM, own)}
        of = read(connection, {row["installation_id"] for row in rows.values()}) if rows else {}
        claims = {
            run_id: self._claim(connection, run_id, row, of.get(row["installation_id"])) for run_id, row in rows.items()
        }
        return [claims.pop(run_id, None) for run_id in run_ids]

    def _claim(
        self, connection: Connection, run_id: int, row: Mapping[Any, Any], installation: Installation | None
    ) -> Claim | None:
        try:
            claim = self._claimed(run_id, row, installation)
        except CannotDecrypt as error:
            pause = growing(row["claim"])
            unread = (
                update(RunRow)
                .where(RunRow.id == run_id)
                .values(error=f"{_error(row) or ''} {error}".strip(), due_at=now() + pause, sending=False)
            )
            if row["state"] == "running":
                unread = unread.values(state="received", started_at=None)
            connection.execute(unread)
            logger.warning("run %s stays open, to be tried again in %.0f s: %s", run_id, pause.total_seconds(), error)
            return None
        if _error(row) != row["error"]:
            connection.execute(update(RunRow).where(RunRow.id == run_id).values(error=_error(row)))
        if row["state"] == "answering":
            own = {"run_id": run_id, "number": claim.number}
            processes = {row["workflow_hash"]: claim.installation_id} if row["workflow_hash"] else {}
            if self._being_answered(connection, processes, {run_id}):
                connection.execute(PUT_OFF, own | {"until": now() + SOON})
                return None
            connection.execute(SENDING, own)
        return claim

    def _claimed(self, run_id: int, row: Mapping[Any, Any], installation: Installation | None) -> Claim:
        return Claim(
            run_id=run_id,
            installation_id=row["installation_id"],
            installation=installation,
            number=row["claim"],
            code=row["code"],
            raw=self._secrets.decrypt(row["raw"]),
            outcome=None if row["outcome"] is None else Outcome(self._values(row["result"]), _error(row)),
            attempts=row["attempts"],
            answer_attempts=row["answer_attempts"],
            key=row["event_hash"].hex(),
            received_at=row["received_at"],
        )

    def _being_answered(
        self, connection: Connection, processes: Mapping[bytes, int], besides: Collection[int]
    ) -> set[bytes]:
        """Those of the processes to which an answer is on its way: two at the same moment can lose one (PROTOCOL.md
        section 8).

        processes: their portals by their workflow_hash; besides: runs that do not count
        """
        if not processes:
            return set()
        if not self._database.is_sqlite:
            # Whoever asks the same at the same moment sees these rows, or is seen by them.
            connection.execute(LOCK_PROCESSES, {"keys": sorted(zlib.crc32(each) - 2**31 for each in processes)})
        asked = {"installation_ids": set(processes.values()), "workflow_hashes": list(processes), "moment": now()}
        return {row.workflow_hash for row in connection.execute(BEING_ANSWERED, asked) if row.id not in besides}

    def renew(self, claims: Sequence[Claim]) -> None:
        """Prolong the leases of claims that are still worked on. What has been put off meanwhile keeps its pause."""
        renewed = (
            update(RunRow)
            .where(
                RunRow.id == bindparam("run_id"),
                RunRow.claim == bindparam("number"),
                or_(RunRow.state == "running", and_(RunRow.state == "answering", RunRow.sending)),
            )
            .values(due_at=now() + LEASE)
        )
        with self._database.writing() as session:
            session.connection().execute(renewed, _numbers(claims))

    def finish(
        self,
        claim: Claim,
        outcome: Outcome,
        *,
        workflow_id: str,
        told: bool,
        besides: Collection[int] = (),
    ) -> Stored:
        """Store what the function came to, before anybody is told.

        told: whether the process is to be told; otherwise nothing more is to be done
        besides: runs whose answers this process sends itself, one after another

        ``answer``: now; ``later``: another answer to the same process is on its way, so the sweep hands this one over;
        ``lost``: the claim was, and the outcome is another's to store.
        """
        moment, workflow_hash = now(), self._workflow_hash(claim, workflow_id)
        stored = {f"new_{name}": value for name, value in self._stored(outcome).items()} | {
            "new_finished_at": moment,
            "new_workflow_hash": workflow_hash,
            "new_state": "answering" if told else "closed",
            "new_sending": told,
            "new_answered_at": None if told else moment,
        }
        finished = _Finished(claim, workflow_hash, told, stored, frozenset(besides))
        return self._database.together(self._finish_all, finished)

    def _finish_all(self, connection: Connection, finished: Sequence[_Finished]) -> list[Stored]:
        ordered = sorted(finished, key=lambda each: each.claim.run_id)
        changed = connection.execute(FINISH, [_number(each.claim) | each.stored for each in ordered]).rowcount
        if changed < len(finished):
            if len(finished) == 1:
                return ["lost"]
            raise _OneIsLost
        told = [each for each in finished if each.told]
        processes = {each.workflow_hash: each.claim.installation_id for each in told if each.workflow_hash}
        besides = frozenset(each.claim.run_id for each in told).union(*(each.besides for each in told))
        busy = self._being_answered(connection, processes, besides)
        later = {each.claim.run_id: each.claim for each in told if each.workflow_hash in busy}
        if later:
            connection.execute(PUT_OFF, [own | {"until": now() + SOON} for own in _numbers(later.values())])
        return ["closed" if not each.told else "later" if each.claim.run_id in later else "answer" for each in finished]

    def _workflow_hash(self, claim: Claim, workflow_id: str) -> bytes | None:
        """Of a process, which is one portal's."""
        return self._hashes.hash(f"{claim.installation_id} {workflow_id}".encode()) if workflow_id else None

    def _put(self, row: RunRow, outcome: Outcome) -> None:
        for name, value in self._stored(outcome).items():
            setattr(row, name, value)
        row.finished_at = now()

    def _stored(self, outcome: Outcome) -> dict[str, Any]:
        return {
            "outcome": outcome.kind,
            "error": outcome.error,
            "result": self._secrets.encrypt(json.dumps(outcome.values).encode()),
            "trace": None if outcome.trace is None else self._sealed(outcome.trace),
        }

    def _sealed(self, trace: str) -> bytes:
        return self._secrets.encrypt(trace.encode("utf-8", "replace"))

    def close(self, claim: Claim, *, error: str | None = None) -> None:
        """Nothing more is to be done. ``error``: why the process could not be told."""
        if error is None:
            self.close_all([claim])
        else:
            self._change(claim, state="closed", error=error, outcome="failed", sending=False)

    def close_all(self, claims: Sequence[Claim]) -> None:
        """The processes have been told, and nothing more is to be done."""
        if claims:
            self._database.together(self._close_all, claims)

    def _close_all(self, connection: Connection, several: Sequence[Sequence[Claim]]) -> Sequence[None]:
        moment = now()
        claims = [claim for claims in several for claim in claims]
        connection.execute(CLOSE, [own | {"moment": moment} for own in _numbers(claims)])
        return [None] * len(several)

    def answer_later(self, claim: Claim, pause: dt.timedelta) -> None:
        self._change(claim, due_at=now() + pause, answer_attempts=claim.answer_attempts + 1, sending=False)

    def try_again(self, claim: Claim, pause: dt.timedelta, why: str, trace: str | None) -> None:
        """Call the function once more after a pause."""
        sealed = None if trace is None else self._sealed(trace)
        again = {"state": "received", "due_at": now() + pause, "attempts": claim.attempts + 1}
        self._change(claim, **again, error=why, trace=sealed)

    def defer(self, claim: Claim, *, workflow_id: str, closes_at: dt.datetime | None) -> None:
        """Leave it until it is completed, or the step closes by itself. If it has been completed already, while its
        function was still at it, its answer is due."""
        workflow_hash = self._workflow_hash(claim, workflow_id)
        with self._database.writing() as session:
            row = session.scalar(
                select(RunRow).where(RunRow.id == claim.run_id, RunRow.claim == claim.number).with_for_update()
            )
            if row is None or row.state not in OPEN:
                return
            row.workflow_hash = workflow_hash
            if row.outcome is not None:
                row.state, row.due_at = "answering", now()
            else:
                row.state, row.due_at = "deferred", closes_at or now() + FOR_EVER

    def complete(self, run_id: int, outcome: Outcome) -> bool:
        """Store the outcome of a run that is deferred, or is about to be. False when it is not waiting for one."""
        with self._database.writing() as session:
            row = session.scalar(select(RunRow).where(RunRow.id == run_id).with_for_update())
            if row is None or row.outcome is not None or row.state not in ("deferred", "received", "running"):
                return False
            self._put(row, outcome)
            if row.state == "deferred":
                row.state, row.due_at = "answering", now()
            return True

    def cancel(self, run_id: int) -> bool:
        """End a run that has no outcome, and tell its process. False when it has one, or is closed."""
        with self._database.writing() as session:
            row = session.scalar(select(RunRow).where(RunRow.id == run_id).with_for_update())
            if row is None or row.outcome is not None or row.state == "closed":
                return False
            self._put(row, Outcome({}, error=CANCELLED))
            # Whoever works on it can store nothing any more.
            row.claim, row.state, row.due_at = row.claim + 1, "answering", now()
            return True

    def replay(self, run_id: int) -> bool:
        """Call the function of a closed run once more. False for a run that is open, or succeeded."""
        with self._database.writing() as session:
            row = session.scalar(select(RunRow).where(RunRow.id == run_id).with_for_update())
            if row is None or row.state != "closed" or row.outcome == "succeeded":
                return False
            row.state, row.due_at, row.claim = "received", now(), row.claim + 1
            row.attempts = row.answer_attempts = 0
            row.outcome = row.error = row.result = row.trace = row.finished_at = row.answered_at = None
            return True

    def end_what_timed_out(self) -> Sequence[str]:
        """Close the deferred runs whose steps have closed by themselves; their codes."""
        ended = {"state": "closed", "outcome": "failed", "error": TIME_RAN_OUT}
        with self._database.writing() as session:
            timed_out = update(RunRow).where(RunRow.state == "deferred", RunRow.due_at <= now())
            return session.scalars(timed_out.values(**ended).returning(RunRow.code)).all()

    def checkpoint(self, claim: Claim, name: str) -> Any:
        """What was stored under this name; NOTHING if there is none."""
        with self._database.reading() as session:
            kept = select(CheckpointRow).where(CheckpointRow.run_id == claim.run_id, CheckpointRow.name == name)
            row = session.scalar(kept)
            return NOTHING if row is None else json.loads(self._secrets.decrypt(row.value))

    def keep_checkpoint(self, claim: Claim, name: str, value: Any) -> Any:
        """What is kept: this value, unless another call of the function was first. Its worker was taken for dead then,
        and all calls are to go on with the same.

        Raises TypeError for what JSON cannot say.
        """
        sealed = self._secrets.encrypt(json.dumps(value, allow_nan=False).encode())
        insert = self._database.insert(CheckpointRow).values(run_id=claim.run_id, name=name, value=sealed)
        with self._database.writing() as session:
            first = session.execute(insert.on_conflict_do_nothing().returning(CheckpointRow.id)).scalar() is not None
        return value if first else self.checkpoint(claim, name)

    def later(self, claim: Claim, pause: dt.timedelta) -> None:
        """Work on it again after a pause, from where it is."""
        self._change(claim, due_at=now() + pause, sending=False)

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

    def due(
        self,
        *,
        lost_before: dt.datetime | None = None,
        crowded: Collection[tuple[int, str]] = (),
        limit: int = 1000,
    ) -> list[Turn]:
        """The runs that nobody works on though they are due, now marked as handed to the queue. Those that were handed
        since they became due are left out for a while, unless that was before ``lost_before``.

        crowded: portals, each with an activity, of which runs wait here already: what was handed of these is not handed
            again, since it could only wait here too
        """
        moment = now()
        lost_before = max(moment - HAND_AGAIN, lost_before or moment - HAND_AGAIN)
        with self._database.writing() as session:
            waiting = select(RunRow.id, RunRow.installation_id, RunRow.code).where(
                RunRow.state.in_(OPEN),
                RunRow.due_at <= moment,
                or_(
                    RunRow.handed_at < RunRow.due_at,
                    and_(
                        RunRow.handed_at <= lost_before,
                        tuple_(RunRow.installation_id, RunRow.code).not_in(crowded),
                    ),
                ),
            )
            # What another sweep is at is its to hand over; and no two sweeps wait for each other.
            waiting = waiting.order_by(RunRow.due_at).limit(limit).with_for_update(skip_locked=True)
            turns = [Turn(*row) for row in session.execute(waiting)]
            if turns:
                ids = [turn.run_id for turn in turns]
                session.execute(update(RunRow).where(RunRow.id.in_(ids)).values(handed_at=moment))
            return turns

    def hand_again(self, ids: Sequence[int] | None = None) -> None:
        """Let the next sweep hand over these of the runs that nobody works on, all of them with None: who was to take
        them ends."""
        left = update(RunRow).where(RunRow.state.in_(OPEN), RunRow.due_at <= now())
        if ids is not None:
            left = left.where(RunRow.id.in_(ids))
        with self._database.writing() as session:
            session.execute(left.values(handed_at=now() - HAND_AGAIN))

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

    def counters(self, installation_id: int) -> dict[str, int]:
        """The last number that each of a portal's counters gave."""
        given = select(CounterRow).where(CounterRow.installation_id == installation_id)
        with self._database.reading() as session:
            return {row.name: row.last for row in session.scalars(given)}

    def list(
        self,
        *,
        domain: str | None = None,
        code: str | None = None,
        state: str | None = None,
        since: dt.datetime | None = None,
        until: dt.datetime | None = None,
        limit: int = 50,
    ) -> list[Run]:
        """The last to come first; ``state`` is a state or an outcome, ``since`` and ``until`` when they came."""
        # Which index serves is said here: SQLite does not know how often a value occurs, PostgreSQL takes columns for
        # independent. An expression is served by none.
        portal = RunRow.installation_id + 0 if state in RARE else RunRow.installation_id
        activity = RunRow.code.concat("") if state in RARE else RunRow.code
        wanted = select(RunRow).options(defer(RunRow.raw), defer(RunRow.result), defer(RunRow.trace))
        if code:
            wanted = wanted.where(activity == code)
        if state in ("failed", "dead"):
            wanted = wanted.where(RunRow.outcome == state, FAILED)
        elif state == "succeeded":
            wanted = wanted.where(RunRow.outcome == state)
        elif state:
            wanted = wanted.where((RunRow.state if state in RARE else RunRow.state.concat("")) == state)
        if since:
            wanted = wanted.where(RunRow.received_at >= since)
        if until:
            wanted = wanted.where(RunRow.received_at < until)
        with self._database.reading() as session:
            if domain:
                ids = session.scalars(select(InstallationRow.id).where(InstallationRow.domain == domain)).all()
                wanted = wanted.where(portal.in_(ids))
                if not ids:
                    return []
            rows = session.scalars(wanted.order_by(RunRow.received_at.desc(), RunRow.id.desc()).limit(limit)).all()
            # Joined, PostgreSQL would rather begin with the portals.
            known = select(InstallationRow.id, InstallationRow.domain)
            of = dict(session.execute(known.where(InstallationRow.id.in_({row.installation_id for row in rows}))).all())
            return [self._run(row, of[row.installation_id]) for row in rows]

    def of_callback(self, installation_id: int, event_token: str) -> int | None:
        """The run of the callback that brought this event token."""
        event_hash = self._hashes.hash(event_token.encode())
        wanted = select(RunRow.id).where(RunRow.installation_id == installation_id, RunRow.event_hash == event_hash)
        with self._database.reading() as session:
            return session.scalar(wanted)

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
            return replace(self._run(row, domain), values=self._values(row.result), trace=trace)

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

    def _values(self, result: bytes | None) -> dict[str, Any]:
        if result is None:
            return {}
        values: dict[str, Any] = json.loads(self._secrets.decrypt(result))
        return values


def storable(why: str) -> str:
    """Without what no database keeps: NUL, and halves of characters, as another system's JSON can have them."""
    return why.replace("\0", "\ufffd").encode("utf-8", "replace").decode()


def _error(row: Mapping[Any, Any]) -> str | None:
    """Why the run failed, without that no key could read it for a while."""
    return (row["error"] or "").removesuffix(KEY_IS_MISSING).rstrip() or None


def _numbers(claims: Iterable[Claim]) -> list[dict[str, Any]]:
    """In one order, so that no two processes wait for each other."""
    return [_number(each) for each in sorted(claims, key=lambda each: each.run_id)]


def _number(claim: Claim) -> dict[str, Any]:
    return {"run_id": claim.run_id, "number": claim.number}
