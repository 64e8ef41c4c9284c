"""``flask db``: the tables."""

import click

from commands import Group, backend


@click.group(cls=Group)
def db() -> None:
    """The database."""


@db.command()
def upgrade() -> None:
    """Apply the migrations that are missing. Run it before a new version serves."""
    backend().database.upgrade()
    click.echo("The database is up to date.")
