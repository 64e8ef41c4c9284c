"""The key of the keyed hashes: random, the same in all processes, and no other when the operator's key changes."""

import hashlib
import hmac
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import func, select

from bizproc.secrets import CannotDecrypt, Secrets
from bizproc.storage.data_keys import KeyedHashes
from bizproc.storage.database import Database
from bizproc.storage.tables import DataKeyRow, InstallationRow, now

OLD, NEW = "o" * 32, "n" * 32


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    database = Database(database_url)
    database.upgrade()
    yield database
    database.close()


def hashes(database: Database, *keys: str) -> KeyedHashes:
    return KeyedHashes(database, Secrets(keys))


def installation(**what: object) -> InstallationRow:
    given = {
        "member_id": "m",
        "domain": "p.example.com",
        "client_endpoint": "",
        "server_endpoint": "",
        "edition": "b24",
        "status": "L",
        "scope": "",
        "language": "en",
        "app_host": "",
        "user_id": 1,
        "payment_expired": False,
        "installed_at": now(),
        "register_attempts": 0,
    }
    return InstallationRow(**given | what)


def test_a_hash_stays_true_when_the_operators_key_changes(database: Database) -> None:
    hashed = hashes(database, OLD).hash(b"token")
    assert len(hashed) == 32
    rotated = hashes(database, NEW, OLD)
    assert rotated.hash(b"token") == hashed
    assert rotated.is_hash_of(hashed, b"token")
    assert not rotated.is_hash_of(hashed, b"other")


def test_the_key_is_another_in_each_database_and_not_in_the_clear(database: Database) -> None:
    hashed = hashes(database, OLD).hash(b"token")
    with database.writing() as session:
        row = session.scalars(select(DataKeyRow)).one()
        key = Secrets([OLD]).decrypt(row.sealed)
        assert hmac.digest(key, b"token", hashlib.sha256) == hashed
        assert key not in row.sealed
        session.delete(row)
    assert hashes(database, OLD).hash(b"token") != hashed


def test_all_who_come_first_get_the_same_key(database: Database) -> None:
    """Each with a database of its own, as processes have, so that nothing but the database keeps them apart."""
    url = database.engine.url.render_as_string(False)
    together = threading.Barrier(8)

    def hashed(_number: int) -> bytes:
        own = Database(url)
        try:
            together.wait()
            return hashes(own, OLD).hash(b"token")
        finally:
            own.close()

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(hashed, range(8)))) == 1
    with database.reading() as session:
        assert session.scalar(select(func.count()).select_from(DataKeyRow)) == 1


def test_another_operators_key_is_told(database: Database) -> None:
    hashes(database, OLD).load()
    for use in (KeyedHashes.load, lambda each: each.hash(b"token")):
        with pytest.raises(CannotDecrypt, match="B24_SECRET_KEY lacks the key"):
            use(hashes(database, NEW))


def test_hashes_from_before_there_was_a_data_key_stay_true(database: Database) -> None:
    """They were made with the operator's key. A wrong one must not become the database's for ever."""
    former = hmac.digest(Secrets([OLD]).former_hash_key, b"token", hashlib.sha256)
    with database.writing() as session:
        session.add(installation(access_token=Secrets([OLD]).encrypt(b"access"), application_token_hash=former))
    with pytest.raises(CannotDecrypt):
        hashes(database, NEW).load()
    assert hashes(database, NEW, OLD).is_hash_of(former, b"token")
    assert hashes(database, NEW).is_hash_of(former, b"token")
