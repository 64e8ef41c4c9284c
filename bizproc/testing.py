"""For the tests of activities: a process without a portal."""

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Never
from urllib.parse import urlsplit

from bizproc.context import (
    Connection,
    Context,
    Deferred,
    DialogContext,
    DocumentId,
    Files,
    StoredFile,
    Value,
    no_such_connection,
)
from bizproc.definition.systems import System
from bizproc.document_types import DEAL, DocumentType
from bizproc.portal.connections import trusting
from bizproc.systems.addresses import Addresses
from bizproc.systems.session import SystemSession


def connected(base_url: str, secret: str, *, name: str = "test", ca_bundle: str = "") -> Connection:
    """A connection as the app gives one, with the operator's leave to go to this base URL, wherever it leads.

    ca_bundle: a PEM file with an authority that is trusted besides the public ones
    """
    parts = urlsplit(base_url)
    addresses = Addresses([f"{parts.scheme}://{parts.netloc}"])
    return Connection(name, addresses.base_url(base_url), secret, SystemSession(addresses, _trusting(ca_bundle)))


_trusting = functools.cache(trusting)  # to read all public authorities takes long


class KeptFiles(Files):
    """Files in memory: ``kept`` has their contents by name."""

    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {}

    def store(self, name: str, content: bytes) -> StoredFile:
        self.kept[name] = content
        return StoredFile(name, f"https://app.example.com/files/{name}")


class Process(Context):
    """The context of an activity that is called as a function::

        process = Process(counters={"documents": 7})
        assert save_document(Input(docType="docx"), process).number == 7
        assert process.said == ["Saving as docx"]

    said: the lines that were logged; checkpoints: what was stored, by name; files.kept: the files

    portal: what ``context.portal`` gives, such as a client of b24pysdk over ``responses``; None where it is not asked
    counters: the numbers that ``counter`` gives; the next one is 1 where none is given
    checkpoints: of a run that is repeated
    connections: by name, such as ``{"main": connected("http://127.0.0.1:8080", "token")}``; to whatever system

    An activity that defers raises ``Deferred``.
    """

    def __init__(
        self,
        *,
        workflow_id: str = "1",
        document_id: DocumentId | None = None,
        document_type: DocumentType = DEAL,
        user_id: int = 1,
        language: str = "en",
        portal: Any = None,
        counters: dict[str, int] | None = None,
        checkpoints: dict[str, Any] | None = None,
        connections: Mapping[str, Connection] | None = None,
    ) -> None:
        self.workflow_id = workflow_id
        self.idempotency_key = f"key of {workflow_id}"
        self.document_id = document_id or DocumentId("crm", "CCrmDocumentDeal", "DEAL_1")
        self.document_type = document_type
        self.user_id = user_id
        self.language = language
        self.said: list[str] = []
        self.checkpoints = dict(checkpoints or {})
        self.counters = dict(counters or {})
        self._portal = portal
        self._connections = {name: replace(each, name=name) for name, each in (connections or {}).items()}
        self._files = KeptFiles()

    @property
    def portal(self) -> Any:
        if self._portal is None:
            raise AssertionError("the portal is asked; give the process one: Process(portal=...)")
        return self._portal

    def connection(self, system: System, name: str) -> Connection:
        if name not in self._connections:
            raise no_such_connection(system, name, list(self._connections))
        return self._connections[name]

    @property
    def files(self) -> KeptFiles:
        return self._files

    @property
    def completion_url(self) -> str:
        return "https://app.example.com/runs/signed"

    def log(self, message: str) -> None:
        self.said.append(message)

    def counter(self, name: str) -> int:
        return self.counters.setdefault(name, 1)

    def checkpoint(self, name: str, function: Callable[[], Value]) -> Value:
        if name not in self.checkpoints:
            self.checkpoints[name] = function()
        return self.checkpoints[name]  # type: ignore[no-any-return]

    def defer(self) -> Never:
        raise Deferred


class Dialog(DialogContext):
    """What a function that lists options gets::

        assert departments(Dialog(portal=client)) == {"1": "Sales"}

    portal: what ``context.portal`` gives, as with ``Process``
    connections: the names of the portal's connections, to whatever system
    """

    def __init__(
        self,
        *,
        member_id: str = "1",
        domain: str = "acme.bitrix24.com",
        language: str = "en",
        portal: Any = None,
        connections: Sequence[str] = (),
    ) -> None:
        self.member_id = member_id
        self.domain = domain
        self.language = language
        self._portal = portal
        self._connections = tuple(connections)

    @property
    def portal(self) -> Any:
        if self._portal is None:
            raise AssertionError("the portal is asked; give the dialog one: Dialog(portal=...)")
        return self._portal

    def connections(self, system: System) -> Sequence[str]:  # noqa: ARG002 - they are to whatever system
        return self._connections
