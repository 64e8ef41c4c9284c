"""Files that take the callbacks while the database cannot: encrypted, appended to, on the disk before 2xx goes out.

A file is a row of records: length and CRC-32 of what follows (4 bytes each, big endian), then one callback, encrypted.
A record that is cut off was never answered with 2xx. The process that appends to a file holds a lock on it; whoever
gets the lock may empty the file into the database and delete it. To be emptied twice does no harm, since the database
keeps each event token once.
"""

import fcntl
import json
import logging
import os
import struct
import threading
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import IO

from bizproc.errors import BizprocError
from bizproc.secrets import CannotDecrypt, Secrets
from bizproc.storage.group_commit import GroupCommit, TookTooLong

logger = logging.getLogger(__name__)

LIMIT = 64 * 1024 * 1024
"""Bytes of all files in the folder."""
UNPROVEN_LIMIT = LIMIT // 2
"""Whoever is not proven yet may fill no more, so that nobody can keep out those who are."""
PATIENCE_SECONDS = 10
BATCH = 100
_HEAD = struct.Struct(">II")


class SpoolFailed(BizprocError):
    """The spool cannot take a callback: it is full, or its folder cannot be written."""


@dataclass(frozen=True)
class Spooled:
    """A callback that came while the database was away.

    received_at: seconds since 1970; installation_id: None when the sender has yet to be proven
    """

    code: str
    raw: bytes
    received_at: float
    installation_id: int | None


@dataclass(frozen=True)
class _Record:
    content: bytes
    proven: bool


class Spool:
    """The spool files of a folder. Makes nothing before the first callback."""

    def __init__(self, folder: Path, secrets: Secrets) -> None:
        self._folder = folder
        self._secrets = secrets
        self._append = GroupCommit(self._write, patience_seconds=PATIENCE_SECONDS)
        self._file: FileIO | None = None
        self._lock = threading.Lock()
        self._set_aside: set[Path] = set()

    def add(self, callback: Spooled) -> None:
        """Keep a callback; durable when this returns. Raises SpoolFailed."""
        head = json.dumps([callback.code, callback.received_at, callback.installation_id]).encode()
        sealed = self._secrets.encrypt(head + b"\n" + callback.raw)
        record = _HEAD.pack(len(sealed), zlib.crc32(sealed)) + sealed
        try:
            self._append(_Record(record, proven=callback.installation_id is not None))
        except TookTooLong:
            raise SpoolFailed(f"The disk of SPOOL_FOLDER does not answer: {self._folder}") from None

    def size(self) -> int:
        """Bytes of all files in the folder."""
        return sum(_size(path) for path in self._folder.glob("*.spool"))

    def drain(self, store: Callable[[Sequence[Spooled]], int]) -> None:
        """Give all that is kept to ``store``, a batch at a time, and delete each file of which all has been stored.

        store: says how many it could not store and never will; raises when it is to be tried again
        """
        with self._lock:
            self._seal()
        for path in sorted(self._folder.glob("*.spool")):
            if path not in self._set_aside:
                self._drain_file(path, store)

    def _drain_file(self, path: Path, store: Callable[[Sequence[Spooled]], int]) -> None:
        try:
            file = path.open("rb")
        except FileNotFoundError:
            return  # another process was faster
        with file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                return  # another process appends to it, or is emptying it
            left = 0
            batch: list[Spooled] = []
            for sealed in _records(file, path):
                try:
                    batch.append(_callback(self._secrets.decrypt(sealed)))
                except CannotDecrypt:
                    left += 1
                if len(batch) == BATCH:
                    left += store(batch)
                    batch = []
            left += store(batch) if batch else 0
            if left:
                self._set_aside.add(path)
                logger.error(
                    "%s stays: %d callbacks in it cannot be stored. If B24_SECRET_KEY lacks the key that they were"
                    " encrypted with, add it and restart",
                    path,
                    left,
                )
            else:
                path.unlink(missing_ok=True)

    def _write(self, records: Sequence[_Record]) -> list[Exception | None]:
        with self._lock:
            try:
                used = self.size()
                outcomes: list[Exception | None] = []
                content = bytearray()
                for record in records:
                    if used + len(content) + len(record.content) > (LIMIT if record.proven else UNPROVEN_LIMIT):
                        outcomes.append(SpoolFailed(f"The spool is full: {self._folder}"))
                    else:
                        outcomes.append(None)
                        content += record.content
                if content:
                    self._store(content)
                return outcomes
            except OSError as error:
                raise SpoolFailed(f"SPOOL_FOLDER cannot be written: {self._folder}: {error.strerror}") from None

    def _store(self, content: bytes | bytearray) -> None:
        file = self._file = self._file or self._opened()
        before = os.fstat(file.fileno()).st_size
        try:
            rest = memoryview(content)
            while rest:
                rest = rest[file.write(rest) :]
            os.fsync(file.fileno())
        except OSError:
            # What of it is on the disk nobody knows; the next callbacks begin a new file.
            with suppress(OSError):
                if before:
                    os.ftruncate(file.fileno(), before)
                else:
                    os.unlink(file.name)
            self._seal()
            raise

    def _opened(self) -> FileIO:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        while True:
            path = self._folder / f"{time.time_ns()}-{os.getpid()}.spool"
            file = open(path, "xb", buffering=0, opener=lambda name, flags: os.open(name, flags, 0o600))  # noqa: SIM115
            fcntl.flock(file, fcntl.LOCK_EX)
            if os.fstat(file.fileno()).st_nlink:
                break
            file.close()  # before it was locked, somebody found it empty and deleted it
        for folder in (self._folder, self._folder.parent):
            descriptor = os.open(folder, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        return file

    def _seal(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0  # it has just been emptied


def _records(file: IO[bytes], path: Path) -> Iterator[bytes]:
    """What is whole; a record that is cut off, or that the disk has lost, is passed over."""
    torn = 0
    while head := file.read(_HEAD.size):
        length, checksum = _HEAD.unpack(head) if len(head) == _HEAD.size else (0, 0)
        sealed = file.read(length)
        if not length or len(sealed) < length:
            torn += 1
            break
        if zlib.crc32(sealed) == checksum:
            yield sealed
        else:
            torn += 1
    if torn:
        logger.warning("%s: %d torn records passed over; one at the end was never answered with 2xx", path.name, torn)


def _callback(content: bytes) -> Spooled:
    head, _, raw = content.partition(b"\n")
    code, received_at, installation_id = json.loads(head)
    return Spooled(code, raw, received_at, installation_id)
