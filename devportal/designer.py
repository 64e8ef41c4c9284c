"""What the designer offers for a document, as a person sees it (PROTOCOL.md section 6)."""

from collections.abc import Sequence
from typing import Any

from bizproc.definition.filters import Edition, shown
from bizproc.definition.portal_rules import shown_text
from bizproc.php import PhpValue, is_empty, to_json, to_text
from devportal.portal import Portal
from devportal.values import is_multiple, is_required, type_of


def steps_for(portal: Portal, document_type: Sequence[str], edition: Edition, lang: str) -> list[dict[str, Any]]:
    """All activities and robots of the application, with texts in one language. The caller holds the portal's lock.

    Each has `shown`, whether FILTER lets the designer offer it here, and `hidden_by`, else: `INCLUDE` or `EXCLUDE`.
    """
    dialogs = {bound["CODE"]: bound["PLACEMENT_HANDLER"] for bound in portal.records.placements()}
    return [
        {
            "code": to_text(record["CODE"]),
            "robot": record["IS_ROBOT"] == "Y",
            "title": shown_text(record.get("NAME"), lang),
            "description": shown_text(record.get("DESCRIPTION"), lang),
            "properties": _fields(record.get("PROPERTIES"), lang),
            "return_properties": _fields(record.get("RETURN_PROPERTIES"), lang),
            "stored_properties": to_json(record.get("PROPERTIES")),
            "filter": to_json(record.get("FILTER")),
            "hidden_by": (hidden_by := _hidden_by(record.get("FILTER"), document_type, edition)),
            "shown": hidden_by is None,
            "use_subscription": to_text(record.get("USE_SUBSCRIPTION")),
            "dialog": dialogs.get(to_text(record["CODE"])) if record.get("USE_PLACEMENT") == "Y" else None,
        }
        for record in portal.records.all()
    ]


def _hidden_by(filter_: PhpValue, document_type: Sequence[str], edition: Edition) -> str | None:
    rules = filter_ if isinstance(filter_, dict) else {}
    for key in ("INCLUDE", "EXCLUDE"):
        if key in rules and not shown({key: rules[key]}, document_type, edition):
            return key
    return None


def _fields(definitions: PhpValue, lang: str) -> list[dict[str, Any]]:
    if not isinstance(definitions, dict):
        return []
    return [
        {
            "name": str(name),
            "title": shown_text(definition.get("NAME"), lang),
            "description": shown_text(definition.get("DESCRIPTION"), lang),
            "type": type_of(definition),
            "multiple": is_multiple(definition),
            "required": is_required(definition),
            "options": _options(definition.get("OPTIONS"), lang),
            "default": to_json(definition.get("DEFAULT")),
        }
        for name, definition in definitions.items()
        if isinstance(definition, dict)
    ]


def _options(options: PhpValue, lang: str) -> list[dict[str, str]]:
    if not isinstance(options, dict) or is_empty(options):
        return []
    return [{"value": str(key), "title": shown_text(title, lang)} for key, title in options.items()]
