"""The database's own key for keyed hashes, which stays the same when the operator's key changes."""

import hashlib
import hmac
import secrets

from sqlalchemy import select

from bizproc.secrets import Secrets
from bizproc.storage.database import Database
from bizproc.storage.tables import DataKeyRow, InstallationRow

NAME = "hashes"


class KeyedHashes:
    """Hashes of what is only ever compared: application tokens and event tokens.

    Their key is random. Whichever process needs it first makes it and stores it encrypted; each reads it once.
    """

    def __init__(self, database: Database, secrets: Secrets) -> None:
        self._database = database
        self._secrets = secrets
        self._known: bytes | None = None

    def load(self) -> None:
        """Read the key now, so that a wrong B24_SECRET_KEY is told before anything is asked of the app. Leaves no
        connection open, so that a server may fork afterwards.

        Raises CannotDecrypt.
        """
        if self._known is None:
            try:
                self._key()
            finally:
                self._database.engine.dispose()

    def hash(self, content: bytes) -> bytes:
        """32 bytes that nobody can compute who has only read the database. Not to be called within a transaction, since
        the first call may need one of its own.

        Raises CannotDecrypt.
        """
        return hmac.digest(self._key(), content, hashlib.sha256)

    def is_hash_of(self, hashed: bytes, content: bytes) -> bool:
        """Compares in constant time. Raises CannotDecrypt."""
        return hmac.compare_digest(hashed, self.hash(content))

    def _key(self) -> bytes:
        if self._known is None:
            self._known = self._secrets.decrypt(self._stored() or self._made())
        return self._known

    def _stored(self) -> bytes | None:
        with self._database.reading() as session:
            return session.scalar(select(DataKeyRow.sealed).where(DataKeyRow.name == NAME))

    def _made(self) -> bytes:
        with self._database.writing() as session:
            has_token = select(InstallationRow.access_token).where(InstallationRow.access_token.is_not(None))
            token = session.scalar(has_token.limit(1))
            if token is None:
                key = secrets.token_bytes(32)
            else:
                # Installed before there was this key: the hashes that are there have to stay true. A B24_SECRET_KEY
                # that cannot read the token did not make them either.
                self._secrets.decrypt(token)
                key = self._secrets.former_hash_key
            sealed = self._secrets.encrypt(key)
            made = self._database.insert(DataKeyRow).values(name=NAME, sealed=sealed)
            session.execute(made.on_conflict_do_nothing())
            # Another process may have been faster: then the key is the one that it made.
            return session.scalars(select(DataKeyRow.sealed).where(DataKeyRow.name == NAME)).one()
