"""``flask db``: the tables."""

import click

from bizproc.storage.database import DatabaseError
from commands import backend


@click.group()
def db() -> None:
    """The database."""


@db.command()
def upgrade() -> None:
    """Apply the migrations that are missing. Run it before a new version serves."""
    app = backend()
    try:
        app.database.upgrade()
    except DatabaseError as error:
        raise click.ClickException(str(error)) from None
    click.echo("The database is up to date.")
