"""``flask bench``: how fast it is."""

import os
import sys
from pathlib import Path

import click

from commands import Group

ROOT = Path(__file__).parent.parent


@click.group(cls=Group)
def bench() -> None:
    """Measure how fast the app is, against a development portal on this machine. Needs no setting."""


@bench.command()
@click.option("--quick", is_flag=True, help="One round of little: whether it works, and not how fast.")
def registration(quick: bool) -> None:
    """Measure how fast activities are registered; the last line is JSON. Takes about three minutes."""
    _become("tests.benchmarks.registration", *(["--quick"] if quick else []))


def _become(module: str, *arguments: str) -> None:
    """Go on as a benchmark, which is no part of the app and has a process of its own; does not return.

    Raises ClickException where the benchmarks are not installed.
    """
    if not ROOT.joinpath(*module.split(".")).with_suffix(".py").exists():
        raise click.ClickException(f"{module} is not here: benchmarks are run from a checkout of the repository.")
    os.chdir(ROOT)
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, "-m", module, *arguments])  # noqa: S606 - the commands are ours
