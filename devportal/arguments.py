"""The arguments of control calls."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit


class ControlError(ValueError):
    """A wrong control call; its text is one line for a person."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


class Arguments:
    """The arguments of one control call, read with their types."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = values
        self._read: set[str] = {"portal"}

    def _get(self, name: str, default: Any, types: tuple[type, ...], wanted: str) -> Any:
        self._read.add(name)
        value = self._values.get(name)
        if value is None:
            return default
        if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
            raise ControlError(f"{name}: must be {wanted}")
        return value

    def text(self, name: str, default: str = "") -> str:
        return str(self._get(name, default, (str,), "a text"))

    def flag(self, name: str, default: bool) -> bool:
        value = self._get(name, default, (bool, int), "true or false")
        if value not in (0, 1):
            raise ControlError(f"{name}: must be true or false")
        return bool(value)

    def number(self, name: str, default: float, *, least: float = 0, most: float = 10**9) -> float:
        value = self._get(name, default, (int, float), "a number")
        if not least <= value <= most:
            raise ControlError(f"{name}: must be {least:g} to {most:g}")
        return float(value)

    def whole(self, name: str, default: int, *, least: int = 0, most: int = 10**9) -> int:
        value = self._get(name, default, (int,), "a whole number")
        if not least <= value <= most:
            raise ControlError(f"{name}: must be {least} to {most}")
        return int(value)

    def object(self, name: str) -> dict[str, Any]:
        return dict(self._get(name, {}, (dict,), "an object"))

    def any(self, name: str) -> Any:
        self._read.add(name)
        return self._values.get(name)

    def url(self, name: str, *, required: bool = True) -> str:
        value = self.text(name)
        if not value and not required:
            return ""
        try:
            url = urlsplit(value)
            right = url.scheme in ("http", "https") and bool(url.hostname)
        except ValueError:
            right = False
        if not right:
            raise ControlError(f"{name}: must be an http or https URL, not {value[:100]!r}")
        return value.rstrip("/")

    def end(self) -> None:
        """Refuse arguments that nobody asked for, which are most likely misspelt."""
        unknown = sorted(set(self._values) - self._read)
        if unknown:
            raise ControlError(f"unknown {', '.join(unknown)}; known are {', '.join(sorted(self._read))}")
