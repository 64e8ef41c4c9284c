from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import IntegrityError

from bizproc.storage.database import Database


def test_who_spoils_a_transaction_spoils_no_others_work(database_url: str) -> None:
    database = Database(database_url)
    with database.writing() as session:
        session.execute(text("CREATE TABLE numbers (number INTEGER PRIMARY KEY)"))

    def insert(number: int) -> int:
        def work(connection: Connection) -> int:
            connection.execute(text("INSERT INTO numbers VALUES (:number)"), {"number": number})
            return -number

        return database.together(work)

    assert insert(0) == 0
    with ThreadPoolExecutor(8) as threads:
        # While the lock is held, the others queue up for the next commit.
        with database.transaction() as connection:
            connection.execute(text("INSERT INTO numbers VALUES (100)"))
            asked = {number: threads.submit(insert, number) for number in (0, 1, 2, 100, 3, 4)}
        for number, given in asked.items():
            if number in (0, 100):
                with pytest.raises(IntegrityError):
                    given.result()
            else:
                assert given.result() == -number
    with database.reading() as session:
        assert set(session.scalars(text("SELECT number FROM numbers"))) == {0, 1, 2, 3, 4, 100}
    database.close()
