"""All activities of the app, found in the modules of one package."""

import importlib
import importlib.util
import pkgutil
import re
import sys
import traceback
from collections.abc import Iterable, Iterator
from types import ModuleType

from bizproc.definition.activity import AnyActivity, activities_of
from bizproc.definition.faults import DefinitionError, Fault, collecting
from bizproc.definition.systems import System


class Registry:
    """The activities by code, in the order of their modules' names; ``systems``: by code, those that they work with."""

    def __init__(self, activities: list[AnyActivity], systems: Iterable[System] = ()) -> None:
        self._activities = {each.definition.code: each for each in activities}
        self.systems = {each.code: each for each in systems}

    def __iter__(self) -> Iterator[AnyActivity]:
        return iter(self._activities.values())

    def __len__(self) -> int:
        return len(self._activities)

    def get(self, code: str) -> AnyActivity | None:
        return self._activities.get(code)


def discover(package: ModuleType) -> Registry:
    """Import every module of the package and gather their activities.

    Raises DefinitionError with the faults of all modules together: wrong definitions, a code that is used twice, a
    former code that is in use, two systems of one code, and modules that cannot be imported.
    """
    found: list[AnyActivity] = []
    systems: dict[System, str] = {}
    with collecting() as faults:
        for info in sorted(pkgutil.iter_modules(package.__path__), key=lambda info: info.name):
            name = f"{package.__name__}.{info.name}"
            before = len(faults)
            try:
                module = importlib.import_module(name)
            except Exception as error:  # whatever an author's module raises is told with the others
                faults.append(Fault(name, _import_error(error, name)))
            else:
                found += activities_of(module)
                for each in vars(module).values():
                    if isinstance(each, System):
                        systems.setdefault(each, name)
            if len(faults) > before:
                sys.modules.pop(name, None)  # or a second look would find it already there, and nothing wrong
    faults += _codes_used_twice(found)
    faults += _former_codes_in_use(found)
    faults += _faults_of(systems)
    if faults:
        raise DefinitionError(faults)
    return Registry(found, systems)


def _codes_used_twice(activities: list[AnyActivity]) -> Iterator[Fault]:
    # Activities and robots share one namespace (PROTOCOL.md section 1).
    modules: dict[str, str] = {}
    for each in activities:
        code, module = each.definition.code, each.function.__module__
        first = modules.setdefault(code, module)
        if (
            first != module
            or [a.definition.code for a in activities if a.function.__module__ == module].count(code) > 1
        ):
            yield Fault(f"{module}.code", f"{code!r} is used twice: in {first} and in {module}")


def _former_codes_in_use(activities: list[AnyActivity]) -> Iterator[Fault]:
    users = {each.definition.code: each for each in activities}
    for each in activities:
        previous = each.definition.previous_code
        if previous is None or previous == each.definition.code:
            continue
        other = users.setdefault(previous, each)
        if other is not each:
            words = f"{previous!r} is also a code or former code in {other.function.__module__}"
            yield Fault(f"{each.function.__module__}.{each.definition.code}.previous_code", words)


def _faults_of(systems: dict[System, str]) -> Iterator[Fault]:
    first: dict[str, str] = {}
    for system, module in systems.items():
        if not re.fullmatch(r"[a-z0-9_]{1,64}", system.code):
            words = f"{system.code!r} must be 1 to 64 lower-case Latin letters, digits and '_'"
            yield Fault(f"{module}.System", words)
        other = first.setdefault(system.code, module)
        if other != module or [each.code for each in systems if systems[each] == module].count(system.code) > 1:
            words = f"{system.code!r} is the code of two systems, in {other} and in {module}: import the one"
            yield Fault(f"{module}.System", words)


def _import_error(error: Exception, name: str) -> str:
    spec = importlib.util.find_spec(name)
    own = [
        frame.lineno for frame in traceback.extract_tb(error.__traceback__) if spec and frame.filename == spec.origin
    ]
    where = f" (line {own[-1]})" if own else ""
    return f"cannot be imported{where}: {type(error).__name__}: {error}"
