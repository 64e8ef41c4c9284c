"""What the Integrations API takes, as both systems document it. It is checked before anything is sent.

Where the documents are unclear, more is let through and the system decides: the longest code is 40,000 characters in
one version of them and 150,000 in another, and no form of a hex colour is named.
"""

import re
from typing import Annotated, Any, Literal, Self, TypeVar
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, Json, ValidationError, model_validator
from pydantic_core import ErrorDetails, PydanticCustomError

from bizproc import ActivityFailed

UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
HEX_COLOR = re.compile(r"#?([0-9a-f]{3}|[0-9a-f]{6}|[0-9a-f]{8})", re.IGNORECASE)
FIELD_TYPES = Literal[
    "TEXT", "MULTI_LINE_TEXT", "NUMBER", "BOOLEAN", "SELECT", "PASSWORD", "VECTOR", "OBJECT", "FILE", "ID"
]
RETURNED_ONLY = frozenset({"slug", "order"})
"""What an answer has in each input field and a request has not: so that the fields of one action can be another's."""
FAULTS_TOLD = 20
"""So that a long list of fields with the same fault in each does not fill the log of the process."""


def _uuid(text: str) -> str:
    if not UUID.fullmatch(text):
        raise PydanticCustomError("uuid", "is no UUID, such as 550e8400-e29b-41d4-a716-446655440000")
    return text


def _hex_color(text: str) -> str:
    if not HEX_COLOR.fullmatch(text):
        raise PydanticCustomError("color", "is no hex code of a color, such as #1A73E8")
    return text


def _web_address(text: str) -> str:
    try:
        parts = urlsplit(text)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        usable = False
    if not usable or not text.isprintable() or " " in text:
        raise PydanticCustomError("url", "is no web address, such as https://example.com/icon.png")
    return text


Uuid = Annotated[str, AfterValidator(_uuid)]


class _Documented(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class Option(_Documented):
    label: str
    value: str


class InputField(_Documented):
    label: Annotated[str, Field(min_length=1, max_length=100)]
    type: FIELD_TYPES = "TEXT"
    description: Annotated[str, Field(max_length=500)] = ""
    placeholder: Annotated[str, Field(max_length=200)] = ""
    required: bool = False
    options: list[Option] = []
    allowMultiSelect: bool = False
    contextActionId: Uuid = ""
    jsonSchema: str = ""

    @model_validator(mode="before")
    @classmethod
    def _as_returned(cls, field: Any) -> Any:
        if not isinstance(field, dict):
            return field
        return {key: value for key, value in field.items() if key not in RETURNED_ONLY and value is not None}

    @model_validator(mode="after")
    def _options_belong_to_select(self) -> Self:
        if self.type == "SELECT" and not self.options and not self.contextActionId:
            raise PydanticCustomError("options", "is a SELECT, which needs options or a contextActionId")
        if self.type != "SELECT" and (self.options or self.allowMultiSelect):
            raise PydanticCustomError("options", "has options or allowMultiSelect, which only a SELECT can have")
        return self


class ActionUpdate(_Documented):
    integrationId: Uuid
    actionId: Uuid
    name: Annotated[str, Field(min_length=1, max_length=100)]
    description: Annotated[str, Field(max_length=1000)] = ""
    code: Annotated[str, Field(max_length=150_000)] = ""
    inputFields: Json[list[InputField]] = []


class IntegrationUpdate(_Documented):
    integrationId: Uuid
    name: Annotated[str, Field(min_length=1, max_length=40)] = ""
    description: Annotated[str, Field(max_length=90)] = ""
    iconUrl: Annotated[str, AfterValidator(_web_address)] = ""
    color: Annotated[str, AfterValidator(_hex_color)] = ""

    @model_validator(mode="after")
    def _changes_something(self) -> Self:
        if self.model_fields_set <= {"integrationId"}:
            raise PydanticCustomError("nothing", "name, description, iconUrl and color are empty: give at least one")
        return self


Request = TypeVar("Request", bound=_Documented)


def checked(request: type[Request], **settings: str | None) -> Request:
    """The request that a step's settings make; those that are empty are no part of it.

    Raises ActivityFailed with all faults, each with its path, such as ``inputFields[0].options[1].value``.
    """
    try:
        return request.model_validate({name: value for name, value in settings.items() if value})
    except ValidationError as error:
        faults = [_words(each) for each in error.errors(include_url=False, include_input=False)]
    more = f"\nand {len(faults) - FAULTS_TOLD} more" if len(faults) > FAULTS_TOLD else ""
    raise ActivityFailed("Nothing was sent. Correct the step's settings:\n" + "\n".join(faults[:FAULTS_TOLD]) + more)


def _words(fault: ErrorDetails) -> str:
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in fault["loc"]).lstrip(".")
    return f"{path}: {fault['msg']}" if path else fault["msg"]
