"""``flask connections``: the portals' connections to other systems."""

import sys
from typing import TextIO

import click

from bizproc.systems.connections import CheckFailed
from commands import Group, backend
from commands.portals import installed
from commands.tables import show as table


@click.group(cls=Group)
def connections() -> None:
    """The portals' connections to other systems, which their activities work in."""


@connections.command()
@click.argument("domain")
@click.argument("system")
@click.argument("name")
@click.argument("base_url", default="")
@click.option("--secret-file", type=click.File(), help="A file with the secret; without it the secret is asked for.")
@click.option("--replace", is_flag=True, help="Take the place of the connection of this name.")
@click.option("--no-check", is_flag=True, help="Store it without asking the system.")
def add(
    domain: str, system: str, name: str, base_url: str, secret_file: TextIO | None, replace: bool, no_check: bool
) -> None:
    """Store a connection, once the system has been asked with it.

    Some systems have one base URL for everybody, which is taken without BASE_URL.
    The secret is asked for, or read from the standard input where that is no terminal.
    """
    app = backend()
    portal = installed(app, domain)
    secret = _secret(secret_file)
    try:
        told = app.connections.add(portal, system, name, base_url, secret, replace=replace, check=not no_check)
    except CheckFailed as error:
        raise click.ClickException(f"{error}\nNothing is stored. --no-check stores it all the same.") from None
    click.echo(f"{told}\nThe connection {name} is stored." if told else f"The connection {name} is stored, unchecked.")


@connections.command("list")
@click.option("--portal", "domain", help="Of this portal alone.")
def list_(domain: str | None) -> None:
    """List the connections, without their secrets."""
    app = backend()
    portals = [installed(app, domain)] if domain else [each for each in app.installations.all() if each.active]
    table(
        ("Portal", "System", "Name", "Base URL", "Stored"),
        (
            (portal.domain, each.system, each.name, each.base_url, f"{each.stored_at:%Y-%m-%d %H:%M}")
            for portal in portals
            for each in app.connections.all(portal)
        ),
        nothing="There is no connection yet. 'flask connections add' stores one.",
    )


@connections.command()
@click.argument("domain")
@click.argument("system")
@click.argument("name")
def check(domain: str, system: str, name: str) -> None:
    """Ask the system over a connection, harmlessly, and tell what is there or what is wrong."""
    app = backend()
    click.echo(app.connections.check(installed(app, domain), system, name))


@connections.command()
@click.argument("domain")
@click.argument("system")
@click.argument("name")
def remove(domain: str, system: str, name: str) -> None:
    """Remove a connection. Steps that name it fail from then on."""
    app = backend()
    app.connections.remove(installed(app, domain), system, name)
    click.echo(f"The connection {name} is removed.")


def _secret(file: TextIO | None) -> str:
    if file is not None:
        return file.read()
    if sys.stdin.isatty():
        secret: str = click.prompt("Secret", hide_input=True)
        return secret
    return sys.stdin.read()
