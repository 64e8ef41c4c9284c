"""What makes a definition wrong: everything a portal refuses, and some things that it takes but that cannot work.

Paths are relative to the definition. The rules are those of PROTOCOL.md section 6.
"""

import datetime as dt
import re
from collections.abc import Iterator

from bizproc.definition.definition import Definition
from bizproc.definition.faults import Fault
from bizproc.definition.properties import PYTHON_TYPES, Property, python_type
from bizproc.definition.text import PLAIN, LocalizedText
from bizproc.php import from_json, serialized_size

CODE_LENGTH = 128
PROPERTIES_SIZE = 65_535
RESERVED = frozenset(
    name.lower()
    for name in (
        "Title",
        "UseSubscription",
        "IsTimeout",
        "AuthUserId",
        "SetStatusMessage",
        "StatusMessage",
        "TimeoutDuration",
        "TimeoutDurationType",
    )
)


def check(definition: Definition) -> list[Fault]:
    """Every fault of the definition, in the order in which a reader meets the fields."""
    return [
        *_code(definition.code),
        *(fault.below("name") for fault in _name(definition.name, "Empty activity NAME!")),
        *_document_type(definition),
        *_filter(definition),
        *_properties(definition.properties, "properties"),
        *_properties(definition.return_properties, "return_properties"),
        *_uniqueness(definition),
    ]


def _code(code: str) -> Iterator[Fault]:
    if code in ("", "0"):
        yield Fault("code", f"{code!r} counts as empty", portal="Empty activity code!")
    elif not re.fullmatch(r"[A-Za-z0-9._-]+", code):
        yield Fault(
            "code", f"{code!r} may only have Latin letters, digits, '.', '_' and '-'", portal="Wrong activity code!"
        )
    elif len(code) > CODE_LENGTH:
        yield Fault(
            "code", f"has {len(code)} characters, at most {CODE_LENGTH} are allowed", portal="Activity save error!"
        )


def _name(name: LocalizedText, portal: str) -> Iterator[Fault]:
    if not name.texts or name.texts.get(PLAIN) in ("", "0"):
        yield Fault("", "is empty", portal=portal)
    elif not (PLAIN in name.texts or "en" in name.texts):
        yield Fault("", "has neither an English nor a plain text, so people of other languages would see nothing")


def _document_type(definition: Definition) -> Iterator[Fault]:
    if definition.document_type is not None and not all(part.strip() for part in definition.document_type):
        yield Fault("document_type", "needs module, object and type", portal="Wrong activity DOCUMENT_TYPE!")


def _filter(definition: Definition) -> Iterator[Fault]:
    if definition.filter is None:
        return
    for side, rules in (("include", definition.filter.include), ("exclude", definition.filter.exclude)):
        if isinstance(rules, str):
            yield Fault(f"filter.{side}", f"is a list of rules: [{rules!r}]")
            continue
        for number, rule in enumerate(rules):
            if isinstance(rule, str) and rule not in ("b24", "box"):
                yield Fault(
                    f"filter.{side}[{number}]",
                    f"{rule!r} is no edition (b24, box); a document type is a tuple: ({rule!r},)",
                )


def _properties(properties: tuple[Property, ...], section: str) -> Iterator[Fault]:
    for each in properties:
        for fault in _property(each):
            yield fault.below(each.key).below(section)
    size = serialized_size(from_json({each.key: _upper_cased(each) for each in properties}))
    if size > PROPERTIES_SIZE:
        yield Fault(section, f"takes {size} bytes in the portal, at most {PROPERTIES_SIZE} are allowed")


def _upper_cased(property_: Property) -> dict[str, object]:
    return {key.upper(): value for key, value in property_.to_bitrix().items()}


def _property(property_: Property) -> Iterator[Fault]:
    key = property_.key
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", key):
        yield Fault(
            "",
            f"{key!r} is no key: a Latin letter, then Latin letters, digits and '_'",
            portal=f"Wrong property key ({key})!",
        )
    if key.lower() in RESERVED:
        yield Fault("", "is a name that the portal keeps for itself; choose another")
    yield from (fault.below("name") for fault in _name(property_.name, f"Empty property NAME ({key})!"))
    if not (property_.type in PYTHON_TYPES or re.fullmatch(r"UF:\w+", property_.type)):
        known = ", ".join(sorted(PYTHON_TYPES))
        yield Fault("type", f"{property_.type!r} is no property type; there are {known} and UF:...")
        return
    if property_.type == "select":
        yield from _options(property_)
    yield from _default(property_)


def _options(property_: Property) -> Iterator[Fault]:
    if not property_.options:
        yield Fault("options", "are missing; a select needs at least one")
    for key in property_.options:
        if not key.strip():
            yield Fault("options", f"{key!r} is no option key: an empty value means that nothing was chosen")


def _default(property_: Property) -> Iterator[Fault]:
    if property_.default is None:
        return
    if property_.multiple and not isinstance(property_.default, list):
        yield Fault("default", f"{property_.default!r} is no list, as a multiple property needs it")
        return
    for value in property_.default if property_.multiple else [property_.default]:
        if property_.type == "select":
            if value not in property_.options:
                yield Fault("default", f"{value!r} is no option; options are {', '.join(property_.options)}")
        elif not _fits(value, python_type(property_.type)):
            yield Fault("default", f"{value!r} is no {python_type(property_.type).__name__}")


def _fits(value: object, wanted: type) -> bool:
    if wanted is float:
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    if wanted is int or wanted is dt.date:  # bool is an int for Python, and datetime a date
        return type(value) is wanted
    return isinstance(value, str if issubclass(wanted, str) else wanted)


def _uniqueness(definition: Definition) -> Iterator[Fault]:
    seen: dict[str, str] = {}
    for section, properties in (
        ("properties", definition.properties),
        ("return_properties", definition.return_properties),
    ):
        for each in properties:
            first = seen.setdefault(each.key.lower(), f"{section}.{each.key}")
            if first != f"{section}.{each.key}":
                yield Fault(f"{section}.{each.key}", f"is the same name as {first}: the portal ignores case")
