"""What makes a definition wrong: everything a portal refuses, and some things that it takes but that cannot work.

Paths are relative to the definition. The rules are those of PROTOCOL.md section 6; docs/definitions.md lists what is
refused beyond the portal, and why.
"""

import datetime as dt
import json
import re
from collections.abc import Callable, Iterable, Iterator

from bizproc.definition import portal_rules
from bizproc.definition.definition import Definition, Kind
from bizproc.definition.faults import Fault
from bizproc.definition.portal_rules import Refused
from bizproc.definition.properties import PYTHON_TYPES, Property, python_type
from bizproc.definition.text import PLAIN, LocalizedText
from bizproc.php import PhpArray, from_json

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

LONGEST_SECONDS = 24 * 3600
LONGEST_CODE_WITH_DIALOG = 100
"""Characters. The dialog's address ends with the code, and a portal tells addresses apart by their first 200 characters
(PROTOCOL.md section 6): this leaves 90 for the app's own address and a prefix."""


def check(definition: Definition) -> list[Fault]:
    """Every fault of a definition that a module declares, in the order in which a reader meets the fields."""
    own = [
        *_code(definition.code),
        *_previous_code(definition),
        *(fault.below("name") for fault in _name(definition.name, "Empty activity NAME!")),
        *_filter(definition),
        *_of_each(definition.properties, "properties", _declared),
        *_of_each(definition.return_properties, "return_properties", _declared),
        *_limits(definition),
        *_placement(definition),
        *check_beyond_portal(definition),
    ]
    found = {fault.path for fault in own}
    return own + [fault for fault in _portals(definition) if fault.path not in found]


def check_beyond_portal(definition: Definition) -> list[Fault]:
    """What a portal takes though it cannot work."""
    return [
        *_line_break(definition.code, "code"),
        *_blank(definition.handler, "handler"),
        *_blank(definition.placement_handler, "placement_handler"),
        *_of_each(definition.properties, "properties", _beyond_portal),
        *_of_each(definition.return_properties, "return_properties", _beyond_portal),
        *_uniqueness(definition),
    ]


def _limits(definition: Definition) -> Iterator[Fault]:
    if definition.tries < 1:
        yield Fault("tries", "must be 1 or more")
    if not 0 < definition.seconds <= LONGEST_SECONDS:
        yield Fault("seconds", f"must be more than 0 and at most {LONGEST_SECONDS}")
    if definition.at_once is not None and definition.at_once < 1:
        yield Fault("at_once", "must be 1 or more, or None")


def _placement(definition: Definition) -> Iterator[Fault]:
    placement = definition.placement
    if placement is False:
        for each in definition.properties:
            if each.list_options is not None:
                words = "come from a function, which only a settings dialog asks: the activity needs placement=True"
                yield Fault(f"properties.{each.key}.options", words)
        return
    if placement is not True and not (isinstance(placement, str) and re.fullmatch(r"\w[\w.-]*\.html", placement)):
        yield Fault("placement", f"{placement!r} is neither True, False, nor a template's name such as my_dialog.html")
    if len(definition.code) > LONGEST_CODE_WITH_DIALOG:
        yield Fault(
            "code",
            f"has {len(definition.code)} characters, with a settings dialog at most {LONGEST_CODE_WITH_DIALOG} are"
            " allowed",
        )


def _code(code: str) -> Iterator[Fault]:
    if code in ("", "0"):
        yield Fault("code", f"{code!r} counts as empty", portal="Empty activity code!")
    elif not re.fullmatch(r"[A-Za-z0-9._-]+", code.removesuffix("\n")):
        yield Fault(
            "code", f"{code!r} may only have Latin letters, digits, '.', '_' and '-'", portal="Wrong activity code!"
        )
    elif len(code) > portal_rules.CODE_LENGTH:
        yield Fault(
            "code",
            f"has {len(code)} characters, at most {portal_rules.CODE_LENGTH} are allowed",
            portal=portal_rules.SAVE_ERROR,
        )


def _previous_code(definition: Definition) -> Iterator[Fault]:
    previous = definition.previous_code
    if previous is None:
        return
    if previous == definition.code:
        yield Fault("previous_code", f"{previous!r} is the code itself: name the one that it had before, or none")
    for fault in (*_code(previous), *_line_break(previous, "")):
        yield Fault("previous_code", fault.message)


def _line_break(text: str, path: str) -> Iterator[Fault]:
    if text.endswith("\n"):
        yield Fault(path, f"{text!r} ends with a line break, which no callback would carry")


def _blank(url: str | None, path: str) -> Iterator[Fault]:
    host = re.split(r"[/?#]", (url or "").partition("://")[2])[0].rpartition("@")[2]
    if re.search(r"\s", host):
        yield Fault(path, f"{url!r} has a blank in its host, so no callback would arrive")


def _portals(definition: Definition) -> list[Fault]:
    """What a portal would still refuse, as a net below the checks that know the module's own words."""
    read = from_json(definition.to_bitrix("https://app.example.com/activities/x"))
    return portal_faults(portal_rules.prepared(read if isinstance(read, dict) else {}), definition.kind)


def portal_faults(data: PhpArray, kind: Kind) -> list[Fault]:
    """What a portal that holds nothing yet would refuse: its first fault and, after all its checks, what is too large.

    data: the parameters as PHP arrays, keys upper-cased
    """
    try:
        portal_rules.check_new(data, robot=kind == "robot")
        if data.get("USE_PLACEMENT") == "Y":
            portal_rules.check_placement(data.get("PLACEMENT_HANDLER"))
    except Refused as refused:
        return [Fault(refused.field, "a portal refuses it", portal=refused.description)]
    record = portal_rules.new_record(data, robot=kind == "robot")
    return [
        Fault(field, f"a portal cannot store it: it {words}", portal=portal_rules.SAVE_ERROR)
        for field, words in portal_rules.too_large(record)
    ]


def _name(name: LocalizedText, portal: str) -> Iterator[Fault]:
    if not name.texts or name.texts.get(PLAIN) in ("", "0"):
        yield Fault("", "is empty", portal=portal)
    elif not (PLAIN in name.texts or "en" in name.texts):
        yield Fault("", "has neither an English nor a plain text, so people of other languages would see nothing")


def _filter(definition: Definition) -> Iterator[Fault]:
    if definition.filter is None:
        return
    for side, rules in (("include", definition.filter.include), ("exclude", definition.filter.exclude)):
        if rules is None:
            continue
        if isinstance(rules, str):
            yield Fault(f"filter.{side}", f"is a list of rules: [{rules!r}]")
            continue
        for number, rule in enumerate(rules):
            if isinstance(rule, str) and rule not in ("b24", "box"):
                yield Fault(
                    f"filter.{side}[{number}]",
                    f"{rule!r} is no edition (b24, box); a document type is a tuple: ({rule!r},)",
                )


def _of_each(
    properties: Iterable[Property], section: str, check_one: Callable[[Property], Iterator[Fault]]
) -> Iterator[Fault]:
    for each in properties:
        for fault in check_one(each):
            yield fault.below(each.key).below(section)


def _declared(property_: Property) -> Iterator[Fault]:
    """What only a module's author can do wrong."""
    key = property_.key
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", key.removesuffix("\n")):
        yield Fault(
            "",
            f"{key!r} is no key: a Latin letter, then Latin letters, digits and '_'",
            portal=f"Wrong property key ({key})!",
        )
    yield from (fault.below("name") for fault in _name(property_.name, f"Empty property NAME ({key})!"))
    for option in property_.options:
        if not option.strip():
            yield Fault("options", f"{option!r} is no option key: an empty value means that nothing was chosen")
        elif "\0" in option:
            yield Fault("options", f"{option!r} is no option key: a portal cuts it off at the NUL")
    if not _known(property_.type):
        return
    if property_.format not in (None, "json"):
        yield Fault("format", f"{property_.format!r} is no format; there is json")
    if property_.type == "select" and not property_.options:
        yield Fault("options", "are missing; a select needs at least one")
    yield from _default(property_)


def _beyond_portal(property_: Property) -> Iterator[Fault]:
    yield from _line_break(property_.key, "")
    if property_.key.lower() in RESERVED:
        yield Fault("", "is a name that the portal keeps for itself; choose another")
    if not _known(property_.type):
        known = ", ".join(sorted(PYTHON_TYPES))
        yield Fault("type", f"{property_.type!r} is no property type; there are {known} and UF:...")
    elif property_.type == "select" and property_.default is not None:
        values = property_.default if isinstance(property_.default, list) else [property_.default]
        for value in values:
            if value not in property_.options:
                yield Fault("default", f"{value!r} is no option; options are {', '.join(property_.options)}")


def _known(type_: str) -> bool:
    return type_ in PYTHON_TYPES or re.fullmatch(r"UF:\w+", type_) is not None


def _default(property_: Property) -> Iterator[Fault]:
    if property_.default is None:
        return
    if property_.multiple and not isinstance(property_.default, list):
        yield Fault("default", f"{property_.default!r} is no list, as a multiple property needs it")
        return
    for value in property_.default if property_.multiple else [property_.default]:
        if property_.type != "select" and not _fits(value, python_type(property_.type)):
            yield Fault("default", f"{value!r} is no {python_type(property_.type).__name__}")
        elif property_.format == "json":
            yield from _json(value)


def _json(value: str) -> Iterator[Fault]:
    try:
        json.loads(value)
    except ValueError as error:
        yield Fault("default", f"is no JSON: {error}")


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
