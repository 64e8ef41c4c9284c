"""What comes of the operator's B24_SECRET_KEY: encryption, and the keys of signed links."""

import base64
from collections.abc import Callable, Sequence

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from bizproc.errors import BizprocError

MINIMUM_LENGTH = 32


class CannotDecrypt(BizprocError):
    """Something stored was encrypted with a key that B24_SECRET_KEY does not have (any more)."""


class Secrets:
    """What is stored encrypted.

    keys: the operator's secret texts, the newest first. The first encrypts and all decrypt, so that a key is changed by
    putting a new one in front.
    """

    def __init__(self, keys: Sequence[str]) -> None:
        fernets = [Fernet(base64.urlsafe_b64encode(_derived(key, b"storage"))) for key in keys]
        self._newest = fernets[0]
        self._cipher = MultiFernet(fernets)
        self.link_keys = [_derived(key, b"links") for key in reversed(keys)]
        """For signed links, the newest last, as itsdangerous takes them."""
        self.former_hash_key = _derived(keys[-1], b"hashes")
        """What keyed hashes were made with before the database had a key of its own for them."""

    def encrypt(self, content: bytes) -> bytes:
        return self._newest.encrypt(content)

    def decrypt(self, content: bytes) -> bytes:
        """Raises CannotDecrypt."""
        return _readable(self._cipher.decrypt, content)

    def is_newest(self, content: bytes) -> bool:
        """Whether the newest key encrypted this; told by its signature, which costs less than to decrypt it."""
        try:
            self._newest.extract_timestamp(content)
        except InvalidToken:
            return False
        return True

    def reencrypt(self, content: bytes) -> bytes:
        """The same, encrypted with the newest key. Raises CannotDecrypt."""
        return _readable(self._cipher.rotate, content)


def _readable(read: Callable[[bytes], bytes], content: bytes) -> bytes:
    try:
        return read(content)
    except InvalidToken:
        raise CannotDecrypt(
            "Stored data cannot be decrypted: B24_SECRET_KEY lacks the key it was stored with. Add that key again,"
            " behind the newer ones."
        ) from None


def _derived(key: str, purpose: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=b"b24-activities " + purpose).derive(key.encode())
