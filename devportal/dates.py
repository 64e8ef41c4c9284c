"""The dates of a portal: PHP format letters, without a zone, in the portal's time."""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Final

_DIRECTIVES: Final = {
    "d": "%d",
    "m": "%m",
    "Y": "%Y",
    "H": "%H",
    "h": "%I",
    "i": "%M",
    "s": "%S",
    "a": "%p",
    "A": "%p",
}
_ISO_DATE: Final = re.compile(r"\d{4}-\d\d-\d\d\Z", re.ASCII)
_ISO_DATETIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d)?(?:Z|[+-]\d\d:\d\d)?\Z", re.ASCII)
_TIMESTAMP: Final = re.compile(r"-?\d{1,12}\Z", re.ASCII)


@dataclass(frozen=True, slots=True)
class PortalDates:
    """How a portal writes and reads dates.

    Args:
        date_format: PHP letters of a date, `d.m.Y`, `m/d/Y` or `Y-m-d`; optionally a blank and the time's letters,
            which are `H:i:s` otherwise.
        utc_offset: the portal's and its users' zone, in seconds east of UTC.
    """

    date_format: str = "d.m.Y"
    utc_offset: int = 0

    def __post_init__(self) -> None:
        letters = re.findall("[A-Za-z]", self.date_format)
        unknown = [letter for letter in letters if letter not in _DIRECTIVES]
        if unknown or not {"d", "m", "Y"} <= set(self._date_letters):
            raise ValueError(
                f"date format {self.date_format!r}: needs d, m and Y, and may have a blank and then H, h, i, s, a, A"
            )

    @property
    def _date_letters(self) -> str:
        return self.date_format.split(" ", 1)[0]

    @property
    def _datetime_letters(self) -> str:
        return self.date_format if " " in self.date_format else f"{self.date_format} H:i:s"

    @property
    def zone(self) -> timezone:
        return timezone(timedelta(seconds=self.utc_offset))

    def now(self) -> datetime:
        return datetime.now(self.zone)

    def date_text(self, day: date) -> str:
        return _formatted(datetime(day.year, day.month, day.day, tzinfo=UTC), self._date_letters)

    def datetime_text(self, moment: datetime) -> str:
        """`moment` in the portal's zone; one without a zone is taken to be there already."""
        return _formatted(moment.astimezone(self.zone) if moment.tzinfo else moment, self._datetime_letters)

    def read_date(self, text: str) -> date | None:
        """The portal's own format, `YYYY-MM-DD` or a Unix timestamp; None for anything else."""
        if _ISO_DATE.match(text):
            return _parsed_date(text)
        moment = _parsed(text, self._date_letters) or self._read_timestamp(text)
        return moment.date() if moment else None

    def read_datetime(self, text: str) -> datetime | None:
        """The portal's own format, a Unix timestamp in digits or ISO 8601 with a T; None for anything else.

        As the portal does (PROTOCOL.md section 8), `Z` is read as the server's own zone, and an offset is applied as
        written.
        """
        if _ISO_DATETIME.match(text):
            return self._read_iso(text)
        moment = _parsed(text, self._datetime_letters) or _parsed(text, self._date_letters)
        return moment.replace(tzinfo=self.zone) if moment else self._read_timestamp(text)

    def _read_iso(self, text: str) -> datetime | None:
        try:
            moment = datetime.fromisoformat(text.removesuffix("Z"))
        except ValueError:
            return None
        return moment if moment.tzinfo else moment.replace(tzinfo=self.zone)

    def _read_timestamp(self, text: str) -> datetime | None:
        try:
            return datetime.fromtimestamp(int(text), self.zone) if _TIMESTAMP.match(text) else None
        except (ValueError, OverflowError, OSError):
            return None


def _formatted(moment: datetime, letters: str) -> str:
    hour = moment.hour % 12 or 12
    half = "pm" if moment.hour >= 12 else "am"
    parts = {
        "d": f"{moment.day:02}",
        "m": f"{moment.month:02}",
        "Y": f"{moment.year:04}",
        "H": f"{moment.hour:02}",
        "h": f"{hour:02}",
        "i": f"{moment.minute:02}",
        "s": f"{moment.second:02}",
        "a": half,
        "A": half.upper(),
    }
    return "".join(parts.get(letter, letter) for letter in letters)


def _parsed(text: str, letters: str) -> datetime | None:
    pattern = "".join(_DIRECTIVES.get(letter, "%%" if letter == "%" else letter) for letter in letters)
    try:
        return datetime.strptime(text, pattern)  # noqa: DTZ007 - the portal's text names no zone
    except ValueError:
        return None


def _parsed_date(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None
