"""One emulated portal: everything it holds."""

import hashlib
import secrets
import threading
from collections import deque
from dataclasses import dataclass, field
from typing import Final

from bizproc.definition.filters import Edition
from devportal.dates import PortalDates
from devportal.delivery import Delivery
from devportal.faults import Faults
from devportal.limits import LeakyBucket, WorkingTime
from devportal.process import Process
from devportal.records import Records

ADMIN: Final = 1
EMPLOYEE: Final = 2
MAX_DELIVERIES: Final = 5000
MAX_FINISHED = 20_000
"""The latest finished processes that are kept; waiting ones all are."""
PRUNE_EVERY = 1000
"""New processes after which the surplus is dropped."""


@dataclass(frozen=True, slots=True)
class Application:
    """The one application that all portals know. `scope` is separated by commas, `status` one of L, F, D, T, P, S."""

    client_id: str
    client_secret: str
    scope: str
    status: str
    code: str = "local.devportal"
    name: str = "Application under development"

    @property
    def scopes(self) -> frozenset[str]:
        return frozenset(self.scope.split(","))


@dataclass(frozen=True, slots=True)
class EventHandler:
    """A handler bound by `event.bind`. `user_id` 0 is whoever causes the event."""

    number: int
    event: str
    url: str
    user_id: int


@dataclass(slots=True)
class Installation:
    """What the portal knows of the installed application.

    Attributes:
        times: how often it was installed anew; part of the application token.
        payment_expired: then the portal refuses its calls, and its steps fail.
    """

    installed: bool = False
    times: int = 0
    version: int = 1
    app_url: str = ""
    payment_expired: bool = False
    handlers: list[EventHandler] = field(default_factory=list)


class Portal:
    """All state of one portal. Whoever reads or changes it holds `lock`; `changed` wakes those who wait for news."""

    def __init__(
        self, number: int, host: str, port: int, member_id: str, lang: str, edition: Edition, dates: PortalDates
    ) -> None:
        self.number = number
        self.host = host
        self.port = port
        self.member_id = member_id
        self.lang = lang
        self.edition = edition
        self.dates = dates
        self.signing_key = secrets.token_bytes(32)
        self.lock = threading.RLock()
        self.changed = threading.Condition(self.lock)
        self.renamed = 0
        self.resets = 0
        self.installation = Installation()
        self.reset()

    def reset(self) -> None:
        """An empty portal in which nothing is installed. Its address stays."""
        with self.lock:
            self.resets += 1
            self.records = Records()
            self.installation = Installation(times=self.installation.times)
            self.processes: dict[str, Process] = {}
            self._new_processes = 0
            self.deliveries: deque[Delivery] = deque(maxlen=MAX_DELIVERIES)
            self.faults = Faults()
            self.buckets: dict[str, LeakyBucket] = {}
            self.working_times: dict[str, WorkingTime] = {}

    def add_process(self, process: Process) -> None:
        """Keep a process. The caller holds the lock."""
        self.processes[process.id] = process
        self._new_processes += 1
        if self._new_processes >= PRUNE_EVERY:
            self._new_processes = 0
            finished = [id_ for id_, kept in self.processes.items() if kept.settled]
            for id_ in finished[: max(0, len(finished) - MAX_FINISHED)]:
                del self.processes[id_]

    @property
    def domain(self) -> str:
        return f"{self.host}:{self.port}"

    @property
    def url(self) -> str:
        return f"http://{self.domain}"

    @property
    def client_endpoint(self) -> str:
        return f"{self.url}/rest/"

    def application_token(self, application: Application) -> str:
        """Made of member id, application and secret: it stays until the application is installed anew."""
        made_of = f"{self.member_id}|{application.client_id}|{application.client_secret}|{self.installation.times}"
        return hashlib.sha256(made_of.encode()).hexdigest()[:32]

    def working_time(self, method: str) -> WorkingTime:
        return self.working_times.setdefault(method, WorkingTime())

    def bucket(self, client: str) -> LeakyBucket:
        return self.buckets.setdefault(client, LeakyBucket())
