"""What a running activity knows of its process and can ask of the app."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, Never, TypeVar

import requests

from bizproc.document_types import DocumentType

if TYPE_CHECKING:
    from bizproc.definition.systems import System
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


@dataclass(frozen=True)
class Connection:
    """A portal's access to another system.

    name: by which the portal's people know it
    base_url: such as ``https://zabbix.example.com/zabbix``, without a slash at its end
    secret: such as an API token. ``http`` does not send it by itself: how it is sent is the system's own
    http: verifies certificates, follows no redirects, and is bounded in time and size. It leads to public addresses,
        and to those that the operator allows. It raises ``Retry`` where nothing was sent, ``NoAnswer`` where something
        was and nobody knows what became of it, else ``ActivityFailed``, each with a sentence for people
    """

    name: str
    base_url: str
    secret: str = field(repr=False)
    http: requests.Session = field(repr=False, compare=False)

    def json(self, answer: requests.Response) -> Any:
        """The JSON of an answer. Whatever is special about a status comes before this: whoever knows the API says it
        better.

        Raises ActivityFailed for 401 and 403, NoAnswer for 500 and more, and ActivityFailed for what is no JSON, such
        as a web page.
        """
        status = f"{self.base_url} answered with {answer.status_code} {answer.reason or ''}".rstrip()
        if answer.status_code == 401:
            raise ActivityFailed(f"{status}: it does not take the secret of the connection {self.name}.")
        if answer.status_code == 403:
            raise ActivityFailed(f"{status}: the secret of the connection {self.name} does not allow this.")
        if answer.status_code >= 500:
            raise NoAnswer(f"{status}. Whether it has done what it was asked is not known.")
        try:
            return answer.json()
        except (ValueError, RecursionError):
            page = "html" in answer.headers.get("Content-Type", "").lower()
            what = "a web page" if page else "something that is no JSON"
            raise ActivityFailed(f"{status} and {what}. Is that the right base URL?") from None


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

    @abstractmethod
    def connections(self, system: "System") -> Sequence[str]:
        """The names of this portal's connections to a system."""


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

    @abstractmethod
    def connection(self, system: "System", name: str) -> Connection:
        """The portal's connection to a system, by its name.

        Raises ActivityFailed where there is none of that name, and says which there are.
        """

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


class NoAnswer(ActivityFailed):
    """Another system was asked and did not answer: it may have done it or not. Where the call can safely be repeated,
    ``except NoAnswer as error: raise Retry(str(error)) from None``."""


def no_such_connection(system: "System", name: str, names: Sequence[str]) -> ActivityFailed:
    there = f"There are: {', '.join(names)}." if names else "There is none."
    called = system.name.shown_in("en")
    return ActivityFailed(f"This portal has no connection {name!r} to {called}. {there}")
