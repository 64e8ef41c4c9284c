"""``flask bench``: how fast it is, and what it bears."""

import os
import sys
from pathlib import Path

import click

from commands import Group

ROOT = Path(__file__).parent.parent


@click.group(cls=Group)
def bench() -> None:
    """Measure how fast the app is and what it bears, against a development portal on this machine. Needs no setting."""


_quick = click.option("--quick", is_flag=True, help="One round of little: whether it works, and not how fast.")


@bench.command()
@_quick
def registration(quick: bool) -> None:
    """Measure how fast activities are registered; the last line is JSON. Takes about three minutes."""
    _become("tests.benchmarks.registration", quick)


@bench.command()
@_quick
def accept(quick: bool) -> None:
    """Measure how fast callbacks are accepted, against a bare Flask view; the last line is JSON. Takes about three
    minutes."""
    _become("tests.benchmarks.accept", quick)


@bench.command()
@_quick
def runs(quick: bool) -> None:
    """Measure how fast runs come from their callback to their answer, against a bare loop of what no design can avoid;
    the last line is JSON. Takes about fifteen minutes."""
    _become("tests.benchmarks.runs", quick)


@bench.command()
@_quick
def scale(quick: bool) -> None:
    """Measure what accepting, claiming and listing cost with a thousand to a million stored runs; the last line is
    JSON. Takes about five minutes, and 6 GB of disk."""
    _become("tests.benchmarks.scale", quick)


@bench.command()
@_quick
def memory(quick: bool) -> None:
    """Measure how much memory the app takes after 50,000 runs, against after 5,000; the last line is JSON. Takes about
    twenty minutes."""
    _become("tests.benchmarks.memory", quick)


@bench.command()
@_quick
@click.option("--seed", type=int, help="Of all that is drawn, to repeat a run as far as its moments allow.")
@click.option("--report", type=click.Path(dir_okay=False, resolve_path=True), help="Write a report there, in Markdown.")
def chaos(quick: bool, seed: int | None, report: str | None) -> None:
    """Kill web, workers, Redis and the database's connections while callbacks come and portals fail, and tell whether
    every promise was kept; the last line is JSON, and the exit code 1 when one was broken. Takes about fifteen
    minutes, and needs redis-server."""
    more = [] if seed is None else ["--seed", str(seed)]
    _become("tests.benchmarks.chaos", quick, *more, *(["--report", report] if report else []))


def _become(module: str, quick: bool, *more: str) -> None:
    """Go on as a benchmark, which is no part of the app and has a process of its own; does not return.

    Raises ClickException where the benchmarks are not installed.
    """
    arguments = ["--quick"] if quick else []
    arguments += more
    if not ROOT.joinpath(*module.split(".")).with_suffix(".py").exists():
        raise click.ClickException(f"{module} is not here: benchmarks are run from a checkout of the repository.")
    os.chdir(ROOT)
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, "-m", module, *arguments])  # noqa: S606 - the commands are ours
