"""What a running activity knows of its process and can ask of the app."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Never, TypeVar

from bizproc.document_types import DocumentType

if TYPE_CHECKING:
    from bizproc.portal.b24 import Client


Value = TypeVar("Value")


class DocumentId(NamedTuple):
    """The document that a process runs on: module, object and the id, such as ``DEAL_1188``."""

    module: str
    object: str
    id: str


@dataclass(frozen=True)
class StoredFile:
    """A kept file: its name, and a link by which whoever has it can load the file until the link expires."""

    name: str
    link: str


class Files(ABC):
    """The files of one run. They are kept per portal and run: a repeated run replaces what it stored before."""

    @abstractmethod
    def store(self, name: str, content: bytes) -> StoredFile:
        """Keep the content under this name and sign a link to it.

        Raises ValueError for a name with a path in it.
        """


class DialogContext(ABC):
    """Given to a function that lists the options of a select, whenever somebody opens the settings of a step.

    member_id, domain: of the portal; the member id stays when the portal is renamed
    language: of the person, such as ``de``
    """

    member_id: str
    domain: str
    language: str

    @property
    @abstractmethod
    def portal(self) -> "Client":
        """A b24pysdk client for this portal, with the rights of the person who has opened the settings."""


ListOptions = Callable[[DialogContext], Mapping[str, str]]
"""A function that lists the options of a select: each option's key, which is the value, and its title."""


class Context(ABC):
    """Given to every activity function beside its properties.

    workflow_id: the process's id in the portal
    idempotency_key: the same whenever this run is repeated, and no other's: for systems that take such a key
    user_id: the portal user for whom the step runs, 0 for none
    language: the portal's language as the app knows it, such as ``de``
    """

    workflow_id: str
    idempotency_key: str
    document_id: DocumentId
    document_type: DocumentType
    user_id: int
    language: str

    @property
    @abstractmethod
    def portal(self) -> "Client":
        """A b24pysdk client for this portal, with the rights of the step's user, else of whoever installed the app:
        ``context.portal.crm.deal.get(bitrix_id=1).result``."""

    @property
    @abstractmethod
    def files(self) -> Files: ...

    @abstractmethod
    def log(self, message: str) -> None:
        """Write a line to the log of the process. A portal that cannot take it now does not fail the run."""

    @abstractmethod
    def counter(self, name: str) -> int:
        """The next number of this portal's counter, from 1; the same number again when the run is repeated."""

    @abstractmethod
    def checkpoint(self, name: str, function: Callable[[], Value]) -> Value:
        """What the function gives: text, numbers, truth values, None, and lists and dicts of these. It is stored under
        the name, so that a run that is repeated does not call the function again.

        Raises TypeError for a value that JSON cannot say.
        """

    @property
    @abstractmethod
    def completion_url(self) -> str:
        """A signed address at which another system finishes this run, once it is deferred, by a POST of JSON:
        ``{"values": {"number": 1}}`` or ``{"error": "why"}``."""

    @abstractmethod
    def defer(self) -> Never:
        """End the function without an outcome: ``return context.defer()``. The process waits until the run is finished
        by ``flask runs complete`` or at ``completion_url``, or until the step's own timeout."""


class Retry(Exception):
    """Raised by an activity that is to be tried again later. When that does not help, the run fails with this message.

    after: seconds until the next try; None for a pause that grows from try to try
    """

    def __init__(self, message: str = "It did not succeed, however often it was tried.", *, after: float | None = None):
        super().__init__(message)
        self.after = after


class Deferred(BaseException):
    """How ``Context.defer`` ends the function. No error: nothing that catches errors catches it."""


class ActivityFailed(Exception):
    """Raised by an activity that cannot do what was asked. The process goes on, with this message in its log and, where
    the definition declares it, in the return property ``error``."""
