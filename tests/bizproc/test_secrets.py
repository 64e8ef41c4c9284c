"""What is encrypted survives a change of keys."""

import base64
import multiprocessing
from concurrent.futures import ThreadPoolExecutor

import pytest
from cryptography.fernet import Fernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from bizproc.secrets import ID_BYTES, NONCE_BYTES, CannotDecrypt, Secrets

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


def test_what_fernet_encrypted_is_read_and_brought_under_aes_gcm() -> None:
    """As versions before AES-GCM stored it."""
    key = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"b24-activities storage").derive(OLD.encode())
    stored = Fernet(base64.urlsafe_b64encode(key)).encrypt(b"text")
    for keys in ([OLD], [NEW, OLD]):
        assert Secrets(keys).decrypt(stored) == b"text"
        assert not Secrets(keys).is_newest(stored)
        anew = Secrets(keys).reencrypt(stored)
        assert Secrets(keys).is_newest(anew)
        assert Secrets(keys).decrypt(anew) == b"text"
    with pytest.raises(CannotDecrypt):
        Secrets([NEW]).decrypt(stored)


def test_what_was_cut_off_or_changed_is_refused() -> None:
    secrets = Secrets([NEW])
    stored = secrets.encrypt(b"text")
    for end in range(len(stored)):
        with pytest.raises(CannotDecrypt):
            secrets.decrypt(stored[:end])
        changed = stored[:end] + bytes([stored[end] ^ 1]) + stored[end + 1 :]
        with pytest.raises(CannotDecrypt):
            secrets.decrypt(changed)


def test_the_same_text_is_never_encrypted_alike() -> None:
    secrets = Secrets([NEW])
    assert len({secrets.encrypt(b"text") for _ in range(100)}) == 100


def nonces(secrets: Secrets) -> list[bytes]:
    with ThreadPoolExecutor(8) as pool:
        encrypted = list(pool.map(lambda _: secrets.encrypt(b""), range(1000)))
    return [each[1 + ID_BYTES :][:NONCE_BYTES] for each in encrypted]


def test_no_nonce_comes_twice_also_after_a_fork() -> None:
    secrets = Secrets([NEW])
    seen = nonces(secrets)
    receiver, sender = multiprocessing.Pipe(duplex=False)
    for _ in range(2):
        forked = multiprocessing.get_context("fork").Process(target=lambda: sender.send(nonces(secrets)))
        forked.start()
        seen += receiver.recv()
        forked.join()
    seen += nonces(secrets)
    assert {len(each) for each in seen} == {NONCE_BYTES}
    assert len(set(seen)) == len(seen) == 4000
