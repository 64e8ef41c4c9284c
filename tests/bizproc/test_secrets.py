"""What is encrypted survives a change of keys."""

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


def test_only_what_the_newest_key_encrypted_is_the_newest() -> None:
    both = Secrets([NEW, OLD])
    old, new = Secrets([OLD]).encrypt(b"text"), both.encrypt(b"text")
    assert both.is_newest(new)
    assert not both.is_newest(old)
    assert not both.is_newest(b"no token at all")


def test_what_is_encrypted_anew_needs_the_newest_key_alone() -> None:
    old = Secrets([OLD]).encrypt(b"text")
    anew = Secrets([NEW, OLD]).reencrypt(old)
    assert Secrets([NEW]).is_newest(anew)
    assert Secrets([NEW]).decrypt(anew) == b"text"
    with pytest.raises(CannotDecrypt, match="B24_SECRET_KEY lacks the key"):
        Secrets([NEW]).reencrypt(old)
