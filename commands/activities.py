"""``flask activities``: the definitions of this app, and their way into portals."""

import json
import sys
from pathlib import Path
from typing import Any, get_args

import click

import activities as package
from bizproc import document_types
from bizproc.context import Deferred, Retry
from bizproc.definition.activity import AnyActivity
from bizproc.definition.faults import DefinitionError
from bizproc.definition.filters import Edition, shown
from bizproc.definition.properties import Property, default_text
from bizproc.definition.registry import Registry, discover
from bizproc.definition.text import PLAIN, LocalizedText
from bizproc.runs.decoding import UnusableValues
from bizproc.runs.rehearsal import PortalAsked, Rehearsal, filled_in, rehearse
from commands import Group, registration
from commands.new_activity import write
from commands.tables import show as show_table
from commands.tables import show_one


@click.group(cls=Group)
def activities() -> None:
    """The activities of this app."""


@activities.command("list")
def list_() -> None:
    """List the activities and robots that the modules define."""
    show_table(
        ("Code", "Kind", "Name", "Properties", "Returns", "Module"),
        (
            (
                activity.definition.code,
                activity.definition.kind,
                activity.definition.name.shown_in("en"),
                ", ".join(each.key for each in activity.definition.properties),
                ", ".join(each.key for each in activity.definition.return_properties),
                activity.function.__module__,
            )
            for activity in _discovered()
        ),
        nothing="There is no activity yet. A module in activities/ defines one; docs/architecture.md tells how.",
    )


@activities.command()
def validate() -> None:
    """Check all definitions as a portal would, and further."""
    number = len(_discovered())
    click.echo(f"{number} {'activity is' if number == 1 else 'activities are'} valid.")


@activities.command()
@click.argument("code")
def new(code: str) -> None:
    """Write a module for a new activity, and its test."""
    here = Path.cwd()
    for path in write(code, here / "activities", here / "tests" / "activities"):
        click.echo(f"Written: {path.relative_to(here)}")


@activities.command()
@click.argument("code")
def show(code: str) -> None:
    """Show one activity: its texts, its properties, and where the designer offers it."""
    activity = _existing(code)
    definition = activity.definition
    show_one(
        {
            "Code": definition.code,
            "Kind": definition.kind,
            "Module": activity.function.__module__,
            "Name": _all_languages(definition.name),
            "Description": _all_languages(definition.description) if definition.description else "",
            "Waits": {True: "yes", False: "no", None: "as the template's author says"}[definition.waits],
        }
    )
    click.echo()
    show_table(
        ("Property", "Type", "Required", "Multiple", "Default", "Options"),
        [_property(each) for each in definition.properties],
        nothing="It has no properties.",
    )
    click.echo()
    show_table(
        ("Returns", "Type", "Required", "Multiple", "Default", "Options"),
        [_property(each) for each in definition.return_properties],
        nothing="It returns nothing.",
    )
    click.echo()
    filter_ = definition.filter.to_bitrix() if definition.filter else None
    show_table(
        ("Offered on", "Cloud (b24)", "Self-hosted (box)"),
        [
            (name, *("yes" if shown(filter_, document_type, edition) else "no" for edition in get_args(Edition)))
            for name, document_type in document_types.EXAMPLES.items()
        ],
        nothing="",
    )


@activities.command()
@click.argument("code")
@click.option("-i", "--input", "given", default="{}", metavar="JSON", help='The properties, such as {"times": 2}.')
def run(code: str, given: str) -> None:
    """Call one activity's function, here and now.

    It needs no portal and no settings. What the process would get is printed as JSON; what the function does on its
    way, such as its log lines, goes to stderr. Values are given as a portal sends them ("Y", "user_1"), or as JSON has
    them (true, 1, lists), dates as ISO 8601.

    Numbers begin at 1 and files are not kept. A function that asks for the portal is stopped there. Exits with 1 when
    the function fails, and with 2 when properties are wrong.
    """
    activity = _existing(code)
    properties = _filled_in(activity, given)
    try:
        outcome = rehearse(activity, properties, Rehearsal(lambda what, more: click.echo(f"{what}: {more}", err=True)))
    except Deferred:
        click.echo("It is deferred: its process waits until the run is completed.", err=True)
        return
    except Retry as error:
        when = "after a pause" if error.after is None else f"after {error.after:g} s"
        raise click.ClickException(f"It wants to be tried again {when}: {error}") from None
    except PortalAsked:
        raise click.ClickException(
            "The function asks for the portal, or for a connection of it, and here is none. 'flask dev' runs it in a"
            " development portal; a test can give it one: bizproc.testing.Process(portal=..., connections=...)."
        ) from None
    if outcome.trace is not None:
        click.echo(outcome.trace, err=True, nl=False)
        sys.exit(1)
    if outcome.error is not None:
        raise click.ClickException(outcome.error)
    click.echo(json.dumps(outcome.values, ensure_ascii=False))


class WrongProperties(click.ClickException):
    exit_code = 2


def _filled_in(activity: AnyActivity, given: str) -> Any:
    try:
        values = json.loads(given)
    except (ValueError, RecursionError) as error:
        raise WrongProperties(f"--input is no JSON: {error}.") from None
    if not isinstance(values, dict):
        raise WrongProperties('--input is no object with the properties, such as {"times": 2}.')
    try:
        return filled_in(activity.properties, values)
    except UnusableValues as error:
        faults = "\n".join(f"  {key}: {fault}" for key, fault in error.faults.items())
        raise WrongProperties(f"The properties do not fit:\n{faults}") from None


def _existing(code: str) -> AnyActivity:
    activity = _discovered().get(code)
    if activity is None:
        raise click.ClickException(f"There is no activity {code!r}. 'flask activities list' tells which there are.")
    return activity


def _all_languages(text: LocalizedText) -> str:
    return ", ".join(words if code == PLAIN else f"{words} ({code})" for code, words in text.texts.items())


def _property(each: Property) -> tuple[str, ...]:
    default = each.default if each.multiple else [each.default]
    return (
        each.key,
        each.type,
        "yes" if each.required else "",
        "yes" if each.multiple else "",
        ", ".join(str(default_text(value)) for value in default or () if value is not None),
        ", ".join(each.options),
    )


def _discovered() -> Registry:
    try:
        return discover(package)
    except DefinitionError as error:
        number = len(error.faults)
        raise click.ClickException(
            f"{number} {'fault' if number == 1 else 'faults'} in the definitions:\n{error}"
        ) from None


for command in (registration.plan, registration.apply, registration.drift):
    activities.add_command(command)
