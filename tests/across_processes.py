"""What the tests' activities note and wait for, seen by the test wherever they run."""

import json
import os
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, overload

FOLDER = Path(os.environ.get("SHELF_FOLDER") or tempfile.mkdtemp(prefix="b24-shelf-"))
"""A test run's own. It hands it to the processes that it starts."""


class Calls(Sequence[str]):
    """Texts in the order in which they were appended, by whatever process."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def append(self, text: str) -> None:
        line = json.dumps(text) + "\n"
        # One write at the end of the file: lines of several processes do not mix.
        notes = os.open(self._file, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        try:
            os.write(notes, line.encode())
        finally:
            os.close(notes)

    def clear(self) -> None:
        self._file.unlink(missing_ok=True)

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> list[str]: ...
    def __getitem__(self, index: int | slice) -> Any:
        return self._all()[index]

    def __len__(self) -> int:
        return len(self._all())

    def __eq__(self, other: object) -> bool:
        return self._all() == other

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return repr(self._all())

    def _all(self) -> list[str]:
        return [json.loads(line) for line in self._file.read_text().splitlines()] if self._file.exists() else []


class Event:
    """A ``threading.Event`` for several processes."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def set(self) -> None:
        self._file.touch()

    def clear(self) -> None:
        self._file.unlink(missing_ok=True)

    def wait(self, seconds: float) -> bool:
        end = time.monotonic() + seconds
        while not self._file.exists():
            if time.monotonic() > end:
                return False
            time.sleep(0.01)
        return True
