"""The values of a step, from the texts of its callback to Python (PROTOCOL.md section 7)."""

import datetime as dt
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from bizproc.definition.given import Properties
from bizproc.definition.properties import Property, python_type
from bizproc.definition.values import User
from bizproc.errors import BizprocError
from bizproc.php import PhpArray, PhpValue
from bizproc.storage.tables import Slashes

Input = TypeVar("Input", bound=Properties)

DATE_FORMATS = ("%d.%m.%Y", "%Y-%m-%d", "%Y/%m/%d")
SLASHES: dict[Slashes, str] = {"m/d/Y": "%m/%d/%Y", "d/m/Y": "%d/%m/%Y"}
MONTH_FIRST_LANGUAGES = frozenset(("en",))
"""English portals are made with m/d/Y."""
SHOWN_CHARACTERS = 60
TIME_FORMATS = ("%H:%M:%S", "%H:%M", "%I:%M:%S %p", "%I:%M %p")


class UnusableValues(BizprocError):
    """Properties whose values do not fit the definition; the text names each.

    faults: what is wrong, by the property's key
    """

    def __init__(self, faults: Mapping[str, str]) -> None:
        super().__init__("; ".join(f"{key}: {fault}" for key, fault in faults.items()))
        self.faults = dict(faults)


def slashes_of(language: str) -> Slashes:
    """The likelier of both in a portal of this language."""
    return "m/d/Y" if language in MONTH_FIRST_LANGUAGES else "d/m/Y"


def slashes_meant(seen: Slashes | None, known: Slashes | None, language: str) -> Slashes:
    """What slashes mean in a callback: by its own dates, else by those that the portal has sent before, else by its
    language."""
    return seen or known or slashes_of(language)


def slashes_seen(properties: type[Properties], given: PhpArray) -> Slashes | None:
    """What slashes mean in the portal that wrote these values: a day after the 12th tells. None where no date tells,
    or two contradict each other."""
    by_name = _by_name(given)
    dates = [each for each in properties.__properties__.values() if python_type(each.type) in (dt.date, dt.datetime)]
    texts = [text for each in dates for text in _texts(each, by_name.get(each.key.lower()))]
    seen = {only for text in texts if (only := _only_reading(text)) is not None}
    return seen.pop() if len(seen) == 1 else None


def _only_reading(text: str) -> Slashes | None:
    parts = re.match(r"\s*(\d\d?)/(\d\d?)/\d{4}(?!\d)", text, re.ASCII)
    first, second = (int(parts[1]), int(parts[2])) if parts else (0, 0)
    if 1 <= first <= 12 < second <= 31:
        return "m/d/Y"
    return "d/m/Y" if 1 <= second <= 12 < first <= 31 else None


def decode(properties: type[Input], given: PhpArray, slashes: Slashes = "m/d/Y") -> Input:
    """The step's values as the activity's own class. ``slashes``: how to read a date that can be read in both ways.

    A value that is missing or empty is the default, else None; a portal matches names without regard to case.
    Raises UnusableValues with every property that does not fit.
    """
    by_name = _by_name(given)
    values: dict[str, Any] = {}
    faults: dict[str, str] = {}
    for name, property_ in properties.__properties__.items():
        texts = _texts(property_, by_name.get(property_.key.lower()))
        try:
            values[name] = _value(property_, texts, slashes)
        except ValueError as error:
            faults[property_.key] = str(error)
    if faults:
        raise UnusableValues(faults)
    return properties(**values)


def _by_name(given: PhpArray) -> dict[str, PhpValue]:
    return {str(name).lower(): value for name, value in given.items()}


def _value(property_: Property, texts: Sequence[str], slashes: Slashes) -> Any:
    if not texts:
        if property_.default is not None:
            return list(property_.default) if property_.multiple else property_.default
        if property_.required:
            raise ValueError("is required, but empty")
        return [] if property_.multiple else None
    if property_.multiple:
        return [_decoded(property_, each, slashes) for each in texts]
    return _decoded(property_, texts[0], slashes)


def _texts(property_: Property, value: PhpValue) -> list[str]:
    """The values that are not empty: one text or none, or those of a list in any of its forms (``x[]``, ``x[0]``,
    ``x``)."""
    if isinstance(value, dict):
        items = list(value.values())
        # A select's value can come as the pair of its key and title.
        if property_.type == "select" and not property_.multiple:
            items = items[:1]
        return [text for item in items for text in _texts(property_, item)]
    text = "" if value is None else str(value)
    return [text] if text.strip() else []


def _decoded(property_: Property, text: str, slashes: Slashes) -> Any:
    wanted = python_type(property_.type)
    if property_.type == "select" and text not in property_.options:
        raise ValueError(f"{_cut(text)} is no option; options are {', '.join(property_.options)}")
    if wanted is bool:
        return _boolean(text)
    if wanted is int:
        return _integer(text)
    if wanted is float:
        return _double(text)
    if wanted is dt.datetime:
        return _datetime(text, slashes)
    if wanted is dt.date:
        return _datetime(text, slashes).date()
    if wanted is dt.time:
        return _time(text)
    return User(text) if wanted is User else text


def _boolean(text: str) -> bool:
    known = {"y": True, "1": True, "n": False, "0": False}
    if text.strip().lower() not in known:
        raise ValueError(f"{_cut(text)} is neither Y nor N")
    return known[text.strip().lower()]


def _integer(text: str) -> int:
    digits = re.sub(r"\s", "", text)
    digits = re.sub(r"(?<=\d)[,.](?=\d{3}(?:[,.]|$))", "", digits)
    if not re.fullmatch(r"[+-]?\d{1,4000}", digits):
        raise ValueError(f"{_cut(text)} is no whole number")
    return int(digits)


def _double(text: str) -> float:
    """As typed by a person: ``1 000,5``. The last separator is the decimal one, unless it stands there twice."""
    digits = re.sub(r"\s", "", text)
    separators = re.findall("[,.]", digits)
    decimal = separators[-1] if separators and separators.count(separators[-1]) == 1 else ""
    for separator in {",", "."} - {decimal}:
        digits = digits.replace(separator, "")
    digits = digits.replace(",", ".")
    if not re.fullmatch(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,3})?", digits) or not math.isfinite(float(digits)):
        raise ValueError(f"{_cut(text)} is no number")
    return float(digits)


def _datetime(text: str, slashes: Slashes) -> dt.datetime:
    """Portals write dates in their own format, and the moment without a zone; now and then the seconds between it and
    UTC follow in brackets. Without them it is taken for UTC: nobody tells the user's zone."""
    moment, _, offset = text.strip().partition(" [")
    zone: dt.tzinfo = dt.UTC
    if re.fullmatch(r"[+-]?\d{1,5}\]", offset):
        zone = dt.timezone(dt.timedelta(seconds=int(offset[:-1])))
    dates = (*DATE_FORMATS, SLASHES[_only_reading(moment) or slashes])
    formats = [f"{date}{time}" for date in dates for time in ("", *(f" {each}" for each in TIME_FORMATS))]
    for each in formats:
        try:
            return dt.datetime.strptime(moment, each).replace(tzinfo=zone)
        except ValueError:
            continue
    try:
        parsed = dt.datetime.fromisoformat(moment)
    except ValueError:
        raise ValueError(f"{_cut(text)} is no date that is known here") from None
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=zone)


def _time(text: str) -> dt.time:
    moment = text.strip().partition(" [")[0]
    for each in TIME_FORMATS:
        try:
            return dt.datetime.strptime(moment, each).time()  # noqa: DTZ007 - a time of day has no zone
        except ValueError:
            continue
    raise ValueError(f"{_cut(text)} is no time of day")


def _cut(text: str) -> str:
    """The text as a message can show it."""
    return repr(text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}…")
