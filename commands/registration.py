"""``flask activities plan``, ``apply`` and ``drift``: what portals hold against what the code says."""

import json
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from typing import Any, TypeVar

import click
from rich.console import Console
from rich.progress import Progress
from sqlalchemy.exc import SQLAlchemyError

from bizproc.backend import Backend
from bizproc.errors import BizprocError
from bizproc.portal.b24 import PortalToken, SdkError, described
from bizproc.portal.installations import Installation
from bizproc.registration.applying import Applied
from bizproc.registration.plan import Change, Plan
from bizproc.storage.database import unreachable
from commands import Command, backend
from commands.tables import show

Result = TypeVar("Result")
Work = Callable[[Installation, PortalToken], Result]
Done = list[tuple[Installation, "Result | str"]]

SIGNS = {"add": "+", "update": "~", "replace": "±", "delete": "-"}
COUNTS = {"add": "to add", "update": "to update", "replace": "to replace", "delete": "to delete", "keep": "unchanged"}
SHOWN_CHARACTERS = 80
CHANGES_PENDING = 3
INTERRUPTED = "interrupted before its turn: nothing was sent"


def _options(command: Callable[..., None]) -> Callable[..., None]:
    """The options that choose portals and codes."""
    for option in (
        click.option("--json", "as_json", is_flag=True, help="Print JSON for scripts."),
        click.option("--dev-prefix", default="", metavar="PREFIX", help="Put before every code: a developer's own."),
        click.option("--parallel", default=10, show_default=True, help="Portals at a time."),
        click.option("--all", "all_portals", is_flag=True, help="All portals."),
        click.option("--portal", "portals", multiple=True, metavar="DOMAIN", help="This portal; can be given again."),
    ):
        command = option(command)
    return command


@click.command(cls=Command)
@_options
@click.option("--refresh", is_flag=True, help="Plan to send everything again.")
@click.option("--allow-deletes", is_flag=True, help="Count deletions as pending.")
@click.option("--detailed-exitcode", is_flag=True, help="Exit with 3 when changes are pending.")
def plan(
    portals: tuple[str, ...],
    all_portals: bool,
    parallel: int,
    dev_prefix: str,
    as_json: bool,
    refresh: bool,
    allow_deletes: bool,
    detailed_exitcode: bool,
) -> None:
    """Show what an apply would do; changes nothing."""
    app = backend()
    done = _in_each(
        app,
        _chosen(app, portals, all_portals),
        parallel,
        lambda each, token: app.registration.plan(each, token, prefix=dev_prefix, refresh=refresh),
    )
    if as_json:
        click.echo(json.dumps([_as_json(each, result) for each, result in done], ensure_ascii=False, indent=2))
    else:
        for each, result in done:
            _print_plan(each, result, allow_deletes=allow_deletes)
    if any(isinstance(result, str) for _, result in done):
        sys.exit(1)
    pending = any(isinstance(result, Plan) and result.pending(allow_deletes=allow_deletes) for _, result in done)
    sys.exit(CHANGES_PENDING if pending and detailed_exitcode else 0)


@click.command(cls=Command)
@_options
@click.option("--refresh", is_flag=True, help="Send everything again, whatever was accepted before.")
@click.option("--allow-deletes", is_flag=True, help="Delete what this app registered and the code has no more.")
def apply(
    portals: tuple[str, ...],
    all_portals: bool,
    parallel: int,
    dev_prefix: str,
    as_json: bool,
    refresh: bool,
    allow_deletes: bool,
) -> None:
    """Bring portals in step with the code."""
    app = backend()
    done = _in_each(
        app,
        _chosen(app, portals, all_portals),
        parallel,
        lambda each, token: app.registration.apply(
            each, token, prefix=dev_prefix, refresh=refresh, allow_deletes=allow_deletes
        ),
    )
    rows = [row for each, result in done for row in _applied(each, result, allow_deletes=allow_deletes)]
    _print_rows(("Portal", "Code", "Result", "Why"), rows, as_json, nothing="There is nothing to register.")
    sys.exit(1 if any(result in ("failed", "refused") for _, _, result, _ in rows) else 0)


@click.command(cls=Command)
@_options
def drift(portals: tuple[str, ...], all_portals: bool, parallel: int, dev_prefix: str, as_json: bool) -> None:
    """Show the codes that portals lack, and those that this app did not register. Exits with 3 if there are any."""
    app = backend()
    done = _in_each(
        app,
        _chosen(app, portals, all_portals),
        parallel,
        lambda each, token: app.registration.plan(each, token, prefix=dev_prefix),
    )
    rows: list[tuple[str, str, str, str]] = []
    for each, result in done:
        if isinstance(result, str):
            rows.append((each.domain, "", "failed", result))
            continue
        missing = [change for change in result.changes if change.action in ("add", "replace")]
        rows += [(each.domain, change.code, "missing", change.kind) for change in missing]
        rows += [(each.domain, code, "foreign", kind) for kind, code in result.foreign]
    in_step = "Every portal holds this app's codes, and no others."
    _print_rows(("Portal", "Code", "Drift", "What"), rows, as_json, nothing=in_step)
    failed = any(what == "failed" for _, _, what, _ in rows)
    sys.exit(1 if failed else CHANGES_PENDING if rows else 0)


def _print_rows(columns: Sequence[str], rows: Sequence[Sequence[str]], as_json: bool, *, nothing: str) -> None:
    """The rows as a table, or for scripts as objects whose keys are the columns in lower case."""
    if not as_json:
        show(columns, rows, nothing=nothing)
        return
    keys = [column.lower() for column in columns]
    click.echo(json.dumps([dict(zip(keys, row, strict=True)) for row in rows], ensure_ascii=False, indent=2))


def _chosen(app: Backend, portals: Sequence[str], all_portals: bool) -> list[Installation]:
    if bool(portals) == all_portals:
        raise click.UsageError("Say which portals: --all, or --portal DOMAIN as often as needed.")
    if all_portals:
        return [each for each in app.installations.all() if each.active]
    named = {domain: app.installations.of_domain(domain) for domain in portals}
    missing = [domain for domain, installation in named.items() if installation is None]
    if missing:
        where = ", ".join(missing)
        raise click.ClickException(f"The app is not installed in {where}. 'flask portals list' tells where it is.")
    return [each for each in named.values() if each]


def _in_each(app: Backend, chosen: list[Installation], parallel: int, work: "Work[Result]") -> "Done[Result]":
    """What came of the work in each portal, or why it failed there, in the order of the portals."""

    def one(installation: Installation) -> "Result | str":
        try:
            return work(installation, app.installations.token(installation))
        except (SdkError, BizprocError) as error:
            return described(error)
        except SQLAlchemyError as error:
            return str(unreachable(error))
        except Exception as error:  # whatever one portal answers, it does not stop the others
            return f"an unforeseen error: {type(error).__name__}"

    if not chosen:
        click.echo("The app is not installed in any portal yet.", err=True)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with ThreadPoolExecutor(max(1, parallel)) as pool, _progress(len(chosen)) as advance:
        futures = {pool.submit(one, each): each for each in chosen}
        try:
            for _ in as_completed(futures):
                advance()
        except KeyboardInterrupt:
            pool.shutdown(wait=False, cancel_futures=True)
            for once_more in (signal.SIGINT, signal.SIGTERM):
                signal.signal(once_more, signal.SIG_DFL)
            click.echo("Stopping once the portals at work are done; once more ends it at once.", err=True)
    return [(each, INTERRUPTED if future.cancelled() else future.result()) for future, each in futures.items()]


@contextmanager
def _progress(total: int) -> Iterator[Callable[[], None]]:
    """A progress bar, where a person looks and there is more than one portal."""
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal or total < 2) as progress:
        task = progress.add_task("Portals", total=total)
        yield lambda: progress.advance(task)


def _applied(
    installation: Installation, result: Applied | str, *, allow_deletes: bool
) -> Iterator[tuple[str, str, str, str]]:
    domain = installation.domain
    if isinstance(result, str):
        yield domain, "", "failed", result
        return
    for each in result.registered:
        yield domain, each.code, each.action, "; ".join((each.error,) if each.error else each.warnings)
    touched = {each.code for each in result.registered}
    for change in result.plan.changes:
        if change.action == "keep" and change.code not in touched:
            yield domain, change.code, "unchanged", ""
        elif change.action == "delete" and not allow_deletes:
            yield domain, change.code, "left", "the code has it no more; --allow-deletes deletes it"


def _print_plan(installation: Installation, result: Plan | str, *, allow_deletes: bool) -> None:
    click.secho(installation.domain, bold=True)
    if isinstance(result, str):
        click.echo(f"  failed: {result}")
        return
    for change in result.changes:
        if change.action != "keep":
            _print_change(change, allow_deletes=allow_deletes)
    for kind, code in result.foreign:
        click.echo(f"  ?  {code} ({kind}) is not this app's: left alone")
    actions = [change.action for change in result.changes]
    click.echo("  " + ", ".join(f"{actions.count(action)} {words}" for action, words in COUNTS.items()))  # type: ignore[arg-type]


def _print_change(change: Change, *, allow_deletes: bool) -> None:
    left = "  (only with --allow-deletes)" if change.action == "delete" and not allow_deletes else ""
    click.echo(f"  {SIGNS[change.action]}  {change.action} {change.code} ({change.kind}){left}")
    if change.action == "update":
        for field in change.fields:
            old = "?" if field.old is None else _short(field.old)
            click.echo(f"       {field.field}: {old} → {_short(field.new)}")
    for warning in change.warnings:
        click.echo(f"       ! {warning}")


def _short(value: Any) -> str:
    words = json.dumps(value, ensure_ascii=False)
    return words if len(words) <= SHOWN_CHARACTERS else f"{words[:SHOWN_CHARACTERS]}…"


def _as_json(installation: Installation, result: Plan | str) -> dict[str, Any]:
    if isinstance(result, str):
        return {"portal": installation.domain, "error": result}
    return {
        "portal": installation.domain,
        "changes": [
            {
                "action": change.action,
                "code": change.code,
                "kind": change.kind,
                "fields": [{"field": each.field, "old": each.old, "new": each.new} for each in change.fields],
                "replaces": [{"kind": kind, "code": code} for kind, code in change.replaces],
                "warnings": list(change.warnings),
            }
            for change in result.changes
        ],
        "foreign": [{"kind": kind, "code": code} for kind, code in result.foreign],
    }
