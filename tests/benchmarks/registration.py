"""How fast activities are registered, against a development portal over HTTP: ``flask bench registration``.

Prints one line a figure and last all of them as one line of JSON. A time is told as a ratio to another of the same run,
so that runs on different machines can be compared; goals are printed and nothing fails on them.
"""

import datetime as dt
import json
import math
import secrets
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlsplit

import b24pysdk.api.callers
import click
from b24pysdk import BitrixApp, BitrixToken

from bizproc import Context, Filter, Properties, ReturnProperties, activity, integer, select, string, t
from bizproc.backend import Backend
from bizproc.definition.registry import Registry
from bizproc.document_types import CRM, LISTS
from bizproc.portal.b24 import PortalUnavailable, Tokens
from bizproc.portal.installations import Installation
from bizproc.portal.proof import Proof
from bizproc.portal.visitor import Visitor
from bizproc.registration.applying import Applied
from bizproc.registration.sending import BATCH
from bizproc.settings import Settings
from tests.benchmarks.figures import spread, timed, told
from tests.benchmarks.portals import Portals, end_with_all, serving

HOST = "app.example.com"
LATENCY_MS = 50


@dataclass(frozen=True)
class Sizes:
    """How much is measured.

    counted: numbers of definitions whose calls are counted
    single: definitions on one portal, against as many adds through b24pysdk
    portals, each: so many portals with so many definitions each, ``parallel`` at once, against ``alone`` of these
        portals one after another
    limited: applies on one portal that limits its calls
    rounds: how often each time is measured
    """

    counted: tuple[int, ...] = (1, 50, 51, 100, 120)
    single: int = 100
    portals: int = 100
    each: int = 20
    parallel: int = 10
    alone: int = 10
    limited: int = 45
    rounds: int = 5


QUICK = Sizes(counted=(1, 51), single=10, portals=4, each=3, parallel=2, alone=2, limited=5, rounds=1)
"""Whether it works, and not how fast."""


class Input(Properties):
    subject: str = string(t(en="Subject", de="Betreff", ru="Тема"), required=True)
    number: int = integer(t(en="Number", de="Nummer", ru="Номер"), default=1)
    format: str = select(
        t(en="Format", de="Format", ru="Формат"), options={"pdf": "PDF", "docx": "DOCX"}, default="pdf"
    )
    lines: list[str] = string(t(en="Lines", de="Zeilen", ru="Строки"), multiple=True, default=())


class Output(ReturnProperties):
    link: str | None = string(t(en="Link", de="Link", ru="Ссылка"), default=None)
    error: str | None = string(t(en="Error", de="Fehler", ru="Ошибка"), default=None)


def made_up(number: int) -> Registry:
    """So many activities, of the size that activities have."""

    def function(given: Input, context: Context) -> Output:
        return Output()

    return Registry(
        [
            activity(
                f"activity_{place}",
                name=t(en=f"Activity {place}", de=f"Aktivität {place}", ru=f"Действие {place}"),
                description=t(en="Makes a document", de="Erstellt ein Dokument", ru="Создаёт документ"),
                filter=Filter(include=[LISTS, CRM]),
                waits=True,
            )(function)
            for place in range(number)
        ]
    )


@contextmanager
def app(portals: Portals, definitions: int) -> Iterator[Backend]:
    """An app with so many activities and an empty database; nothing is installed and no connection is open yet."""
    with TemporaryDirectory() as folder:
        settings = Settings(
            client_id=portals.ready["client_id"],
            client_secret=portals.ready["client_secret"],
            app_url=f"https://{HOST}",
            secret_keys=(secrets.token_urlsafe(32),),
            database_url=f"sqlite:///{Path(folder) / 'b24.sqlite3'}",
            files_url=(Path(folder) / "files").as_uri(),
            rest_log_folder=str(Path(folder) / "rest-log"),
            spool_folder=Path(folder) / "spool",
            oauth_url=portals.ready["oauth_url"],
        )
        backend = Backend(settings, made_up(definitions))
        try:
            backend.database.upgrade()
            yield backend
        finally:
            backend.close()


def install(backend: Backend, portals: Portals, portal: int) -> Installation:
    """The app in a portal that is empty again; its activities are not registered yet."""
    portals.ask("reset", portal)
    given = portals.ask("token", portal)
    proof = Proof(
        member_id=given["member_id"],
        domain=f"portal{portal}.bitrix24.com",
        client_endpoint=given["client_endpoint"],
        scope="bizproc",
        status="L",
        user_id=given["user_id"],
    )
    expires_at = dt.datetime.fromtimestamp(given["expires"], dt.UTC)
    tokens = Tokens(access=given["access_token"], refresh=given["refresh_token"], expires_at=expires_at)
    return backend.installations.install(
        Visitor(proof, tokens, administrator=True),
        application_token=secrets.token_hex(16),
        language="en",
        app_host=HOST,
    )


def register(backend: Backend, installation: Installation, *, refresh: bool = False) -> Applied:
    token = backend.installations.token(installation)
    applied = backend.registration.apply(installation, token, refresh=refresh)
    refused = [each for each in applied.registered if each.action == "refused"]
    if refused:
        raise click.ClickException(f"The portal refused {refused[0].code}: {refused[0].error}")
    return applied


def count_calls(portals: Portals, sizes: Sizes) -> list[dict[str, Any]]:
    """The calls of a first registration and of a second one, for each number of definitions."""
    figures = []
    for portal, number in enumerate(sizes.counted, start=1):
        with app(portals, number) as backend:
            installation = install(backend, portals, portal)
            register(backend, installation)
            first = len(portals.calls(portal))
            register(backend, installation)
            again = len(portals.calls(portal)) - first
        goal = 1 + math.ceil(number / BATCH)
        noun = "definition" if number == 1 else "definitions"
        click.echo(f"{number} {noun}: {first} calls (goal {goal}), then nothing to do: {again} (goal 1)")
        figures.append({"definitions": number, "first": first, "goal": goal, "again": again})
    return figures


def against_sdk(portals: Portals, sizes: Sizes) -> dict[str, Any]:
    """One portal's first registration against the same adds one by one through b24pysdk as shipped."""
    ours, theirs, portals_own = [], [], []
    for _ in range(sizes.rounds):
        with app(portals, sizes.single) as backend:
            installation = install(backend, portals, 1)
            took, applied = timed(register, backend, installation)
            ours.append(took)
            portals_own.append(sum(call["ms"] for call in portals.calls(1)[-applied.calls :]) / 1000)
            held = portals.records(1)
            added = [each.to_add() for each in backend.registration.desired(installation)]
        portals.ask("reset", 1)
        given = portals.ask("token", 1)
        token = BitrixToken(
            domain=urlsplit(given["client_endpoint"]).netloc,
            auth_token=given["access_token"],
            refresh_token=given["refresh_token"],
            bitrix_app=BitrixApp(client_id=portals.ready["client_id"], client_secret=portals.ready["client_secret"]),
        )
        with sdk_over_http():
            theirs.append(timed(add_one_by_one, token, added)[0])
        if len(held) != sizes.single or held != portals.records(1):
            raise click.ClickException("The portal does not hold the same after both ways.")
    times = spread([slow / fast for slow, fast in zip(theirs, ours, strict=True)])
    click.echo(f"{sizes.single} definitions on one portal: {told(times, ' times')} as fast as one by one (goal 20)")
    click.echo(
        f"  {told(spread(ours), ' s')}; the portal worked {told(spread(portals_own), ' s')}, on two batches at once"
    )
    return {
        "definitions": sizes.single,
        "times_as_fast": times,
        "goal": 20,
        "seconds": spread(ours),
        "portals_own_seconds": spread(portals_own),
        "one_by_one_seconds": spread(theirs),
    }


def add_one_by_one(token: BitrixToken, added: list[dict[str, Any]]) -> None:
    for params in added:
        token.call_method("bizproc.activity.add", params)


@contextmanager
def sdk_over_http() -> Iterator[None]:
    """Lets b24pysdk speak http, as the development portal does, and changes nothing else."""
    # The package has a function under the module's name.
    caller: Any = sys.modules[f"{b24pysdk.api.callers.__name__}.call_method"]._MethodCaller
    shipped = caller._base_url
    caller._base_url = property(lambda call: f"http://{call._domain}/rest")
    try:
        yield
    finally:
        caller._base_url = shipped


def many_portals(portals: Portals, sizes: Sizes) -> dict[str, Any]:
    """First registrations in many portals, some at once, against a few one after another."""

    def measured(number: int, parallel: int) -> float:
        with app(portals, sizes.each) as backend, ThreadPoolExecutor(parallel) as workers:
            installations = [install(backend, portals, portal) for portal in range(1, number + 1)]
            took, _ = timed(lambda: list(workers.map(lambda each: register(backend, each), installations)))
            if len(portals.records(number)) != sizes.each:
                raise click.ClickException("The last portal does not hold all definitions.")
            return took

    alone, all_ = [], []
    for _ in range(sizes.rounds):
        alone.append(measured(sizes.alone, 1))
        all_.append(measured(sizes.portals, sizes.parallel))
    times = spread([many / few for many, few in zip(all_, alone, strict=True)])
    click.echo(
        f"{sizes.portals} portals with {sizes.each} definitions, {sizes.parallel} at once: {told(times, ' times')} as"
        f" long as {sizes.alone} one after another (goal at most 3)"
    )
    return {
        "portals": sizes.portals,
        "definitions": sizes.each,
        "parallel": sizes.parallel,
        "alone": sizes.alone,
        "times_as_long": times,
        "goal": 3,
        "seconds": spread(all_),
        "alone_seconds": spread(alone),
    }


def within_the_limit(sizes: Sizes) -> dict[str, Any]:
    """Applies without pause on one portal that takes 2 calls a second after a burst of 50; every one sends all."""
    failed = 0
    with serving(1, rate_limit=True) as portals, app(portals, sizes.each) as backend:
        installation = install(backend, portals, 1)
        started = time.perf_counter()
        for _ in range(sizes.limited):
            try:
                register(backend, installation, refresh=True)
            except PortalUnavailable:
                failed += 1
        took = time.perf_counter() - started
        calls = portals.calls(1)
    refused = sum(call["status"] == 503 for call in calls)
    click.echo(
        f"{sizes.limited} applies on a portal that limits its calls: {refused} of {len(calls)} calls got 503 (goal 0),"
        f" {failed} applies failed, {took:.1f} s"
    )
    return {
        "applies": sizes.limited,
        "failed": failed,
        "calls": len(calls),
        "status_503": refused,
        "goal": 0,
        "seconds": round(took, 1),
    }


def run(sizes: Sizes) -> dict[str, Any]:
    """All figures, by name; each is printed as soon as it is known."""
    portals_needed = max(sizes.portals, len(sizes.counted))
    with serving(portals_needed, latency_ms=LATENCY_MS) as portals:
        figures = {
            "calls": count_calls(portals, sizes),
            "against_sdk": against_sdk(portals, sizes),
            "many_portals": many_portals(portals, sizes),
        }
    return {"benchmark": "registration", **figures, "rate_limit": within_the_limit(sizes)}


@click.command()
@click.option("--quick", is_flag=True, help="One round of little: whether it works, and not how fast.")
def main(quick: bool) -> None:
    """Measure how fast activities are registered."""
    end_with_all()
    click.echo(json.dumps(run(QUICK if quick else Sizes())))


if __name__ == "__main__":
    main()
