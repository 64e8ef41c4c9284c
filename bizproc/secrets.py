"""Encryption and keyed hashes, all from the operator's B24_SECRET_KEY."""

import base64
import hashlib
import hmac
from collections.abc import Sequence

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from bizproc.errors import BizprocError

MINIMUM_LENGTH = 32


class CannotDecrypt(BizprocError):
    """Something stored was encrypted with a key that B24_SECRET_KEY does not have (any more)."""


class Secrets:
    """What is stored encrypted or hashed.

    keys: the operator's secret texts, the newest first. The first encrypts and hashes, all decrypt and compare, so that
    a key is changed by putting a new one in front.
    """

    def __init__(self, keys: Sequence[str]) -> None:
        self._cipher = MultiFernet([Fernet(base64.urlsafe_b64encode(_derived(key, b"storage"))) for key in keys])
        self._hash_keys = [_derived(key, b"hashes") for key in keys]
        self.link_keys = [_derived(key, b"links") for key in reversed(keys)]
        """For signed links, the newest last, as itsdangerous takes them."""

    def encrypt(self, content: bytes) -> bytes:
        return self._cipher.encrypt(content)

    def decrypt(self, content: bytes) -> bytes:
        """Raises CannotDecrypt."""
        try:
            return self._cipher.decrypt(content)
        except InvalidToken:
            raise CannotDecrypt(
                "Stored data cannot be decrypted: B24_SECRET_KEY lacks the key it was stored with. Add that key again,"
                " behind the newer ones."
            ) from None

    def hash(self, content: bytes) -> bytes:
        """32 bytes that only holders of the newest key can compute."""
        return hmac.digest(self._hash_keys[0], content, hashlib.sha256)

    def is_hash_of(self, hashed: bytes, content: bytes) -> bool:
        """Compares in constant time, with every key."""
        matches = [hmac.compare_digest(hashed, hmac.digest(key, content, hashlib.sha256)) for key in self._hash_keys]
        return any(matches)


def _derived(key: str, purpose: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=b"b24-activities " + purpose).derive(key.encode())
