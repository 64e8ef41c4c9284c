"""How much memory the app takes after many runs, against after a few: ``flask bench memory``."""

import json
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import click
import psutil

from tests.benchmarks.app import Deployment, both, running
from tests.benchmarks.load import loading
from tests.benchmarks.portals import end_with_all, serving
from tests.benchmarks.runs import Work

GOAL = 1.1


@dataclass(frozen=True)
class Sizes:
    few: int = 5_000
    many: int = 50_000
    part: int = 5_000
    portals: int = 10


QUICK = Sizes(few=20, many=40, part=20, portals=2)


def measure(deployment: Deployment, sizes: Sizes) -> dict[str, Any]:
    with ExitStack() as stack:
        portals = stack.enter_context(serving(sizes.portals, edition="box"))
        load = stack.enter_context(loading())
        app = stack.enter_context(running(deployment, portals))
        work = Work(app, portals, load)
        taken: dict[int, list[float]] = {}
        for done in range(sizes.part, sizes.many + 1, sizes.part):
            work.app_seconds(work.new(sizes.part)[0])
            if done in (sizes.few, sizes.many):
                taken[done] = [mib(process) for process in app.processes()]
        work.all_told()
    few, many = taken[sizes.few], taken[sizes.many]
    times = max(after / before for after, before in zip(many, few, strict=True))
    told = ", ".join(f"{before:.0f} to {after:.0f}" for before, after in zip(few, many, strict=True))
    click.echo(
        f"{deployment.name}: {times:.2f} times the memory after {sizes.many} runs of that after {sizes.few} (goal at"
        f" most {GOAL}); MiB of each process: {told}"
    )
    return {"times": round(times, 3), "goal": GOAL, "runs": [sizes.few, sizes.many], "mib": [few, many]}


def mib(process: psutil.Process) -> float:
    """What it holds, also of what it still shares with gunicorn's first process: that becomes a fork's own when it is
    only looked at, and is no more by that."""
    held: int = process.memory_info().rss
    return round(held / 2**20, 1)


@click.command()
@click.option("--quick", is_flag=True, help="Little: whether it works, and not how much it is.")
def main(quick: bool) -> None:
    """Measure how much memory many runs leave behind."""
    end_with_all()
    figures = {}
    for way in both():
        with way() as deployment:
            figures[deployment.name] = measure(deployment, QUICK if quick else Sizes())
    click.echo(json.dumps({"benchmark": "memory", **figures}))


if __name__ == "__main__":
    main()
