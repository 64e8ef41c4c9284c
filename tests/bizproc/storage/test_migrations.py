"""Migrations, up and down, on both databases."""

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect, text

from bizproc.storage.database import NEWEST, Database, DatabaseError
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


def test_the_files_of_migrations_are_named_in_their_order() -> None:
    config = Config()
    config.set_main_option("script_location", "bizproc.storage:migrations")
    assert ScriptDirectory.from_config(config).get_current_head() == NEWEST


def test_no_migration_loses_a_run(database_url: str) -> None:
    """Neither up nor down: SQLite makes some tables anew, and dropping one takes along what refers to it."""
    database = Database(database_url)
    database.upgrade("0001")
    with database.writing() as session:
        columns = "member_id, domain, client_endpoint, server_endpoint, edition, status, scope, language, app_host"
        values = ", ".join(["'x'"] * 9)
        session.execute(
            text(
                f"INSERT INTO installations (id, {columns}, user_id, payment_expired, installed_at, register_attempts)"
                f" VALUES (1, {values}, 1, false, '2026-01-01', 0)"
            )
        )
        session.execute(
            text(
                "INSERT INTO runs (id, installation_id, event_hash, code, raw, state, due_at, handed_at, claim,"
                " answer_attempts, received_at) VALUES (1, 1, '', 'c', '', 'received', '2026-01-01', '2026-01-01', 0,"
                " 0, '2026-01-01')"
            )
        )
        session.execute(
            text(
                "INSERT INTO registrations (installation_id, code, kind, action, sent_at)"
                " VALUES (1, 'c', 'activity', 'added', '2026-01-01')"
            )
        )
    for move in (lambda: database.upgrade("head"), lambda: database.downgrade("0001")):
        move()
        with database.reading() as session:
            for table in ("installations", "runs", "registrations"):
                assert session.execute(text(f"SELECT count(*) FROM {table}")).scalar() == 1, table
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
