"""What no design can avoid of a run: it is made durable when it comes, when its function is done and when its process
has been told, and the process is told."""

import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, closing, nullcontext
from typing import Any

import psycopg
import requests
from sqlalchemy import make_url

STORED = "CREATE TABLE bare (id INTEGER PRIMARY KEY, raw {blob} NOT NULL, state TEXT NOT NULL)"
COMMITS = (
    "INSERT INTO bare (id, raw, state) VALUES ({mark}, {mark}, 'received')",
    "UPDATE bare SET state = 'answering' WHERE id = {mark}",
    "UPDATE bare SET state = 'closed' WHERE id = {mark}",
)


def seconds(
    database_url: str, threads: int, event_tokens: Sequence[tuple[str, str]], raw: bytes, told: Callable[[str], str]
) -> float:
    """How long so many runs take.

    event_tokens: each with the address of its portal's bizproc.event.send; told: an access token for such an address
    """
    url = make_url(database_url)
    is_sqlite = url.get_backend_name() == "sqlite"
    # Who finds SQLite busy looks again only after a pause: threads that take turns are faster.
    writer: AbstractContextManager[Any] = threading.Lock() if is_sqlite else nullcontext()
    mark = "?" if is_sqlite else "%s"
    first, second, third = (each.format(mark=mark) for each in COMMITS)

    def connected() -> Any:
        if not is_sqlite:
            return psycopg.connect(url.set(drivername="postgresql").render_as_string(False), autocommit=True)
        connection = sqlite3.connect(url.database or "", isolation_level=None, timeout=30)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        return connection

    def write(connection: Any, statement: str, *values: object) -> None:
        with writer:
            connection.execute(statement, values)

    with closing(connected()) as connection:
        write(connection, "DROP TABLE IF EXISTS bare")
        write(connection, STORED.format(blob="BLOB" if is_sqlite else "BYTEA"))

    def work(numbered: Sequence[tuple[int, tuple[str, str]]]) -> None:
        with closing(connected()) as connection, requests.Session() as session:
            for number, (address, event_token) in numbered:
                write(connection, first, number, raw)
                write(connection, second, number)
                params = {"EVENT_TOKEN": event_token, "RETURN_VALUES": {"said": "again"}, "auth": told(address)}
                session.post(address, json=params, timeout=30).raise_for_status()
                write(connection, third, number)

    numbered = list(enumerate(event_tokens))
    started = time.perf_counter()
    with ThreadPoolExecutor(threads) as pool:
        for each in [pool.submit(work, numbered[thread::threads]) for thread in range(threads)]:
            each.result()
    return time.perf_counter() - started
