"""What the function of one run can ask for."""

import logging
from collections.abc import Callable
from typing import Any, Never

from bizproc.context import ActivityFailed, Connection, Context, Deferred, Files, StoredFile, Value
from bizproc.definition.systems import System
from bizproc.errors import BizprocError
from bizproc.portal.b24 import Client, PortalToken, SdkError, described
from bizproc.portal.installations import Installation
from bizproc.runs.answering import log_line
from bizproc.runs.callback import Callback
from bizproc.runs.runs import NOTHING, Claim, Runs
from bizproc.storage.patience import Patience
from bizproc.systems.connections import SystemConnections

logger = logging.getLogger(__name__)


class RunContext(Context):
    """The context of one run against its portal."""

    def __init__(
        self,
        claim: Claim,
        called: Callback,
        installation: Installation,
        token: PortalToken,
        runs: Runs,
        patience: Patience,
        files: Files,
        completion_url: str,
        connections: SystemConnections,
    ) -> None:
        self.workflow_id = called.workflow_id
        self.idempotency_key = claim.key
        self.document_id = called.document_id
        self.document_type = called.document_type
        self.user_id = called.user_id
        self.language = installation.language
        self._claim, self._event_token, self._runs = claim, called.event_token, runs
        self._patience = patience
        self._token, self._files, self._completion_url = token, files, completion_url
        self._installation_id, self._connections = installation.id, connections
        self._ended = False

    def end(self) -> None:
        """The run is over, though its function may go on: what that asks for from now on is refused."""
        self._ended = True

    @property
    def portal(self) -> Client:
        self._require_time()
        return self._token.get_client()

    def connection(self, system: System, name: str) -> Connection:
        self._require_time()
        return self._patience(lambda: self._connections.get(self._installation_id, system, name))

    @property
    def files(self) -> Files:
        self._require_time()
        return _FilesInTime(self._files, self._require_time)

    @property
    def completion_url(self) -> str:
        return self._completion_url

    def log(self, message: str) -> None:
        self._require_time()
        if not message.strip():
            return  # the portal refuses an empty line (PROTOCOL.md section 8)
        try:
            # Not the SDK's own request: it takes the answer apart, and fails where that lacks the least of its times.
            self._token.call_method("bizproc.activity.log", log_line(self._event_token, message))
        except Exception as error:  # whatever a portal answers, a log line is worth no run
            why = described(error) if isinstance(error, (SdkError, BizprocError)) else type(error).__name__
            logger.warning("run %s: the portal did not take a log line: %s", self._claim.run_id, why)

    def counter(self, name: str) -> int:
        self._require_time()
        return self._patience(lambda: self._runs.next_number(self._claim, name))

    def checkpoint(self, name: str, function: Callable[[], Value]) -> Value:
        self._require_time()
        kept: Any = self._patience(lambda: self._runs.checkpoint(self._claim, name))
        if kept is not NOTHING:
            return kept  # type: ignore[no-any-return]
        value = function()
        self._require_time()
        return self._patience(lambda: self._runs.keep_checkpoint(self._claim, name, value))  # type: ignore[no-any-return]

    def defer(self) -> Never:
        raise Deferred

    def _require_time(self) -> None:
        if self._ended:
            raise ActivityFailed("The time of this run is over.")


class _FilesInTime(Files):
    def __init__(self, files: Files, require_time: Callable[[], None]) -> None:
        self._files, self._require_time = files, require_time

    def store(self, name: str, content: bytes) -> StoredFile:
        self._require_time()
        return self._files.store(name, content)
