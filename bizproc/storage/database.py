"""The database: one engine for the process, its transactions and its migrations."""

import fcntl
import select
import sqlite3
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import IO, Any, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event, inspect, make_url, text
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.exc import ArgumentError, DisconnectionError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.orm import Session

from bizproc.errors import BizprocError
from bizproc.storage.group_commit import GroupCommit
from bizproc.storage.patience import AWAY
from bizproc.storage.tables import Table

Item = TypeVar("Item")
Result = TypeVar("Result")
Work = Callable[[Connection, Sequence[Item]], Sequence[Result]]
"""Gives a result for each item, in order, in one transaction."""

BUSY_SECONDS = 30
NEWEST = max(file.name for file in (Path(__file__).parent / "migrations" / "versions").glob("[0-9]*.py")).split("_")[0]
"""The last migration; their files are named in their order."""
POOL = 10
"""Connections of one process at most. A PostgreSQL server takes 100 unless told otherwise."""
CONNECT_SECONDS = 5
_SERVER = {
    "connect_timeout": CONNECT_SECONDS,
    # A server that is cut off, not one that thinks for long, is given up after as many seconds.
    "tcp_user_timeout": CONNECT_SECONDS * 1000,
    "keepalives_idle": CONNECT_SECONDS,
    "keepalives_interval": 1,
}


class DatabaseError(BizprocError):
    """The database cannot be used as DATABASE_URL says."""


class Database:
    """Opens no connection before the first use.

    Raises DatabaseError when the URL cannot be understood or its driver is missing.
    """

    def __init__(self, url: str) -> None:
        try:
            parsed = make_url(url)
            if parsed.drivername == "postgresql":
                parsed = parsed.set(drivername="postgresql+psycopg")
            if parsed.database and parsed.get_backend_name() == "sqlite":
                Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
            is_server = parsed.get_backend_name() != "sqlite"
            self.engine = create_engine(
                parsed,
                pool_size=POOL // 2,
                max_overflow=POOL // 2,
                hide_parameters=True,
                connect_args=_SERVER if is_server else {},
            )
        except (NoSuchModuleError, ModuleNotFoundError) as error:
            raise DatabaseError(f"DATABASE_URL names a database whose driver is not installed: {error}") from None
        except (ArgumentError, ValueError):
            raise DatabaseError("DATABASE_URL is no database address, such as postgresql://user@host/name") from None
        except OSError as error:
            raise DatabaseError(f"The folder of the SQLite file cannot be made: {error}") from None
        self._alone: IO[str] | None = None
        self.is_sqlite = self.engine.dialect.name == "sqlite"
        # SQLite has one writer at a time, and who finds it busy looks again only after a pause.
        self._writer: AbstractContextManager[object] = threading.RLock() if self.is_sqlite else nullcontext()
        self._together: GroupCommit[tuple[Work[Any, Any], Any], Any] = GroupCommit(self._do_all, None)
        self.reads = self.engine
        """Connections for what only reads. On a server each statement sees what is committed, with BEGIN and ROLLBACK
        around it or without: these would be two exchanges more."""
        if self.is_sqlite:
            _prepare_sqlite(self.engine)
        else:
            event.listen(self.engine, "checkout", _require_open)
            self.reads = self.engine.execution_options(isolation_level="AUTOCOMMIT")

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """For what only reads."""
        with Session(self.reads) as session:
            yield session

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """As ``writing``, for the statements that every callback needs: objects that know their rows take as long as
        all else that is done with one."""
        with (
            self._writer,
            self.engine.connect().execution_options(begins="IMMEDIATE") as connection,
            connection.begin(),
        ):
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """A transaction that is committed when the block ends and rolled back when it raises."""
        with (
            self._writer,
            self.engine.connect().execution_options(begins="IMMEDIATE") as connection,
            Session(connection) as session,
            session.begin(),
        ):
            yield session

    def together(self, work: Work[Item, Result], item: Item) -> Result:
        """What ``work`` gives for the item, in a transaction. Durable when this returns. Raises what ``work`` raises.

        All threads that wait for one commit are in the next, and the items of the same ``work`` in one call of it: so
        they share its statements too. Where one spoils that for the others, each is done again in a transaction of its
        own.
        """
        result: Result = self._together((work, item))
        return result

    def _do_all(self, asked: Sequence[tuple[Work[Any, Any], Any]]) -> list[Any]:
        numbers: defaultdict[Work[Any, Any], list[int]] = defaultdict(list)
        for number, (work, _) in enumerate(asked):
            numbers[work].append(number)
        results: dict[int, Any] = {}
        try:
            with self.transaction() as connection:
                for work, own in numbers.items():
                    results |= zip(own, work(connection, [asked[number][1] for number in own]), strict=True)
        except AWAY:
            raise
        except Exception as error:
            return [error] if len(asked) == 1 else [self._do_all([each])[0] for each in asked]
        return [results[number] for number in range(len(asked))]

    def insert(self, table: type[Table]) -> Any:
        """An INSERT with ``on_conflict_do_update``, which both databases have, each in its own dialect."""
        return sqlite_insert(table) if self.is_sqlite else postgresql_insert(table)

    def upgrade(self, revision: str = "head") -> None:
        """Apply the migrations that are missing, up to a revision. Leaves no connection open, so that a server may fork
        afterwards.

        Raises DatabaseError when the database cannot be reached, or is newer than this version of the app.
        """
        if revision == "head" and not self.pending():
            self.engine.dispose()
            return
        from bizproc.storage import migrating

        try:
            with self.engine.connect().execution_options(begins="IMMEDIATE") as connection, connection.begin():
                migrating.upgrade(connection, revision)
        except SQLAlchemyError as error:
            raise unreachable(error) from None
        except migrating.CommandError:
            raise DatabaseError(
                "The database has a migration that this version of the app does not know: it was upgraded by a newer"
                " version. Start that one, or restore a backup."
            ) from None
        finally:
            self.engine.dispose()

    def downgrade(self, revision: str) -> None:
        """Take migrations back down to a revision, ``base`` for all."""
        from bizproc.storage import migrating

        with self.engine.connect().execution_options(begins="IMMEDIATE") as connection, connection.begin():
            migrating.downgrade(connection, revision)

    def pending(self) -> bool:
        """Whether migrations are missing.

        Raises DatabaseError when the database cannot be reached.
        """
        try:
            with self.engine.connect() as connection:
                if not inspect(connection).has_table("alembic_version"):
                    return True
                applied: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
        except SQLAlchemyError as error:
            raise unreachable(error) from None
        return applied != NEWEST

    def lock_alone(self) -> bool:
        """Whether this process is the only one that asked for this on the SQLite file; it stays so until it ends or
        closes the database. Always False for a server, which others may use unseen."""
        database = self.engine.url.database
        if self._alone is not None:
            return True
        if not self.is_sqlite or not database:
            return False
        lock = Path(f"{database}.lock").open("w")  # noqa: SIM115 - open as long as the lock is held
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.close()
            return False
        self._alone = lock
        return True

    def serve_alone(self) -> None:
        """Make this process, and those that it forks, the only ones that serve this SQLite file, until the last of them
        has ended. A server is left to its users.

        Raises DatabaseError when others serve the file already, or nothing can be written beside it.
        """
        database = self.engine.url.database
        if not self.is_sqlite or not database:
            return
        try:
            held = hold(Path(f"{database}.app.lock"))
        except OSError as error:
            raise DatabaseError(f"{error.filename} cannot be written: {error.strerror}") from None
        if not held:
            raise DatabaseError(
                f"Another process of the app already uses {database}. An app with a SQLite file is one process: stop"
                " the other one first. For more processes set DATABASE_URL to PostgreSQL and QUEUE_URL to Redis."
            )

    def close(self) -> None:
        self.engine.dispose()
        if self._alone is not None:
            self._alone.close()
            self._alone = None


_held: dict[Path, IO[str]] = {}


def hold(file: Path) -> bool:
    """Lock a file for this process and those that it forks, until the last of them has ended, however that comes about.
    False when others hold it; asked again, who holds it keeps it.

    Raises OSError when the file cannot be made.
    """
    file = file.absolute()
    if file in _held:
        return True
    lock = file.open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        return False
    _held[file] = lock
    return True


def unreachable(error: SQLAlchemyError) -> DatabaseError:
    """Says why without the address, which may hold a password."""
    cause = getattr(error, "orig", None) or error
    return DatabaseError(
        f"The database cannot be used: {type(cause).__name__}. Check DATABASE_URL, that the server is running, and that"
        " 'flask db upgrade' has been run."
    )


def _require_open(connection: Any, *_: Any) -> None:
    """Raises DisconnectionError, upon which the pool connects anew, when the server has closed a connection meanwhile:
    that is read from the socket. To ask the server each time would be one exchange in three."""
    waiting = select.poll()
    waiting.register(connection.fileno(), select.POLLIN)
    if waiting.poll(0):
        raise DisconnectionError


def _prepare_sqlite(engine: Engine) -> None:
    # SQLAlchemy's documented way to keep transactions in its own hands with the sqlite3 module. A transaction that will
    # write takes the lock at its start: one that begins by reading is refused at once when another has written since.
    @event.listens_for(engine, "connect")
    def connected(connection: sqlite3.Connection, _record: Any) -> None:
        connection.isolation_level = None
        for pragma in (
            f"busy_timeout = {BUSY_SECONDS * 1000}",
            "journal_mode = WAL",
            "synchronous = FULL",
            "foreign_keys = ON",
        ):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def begins(connection: Connection) -> None:
        connection.exec_driver_sql(f"BEGIN {connection.get_execution_options().get('begins', 'DEFERRED')}")
