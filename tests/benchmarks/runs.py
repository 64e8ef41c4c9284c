"""How fast runs come from their callback to their answer, against a bare loop of what no design can avoid:
``flask bench runs``.

The bare loop works with as many threads as the app's workers, on the same database, with the same method of the same
portals.
"""

import json
import os
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import click
from sqlalchemy import func, select

from bizproc.runs.queue import THREADS
from bizproc.storage.tables import RunRow
from tests.benchmarks import bare_runs
from tests.benchmarks.app import App, Callbacks, Deployment, both, postgresql, running, until
from tests.benchmarks.figures import spread, timed, told
from tests.benchmarks.load import Load, loading
from tests.benchmarks.portals import Portals, end_with_all, serving

CONNECTIONS = 16
PATIENCE_SECONDS = 600


@dataclass(frozen=True)
class Sizes:
    runs: int = 5000
    portals: int = 10
    rounds: int = 5


QUICK = Sizes(runs=100, portals=2, rounds=1)


class Work:
    """Runs that are to be worked on."""

    def __init__(self, app: App, portals: Portals, load: Load) -> None:
        self._app, self._portals, self._load = app, portals, load
        self._numbers = range(1, len(portals.ready["portals"]) + 1)
        self._callbacks = {number: Callbacks(app, portals, number, "trivial") for number in self._numbers}

    def new(self, count: int) -> tuple[list[bytes], list[tuple[str, str]]]:
        """Requests of processes that wait, the portals taking turns; and their event tokens, each with the address of
        the portal's bizproc.event.send."""
        requests, tokens = [], []
        for number in self._numbers:
            endpoint = self._portals.ready["portals"][number - 1]["client_endpoint"]
            made, of = self._callbacks[number].of_processes(count // len(self._numbers))
            requests.append(made)
            tokens.append([(f"{endpoint}bizproc.event.send", token) for token in of])
        return [each for turn in zip(*requests, strict=True) for each in turn], [
            each for turn in zip(*tokens, strict=True) for each in turn
        ]

    def app_seconds(self, requests: list[bytes]) -> float:
        """From the first request until the last process has been told."""
        before = self._last()
        took, _ = timed(self._bring, requests, before)
        return took

    def _bring(self, requests: list[bytes], before: int) -> None:
        self._load(self._app.url, requests, CONNECTIONS)
        until(lambda: self._closed(before, len(requests)), "done with all runs", PATIENCE_SECONDS, pause=0.02)

    def bare_seconds(self, tokens: list[tuple[str, str]]) -> float:
        access = {
            each["client_endpoint"] + "bizproc.event.send": self._portals.ask("token", each["portal"])["access_token"]
            for each in self._portals.ready["portals"]
        }
        raw = self._callbacks[1].form.encode()
        threads = THREADS * (self._app.deployment.workers or 1)
        return bare_runs.seconds(self._app.deployment.database_url, threads, tokens, raw, access.__getitem__)

    def all_told(self) -> None:
        """Raises ClickException when a process still waits, or something failed."""
        for number in self._numbers:
            waiting = [each for each in self._portals.state(number)["processes"] if each["status"] == "waiting"]
            if waiting:
                raise click.ClickException(f"{len(waiting)} processes of portal {number} were not told.")
        with self._app.database.reading() as session:
            wrong = session.scalar(select(func.count()).where(RunRow.outcome.is_distinct_from("succeeded")))
        if wrong:
            raise click.ClickException(f"{wrong} runs did not succeed.")

    def _last(self) -> int:
        with self._app.database.reading() as session:
            return session.scalar(select(func.max(RunRow.id))) or 0

    def _closed(self, before: int, count: int) -> bool:
        with self._app.database.reading() as session:
            if session.scalar(select(RunRow.id).where(RunRow.state.in_(("received", "running", "answering"))).limit(1)):
                return False
            return session.scalar(select(func.count()).where(RunRow.id > before)) == count


def measure(deployment: Deployment, sizes: Sizes) -> dict[str, Any]:
    with ExitStack() as stack:
        portals = stack.enter_context(serving(sizes.portals, edition="box"))
        load = stack.enter_context(loading())
        app = stack.enter_context(running(deployment, portals))
        work = Work(app, portals, load)
        work.app_seconds(work.new(sizes.runs // 10)[0])
        rates, bare, shares, cpu = [], [], [], []
        for _ in range(sizes.rounds):
            _, tokens = work.new(sizes.runs)
            bare.append(sizes.runs / work.bare_seconds(tokens))
            requests, _ = work.new(sizes.runs)
            before = app.cpu_seconds()
            rates.append(sizes.runs / work.app_seconds(requests))
            cpu.append((app.cpu_seconds() - before) / sizes.runs * 1e6)
            shares.append(rates[-1] / bare[-1])
        work.all_told()
    share, name = spread(shares), deployment.name
    click.echo(f"{name}: {told(share, '')} of a bare loop's runs a second (floor 0.6, goal 0.8)")
    click.echo(
        f"{name}: {told(spread(rates), '/s')} from callback to answer, {told(spread(bare), '/s')} by the bare loop"
    )
    click.echo(f"{name}: {told(spread(cpu), ' µs')} of a processor each")
    return {
        "share": share,
        "floor": 0.6,
        "goal": 0.8,
        "per_second": spread(rates),
        "bare_per_second": spread(bare),
        "cpu_us": spread(cpu),
    }


def two_workers(sizes: Sizes) -> dict[str, Any]:
    """Two worker processes against one, each with a database of its own; only one of both apps has work at a time."""
    with ExitStack() as stack:
        load = stack.enter_context(loading())
        works = []
        for workers in (1, 2):
            portals = stack.enter_context(serving(sizes.portals, edition="box"))
            deployment = stack.enter_context(postgresql(workers))
            works.append(Work(stack.enter_context(running(deployment, portals)), portals, load))
        times = []
        for _ in range(sizes.rounds):
            one, two = (work.app_seconds(work.new(sizes.runs)[0]) for work in works)
            times.append(one / two)
        for work in works:
            work.all_told()
    click.echo(
        f"two workers: {told(spread(times), ' times')} as fast as one (goal 1.5), on {os.cpu_count()} processors"
    )
    return {"times_as_fast": spread(times), "goal": 1.5, "processors": os.cpu_count()}


@click.command()
@click.option("--quick", is_flag=True, help="One round of little: whether it works, and not how fast.")
def main(quick: bool) -> None:
    """Measure how fast runs come from their callback to their answer."""
    end_with_all()
    sizes = QUICK if quick else Sizes()
    figures: dict[str, Any] = {}
    for way in both(workers=2):
        with way() as deployment:
            figures[deployment.name] = measure(deployment, sizes)
    if len(figures) > 1:
        figures["two workers"] = two_workers(sizes)
    click.echo(json.dumps({"benchmark": "runs", **figures}))


if __name__ == "__main__":
    main()
