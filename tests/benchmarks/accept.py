"""How fast callbacks are accepted, against a bare Flask view on the same kind of server: ``flask bench accept``.

All that accepting is happens: the sender is proven, the form encrypted, stored and committed, the run handed to the
queue. The portal's runs at work hold all its places, so no function takes the processor meanwhile.
"""

import json
from collections import defaultdict
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import click

from tests.benchmarks.app import Callbacks, Deployment, answers, both, cpu_seconds, free_port, process, running
from tests.benchmarks.figures import spread, told
from tests.benchmarks.load import loading
from tests.benchmarks.portals import ROOT, end_with_all, serving

CONNECTIONS = 32
"""Two for each thread of the server, so that none of them is idle."""


@dataclass(frozen=True)
class Sizes:
    requests: int = 5000
    rounds: int = 5


QUICK = Sizes(requests=200, rounds=1)


def measure(deployment: Deployment, sizes: Sizes) -> dict[str, Any]:
    with ExitStack() as stack:
        portals = stack.enter_context(serving(1, edition="box"))
        load = stack.enter_context(loading())
        app = stack.enter_context(running(deployment, portals))
        callbacks = Callbacks(app, portals, 1, "held")
        # Those that hold the places, and what is cold in the beginning.
        load(app.url, callbacks.made_up(200), CONNECTIONS)
        bare_url = f"http://127.0.0.1:{free_port()}"
        server = ["-m", "gunicorn", "tests.benchmarks.bare_view:app", "--bind", bare_url.removeprefix("http://")]
        sizes_ = ["--worker-class", "gthread", "--workers", str(deployment.web), "--threads", str(deployment.threads)]
        bare = stack.enter_context(process(deployment.folder, *server, *sizes_, PYTHONPATH=str(ROOT)))
        answers(bare_url, deployment.folder)
        load(bare_url, callbacks.to_bare_view(200, bare_url), CONNECTIONS)
        rounds: defaultdict[str, list[float]] = defaultdict(list)
        for _ in range(sizes.rounds):
            before = cpu_seconds(bare.children())
            at_bare = load(bare_url, callbacks.to_bare_view(sizes.requests, bare_url), CONNECTIONS)
            bare_cpu = cpu_seconds(bare.children()) - before
            before = cpu_seconds(app.serving())
            at_app = load(app.url, callbacks.made_up(sizes.requests), CONNECTIONS)
            cpu = cpu_seconds(app.serving()) - before
            for name, value in {
                "rate": at_app.per_second,
                "bare": at_bare.per_second,
                "share": at_app.per_second / at_bare.per_second,
                "cpu": cpu / sizes.requests * 1e6,
                "cpu_times": cpu / bare_cpu,
                "bare_cpu": bare_cpu / sizes.requests * 1e6,
                "p99": at_app.p99 * 1000,
                "tail": at_app.p99 / at_bare.p99,
            }.items():
                rounds[name].append(value)
    found = {name: spread(values) for name, values in rounds.items()}
    name = deployment.name
    click.echo(f"{name}: {told(found['share'], '')} of a bare view's callbacks a second (floor 0.55, goal 0.75)")
    click.echo(f"{name}: p99 {told(found['tail'], ' times')} a bare view's (goal at most 3)")
    click.echo(f"{name}: {told(found['rate'], '/s')} accepted, {told(found['bare'], '/s')} by the bare view")
    click.echo(
        f"{name}: {told(found['cpu'], ' µs')} of a processor each, {told(found['bare_cpu'], ' µs')} by the bare view"
    )
    click.echo(f"{name}: {told(found['cpu_times'], ' times')} a bare view's processor time, whatever else runs here")
    return {
        "share": found["share"],
        "floor": 0.55,
        "goal": 0.75,
        "p99_times": found["tail"],
        "p99_ms": found["p99"],
        "per_second": found["rate"],
        "bare_per_second": found["bare"],
        "cpu_times": found["cpu_times"],
        "cpu_us": found["cpu"],
        "bare_cpu_us": found["bare_cpu"],
    }


@click.command()
@click.option("--quick", is_flag=True, help="One round of little: whether it works, and not how fast.")
def main(quick: bool) -> None:
    """Measure how fast callbacks are accepted."""
    end_with_all()
    figures = {}
    for way in both():
        with way() as deployment:
            figures[deployment.name] = measure(deployment, QUICK if quick else Sizes())
    click.echo(json.dumps({"benchmark": "accept", **figures}))


if __name__ == "__main__":
    main()
