"""PLACEMENT_OPTIONS: what the designer says of the step whose settings it opens (PROTOCOL.md section 9).

It is JSON from a browser: every shape is read, none is believed.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

MOST_VALUES: Final = 500
MOST_FIELDS: Final = 2000
MOST_CHARACTERS: Final = 200
"""Of a document field's key and title."""

Values = tuple[str, ...]


@dataclass(frozen=True)
class PlacementOptions:
    """What is known of a step.

    current_values: by the property's name in lower case, as the portal ignores case; None for a property whose value no
        form can show. None altogether where the portal does not tell
    document_fields: the fields of the document, key to title
    """

    current_values: Mapping[str, Values | None] | None
    document_fields: Mapping[str, str]


def placement_options(text: str) -> PlacementOptions:
    try:
        options = json.loads(text)
    except (ValueError, RecursionError):
        options = None
    options = options if isinstance(options, dict) else {}
    return PlacementOptions(
        current_values=_current_values(options.get("current_values")),
        document_fields=_document_fields(options.get("document_fields")),
    )


def _current_values(given: Any) -> Mapping[str, Values | None] | None:
    if given == []:  # how PHP writes an empty object
        return {}
    if not isinstance(given, dict):
        return None
    return {name.lower(): _values(value) for name, value in given.items()}


def _values(given: Any) -> Values | None:
    items = list(given.values()) if isinstance(given, dict) else given if isinstance(given, list) else [given]
    texts = [_text(item) for item in items]
    known = tuple(text for text in texts if text is not None)
    if len(known) < len(texts) or len(known) > MOST_VALUES:
        return None
    return tuple(text for text in known if text.strip())


def _text(value: Any) -> str | None:
    """A value as a form holds it: Y and N for a bool, nothing for null. None for what is no single value."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "Y" if value else "N"
    if isinstance(value, (str, int, float)):
        return str(value).encode("utf-8", "replace").decode()  # a lone surrogate is no text
    return None


def _document_fields(given: Any) -> Mapping[str, str]:
    """Each is an object with a ``Name`` in some case, or just its name."""
    fields: dict[str, str] = {}
    for name, told in list(given.items())[:MOST_FIELDS] if isinstance(given, dict) else ():
        key = _text(name) or ""
        if isinstance(told, dict):
            told = next((words for said, words in told.items() if said.lower() == "name"), None)
        title = _text(told) or key
        if 0 < len(key) <= MOST_CHARACTERS and not set(key) & set("{}"):
            fields[key] = title[:MOST_CHARACTERS]
    return fields
