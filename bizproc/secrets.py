"""What comes of the operator's B24_SECRET_KEY: encryption, and the keys of signed links."""

import base64
import os
import threading
from collections.abc import Sequence

from cryptography.exceptions import InvalidTag
from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from bizproc.errors import BizprocError

MINIMUM_LENGTH = 32
ID_BYTES = 8
NONCE_BYTES = 12
_SEALED = b"\x01"
"""In front of what is encrypted with AES-GCM; what Fernet encrypted begins with ``g``."""
KEY_IS_MISSING = (
    "Stored data cannot be decrypted: B24_SECRET_KEY lacks the key it was stored with. Add that key again,"
    " behind the newer ones."
)


class CannotDecrypt(BizprocError):
    """Something stored was encrypted with a key that B24_SECRET_KEY does not have (any more)."""


class Secrets:
    """What is stored encrypted: with AES-256-GCM, the key's id and the nonce in front.

    keys: the operator's secret texts, the newest first. The first encrypts and all decrypt, so that a key is changed by
    putting a new one in front.
    """

    def __init__(self, keys: Sequence[str]) -> None:
        prefixes = [_SEALED + _derived(key, b"storage key id")[:ID_BYTES] for key in keys]
        self._newest = prefixes[0]
        self._ciphers = {
            prefix: AESGCM(_derived(key, b"storage aes-gcm")) for prefix, key in zip(prefixes, keys, strict=True)
        }
        # Earlier versions stored with Fernet.
        self._former = MultiFernet([Fernet(base64.urlsafe_b64encode(_derived(key, b"storage"))) for key in keys])
        self.link_keys = [_derived(key, b"links") for key in reversed(keys)]
        """For signed links, the newest last, as itsdangerous takes them."""
        self._nonces = _Nonces()
        self.former_hash_key = _derived(keys[-1], b"hashes")
        """What keyed hashes were made with before the database had a key of its own for them."""

    def encrypt(self, content: bytes) -> bytes:
        nonce = self._nonces.next()
        return self._newest + nonce + self._ciphers[self._newest].encrypt(nonce, content, None)

    def decrypt(self, content: bytes) -> bytes:
        """Raises CannotDecrypt."""
        at = len(self._newest)
        cipher = self._ciphers.get(content[:at])
        try:
            if cipher is None:
                return self._former.decrypt(content)
            return cipher.decrypt(content[at : at + NONCE_BYTES], content[at + NONCE_BYTES :], None)
        except (InvalidTag, InvalidToken, ValueError):  # ValueError: it is cut off within its nonce
            raise CannotDecrypt(KEY_IS_MISSING) from None

    def is_newest(self, content: bytes) -> bool:
        """Whether the newest key encrypted this; told by the key's id in front."""
        return content.startswith(self._newest)

    def reencrypt(self, content: bytes) -> bytes:
        """The same, encrypted with the newest key. Raises CannotDecrypt."""
        return self.encrypt(self.decrypt(content))


class _Nonces:
    """Random bytes, fetched for many at once: each time that the system is asked, a thread loses its turn to others."""

    def __init__(self) -> None:
        self._left = b""
        self._of = 0
        self._lock = threading.Lock()

    def next(self) -> bytes:
        with self._lock:
            if not self._left or self._of != os.getpid():  # two processes of a fork must not use the same
                self._left, self._of = os.urandom(NONCE_BYTES * 256), os.getpid()
            nonce, self._left = self._left[:NONCE_BYTES], self._left[NONCE_BYTES:]
            return nonce


def _derived(key: str, purpose: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=b"b24-activities " + purpose).derive(key.encode())
