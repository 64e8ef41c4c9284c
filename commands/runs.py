"""``flask runs``: every callback and what became of it."""

import datetime as dt
import json
import re
from typing import Any

import click

from bizproc.backend import Backend
from bizproc.runs.runs import Run
from commands import Group, backend
from commands.tables import show as show_table
from commands.tables import show_one

UNITS = {"m": "minutes", "h": "hours", "d": "days"}


@click.group(cls=Group)
def runs() -> None:
    """The runs of activities."""


class Moment(click.ParamType[dt.datetime]):
    """A moment as ISO 8601, in UTC where it has no zone, like all that is shown; or how long ago: ``90m``, ``2h``,
    ``3d``."""

    name = "moment"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> dt.datetime:
        ago = re.fullmatch(r"(\d{1,6})([mhd])", value, re.ASCII)
        try:
            if ago:
                return dt.datetime.now(dt.UTC) - dt.timedelta(**{UNITS[ago[2]]: int(ago[1])})
            moment = dt.datetime.fromisoformat(value)
            return (moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)).astimezone(dt.UTC)
        except (ValueError, OverflowError):
            self.fail(
                f"{value!r} is no moment. Write 2026-11-01, 2026-11-01T10:00, or how long ago: 2h, 3d.", param, ctx
            )


@runs.command("list")
@click.option("--portal", metavar="DOMAIN")
@click.option("--code")
@click.option(
    "--state",
    type=click.Choice(
        ["received", "running", "answering", "waiting", "deferred", "closed", "succeeded", "failed", "dead"]
    ),
)
@click.option("--since", type=Moment(), help="Received then or later: 2026-11-01, 2026-11-01T10:00 (UTC), 2h, 3d.")
@click.option("--until", type=Moment(), help="Received before.")
@click.option("--limit", default=50, show_default=True)
def list_(
    portal: str | None,
    code: str | None,
    state: str | None,
    since: dt.datetime | None,
    until: dt.datetime | None,
    limit: int,
) -> None:
    """List the runs, the last to come first. Times are UTC."""
    found = backend().runs.list(domain=portal, code=code, state=state, since=since, until=until, limit=limit)
    show_table(
        ("Run", "Portal", "Code", "State", "Outcome", "Received", "Why"),
        (
            (
                str(run.id),
                run.domain,
                run.code,
                run.state,
                run.outcome or "",
                _moment(run.received_at),
                run.error or "",
            )
            for run in found
        ),
        nothing="There are no such runs.",
    )


@runs.command()
@click.argument("run_id", type=int)
def show(run_id: int) -> None:
    """Show one run: its times, its outcome and what the process was told."""
    show_one(shown(_existing(backend(), run_id)))


@runs.command()
@click.argument("run_id", type=int)
def replay(run_id: int) -> None:
    """Call the function of a failed or dead run once more."""
    app = backend()
    run = _existing(app, run_id)
    if not app.runs.replay(run_id):
        raise click.ClickException(
            f"Run {run_id} is {run.state}, its outcome {run.outcome or 'not known yet'}. Only closed runs that failed"
            " can be replayed: what succeeded may not happen twice."
        )
    click.echo(f"Run {run_id} is called once more.")


@runs.command()
@click.argument("run_id", type=int)
@click.option("--values", "given", metavar="JSON", help='The return values, such as {"number": 1}.')
@click.option("--error", metavar="WHY", help="Let it fail, and tell the process why.")
def complete(run_id: int, given: str | None, error: str | None) -> None:
    """Finish a deferred run."""
    if (given is None) == (error is None):
        raise click.UsageError("Give either --values or --error.")
    try:
        values = {"error": error} if given is None else {"values": json.loads(given)}
    except ValueError as fault:
        raise click.ClickException(f"--values is no JSON: {fault}.") from None
    app = backend()
    app.completion.complete(run_id, values)
    click.echo(f"Run {run_id} is complete. Its process is told within seconds.")


@runs.command()
@click.argument("run_id", type=int)
def cancel(run_id: int) -> None:
    """End a run that has no outcome yet, and tell its process."""
    app = backend()
    run = _existing(app, run_id)
    if not app.runs.cancel(run_id):
        raise click.ClickException(f"Run {run_id} is {run.state} and {run.outcome}: there is nothing to cancel.")
    click.echo(f"Run {run_id} is cancelled. Its process is told within seconds.")


def _existing(app: Backend, run_id: int) -> Run:
    run = app.runs.get(run_id)
    if run is None:
        raise click.ClickException(f"There is no run {run_id}. 'flask runs list' tells which there are.")
    return run


def shown(run: Run) -> dict[str, str]:
    """What ``flask runs show`` tells of a run."""
    return {
        "Run": str(run.id),
        "Portal": run.domain,
        "Code": run.code,
        "State": run.state,
        "Outcome": run.outcome or "",
        "Why": run.error or "",
        "Claimed": f"{run.claims} times",
        "Received": _moment(run.received_at),
        "Started": _moment(run.started_at),
        "Finished": _moment(run.finished_at),
        "Answered": _moment(run.answered_at),
        **{f"Returned {key}": str(value) for key, value in run.values.items()},
        **({"Trace": f"\n{run.trace}"} if run.trace else {}),
    }


def _moment(moment: dt.datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S}" if moment else ""
