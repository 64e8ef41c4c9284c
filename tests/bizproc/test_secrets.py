"""Encryption and keyed hashes survive a change of keys."""

import pytest

from bizproc.secrets import CannotDecrypt, Secrets

OLD, NEW = "o" * 32, "n" * 32


def test_what_an_old_key_stored_can_be_read_with_both() -> None:
    stored = Secrets([OLD]).encrypt(b"text")
    assert b"text" not in stored
    assert Secrets([NEW, OLD]).decrypt(stored) == b"text"
    with pytest.raises(CannotDecrypt, match="B24_SECRET_KEY lacks the key"):
        Secrets([NEW]).decrypt(stored)


def test_the_newest_key_stores() -> None:
    assert Secrets([NEW]).decrypt(Secrets([NEW, OLD]).encrypt(b"text")) == b"text"


def test_hashes_are_compared_with_every_key() -> None:
    hashed = Secrets([OLD]).hash(b"token")
    assert len(hashed) == 32
    assert Secrets([NEW, OLD]).is_hash_of(hashed, b"token")
    assert not Secrets([NEW, OLD]).is_hash_of(hashed, b"other")
    assert not Secrets([NEW]).is_hash_of(hashed, b"token")
    assert Secrets([NEW, OLD]).hash(b"token") == Secrets([NEW]).hash(b"token")
