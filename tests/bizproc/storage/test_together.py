from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import IntegrityError

from bizproc.storage.database import Database
from tests.conftest import eventually


def test_what_waits_for_a_commit_shares_it_and_who_spoils_it_spoils_no_others_work(database_url: str) -> None:
    database = Database(database_url)
    with database.writing() as session:
        session.execute(text("CREATE TABLE numbers (number INTEGER PRIMARY KEY)"))
    calls: list[list[int]] = []

    def insert(connection: Connection, numbers: Sequence[int]) -> list[int]:
        calls.append(list(numbers))
        connection.execute(text("INSERT INTO numbers VALUES (:number)"), [{"number": number} for number in numbers])
        return [-number for number in numbers]

    def count(connection: Connection, names: Sequence[str]) -> list[tuple[str, int]]:
        counted: int = connection.execute(text("SELECT count(*) FROM numbers")).scalar_one()
        return [(name, counted) for name in names]

    assert database.together(insert, 0) == 0
    with ThreadPoolExecutor(16) as threads:
        with database.transaction() as connection:
            # The first waits for this transaction to end, and all others for the first.
            connection.execute(text("INSERT INTO numbers VALUES (100)"))
            asked = {number: threads.submit(database.together, insert, number) for number in (100, 0, 1, 2, 3, 4)}
            counting = threads.submit(database.together, count, "all")
        for number, given in asked.items():
            if number in (0, 100):
                with pytest.raises(IntegrityError):
                    given.result()
            else:
                assert given.result() == -number
        assert counting.result()[0] == "all"
        calls.clear()
        with database.transaction() as connection:
            connection.execute(text("INSERT INTO numbers VALUES (200)"))
            first = threads.submit(database.together, insert, 200)
            eventually(lambda: database._together._led and not database._together._waiting)
            others = [threads.submit(database.together, insert, number) for number in (201, 202, 203)]
            counting = threads.submit(database.together, count, "all")
            eventually(lambda: len(database._together._waiting) == 4)
        with pytest.raises(IntegrityError):
            first.result()
        assert [each.result() for each in others] == [-201, -202, -203]
        assert counting.result() == ("all", 10)
    assert calls == [[200], [201, 202, 203]]
    with database.reading() as session:
        assert set(session.scalars(text("SELECT number FROM numbers"))) == {0, 1, 2, 3, 4, 100, 200, 201, 202, 203}
    database.close()
