"""The field functions with which an activity module declares its properties.

Each has the overloads that let a type checker know the value: a required or defaulted property is ``int``, an optional
one ``int | None``, a multiple one ``list[int]``. At run time each gives a ``Declared`` that ``Properties`` picks up.

Arguments of all of them:

name: what the designer shows
description: the hint below it
required: the designer asks for a value
multiple: the property holds a list
default: a value, or a sequence of values when multiple
key: the property's key where Python keeps the name for itself (``key="from"``)
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, LiteralString, TypedDict, TypeVar, Unpack, overload

from bizproc.context import ListOptions
from bizproc.definition.systems import ConnectionNames, System
from bizproc.definition.text import Text
from bizproc.definition.values import User

Option = TypeVar("Option", bound=LiteralString)


class Described(TypedDict, total=False):
    description: Text
    key: str


class Single(Described, total=False):
    multiple: Literal[False]


class Free(Single, total=False):
    required: bool


class Optional(Single, total=False):
    required: Literal[False]


class Listed(Described, total=False):
    required: bool


@dataclass(frozen=True)
class Declared:
    """A field as its author wrote it, before it is checked."""

    type: str
    name: Text
    description: Text | None = None
    key: str | None = None
    required: bool = False
    multiple: bool = False
    options: Mapping[str, str] = field(default_factory=dict)
    default: Any = None
    list_options: ListOptions | None = None
    format: Literal["json"] | None = None


@overload
def boolean(
    name: Text, *, multiple: Literal[True], default: Sequence[bool] = ..., **more: Unpack[Listed]
) -> list[bool]: ...
@overload
def boolean(name: Text, *, required: Literal[True], default: bool = ..., **more: Unpack[Single]) -> bool: ...
@overload
def boolean(name: Text, *, default: bool, **more: Unpack[Free]) -> bool: ...
@overload
def boolean(name: Text, *, default: None = ..., **more: Unpack[Optional]) -> bool | None: ...
def boolean(name: Text, **given: Any) -> Any:
    """Yes or no."""
    return Declared("bool", name, **given)


@overload
def calendar_date(
    name: Text, *, multiple: Literal[True], default: Sequence[dt.date] = ..., **more: Unpack[Listed]
) -> list[dt.date]: ...
@overload
def calendar_date(
    name: Text, *, required: Literal[True], default: dt.date = ..., **more: Unpack[Single]
) -> dt.date: ...
@overload
def calendar_date(name: Text, *, default: dt.date, **more: Unpack[Free]) -> dt.date: ...
@overload
def calendar_date(name: Text, *, default: None = ..., **more: Unpack[Optional]) -> dt.date | None: ...
def calendar_date(name: Text, **given: Any) -> Any:
    """A day."""
    return Declared("date", name, **given)


@overload
def timestamp(
    name: Text, *, multiple: Literal[True], default: Sequence[dt.datetime] = ..., **more: Unpack[Listed]
) -> list[dt.datetime]: ...
@overload
def timestamp(
    name: Text, *, required: Literal[True], default: dt.datetime = ..., **more: Unpack[Single]
) -> dt.datetime: ...
@overload
def timestamp(name: Text, *, default: dt.datetime, **more: Unpack[Free]) -> dt.datetime: ...
@overload
def timestamp(name: Text, *, default: None = ..., **more: Unpack[Optional]) -> dt.datetime | None: ...
def timestamp(name: Text, **given: Any) -> Any:
    """A moment, with a time zone."""
    return Declared("datetime", name, **given)


@overload
def time_of_day(
    name: Text, *, multiple: Literal[True], default: Sequence[dt.time] = ..., **more: Unpack[Listed]
) -> list[dt.time]: ...
@overload
def time_of_day(name: Text, *, required: Literal[True], default: dt.time = ..., **more: Unpack[Single]) -> dt.time: ...
@overload
def time_of_day(name: Text, *, default: dt.time, **more: Unpack[Free]) -> dt.time: ...
@overload
def time_of_day(name: Text, *, default: None = ..., **more: Unpack[Optional]) -> dt.time | None: ...
def time_of_day(name: Text, **given: Any) -> Any:
    """A time of day."""
    return Declared("time", name, **given)


@overload
def double(
    name: Text, *, multiple: Literal[True], default: Sequence[float] = ..., **more: Unpack[Listed]
) -> list[float]: ...
@overload
def double(name: Text, *, required: Literal[True], default: float = ..., **more: Unpack[Single]) -> float: ...
@overload
def double(name: Text, *, default: float, **more: Unpack[Free]) -> float: ...
@overload
def double(name: Text, *, default: None = ..., **more: Unpack[Optional]) -> float | None: ...
def double(name: Text, **given: Any) -> Any:
    """A number with a fraction."""
    return Declared("double", name, **given)


@overload
def integer(
    name: Text, *, multiple: Literal[True], default: Sequence[int] = ..., **more: Unpack[Listed]
) -> list[int]: ...
@overload
def integer(name: Text, *, required: Literal[True], default: int = ..., **more: Unpack[Single]) -> int: ...
@overload
def integer(name: Text, *, default: int, **more: Unpack[Free]) -> int: ...
@overload
def integer(name: Text, *, default: None = ..., **more: Unpack[Optional]) -> int | None: ...
def integer(name: Text, **given: Any) -> Any:
    """A whole number."""
    return Declared("int", name, **given)


@overload
def string(
    name: Text, *, multiple: Literal[True], default: Sequence[str] = ..., **more: Unpack[Listed]
) -> list[str]: ...
@overload
def string(name: Text, *, required: Literal[True], default: str = ..., **more: Unpack[Single]) -> str: ...
@overload
def string(name: Text, *, default: str, **more: Unpack[Free]) -> str: ...
@overload
def string(name: Text, *, default: None = ..., **more: Unpack[Optional]) -> str | None: ...
def string(name: Text, **given: Any) -> Any:
    """One line of text."""
    return Declared("string", name, **given)


@overload
def text(
    name: Text,
    *,
    multiple: Literal[True],
    default: Sequence[str] = ...,
    format: Literal["json"] | None = ...,
    **more: Unpack[Listed],
) -> list[str]: ...
@overload
def text(
    name: Text,
    *,
    required: Literal[True],
    default: str = ...,
    format: Literal["json"] | None = ...,
    **more: Unpack[Single],
) -> str: ...
@overload
def text(name: Text, *, default: str, format: Literal["json"] | None = ..., **more: Unpack[Free]) -> str: ...
@overload
def text(
    name: Text, *, default: None = ..., format: Literal["json"] | None = ..., **more: Unpack[Optional]
) -> str | None: ...
def text(name: Text, **given: Any) -> Any:
    """Text of several lines. ``format="json"``: the settings dialog tells where a text is no JSON; the function still
    gets the text."""
    return Declared("text", name, **given)


@overload
def user(
    name: Text, *, multiple: Literal[True], default: Sequence[User] = ..., **more: Unpack[Listed]
) -> list[User]: ...
@overload
def user(name: Text, *, required: Literal[True], default: User = ..., **more: Unpack[Single]) -> User: ...
@overload
def user(name: Text, *, default: User, **more: Unpack[Free]) -> User: ...
@overload
def user(name: Text, *, default: None = ..., **more: Unpack[Optional]) -> User | None: ...
def user(name: Text, **given: Any) -> Any:
    """A user, group or role."""
    return Declared("user", name, **given)


@overload
def file(name: Text, *, multiple: Literal[True], default: Sequence[str] = ..., **more: Unpack[Listed]) -> list[str]: ...
@overload
def file(name: Text, *, required: Literal[True], default: str = ..., **more: Unpack[Single]) -> str: ...
@overload
def file(name: Text, *, default: str, **more: Unpack[Free]) -> str: ...
@overload
def file(name: Text, *, default: None = ..., **more: Unpack[Optional]) -> str | None: ...
def file(name: Text, **given: Any) -> Any:
    """A file, as the portal names it: most likely its id (PROTOCOL.md section 7)."""
    return Declared("file", name, **given)


@overload
def email(
    name: Text, *, multiple: Literal[True], default: Sequence[str] = ..., **more: Unpack[Listed]
) -> list[str]: ...
@overload
def email(name: Text, *, required: Literal[True], default: str = ..., **more: Unpack[Single]) -> str: ...
@overload
def email(name: Text, *, default: str, **more: Unpack[Free]) -> str: ...
@overload
def email(name: Text, *, default: None = ..., **more: Unpack[Optional]) -> str | None: ...
def email(name: Text, **given: Any) -> Any:
    """An e-mail address (CRM documents)."""
    return Declared("email", name, **given)


@overload
def phone(
    name: Text, *, multiple: Literal[True], default: Sequence[str] = ..., **more: Unpack[Listed]
) -> list[str]: ...
@overload
def phone(name: Text, *, required: Literal[True], default: str = ..., **more: Unpack[Single]) -> str: ...
@overload
def phone(name: Text, *, default: str, **more: Unpack[Free]) -> str: ...
@overload
def phone(name: Text, *, default: None = ..., **more: Unpack[Optional]) -> str | None: ...
def phone(name: Text, **given: Any) -> Any:
    """A telephone number (CRM documents)."""
    return Declared("phone", name, **given)


@overload
def web(name: Text, *, multiple: Literal[True], default: Sequence[str] = ..., **more: Unpack[Listed]) -> list[str]: ...
@overload
def web(name: Text, *, required: Literal[True], default: str = ..., **more: Unpack[Single]) -> str: ...
@overload
def web(name: Text, *, default: str, **more: Unpack[Free]) -> str: ...
@overload
def web(name: Text, *, default: None = ..., **more: Unpack[Optional]) -> str | None: ...
def web(name: Text, **given: Any) -> Any:
    """A web address (CRM documents)."""
    return Declared("web", name, **given)


@overload
def internalselect(
    name: Text, *, multiple: Literal[True], default: Sequence[str] = ..., **more: Unpack[Listed]
) -> list[str]: ...
@overload
def internalselect(name: Text, *, required: Literal[True], default: str = ..., **more: Unpack[Single]) -> str: ...
@overload
def internalselect(name: Text, *, default: str, **more: Unpack[Free]) -> str: ...
@overload
def internalselect(name: Text, *, default: None = ..., **more: Unpack[Optional]) -> str | None: ...
def internalselect(name: Text, **given: Any) -> Any:
    """One of the selects of the document itself."""
    return Declared("internalselect", name, **given)


@overload
def userfield(
    name: Text, *, type: str, multiple: Literal[True], default: Sequence[str] = ..., **more: Unpack[Listed]
) -> list[str]: ...
@overload
def userfield(name: Text, *, type: str, required: Literal[True], default: str = ..., **more: Unpack[Single]) -> str: ...
@overload
def userfield(name: Text, *, type: str, default: str, **more: Unpack[Free]) -> str: ...
@overload
def userfield(name: Text, *, type: str, default: None = ..., **more: Unpack[Optional]) -> str | None: ...
def userfield(name: Text, *, type: str, **given: Any) -> Any:  # noqa: A002 - the key of the protocol
    """A field of a CRM user field type; ``type`` is its name with the prefix, such as ``UF:money``."""
    return Declared(type, name, **given)


@overload
def select(
    name: Text,
    *,
    options: Mapping[Option, str],
    multiple: Literal[True],
    default: Sequence[Option] = ...,
    **more: Unpack[Listed],
) -> list[Option]: ...
@overload
def select(
    name: Text, *, options: Mapping[Option, str], required: Literal[True], default: Option = ..., **more: Unpack[Single]
) -> Option: ...
@overload
def select(name: Text, *, options: Mapping[Option, str], default: Option, **more: Unpack[Free]) -> Option: ...
@overload
def select(
    name: Text, *, options: Mapping[Option, str], default: None = ..., **more: Unpack[Optional]
) -> Option | None: ...
@overload
def select(
    name: Text,
    *,
    options: Mapping[str, str] | ListOptions,
    multiple: Literal[True],
    default: Sequence[str] = ...,
    **more: Unpack[Listed],
) -> list[str]: ...
@overload
def select(
    name: Text,
    *,
    options: Mapping[str, str] | ListOptions,
    required: Literal[True],
    default: str = ...,
    **more: Unpack[Single],
) -> str: ...
@overload
def select(name: Text, *, options: Mapping[str, str] | ListOptions, default: str, **more: Unpack[Free]) -> str: ...
@overload
def select(
    name: Text, *, options: Mapping[str, str] | ListOptions, default: None = ..., **more: Unpack[Optional]
) -> str | None: ...
def select(name: Text, *, options: Mapping[Any, str] | ListOptions, **given: Any) -> Any:
    """One of the options. A default is an option's key.

    options: key to title; or a function of the settings dialog's context that gives these. The portal does not know the
        options of a function: it keeps a string, so the activity's function can also get one that is not listed (any
        more)
    """
    if callable(options):
        return Declared("string", name, list_options=options, **given)
    return Declared("select", name, options=options, **given)


@overload
def connection(system: System, name: Text, *, required: Literal[True], **more: Unpack[Described]) -> str: ...
@overload
def connection(
    system: System, name: Text, *, required: Literal[False] = ..., **more: Unpack[Described]
) -> str | None: ...
def connection(system: System, name: Text, **given: Any) -> Any:
    """The name of one of the portal's connections to a system, for ``Context.connection``. The activity needs
    ``placement=True``, since the portal does not know them: it keeps a string."""
    return Declared("string", name, list_options=ConnectionNames(system), **given)
