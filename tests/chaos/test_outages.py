"""What is said to be away is away."""

import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from bizproc.storage.database import Database
from tests.chaos.outages import cut_connections, hold_lock, observing


def test_nobody_writes_to_a_locked_file(tmp_path: Path) -> None:
    path = tmp_path / "x.sqlite3"
    database = Database(f"sqlite:///{path}")
    with database.writing() as session:
        session.execute(text("CREATE TABLE t (x INTEGER)"))
    with ThreadPoolExecutor(1) as pool, sqlite3.connect(path, timeout=0.2) as other:
        held = pool.submit(hold_lock, database, 1.0)
        threading.Event().wait(0.3)
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            other.execute("INSERT INTO t VALUES (1)")
        held.result()
        other.execute("INSERT INTO t VALUES (1)")
    database.close()


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_all_connections_are_cut_but_the_observers(database_url: str) -> None:
    app, observer = Database(database_url), Database(observing(database_url))
    with app.reading() as session:
        session.execute(text("SELECT 1"))
        cut_connections(observer, 0)
        with pytest.raises(OperationalError):
            session.execute(text("SELECT 1"))
    app.close()
    observer.close()
