"""How much work waits: asked of the database each time somebody wants to know, at a cost that does not grow with what
is stored."""

from dataclasses import dataclass

from sqlalchemy import ColumnElement, ScalarSelect, func, literal, select
from sqlalchemy import text as sql

from bizproc.runs.runs import OPEN
from bizproc.storage.database import Database
from bizproc.storage.tables import InstallationRow, RunRow, now

STATES = (*OPEN, "waiting", "deferred")
MOST = 100_000
"""No further is counted."""
ASK_SECONDS = 3
"""A PostgreSQL server that takes longer is not asked on."""


@dataclass(frozen=True)
class Backlog:
    """What waits.

    runs: open runs by state, due: those of them that a worker could begin with, of both at most MOST
    oldest_due_seconds: how long the first of these has been due, 0 when there is none
    installed, person_needed, not_registered: portals that have the app; of these, those whose tokens are dead, and
        those whose activities could not be registered
    """

    runs: dict[str, int]
    due: int
    oldest_due_seconds: float
    installed: int
    person_needed: int
    not_registered: int


def backlog(database: Database) -> Backlog:
    """Raises SQLAlchemyError."""
    moment = now()
    there = InstallationRow.uninstalled_at.is_(None)
    asked = select(
        *(_counted(_is(state)) for state in STATES),
        *(_counted(_is(state), RunRow.due_at <= moment) for state in OPEN),
        *(select(func.min(RunRow.due_at)).where(_is(state)).scalar_subquery() for state in OPEN),
        _portals(there),
        _portals(there, InstallationRow.person_needed_since.is_not(None)),
        _portals(there, InstallationRow.register_error.is_not(None)),
    )
    with database.reading() as session:
        if not database.is_sqlite:
            session.execute(sql(f"SET LOCAL statement_timeout = {ASK_SECONDS * 1000}"))
        row = list(session.execute(asked).one())
    by_state, row = dict(zip(STATES, row, strict=False)), row[len(STATES) :]
    due, oldest, portals = row[: len(OPEN)], row[len(OPEN) : 2 * len(OPEN)], row[2 * len(OPEN) :]
    waited = [(moment - each).total_seconds() for each in oldest if each]
    return Backlog(by_state, min(sum(due), MOST), max([0.0, *waited]), *portals)


def _is(state: str) -> ColumnElement[bool]:
    # Written into the statement: with a parameter PostgreSQL would take one plan for rare states and for common ones.
    return RunRow.state == literal(state, literal_execute=True)


def _counted(*where: ColumnElement[bool]) -> ScalarSelect[int]:
    some = select(literal(1)).select_from(RunRow).where(*where).limit(MOST).subquery()
    return select(func.count()).select_from(some).scalar_subquery()


def _portals(*where: ColumnElement[bool]) -> ScalarSelect[int]:
    return select(func.count()).select_from(InstallationRow).where(*where).scalar_subquery()
