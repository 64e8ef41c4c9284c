"""A definition from the parameters of ``bizproc.activity.add``, read as a portal reads them."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from bizproc.definition import portal_rules
from bizproc.definition.checks import check_beyond_portal, portal_faults
from bizproc.definition.definition import Definition, Filter, Kind, Rule
from bizproc.definition.faults import DefinitionError, Fault
from bizproc.definition.properties import Property
from bizproc.definition.text import LocalizedText
from bizproc.document_types import DocumentType
from bizproc.php import PhpArray, PhpValue, from_json, is_empty, is_list, to_int, to_text


def load(fields: Mapping[str, Any], kind: Kind) -> Definition:
    """Raises DefinitionError for what a portal refuses, and for what docs/definitions.md lists beyond that."""
    try:
        read = from_json(dict(fields))
    except (TypeError, ValueError) as error:
        raise DefinitionError([Fault("", f"cannot be sent to a portal: {error}")]) from None
    data = portal_rules.prepared(read if isinstance(read, dict) else {})
    faults = portal_faults(data, kind)
    if faults:
        raise DefinitionError(faults)
    definition = Definition(
        code=to_text(data["CODE"]),
        kind=kind,
        name=_text(data["NAME"]),
        description=_text(data["DESCRIPTION"]) if not is_empty(data.get("DESCRIPTION")) else None,
        properties=_properties(data.get("PROPERTIES")),
        return_properties=_properties(data.get("RETURN_PROPERTIES")),
        document_type=_document_type(data.get("DOCUMENT_TYPE")),
        filter=_filter(data.get("FILTER")),
        waits=_waits(data.get("USE_SUBSCRIPTION")),
        auth_user_id=to_int(data.get("AUTH_USER_ID")),
        handler=to_text(data["HANDLER"]),
        placement_handler=to_text(data["PLACEMENT_HANDLER"]) if data.get("USE_PLACEMENT") == "Y" else None,
    )
    faults = check_beyond_portal(definition)
    if faults:
        raise DefinitionError(faults)
    return definition


def _waits(use_subscription: PhpValue) -> bool | None:
    """Only ``Y`` waits, and only what is empty lets the template's author choose (PROTOCOL.md section 6)."""
    flag = to_text(use_subscription)
    return None if is_empty(flag) else flag == "Y"


def _text(text: PhpValue) -> LocalizedText:
    texts = portal_rules.localized(text)
    return LocalizedText({str(language).lower(): to_text(words) for language, words in texts.items()})


def _properties(properties: PhpValue) -> tuple[Property, ...]:
    if not isinstance(properties, dict):
        return ()
    return tuple(_property(str(key), each) for key, each in properties.items() if isinstance(each, dict))


def _property(key: str, fields: PhpArray) -> Property:
    options = fields.get("OPTIONS")
    multiple = _yes(fields.get("MULTIPLE"))
    default = fields.get("DEFAULT")
    values = [_default(each) for each in (default.values() if isinstance(default, dict) else [default])]
    values = [value for value in values if value]
    property_ = Property(
        key=key,
        type=to_text(fields.get("TYPE")) or "string",
        name=_text(fields["NAME"]),
        description=_text(fields["DESCRIPTION"]) if not is_empty(fields.get("DESCRIPTION")) else None,
        required=_yes(fields.get("REQUIRED")),
        multiple=multiple,
        options={str(option): to_text(title) for option, title in options.items()} if isinstance(options, dict) else {},
    )
    if not values:
        return property_
    return replace(property_, default=values if multiple else values[0])


def _default(value: PhpValue) -> str:
    """A default as the form holds it: Y and N for a bool."""
    return ("Y" if value else "N") if isinstance(value, bool) else to_text(value)


def _yes(flag: PhpValue) -> bool:
    """Required and Multiple: Y, 1 and true."""
    return flag is True or to_text(flag).upper() in ("Y", "1")


def _document_type(document_type: PhpValue) -> DocumentType | None:
    """Module, object and type; of two parts the module is missing."""
    if not isinstance(document_type, dict) or is_empty(document_type):
        return None
    module, entity, type_ = (to_text(part) for part in portal_rules.document_type_parts(document_type))
    return DocumentType(module, entity, type_)


def _filter(filter_: PhpValue) -> Filter | None:
    """None for one that says nothing."""
    sides = filter_ if isinstance(filter_, dict) else {}
    include, exclude = (_rules(sides[side]) if side in sides else None for side in ("INCLUDE", "EXCLUDE"))
    return None if include is None and exclude is None else Filter(include=include, exclude=exclude)


def _rules(rules: PhpValue) -> tuple[Rule, ...]:
    """Something that is no list counts as one rule."""
    each = rules.values() if isinstance(rules, dict) and is_list(rules) else [rules]
    return tuple(_rule(rule) for rule in each)


def _rule(rule: PhpValue) -> Rule:
    """A beginning of a document type ends where a part is missing."""
    if not isinstance(rule, dict):
        return to_text(rule)
    parts: list[str] = []
    while rule.get(len(parts)) is not None:
        parts.append(to_text(rule[len(parts)]))
    return tuple(parts)
