"""Values on their way: typed into a step and sent to the application, and answered by it.

Source: PROTOCOL.md sections 7 (sent) and 8 (taken).
"""

import re
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

from bizproc.php import PhpArray, PhpValue, is_empty, to_json, to_text
from devportal.dates import PortalDates

_USER: Final = re.compile(r"user_[1-9]\d*\Z", re.ASCII)
_TRUE: Final = ("Y", "y", "1", "true", "TRUE", True, 1)


def is_multiple(definition: PhpArray) -> bool:
    return definition.get("MULTIPLE") in _TRUE


def is_required(definition: PhpArray) -> bool:
    return definition.get("REQUIRED") in _TRUE


def type_of(definition: PhpArray) -> str:
    """The property's type; a definition without one is a string."""
    return to_text(definition.get("TYPE")) or "string"


def sent_value(value: Any, definition: PhpArray, dates: PortalDates) -> str | list[str]:
    """What the callback carries for `value`, a JSON value as a template's author would fill it in.

    Booleans become `Y` and `N`, a user's number `user_1`, ISO dates the portal's own format. Any text that needs no
    such help is sent as it was typed. None is an empty text, an empty list stays one (and then does not arrive).
    """
    if isinstance(value, (list, tuple)):
        return [_sent_one(inner, type_of(definition), dates) for inner in value]
    return _sent_one(value, type_of(definition), dates)


def _sent_one(value: Any, type_: str, dates: PortalDates) -> str:
    if isinstance(value, bool):
        return "Y" if value else "N"
    text = to_text(value) if value is None or isinstance(value, (int, float, str)) else "Array"
    if type_ == "user" and text.isdecimal() and text != "0":
        return f"user_{text}"
    if type_ == "date" and re.fullmatch(r"\d{4}-\d\d-\d\d", text, re.ASCII):
        day = dates.read_date(text)
        return dates.date_text(day) if day else text
    if type_ == "datetime" and (isinstance(value, int) or "T" in text):
        moment = dates.read_datetime(text)
        return dates.datetime_text(moment) if moment else text
    return text


@dataclass(frozen=True, slots=True)
class Taken:
    """A returned value as the process holds it.

    Attributes:
        value: what the portal stores: the value as sent, dates in the portal's own format.
        typed: the value a person would expect from it (a number, a boolean, an ISO date), None where there is none.
        fault: why it does not fit its type, else None. The portal says nothing of this; it stores the value.
    """

    type: str
    multiple: bool
    raw: PhpValue
    value: PhpValue
    typed: Any
    fault: str | None

    def as_json(self) -> dict[str, Any]:
        return {
            "type": self.type,
            "multiple": self.multiple,
            "raw": to_json(self.raw),
            "value": to_json(self.value),
            "typed": self.typed,
            "fault": self.fault,
        }


def taken_value(raw: PhpValue, definition: PhpArray, dates: PortalDates) -> Taken:
    type_, multiple = type_of(definition), is_multiple(definition)
    if is_empty(raw):
        return Taken(type_, multiple, raw, raw, [] if multiple else None, None)
    if isinstance(raw, dict):
        each = [_taken_one(inner, type_, definition, dates) for inner in raw.values()]
        stored: PhpArray = dict(zip(raw, (stored for stored, _, _ in each), strict=True))
        faults = [fault for _, _, fault in each if fault]
        if not multiple:
            faults.insert(0, "several values for a property that is not multiple")
        return Taken(type_, multiple, raw, stored, [typed for _, typed, _ in each], "; ".join(faults) or None)
    value, typed, fault = _taken_one(raw, type_, definition, dates)
    return Taken(type_, multiple, raw, value, [typed] if multiple else typed, fault)


def _taken_one(raw: PhpValue, type_: str, definition: PhpArray, dates: PortalDates) -> tuple[PhpValue, Any, str | None]:
    """(stored, typed, fault) of one value."""
    if isinstance(raw, dict):
        return raw, None, f"an array where a {type_} belongs"
    text = to_text(raw)
    if type_ in ("date", "datetime"):
        return _taken_date(raw, text, type_, dates)
    typed: Any = text
    if type_ == "bool":
        typed = {"Y": True, "N": False, "1": True, "0": False}.get(text)
    elif type_ == "int":
        typed = int(text) if re.fullmatch(r"[+-]?\d{1,18}", text, re.ASCII) else None
    elif type_ == "double":
        typed = float(text) if re.fullmatch(r"[+-]?\d+(\.\d+)?([eE][+-]?\d+)?", text, re.ASCII) else None
    elif type_ == "user":
        typed = text if _USER.match(text) else None
    elif type_ == "select":
        options = definition.get("OPTIONS")
        if isinstance(options, dict) and text not in map(str, options):
            typed = None
    return raw, typed, None if typed is not None else f"{text[:80]!r} is no {type_}"


def _taken_date(raw: PhpValue, text: str, type_: str, dates: PortalDates) -> tuple[PhpValue, Any, str | None]:
    moment: date | datetime | None = dates.read_date(text) if type_ == "date" else dates.read_datetime(text)
    if moment is None:
        return raw, None, f"{text[:80]!r} is no {type_} that the portal reads"
    try:
        stored = dates.datetime_text(moment) if isinstance(moment, datetime) else dates.date_text(moment)
    except (ValueError, OverflowError):
        return raw, None, f"{text[:80]!r} is out of the portal's range"
    return stored, moment.isoformat(), None
