"""The statements that every run needs, made once: to put one together takes longer than to carry it out."""

from typing import Any

from sqlalchemy import ARRAY, BigInteger, Table, bindparam, case, func, or_, select, update

from bizproc.storage.tables import RunRow

_runs: Any = RunRow.__table__
runs: Table = _runs
_is_open = or_(*(runs.c.state == state for state in ("received", "running", "answering")))
_own = (runs.c.id == bindparam("run_id"), runs.c.claim == bindparam("number"))
_answering = runs.c.state == "answering"

CLAIM = (
    update(runs)
    .where(runs.c.id.in_(bindparam("run_ids", expanding=True)), _is_open, runs.c.due_at <= bindparam("moment"))
    .values(
        claim=runs.c.claim + 1,
        due_at=bindparam("until"),
        state=case((_answering, "answering"), else_="running"),
        started_at=case((_answering, runs.c.started_at), else_=bindparam("moment")),
    )
    .returning(
        *(
            runs.c[name]
            for name in (
                "id",
                "installation_id",
                "event_hash",
                "code",
                "raw",
                "state",
                "outcome",
                "error",
                "result",
                "claim",
                "attempts",
                "answer_attempts",
                "workflow_hash",
                "received_at",
            )
        )
    )
)
"""Taken to be worked on, with all that this needs."""

FINISH = (
    update(runs)
    .where(*_own, _is_open)
    .values(
        {
            name: bindparam(f"new_{name}")
            for name in (
                "outcome",
                "error",
                "finished_at",
                "result",
                "trace",
                "workflow_hash",
                "state",
                "sending",
                "answered_at",
            )
        }
    )
)
"""With what its function came to."""

CLOSE = update(runs).where(*_own).values(state="closed", answered_at=bindparam("moment"), sending=False)

PUT_OFF = update(runs).where(*_own).values(due_at=bindparam("until"), sending=False)
SENDING = update(runs).where(*_own).values(sending=True)

LOCK_PROCESSES = select(func.pg_advisory_xact_lock(func.unnest(bindparam("keys", type_=ARRAY(BigInteger)))))
"""In the order of the keys."""
BEING_ANSWERED = select(runs.c.id, runs.c.workflow_hash).where(
    runs.c.installation_id.in_(bindparam("installation_ids", expanding=True)),
    runs.c.workflow_hash.in_(bindparam("workflow_hashes", expanding=True)),
    _answering,
    runs.c.sending,
    runs.c.due_at > bindparam("moment"),
)
"""Runs of a process whose answers are on their way."""
