"""Migrations, up and down, on both databases."""

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import inspect

from bizproc.storage.database import Database, DatabaseError
from bizproc.storage.tables import Table


def test_up_and_down(database_url: str) -> None:
    database = Database(database_url)
    assert database.pending()
    database.upgrade()
    assert not database.pending()
    database.upgrade()
    with database.engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), Table.metadata) == []
    database.downgrade("base")
    assert database.pending()
    assert set(inspect(database.engine).get_table_names()) <= {"alembic_version"}
    database.close()


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("nonsense", "is no database address"),
        ("oracle+nothing://x", "driver is not installed"),
        ("sqlite:////proc/nothing/b24.sqlite3", "folder of the SQLite file cannot be made"),
    ],
)
def test_an_address_that_cannot_be_used(url: str, words: str) -> None:
    with pytest.raises(DatabaseError, match=words):
        Database(url)


def test_a_server_that_is_not_there_is_named_without_the_password() -> None:
    database = Database("postgresql://user:password@127.0.0.1:1/name")
    with pytest.raises(DatabaseError, match=r"OperationalError\. Check DATABASE_URL") as raised:
        database.upgrade()
    assert "password" not in str(raised.value)
    with pytest.raises(DatabaseError):
        database.pending()
