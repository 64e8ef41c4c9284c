"""``flask activities``: the definitions of this app, and their way into portals."""

import sys

import click

import activities as package
from bizproc.definition.faults import DefinitionError
from bizproc.definition.registry import Registry, discover
from bizproc.portal.b24 import PortalRefused, SdkError, described
from commands import backend
from commands.tables import show


@click.group()
def activities() -> None:
    """The activities of this app."""


@activities.command("list")
def list_() -> None:
    """List the activities and robots that the modules define."""
    show(
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
@click.option("--portal", metavar="DOMAIN", help="Only this portal; all otherwise.")
def apply(portal: str | None) -> None:
    """Register the activities in the portals where the app is installed."""
    app = backend()
    chosen = [each for each in app.installations.all() if each.active and portal in (None, each.domain)]
    if not chosen:
        where = f"in {portal}" if portal else "in any portal"
        raise click.ClickException(f"The app is not installed {where}. 'flask portals list' tells where it is.")
    rows: list[tuple[str, str, str, str]] = []
    for installation in chosen:
        domain = installation.domain
        try:
            registered = app.registration.register(installation, app.installations.token(installation))
        except (SdkError, PortalRefused) as error:
            rows.append((domain, "", "failed", described(error) if isinstance(error, SdkError) else str(error)))
        else:
            rows += [(domain, each.code, each.action, each.error or "") for each in registered]
    show(("Portal", "Code", "Result", "Why"), rows, nothing="There is no activity to register.")
    sys.exit(1 if any(result in ("failed", "refused") for _, _, result, _ in rows) else 0)


def _discovered() -> Registry:
    try:
        return discover(package)
    except DefinitionError as error:
        number = len(error.faults)
        raise click.ClickException(
            f"{number} {'fault' if number == 1 else 'faults'} in the definitions:\n{error}"
        ) from None
