"""An activity's function, called without a portal: nothing is sent and nothing is stored."""

import json
import traceback
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Never, TypeVar

from bizproc.context import ActivityFailed, Retry, Value
from bizproc.definition.activity import AnyActivity
from bizproc.definition.given import Properties
from bizproc.definition.properties import Property
from bizproc.php import PhpArray
from bizproc.runs.decoding import UnusableValues, decode
from bizproc.runs.outcomes import failed, succeeded
from bizproc.runs.runs import Outcome
from bizproc.testing import KeptFiles, Process

Input = TypeVar("Input", bound=Properties)


class PortalAsked(BaseException):
    """The function asks for the portal or a connection of it, which are not there. No error: nothing that catches
    errors catches it."""


class Rehearsal(Process):
    """The context of a function that is rehearsed; ``process`` as ``bizproc.testing.Process`` takes it.

    say: is told what the function does, as it does it: ``Log``, ``Checkpoint``, ``Counter`` or ``File``, and the rest
    """

    def __init__(self, say: Callable[[str, str], object], **process: Any) -> None:
        super().__init__(**process)
        self._say = say
        self._files = _ToldFiles(say)

    @property
    def portal(self) -> Never:
        raise PortalAsked

    def connection(self, *_: object) -> Never:
        raise PortalAsked

    def log(self, message: str) -> None:
        if message.strip():
            self._say("Log", message)

    def counter(self, name: str) -> int:
        number = super().counter(name)
        self._say("Counter", f"{name} gives {number}")
        return number

    def checkpoint(self, name: str, function: Callable[[], Value]) -> Value:
        value = super().checkpoint(name, function)
        # A run stores it so, and raises the same error for what JSON cannot say.
        self._say("Checkpoint", f"{name}: {json.dumps(value, allow_nan=False, ensure_ascii=False)}")
        return value


class _ToldFiles(KeptFiles):
    def __init__(self, say: Callable[[str, str], object]) -> None:
        super().__init__()
        self._say = say

    def store(self, name: str, content: bytes) -> Any:
        self._say("File", f"{name}, {len(content):,} bytes")
        return super().store(name, content)


def rehearse(activity: AnyActivity, given: Properties, context: Rehearsal) -> Outcome:
    """What the function comes to at its first try. An error that its author did not foresee has their trace.

    Raises Retry, Deferred and PortalAsked.
    """
    try:
        return succeeded(activity, activity(given, context))
    except Retry:
        raise
    except ActivityFailed as error:
        return failed(str(error), activity)
    except (Exception, SystemExit) as error:
        return replace(failed(f"{type(error).__name__}: {error}", activity), trace=_own_trace(error), dead=True)


def filled_in(properties: type[Input], given: Mapping[str, Any]) -> Input:
    """The properties as a person would fill them in, from JSON values: also true and false, numbers, lists, and dates
    as ISO 8601; else as a portal sends them.

    Raises UnusableValues with every property that does not fit.
    """
    known = {each.key.lower(): each for each in properties.__properties__.values()}
    sent: PhpArray = {}
    faults: dict[str, str] = {}
    for name, value in given.items():
        property_ = known.get(name.lower())
        if property_ is None:
            faults[name] = f"is none of the properties, which are {', '.join(each.key for each in known.values())}"
            continue
        values = value if isinstance(value, list) else [value]
        if len(values) > 1 and not property_.multiple:
            faults[property_.key] = f"takes one value, not {len(values)}"
            continue
        try:
            sent[name] = {number: _text(property_, each) for number, each in enumerate(values)}
        except ValueError as error:
            faults[property_.key] = str(error)
    try:
        decoded = decode(properties, sent)
    except UnusableValues as error:
        raise UnusableValues(error.faults | faults) from None
    if faults:
        raise UnusableValues(faults)
    return decoded


def _text(property_: Property, value: Any) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "Y" if value else "N"
        case str():
            return value
        case float() if property_.type == "int":
            # As a text it could be a number whose thousands are parted by a dot.
            if not value.is_integer():
                raise ValueError(f"{value} is no whole number")
            return str(int(value))
        case int() if property_.type == "user":
            return f"user_{value}"
        case int() | float():
            return str(value)
        case _:
            raise ValueError("takes a text, a number, true or false, or a list of these where it is multiple")


def _own_trace(error: BaseException) -> str:
    """The stack trace without the calls that led to the function."""
    own = error.__traceback__
    while own is not None and str(own.tb_frame.f_globals.get("__name__")).startswith("bizproc."):
        own = own.tb_next
    return "".join(traceback.format_exception(type(error), error, own))
