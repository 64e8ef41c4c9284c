"""What a portal accepts as an activity or robot, and what it makes of it before it is stored.

The checks, their order and their texts repeat the portal's (PROTOCOL.md section 6, conformance cases). All of it works
on PHP arrays, as the portal does: see `bizproc.php`.
"""

import re
from collections.abc import Callable
from typing import Final

from bizproc.php import (
    PhpArray,
    PhpKey,
    PhpValue,
    is_empty,
    parse_url,
    serialized_size,
    to_int,
    to_text,
    trim,
    upper_keys,
)

CODE_LENGTH: Final = 128
HANDLER_LENGTH: Final = 1000
PLACEMENT_LENGTH: Final = 255
PROPERTIES_BYTES: Final = 65_535
SAVE_ERROR: Final = "Activity save error!"

# `$` and not `\Z`: the portal's patterns let one trailing line break pass.
_CODE: Final = re.compile(r"[A-Za-z0-9._-]+$")
_PROPERTY_KEY: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]*$")
_MODULE: Final = re.compile(r"[A-Za-z0-9._]+\Z")
_KEYS_KEPT_IN: Final = ("PROPERTIES", "RETURN_PROPERTIES", "OPTIONS")


class Refused(Exception):
    """What a portal refuses, with its error code and its words.

    field: where, dotted: ``code``, ``properties.a.name``; empty for the call as a whole
    """

    status = 400

    def __init__(self, code: str | int, description: str, field: str = "") -> None:
        super().__init__(f"{code}: {description}")
        self.code = code
        self.description = description
        self.field = field


def invalid(description: str, field: str = "") -> Refused:
    return Refused("ERROR_ACTIVITY_VALIDATION_FAILURE", description, field)


def prepared(data: PhpArray, *, keys_kept: bool = False) -> PhpArray:
    """All keys upper-cased on every level, but for the names of properties and of options."""
    result = data if keys_kept else upper_keys(data)
    return {
        key: prepared(value, keys_kept=key in _KEYS_KEPT_IN) if isinstance(value, dict) else value
        for key, value in result.items()
    }


def check_new(data: PhpArray, *, robot: bool) -> None:
    """Refuse what `add` refuses. A robot's document type is looked at before its return properties."""
    if not data:
        raise invalid("Empty data!")
    check_code(data.get("CODE"))
    check_handler(data.get("HANDLER"))
    if is_empty(data.get("NAME")):
        raise invalid("Empty activity NAME!", "name")
    checks: dict[str, Callable[[PhpValue], None]] = {
        "PROPERTIES": check_properties,
        "RETURN_PROPERTIES": lambda value: check_properties(value, "return_properties"),
        "DOCUMENT_TYPE": check_document_type,
        "FILTER": check_filter,
    }
    order = ["PROPERTIES", "RETURN_PROPERTIES", "DOCUMENT_TYPE", "FILTER"]
    if robot:
        order = ["PROPERTIES", "DOCUMENT_TYPE", "RETURN_PROPERTIES", "FILTER"]
    for field in order:
        if data.get(field) is not None:
            checks[field](data[field])


def check_code(code: PhpValue) -> None:
    if is_empty(code):
        raise invalid("Empty activity code!", "code")
    if not isinstance(code, str) or not _CODE.match(code):
        raise invalid("Wrong activity code!", "code")


def check_handler(handler: PhpValue, field: str = "handler") -> None:
    """The form alone is checked: a host with a dot that is not its first character, and http or https."""
    url = None if isinstance(handler, dict) else parse_url(to_text(handler))
    if url is None or not url.host or url.host.find(".") <= 0:
        raise Refused("ERROR_WRONG_HANDLER_URL", "Wrong handler URL", field)
    if url.scheme not in ("http", "https"):
        raise Refused("ERROR_UNSUPPORTED_PROTOCOL", "Unsupported handler protocol", field)


def check_placement(handler: PhpValue) -> None:
    """The form of a PLACEMENT_HANDLER, and its length; whether another code has it is the portal's to know."""
    check_handler(handler, "placement_handler")
    if len(to_text(handler)) > PLACEMENT_LENGTH:
        too_long = f"PLACEMENT_HANDLER is longer than {PLACEMENT_LENGTH} characters"
        raise Refused("ERROR_CORE", f"Unable to set placement handler: {too_long}", "placement_handler")


def check_properties(properties: PhpValue, field: str = "properties") -> None:
    if not isinstance(properties, dict):
        raise invalid("Wrong properties array!", field)
    for key, definition in properties.items():
        if not _PROPERTY_KEY.match(str(key)):
            raise invalid(f"Wrong property key ({key})!", f"{field}.{key}")
        if not isinstance(definition, dict) or is_empty(definition.get("NAME")):
            raise invalid(f"Empty property NAME ({key})!", f"{field}.{key}.name")


def check_document_type(document_type: PhpValue) -> None:
    """Module, object and type; of two, object and type. A module must be named like one, or be empty."""
    parts: PhpArray = document_type if isinstance(document_type, dict) else {0: document_type}
    module, entity, type_ = (_part(part) for part in document_type_parts(parts))
    if not entity or not type_ or module is None:
        raise invalid("Wrong activity DOCUMENT_TYPE!", "document_type")
    if module not in ("", "0") and not _MODULE.match(module):
        raise invalid("Wrong activity DOCUMENT_TYPE!", "document_type")


def document_type_parts(parts: PhpArray) -> tuple[PhpValue, PhpValue, PhpValue]:
    """Module, object and type of a document type; of two parts the module is missing, of one all is."""
    names: tuple[PhpKey, ...] = (0, 1, 2) if len(parts) > 2 else (-1, 0, 1) if len(parts) == 2 else (-1, -1, -1)
    module, entity, type_ = (parts.get(name) for name in names)
    return module, entity, type_


def _part(value: PhpValue) -> str | None:
    """A document type's part as text; None for an array, which is no part of any."""
    return None if isinstance(value, dict) else trim(to_text(value))


def check_filter(filter_: PhpValue) -> None:
    if not isinstance(filter_, dict):
        raise invalid("Wrong activity FILTER!", "filter")


def new_record(data: PhpArray, *, robot: bool) -> PhpArray:
    """The record `add` stores of checked data. A key that was sent stays, null included."""
    record: PhpArray = {
        key: data[key]
        for key in ("CODE", "HANDLER", "PROPERTIES", "RETURN_PROPERTIES", "DOCUMENT_TYPE", "FILTER")
        if key in data
    }
    record |= {key: localized(data[key]) for key in ("NAME", "DESCRIPTION") if key in data}
    if "USE_SUBSCRIPTION" in data:
        flag = data["USE_SUBSCRIPTION"]
        record["USE_SUBSCRIPTION"] = None if flag is None else to_text(flag)
    record["AUTH_USER_ID"] = to_int(data.get("AUTH_USER_ID"))
    record["IS_ROBOT"] = "Y" if robot else "N"
    record["USE_PLACEMENT"] = _yes_or_no(data.get("USE_PLACEMENT"))
    return record


def changed_fields(fields: PhpArray) -> PhpArray:
    """What `update` stores of FIELDS. A missing key and null change nothing; neither does an empty NAME."""
    changed: PhpArray = {}
    given = {key: value for key, value in fields.items() if value is not None}
    if "HANDLER" in given:
        check_handler(given["HANDLER"])
        changed["HANDLER"] = to_text(given["HANDLER"])
    if "AUTH_USER_ID" in given:
        changed["AUTH_USER_ID"] = to_int(given["AUTH_USER_ID"])
    if "USE_SUBSCRIPTION" in given:
        changed["USE_SUBSCRIPTION"] = to_text(given["USE_SUBSCRIPTION"])
    if "USE_PLACEMENT" in given:
        changed["USE_PLACEMENT"] = _yes_or_no(given["USE_PLACEMENT"])
    if not is_empty(given.get("NAME")):
        changed["NAME"] = localized(given["NAME"])
    if "DESCRIPTION" in given:
        changed["DESCRIPTION"] = localized(given["DESCRIPTION"])
    for key in ("PROPERTIES", "RETURN_PROPERTIES"):
        if key in given:
            check_properties(given[key])
            changed[key] = given[key]
    for key, check in (("DOCUMENT_TYPE", check_document_type), ("FILTER", check_filter)):
        if key in given:
            if not is_empty(given[key]):
                check(given[key])
            changed[key] = None if is_empty(given[key]) else given[key]
    if not changed:
        raise invalid("No fields to update")
    return changed


def too_large(record: PhpArray) -> list[tuple[str, str]]:
    """What the portal's database layer would not take after all checks: the field, and in which way it is too large."""
    faults = [
        (key.lower(), f"has more than {limit} characters")
        for key, limit in (("CODE", CODE_LENGTH), ("HANDLER", HANDLER_LENGTH))
        if len(to_text(record.get(key))) > limit
    ]
    faults += [
        (key.lower(), f"takes {PROPERTIES_BYTES} bytes or more")
        for key in ("PROPERTIES", "RETURN_PROPERTIES")
        if serialized_size(record.get(key)) >= PROPERTIES_BYTES
    ]
    return faults


def localized(text: PhpValue) -> PhpArray:
    """Texts by language; a plain text is the one for every language, `*`."""
    return text if isinstance(text, dict) else {"*": to_text(text)}


def shown_text(text: PhpValue, language: str) -> str:
    """The text a person sees: their language (UA falls back to RU), else EN, else the plain text, else nothing."""
    if not isinstance(text, dict):
        return to_text(text)
    language = language.upper()
    languages = [language, *(["RU"] if language == "UA" else []), "EN", "*"]
    return next((to_text(text[key]) for key in languages if not is_empty(text.get(key))), "")


def _yes_or_no(flag: PhpValue) -> str:
    return "Y" if flag == "Y" else "N"
