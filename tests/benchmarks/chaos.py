"""Whether every promise is kept while everything dies: ``flask bench chaos``."""

import json
import secrets
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from tests.benchmarks.app import Deployment, both
from tests.benchmarks.portals import end_with_all
from tests.chaos.chaos import run
from tests.chaos.report import Plan, Report

FULL = Plan(callbacks=10_000, portals=20, kills=50, seed=0, per_second=60)
# So few portals that each gets more callbacks than its 2 calls a second.
LIMITED = Plan(callbacks=1_000, portals=4, kills=15, seed=0, per_second=20, rate_limit=True)
QUICK = Plan(callbacks=400, portals=20, kills=4, seed=0, per_second=25)
GENERATED = "<!-- What follows is written by flask bench chaos --report docs/chaos.md -->\n"


def measure(deployment: Deployment, plan: Plan, name: str) -> Report:
    if deployment.queue_url and shutil.which("redis-server") is None:
        raise click.ClickException("There is no redis-server to be started, killed and started again: install it.")
    folder = deployment.folder / f"app of {plan.portals} portals"
    folder.mkdir()
    report = run(plan, folder, deployment.database_url)
    for line in str(report).splitlines():
        click.echo(f"{name}: {line}")
    return report


def write(document: Path, reports: dict[str, Report]) -> None:
    """What is above the mark in the document stays."""
    kept = document.read_text().partition(GENERATED)[0] if document.exists() else ""
    sections = [report.markdown(name) for name, report in reports.items()]
    document.write_text(kept + GENERATED + "\n" + "\n\n".join(sections) + "\n")


@click.command()
@click.option("--quick", is_flag=True, help="Few callbacks and kills: whether it works.")
@click.option("--seed", type=int, help="Of all that is drawn; a random one otherwise.")
@click.option("--report", type=click.Path(dir_okay=False, path_type=Path), help="Write the report there, in Markdown.")
def main(quick: bool, seed: int | None, report: Path | None) -> None:
    """Kill everything while callbacks come, and tell whether every promise was kept."""
    end_with_all()
    seed = secrets.randbelow(10**6) if seed is None else seed
    reports: dict[str, Report] = {}
    for plan in (QUICK,) if quick else (FULL, LIMITED):
        for way in both():
            with way() as deployment:
                name = deployment.name + (", rate limit on" if plan.rate_limit else "")
                reports[name] = measure(deployment, replace(plan, seed=seed), name)
    if report:
        write(report, reports)
    figures: dict[str, Any] = {name: each.figures() for name, each in reports.items()}
    click.echo(json.dumps({"benchmark": "chaos", **figures}))
    if any(each.faults for each in reports.values()):
        sys.exit(1)


if __name__ == "__main__":
    main()
