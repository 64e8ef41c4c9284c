"""``flask runs``: every callback and what became of it."""

import datetime as dt

import click

from bizproc.runs.runs import Run
from commands import Group, backend
from commands.tables import show as show_table
from commands.tables import show_one


@click.group(cls=Group)
def runs() -> None:
    """The runs of activities."""


@runs.command("list")
@click.option("--portal", metavar="DOMAIN")
@click.option("--code")
@click.option(
    "--state", type=click.Choice(["received", "running", "answering", "waiting", "closed", "succeeded", "failed"])
)
@click.option("--limit", default=50, show_default=True)
def list_(portal: str | None, code: str | None, state: str | None, limit: int) -> None:
    """List the runs, the newest first."""
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
            for run in backend().runs.list(domain=portal, code=code, state=state, limit=limit)
        ),
        nothing="There are no such runs.",
    )


@runs.command()
@click.argument("run_id", type=int)
def show(run_id: int) -> None:
    """Show one run: its times, its outcome and what the process was told."""
    run = backend().runs.get(run_id)
    if run is None:
        raise click.ClickException(f"There is no run {run_id}. 'flask runs list' tells which there are.")
    show_one(_shown(run))


def _shown(run: Run) -> dict[str, str]:
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
