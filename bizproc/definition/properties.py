"""One property of an activity: what the designer shows for it, and which Python value it holds."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from bizproc.context import ListOptions
from bizproc.definition.text import LocalizedText
from bizproc.definition.values import User

PYTHON_TYPES: Mapping[str, type] = {
    "bool": bool,
    "date": dt.date,
    "datetime": dt.datetime,
    "double": float,
    "email": str,
    "file": str,
    "int": int,
    "internalselect": str,
    "phone": str,
    "select": str,
    "string": str,
    "text": str,
    "time": dt.time,
    "user": User,
    "web": str,
}
"""The property types of PROTOCOL.md section 6 and what a function gets for each; ``UF:*`` types give str."""


def python_type(type_: str) -> type:
    """Raises KeyError for a type that no portal has."""
    return str if type_.startswith("UF:") else PYTHON_TYPES[type_]


@dataclass(frozen=True)
class Property:
    """A property or a return property (PROTOCOL.md section 6).

    key: under which name forms and answers carry it
    options: for the select types, each option's key and what the designer shows for it
    default: a Python value of the type (a list when multiple), None for none
    list_options: lists the options in the settings dialog, of a property that is a plain string for the portal
    format: what a text holds, where the settings dialog is to check it
    """

    key: str
    type: str
    name: LocalizedText
    description: LocalizedText | None = None
    required: bool = False
    multiple: bool = False
    options: Mapping[str, str] = field(default_factory=dict)
    default: Any = None
    list_options: ListOptions | None = None
    format: Literal["json"] | None = None

    def to_bitrix(self) -> dict[str, Any]:
        """The property as PROPERTIES and RETURN_PROPERTIES hold it."""
        fields: dict[str, Any] = {
            "Name": self.name.to_bitrix(),
            "Type": self.type,
            "Required": "Y" if self.required else "N",
            "Multiple": "Y" if self.multiple else "N",
        }
        if self.description is not None:
            fields["Description"] = self.description.to_bitrix()
        if self.options:
            fields["Options"] = dict(self.options)
        if self.default is not None and self.default != []:
            fields["Default"] = (
                [default_text(item) for item in self.default] if self.multiple else default_text(self.default)
            )
        return fields


def default_text(value: Any) -> str:
    """A default as the designer's form expects it: a text, like everything in a form. Y or N, dates as ISO 8601. A
    number as text is also the same in a JSON call and in the query of a batch."""
    if isinstance(value, bool):
        return "Y" if value else "N"
    if isinstance(value, dt.datetime):
        return value.strftime("%Y-%m-%d %H:%M:%S")
    if isinstance(value, dt.date):
        return value.isoformat()
    if isinstance(value, dt.time):
        return value.strftime("%H:%M")
    return str(value)
