"""The files that runs keep, in whatever fsspec can reach, and the signed links to them."""

import logging
import posixpath

from fsspec.core import url_to_fs
from itsdangerous import BadData, SignatureExpired, URLSafeTimedSerializer

from bizproc.context import Files, StoredFile
from bizproc.errors import BizprocError

logger = logging.getLogger(__name__)

LINK_DAYS = 7


class LinkError(BizprocError):
    """A link to a file that does not, or no longer, open it."""


class FileStore:
    """Keeps files under ``files_url``, one folder a portal and run.

    Raises BizprocError when the address cannot be understood or its driver is missing.
    """

    def __init__(self, files_url: str, link_keys: list[bytes], app_url: str) -> None:
        try:
            self._system, self._root = url_to_fs(files_url)
        except (ValueError, ImportError) as error:
            raise BizprocError(f"FILES_URL cannot be used: {error}") from None
        self._signer = URLSafeTimedSerializer(link_keys, salt="file")
        self._app_url = app_url

    def of_run(self, member_id: str, run_id: int) -> "RunFiles":
        return RunFiles(self, member_id, run_id)

    def store(self, member_id: str, run_id: int, name: str, content: bytes) -> StoredFile:
        """Keep a file and sign a link to it that opens it for LINK_DAYS days.

        Raises ValueError for a name with a path in it.
        """
        path = self._path(member_id, run_id, name)
        self._system.makedirs(posixpath.dirname(path), exist_ok=True)
        self._system.pipe_file(path, content)
        signed = self._signer.dumps([member_id, run_id, name])
        return StoredFile(name, f"{self._app_url}/files/{signed}")

    def load(self, signed: str) -> tuple[str, bytes]:
        """Name and content of the file that a link opens.

        Raises LinkError for a link that is forged or too old, or whose file is gone.
        """
        try:
            member_id, run_id, name = self._signer.loads(signed, max_age=LINK_DAYS * 24 * 3600)
            return name, self._system.cat_file(self._path(member_id, run_id, name))
        except SignatureExpired:
            raise LinkError(
                f"This link is older than {LINK_DAYS} days. Ask for the document to be made again."
            ) from None
        except BadData:
            raise LinkError("This link is not complete, or not one of this app.") from None
        except FileNotFoundError:
            raise LinkError("This document has been removed.") from None
        except OSError as error:
            logger.warning("a file cannot be loaded: %s", type(error).__name__)
            raise LinkError("This document cannot be loaded now. Try again later.") from None

    def erase(self, member_id: str) -> None:
        """Remove all files of a portal. Raises OSError."""
        self._erase(posixpath.join(self._root, _part(member_id)))

    def erase_run(self, member_id: str, run_id: int) -> None:
        """Remove all files of a run. Raises OSError."""
        self._erase(posixpath.join(self._root, _part(member_id), str(run_id)))

    def _erase(self, folder: str) -> None:
        if self._system.exists(folder):
            self._system.rm(folder, recursive=True)

    def _path(self, member_id: str, run_id: int, name: str) -> str:
        return posixpath.join(self._root, _part(member_id), str(run_id), _part(name))


class RunFiles(Files):
    """The files of one run, as its activity sees them."""

    def __init__(self, store: FileStore, member_id: str, run_id: int) -> None:
        self._store, self._member_id, self._run_id = store, member_id, run_id

    def store(self, name: str, content: bytes) -> StoredFile:
        return self._store.store(self._member_id, self._run_id, name, content)


def _part(name: str) -> str:
    if not name or name in (".", "..") or any(character in name for character in "/\\\0"):
        raise ValueError(f"{name!r} is no file name: it has a path in it, or is empty")
    return name
