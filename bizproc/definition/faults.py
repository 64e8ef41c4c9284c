"""What is wrong with a definition, said so that its author finds the place."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace

from bizproc.errors import BizprocError


@dataclass(frozen=True)
class Fault:
    """One fault.

    path: where, dotted, such as ``activities.save_document.properties.docType.default``
    message: what is wrong there and what would be right
    portal: the words with which a portal refuses the same, empty where only we refuse it
    """

    path: str
    message: str
    portal: str = ""

    def below(self, prefix: str) -> "Fault":
        return replace(self, path=".".join(part for part in (prefix, self.path) if part))

    def __str__(self) -> str:
        words = f"{self.message} (the portal: {self.portal})" if self.portal else self.message
        return f"{self.path}: {words}" if self.path else words


class DefinitionError(BizprocError):
    """One or more definitions are wrong; ``faults`` has every fault of all of them."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(str(fault) for fault in self.faults))


_collected: ContextVar[list[Fault] | None] = ContextVar("collected", default=None)


@contextmanager
def collecting() -> Iterator[list[Fault]]:
    """While this is open, definitions report their faults to the yielded list instead of raising, so that the faults of
    all modules can be told at once."""
    faults: list[Fault] = []
    token = _collected.set(faults)
    try:
        yield faults
    finally:
        _collected.reset(token)


def report(faults: list[Fault]) -> None:
    """Tell the faults to whoever collects them.

    Raises DefinitionError when nobody collects and there are some.
    """
    collected = _collected.get()
    if collected is not None:
        collected.extend(faults)
    elif faults:
        raise DefinitionError(faults)
