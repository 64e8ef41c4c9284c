"""Migrations up and down, by Alembic, which takes as long to import as all else of the database: who has nothing to
migrate does without."""

from alembic import command
from alembic.config import Config
from alembic.util.exc import CommandError
from sqlalchemy import Connection

__all__ = ["CommandError", "downgrade", "upgrade"]


def upgrade(connection: Connection, revision: str) -> None:
    """Raises CommandError when the database has a migration that is not known here."""
    command.upgrade(_config(connection), revision)


def downgrade(connection: Connection, revision: str) -> None:
    command.downgrade(_config(connection), revision)


def _config(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", "bizproc.storage:migrations")
    config.attributes["connection"] = connection
    return config
