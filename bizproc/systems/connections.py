"""The portals' connections to other systems: their secrets are stored encrypted, and shown to nobody again."""

import datetime as dt
import logging
import ssl
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass

from sqlalchemy import ColumnElement, delete, func, select
from sqlalchemy.exc import IntegrityError

from bizproc.context import ActivityFailed, Connection, Retry, no_such_connection
from bizproc.definition.registry import Registry
from bizproc.definition.systems import System
from bizproc.errors import BizprocError
from bizproc.portal.installations import Installation
from bizproc.secrets import Secrets
from bizproc.storage.database import Database
from bizproc.storage.tables import ConnectionRow, now
from bizproc.systems.addresses import Addresses
from bizproc.systems.session import SystemSession

logger = logging.getLogger(__name__)

LONGEST_NAME = 100
LONGEST_SECRET = 4000
MOST_PER_PORTAL = 100
CHECK_SECONDS = 20
"""For a whole check: as long as that, a person and a thread of the server wait."""
CHECKS_AT_ONCE = 4
"""In this process, those included for which nobody waits any more."""


class ConnectionRefused(BizprocError):
    """A connection that cannot be stored or found, and why."""


class CheckFailed(ConnectionRefused):
    """A connection that does not work, and why."""


@dataclass(frozen=True)
class StoredConnection:
    """All but the secret."""

    system: str
    name: str
    base_url: str
    stored_at: dt.datetime


class SystemConnections:
    """Safe to use from many threads."""

    def __init__(
        self,
        database: Database,
        secrets: Secrets,
        registry: Registry,
        addresses: Addresses,
        context: ssl.SSLContext,
    ) -> None:
        self.systems = registry.systems
        self._database = database
        self._secrets = secrets
        self._addresses = addresses
        self._context = context
        self._free = threading.BoundedSemaphore(CHECKS_AT_ONCE)

    def all(self, installation: Installation) -> list[StoredConnection]:
        """Ordered by system and name."""
        wanted = select(ConnectionRow).where(ConnectionRow.installation_id == installation.id)
        with self._database.reading() as session:
            rows = session.scalars(wanted.order_by(ConnectionRow.system, ConnectionRow.name))
            return [StoredConnection(row.system, row.name, row.base_url, row.stored_at) for row in rows]

    def names(self, installation_id: int, system: System) -> list[str]:
        wanted = select(ConnectionRow.name).where(
            ConnectionRow.installation_id == installation_id, ConnectionRow.system == system.code
        )
        with self._database.reading() as session:
            return list(session.scalars(wanted.order_by(ConnectionRow.name)))

    def get(self, installation_id: int, system: System, name: str) -> Connection:
        """Raises ActivityFailed where there is none, CannotDecrypt."""
        with self._database.reading() as session:
            row = session.scalar(select(ConnectionRow).where(*_is(installation_id, system.code, name)))
        if row is None:
            raise no_such_connection(system, name, self.names(installation_id, system))
        return self._open(name, row.base_url, self._secrets.decrypt(row.secret).decode())

    def add(
        self,
        installation: Installation,
        system: str,
        name: str,
        base_url: str,
        secret: str,
        *,
        replace: bool = False,
        check: bool = True,
    ) -> str:
        """Store a connection; what its check has said, empty without one.

        replace: one of this name is replaced
        check: it is stored only if the system can be asked with it

        Raises CheckFailed, ConnectionRefused and UnusableAddress.
        """
        of = self._system(system)
        name, secret = name.strip(), secret.strip()
        if not name or len(name) > LONGEST_NAME or not name.isprintable() or "{" in name or name.startswith("="):
            # What has braces or begins with = is an expression to a process (PROTOCOL.md section 6).
            raise ConnectionRefused(
                f"A name has 1 to {LONGEST_NAME} characters, no braces in it and no = in front. People choose the"
                " connection by it."
            )
        if not secret or len(secret) > LONGEST_SECRET or not secret.isprintable():
            raise ConnectionRefused(f"The secret has 1 to {LONGEST_SECRET} characters in one line.")
        base_url = self._addresses.base_url(base_url.strip() or of.base_url)
        if not replace:
            self._require_new(installation, of, name)
        told = self._checked(of, self._open(name, base_url, secret)) if check else ""
        values = {"base_url": base_url, "secret": self._secrets.encrypt(secret.encode()), "stored_at": now()}
        try:
            with self._database.writing() as session:
                if replace:
                    session.execute(delete(ConnectionRow).where(*_is(installation.id, of.code, name)))
                number = select(func.count()).where(ConnectionRow.installation_id == installation.id)
                if (session.scalar(number) or 0) >= MOST_PER_PORTAL:
                    raise ConnectionRefused(f"A portal has at most {MOST_PER_PORTAL} connections.")
                session.add(ConnectionRow(installation_id=installation.id, system=of.code, name=name, **values))
        except IntegrityError:  # somebody else was faster
            raise _taken(of, name) from None
        logger.info("%s: the connection %s to %s is stored", installation.domain, name, of.code)
        return told

    def check(self, installation: Installation, system: str, name: str) -> str:
        """What the system says of itself. Raises CheckFailed, ConnectionRefused where there is none, CannotDecrypt."""
        of = self._system(system)
        try:
            connection = self.get(installation.id, of, name)
        except ActivityFailed as error:
            raise ConnectionRefused(str(error)) from None
        return self._checked(of, connection)

    def remove(self, installation: Installation, system: str, name: str) -> None:
        """Also one to a system that the app does not know any more. Raises ConnectionRefused where there is none."""
        with self._database.writing() as session:
            gone = session.execute(
                delete(ConnectionRow).where(*_is(installation.id, system, name)).returning(ConnectionRow.id)
            ).all()
        if not gone:
            raise ConnectionRefused(f"{installation.domain} has no connection {name!r} to {system!r}.")
        logger.info("%s: the connection %s to %s is removed", installation.domain, name, system)

    def _system(self, code: str) -> System:
        system = self.systems.get(code)
        if system is None:
            known = f"It knows: {', '.join(self.systems)}." if self.systems else "No activity works with one."
            raise ConnectionRefused(f"The app knows no system {code!r}. {known}")
        return system

    def _require_new(self, installation: Installation, system: System, name: str) -> None:
        if name in self.names(installation.id, system):
            raise _taken(system, name)

    def _open(self, name: str, base_url: str, secret: str) -> Connection:
        return Connection(name, base_url, secret, SystemSession(self._addresses, self._context))

    def _checked(self, system: System, connection: Connection) -> str:
        """In a thread of its own: nobody can end a check that hangs, or that asks again and again."""
        if not self._free.acquire(blocking=False):
            raise CheckFailed(f"{CHECKS_AT_ONCE} other connections are being checked. Try again in a moment.")
        answer: Future[str] = Future()

        def ask() -> None:
            try:
                answer.set_result(_line(system.check(connection)))
            except BaseException as error:  # told to whoever waits
                answer.set_exception(error)
            finally:
                self._free.release()

        threading.Thread(target=ask, name="check", daemon=True).start()
        try:
            return answer.result(CHECK_SECONDS)
        except TimeoutError:
            why = f"The check of {connection.base_url} was not done within {CHECK_SECONDS} seconds."
        except (ActivityFailed, Retry) as error:
            why = str(error)
        except BaseException as error:  # it is an author's function
            logger.error("the check of %s failed unexpectedly: %s", system.code, type(error).__name__)
            why = f"The check of {system.name.shown_in('en')} failed unexpectedly: {type(error).__name__}."
        raise CheckFailed(why)


def _is(installation_id: int, system: str, name: str) -> Sequence[ColumnElement[bool]]:
    return (
        ConnectionRow.installation_id == installation_id,
        ConnectionRow.system == system,
        ConnectionRow.name == name,
    )


def _taken(system: System, name: str) -> ConnectionRefused:
    return ConnectionRefused(f"There is a connection {name!r} to {system.name.shown_in('en')} already.")


def _line(words: str) -> str:
    return " ".join(str(words).split())[:300]
