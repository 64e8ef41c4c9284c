import pytest
from sqlalchemy import text

from bizproc.storage.database import Database
from tests.conftest import eventually

PID = text("SELECT pg_backend_pid()")


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_connection_that_the_server_has_closed_is_not_used_again(database_url: str) -> None:
    database, other = Database(database_url), Database(database_url)
    with database.engine.connect() as connection:
        pid = connection.scalar(PID)
    with database.engine.connect() as connection:
        assert connection.scalar(PID) == pid, "while it is open, it is used again"
    with other.engine.connect() as connection:
        connection.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": pid})
        gone = text("SELECT count(*) = 0 FROM pg_stat_activity WHERE pid = :pid")
        eventually(lambda: connection.scalar(gone, {"pid": pid}))
    with database.engine.connect() as connection:
        assert connection.scalar(PID) != pid
    database.close()
    other.close()
