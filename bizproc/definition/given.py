"""The classes that an activity module derives its properties and return properties from."""

import dataclasses
import datetime as dt
import inspect
import types
from collections.abc import Mapping
from typing import Any, ClassVar, Literal, Union, dataclass_transform, get_args, get_origin, get_type_hints

from bizproc.definition import fields
from bizproc.definition.faults import Fault
from bizproc.definition.fields import Declared
from bizproc.definition.properties import PYTHON_TYPES, Property, python_type
from bizproc.definition.text import localized
from bizproc.definition.values import User


@dataclass_transform(
    kw_only_default=True,
    frozen_default=True,
    field_specifiers=(
        fields.boolean,
        fields.calendar_date,
        fields.timestamp,
        fields.time_of_day,
        fields.double,
        fields.integer,
        fields.string,
        fields.text,
        fields.user,
        fields.file,
        fields.email,
        fields.phone,
        fields.web,
        fields.internalselect,
        fields.userfield,
        fields.select,
        fields.connection,
    ),
)
class _Given:
    """A frozen dataclass whose attributes are made by field functions.

    A subclass never raises while it is made: it keeps its faults until the decorator of its activity reports them.
    """

    __properties__: ClassVar[Mapping[str, Property]] = {}
    """By attribute name."""

    __faults__: ClassVar[tuple[Fault, ...]] = ()

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        found: list[Fault] = []
        cls.__properties__ = dict(cls.__properties__)
        for name, annotation in _annotations(cls, found).items():
            declared = cls.__dict__.get(name)
            if not isinstance(declared, Declared):
                found.append(Fault(name, "has no field function; write for example  = string(t(en=...))"))
                setattr(cls, name, None)
                continue
            property_ = _property(name, declared)
            cls.__properties__[name] = property_
            found += [fault.below(name) for fault in _mismatches(property_, annotation)]
            setattr(cls, name, _dataclass_field(property_))
        for name, value in list(cls.__dict__.items()):
            if isinstance(value, Declared):
                found.append(Fault(name, "has no type; write for example  name: str = string(...)"))
                delattr(cls, name)
        cls.__faults__ = (*cls.__faults__, *found)
        dataclasses.dataclass(frozen=True, kw_only=True)(cls)


def _annotations(cls: type, found: list[Fault]) -> dict[str, Any]:
    own = inspect.get_annotations(cls)
    try:
        hints = get_type_hints(cls)
    except Exception as error:  # an annotation is any expression of the author's
        found.append(Fault("", f"the types of {cls.__name__} cannot be read: {error}"))
        return dict.fromkeys(own)
    return {name: hints[name] for name in own if get_origin(hints[name]) is not ClassVar}


def _property(name: str, declared: Declared) -> Property:
    default = declared.default
    return Property(
        key=declared.key or name,
        type=declared.type,
        name=localized(declared.name),
        description=None if declared.description is None else localized(declared.description),
        required=declared.required,
        multiple=declared.multiple,
        options=declared.options,
        list_options=declared.list_options,
        format=declared.format,
        default=list(default) if declared.multiple and isinstance(default, (list, tuple)) else default,
    )


def _dataclass_field(property_: Property) -> Any:
    if property_.multiple:
        default = property_.default
        return dataclasses.field(default_factory=lambda: list(default or ()))
    if property_.required and property_.default is None:
        return dataclasses.field()
    return dataclasses.field(default=property_.default)


def _mismatches(property_: Property, annotation: Any) -> list[Fault]:
    """Where the annotation and what the field function gives differ. Names that the checks refuse anyhow are left to
    them."""
    if annotation is None or not (property_.type in PYTHON_TYPES or property_.type.startswith("UF:")):
        return []
    wanted = python_type(property_.type)
    optional = not (property_.required or property_.multiple or property_.default is not None)
    expected = f"list[{_name(wanted)}]" if property_.multiple else _name(wanted) + (" | None" if optional else "")

    inner = annotation
    if property_.multiple:
        if get_origin(annotation) is not list:
            return [Fault("", f"annotated {_name(annotation)}, but it holds {expected}")]
        (inner,) = get_args(annotation)
    elif get_origin(annotation) in (Union, types.UnionType) and optional:
        members = [member for member in get_args(annotation) if member is not types.NoneType]
        if len(members) == 1 and len(get_args(annotation)) == 2:
            (inner,) = members
    elif optional:
        return [Fault("", f"annotated {_name(annotation)}, but it holds {expected}: not required and without default")]

    if get_origin(inner) is Literal and property_.type == "select":
        literals, options = set(get_args(inner)), set(property_.options)
        if literals != options:
            return [
                Fault("", f"annotated {', '.join(sorted(map(str, literals)))}, but options are {', '.join(options)}")
            ]
        return []
    if inner is not wanted and not (wanted is User and inner is str):
        return [Fault("", f"annotated {_name(annotation)}, but it holds {expected}")]
    return []


def _name(type_: Any) -> str:
    names = {dt.date: "datetime.date", dt.datetime: "datetime.datetime", dt.time: "datetime.time"}
    if type_ in names:
        return names[type_]
    return str(type_) if get_args(type_) else getattr(type_, "__name__", str(type_))


class Properties(_Given):
    """What a person fills in at a step of a process."""


class ReturnProperties(_Given):
    """What a step gives to the rest of its process."""
