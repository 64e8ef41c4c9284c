"""The decorators that make an activity or a robot of a function."""

import functools
import inspect
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Generic, Protocol, TypeGuard, TypeVar, get_type_hints

from bizproc.context import Context
from bizproc.definition.checks import check
from bizproc.definition.definition import Definition, Filter, Kind
from bizproc.definition.faults import Fault, report
from bizproc.definition.given import Properties, ReturnProperties
from bizproc.definition.text import Text, localized
from bizproc.document_types import DocumentType

Input = TypeVar("Input", bound=Properties)
Output = TypeVar("Output", bound=ReturnProperties | None)
Wanted = TypeVar("Wanted")


class Activity(Generic[Input, Output]):
    """A function with its definition. Calling it calls the function, so that a test needs nothing else:
    ``save_document(Input(docType="docx"), context) == Output(number=1)``."""

    def __init__(
        self,
        definition: Definition,
        function: Callable[[Input, Context], Output],
        properties: type[Input],
        return_properties: type[ReturnProperties] | None,
    ) -> None:
        self.definition = definition
        self.function = function
        self.properties = properties
        self.return_properties = return_properties
        functools.update_wrapper(self, function)

    def __call__(self, given: Input, context: Context) -> Output:
        return self.function(given, context)

    @property
    def template(self) -> Path | None:
        """The settings dialog's own template; None where it has none."""
        return template_of(self.definition, inspect.unwrap(self.function))

    def __repr__(self) -> str:
        return f"<{self.definition.kind} {self.definition.code}>"


AnyActivity = Activity[Any, Any]


class Decorator(Protocol):
    def __call__(self, function: Callable[[Input, Context], Output]) -> Activity[Input, Output]: ...


def activity(
    code: str,
    *,
    name: Text,
    description: Text | None = None,
    filter: Filter | None = None,  # noqa: A002 - Bitrix24's own word
    document_type: DocumentType | None = None,
    waits: bool | None = None,
    auth_user_id: int = 0,
    previous_code: str | None = None,
    tries: int = 3,
    seconds: float = 300,
    at_once: int | None = None,
    placement: bool | str = False,
) -> Decorator:
    """Make an activity of a function ``(given: Input, context: Context) -> Output``.

    The arguments are those of ``Definition``; properties and return properties come from the function's annotations.
    Raises DefinitionError with every fault, unless ``discover`` collects those of all modules.
    """
    return _decorator("activity", **locals())


def robot(
    code: str,
    *,
    name: Text,
    description: Text | None = None,
    filter: Filter | None = None,  # noqa: A002 - Bitrix24's own word
    document_type: DocumentType | None = None,
    waits: bool | None = None,
    auth_user_id: int = 0,
    previous_code: str | None = None,
    tries: int = 3,
    seconds: float = 300,
    at_once: int | None = None,
    placement: bool | str = False,
) -> Decorator:
    """Make a robot (automation rule) of a function; all else is as with ``activity``."""
    return _decorator("robot", **locals())


def _decorator(kind: Kind, code: str, name: Text, description: Text | None, **rest: Any) -> Decorator:
    def declare(function: Callable[[Any, Context], Any]) -> Activity[Any, Any]:
        properties, return_properties, faults = _signature(function)
        definition = Definition(
            code=code,
            kind=kind,
            name=localized(name),
            description=None if description is None else localized(description),
            properties=tuple(properties.__properties__.values()),
            return_properties=tuple(return_properties.__properties__.values()) if return_properties else (),
            **rest,
        )
        faults += [fault.below("properties") for fault in properties.__faults__]
        if return_properties:
            faults += [fault.below("return_properties") for fault in return_properties.__faults__]
        faults += check(definition)
        faults += _template(definition, function)
        module = function.__module__
        path = module if module.rpartition(".")[2] == code else f"{module}.{code}"
        report([fault.below(path) for fault in faults])
        return Activity(definition, function, properties, return_properties)

    return declare


def _template(definition: Definition, function: Callable[..., Any]) -> Iterator[Fault]:
    path = template_of(definition, function)
    if path is not None and not path.is_file():
        yield Fault("placement", f"there is no template {path.name} next to the module, in {path.parent.name}/")


def template_of(definition: Definition, function: Callable[..., Any]) -> Path | None:
    """Where the settings dialog's own template of an activity is; None where it has none."""
    if not isinstance(definition.placement, str):
        return None
    return Path(inspect.getfile(function)).parent / definition.placement


def _signature(
    function: Callable[..., Any],
) -> tuple[type[Properties], type[ReturnProperties] | None, list[Fault]]:
    faults: list[Fault] = []
    try:
        hints = get_type_hints(function)
    except Exception as error:  # an annotation is any expression of the author's
        return Properties, None, [Fault("function", f"its types cannot be read: {error}")]
    names = list(inspect.signature(function).parameters)
    returned = hints.get("return", inspect.Parameter.empty)
    given = hints.get(names[0]) if names else None

    if len(names) != 2 or not _is_class_of(given, Properties) or hints.get(names[1]) is not Context:
        faults.append(
            Fault("function", "takes (given: Input, context: Context), where Input is a subclass of Properties")
        )
    if not (returned is type(None) or _is_class_of(returned, ReturnProperties)):
        faults.append(Fault("function", "returns a subclass of ReturnProperties, or None: annotate which"))
    return (
        given if _is_class_of(given, Properties) else Properties,
        returned if _is_class_of(returned, ReturnProperties) else None,
        faults,
    )


def _is_class_of(annotation: Any, wanted: type[Wanted]) -> TypeGuard[type[Wanted]]:
    return isinstance(annotation, type) and issubclass(annotation, wanted)


def activities_of(module: object) -> Iterator[AnyActivity]:
    """The activities that a module declares itself, without those that it imports."""
    for value in vars(module).values():
        if isinstance(value, Activity) and value.__module__ == getattr(module, "__name__", None):
            yield value
