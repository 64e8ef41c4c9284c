"""One apply in one portal: send what the plan says, in the fewest calls, until the portal has taken it."""

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from bizproc.definition.definition import Kind
from bizproc.portal.b24 import PortalRefused, PortalToken, PortalUnavailable, SdkError, described, error_code
from bizproc.portal.installations import Installation, Lease
from bizproc.registration.plan import Plan
from bizproc.registration.registrations import Registered, Registrations
from bizproc.registration.sending import Call, calls, routes
from bizproc.storage.tables import now

logger = logging.getLogger(__name__)

EVENTS = ("ONAPPINSTALL", "ONAPPUPDATE", "ONAPPUNINSTALL", "ONAPPPAYMENT", "ONAPPTEST")
KINDS: tuple[Kind, ...] = ("activity", "robot")
ROUNDS = 6
AT_ONCE = 4
LONGEST_WAIT_SECONDS = 30

NOT_FOUND = "ERROR_ACTIVITY_NOT_FOUND"
REFUSALS = frozenset(
    (
        "ERROR_ACTIVITY_ADD_FAILURE",
        "ERROR_ACTIVITY_VALIDATION_FAILURE",
        "ERROR_CORE",
        "ERROR_UNSUPPORTED_PROTOCOL",
        "ERROR_WRONG_HANDLER_URL",
    )
)
"""What a portal says of a definition that it will never take as it is."""
PASSING = frozenset(
    (
        "",  # the connection was lost, or the answer was no JSON: whether it was done shows in the next list
        "ERROR_ACTIVITY_ALREADY_INSTALLED",  # the portal holds something else than it listed
        NOT_FOUND,
        "ERROR_UNEXPECTED_ANSWER",
        "EXPIRED_TOKEN",
        "INTERNAL_SERVER_ERROR",
        "OPERATION_TIME_LIMIT",
        "QUERY_LIMIT_EXCEEDED",
    )
)
"""What a new plan and a second try may settle."""


@dataclass(frozen=True)
class Applied:
    """What became of a plan. ``calls``: how many REST calls it took."""

    registered: tuple[Registered, ...]
    plan: Plan
    calls: int


@dataclass(frozen=True)
class Failure:
    """Why a call was not done: the portal's code, upper-cased, and its words for a person."""

    code: str
    words: str


def listed(token: PortalToken, events_url: str | None = None) -> dict[Kind, list[str]]:
    """The codes that the portal holds, by kind, in one call; the same call binds the events where an address is given.

    Raises SdkError, PortalUnavailable, and PortalRefused when whoever installed the app may not ask.
    """
    bound = EVENTS if events_url else ()
    commands: dict[str, tuple[str, dict[str, Any]]] = {
        event: ("event.bind", {"event": event, "handler": events_url}) for event in bound
    }
    for kind in KINDS:
        commands[kind] = (f"bizproc.{kind}.list", {})
    answer = token.batch(commands)
    for name, error in answer.errors.items():
        failure = _failure(error)
        if name in KINDS:
            raise _unlisted(failure)
        # A handler that is bound already is no fault (PROTOCOL.md section 2).
        if failure.code != "ERROR_CORE":
            logger.warning("%s: the event %s is not bound: %s", token.domain, name, failure.words)
    held = {kind: answer.results.get(kind) for kind in KINDS}
    if not all(isinstance(codes, list) and all(isinstance(code, str) for code in codes) for codes in held.values()):
        raise PortalUnavailable("The portal does not tell which activities it holds.")
    return {kind: list(codes or ()) for kind, codes in held.items()}


class Application:
    """plan: makes the plan for what the portal holds; its second argument says to send everything again."""

    def __init__(
        self,
        registrations: Registrations,
        installation: Installation,
        token: PortalToken,
        lease: Lease,
        *,
        plan: Callable[[Mapping[Kind, Sequence[str]], bool], Plan],
        events_url: str,
        allow_deletes: bool,
        prefix: str,
    ) -> None:
        self._registrations = registrations
        self._installation = installation
        self._token = token
        self._lease = lease
        self._plan = plan
        self._events_url = events_url
        self._allow_deletes = allow_deletes
        self._prefix = prefix
        self._registered: dict[str, Registered] = {}
        self._calls = 0
        self._counting = threading.Lock()

    def run(self, *, refresh: bool) -> Applied:
        """Raises as ``Registration.apply`` does."""
        failure: Failure | None = None
        for number in range(ROUNDS):
            if failure is not None:
                self._wait(failure, number - 1)
            try:
                made = self._planned(refresh=refresh)
                failure = self._send(made)
            except SdkError as error:
                failure = Failure(error_code(error), described(error))
                if failure.code not in PASSING:
                    raise
            else:
                if failure is None:
                    return Applied(tuple(self._registered.values()), made, self._calls)
                refresh = False  # what was sent has a fingerprint by now, and the rest has none
        why = failure.words if failure else ""
        raise PortalUnavailable(f"the portal did not take all of it, {ROUNDS} times: {why}")

    def _planned(self, *, refresh: bool) -> Plan:
        self._lease.renew()
        self._calls += 1
        made = self._plan(listed(self._token, self._events_url), refresh)
        if made.gone:
            self._registrations.settle(self._installation.id, deleted=made.gone)
        return made

    def _send(self, made: Plan) -> Failure | None:
        """Send the plan's calls; a failure where a new plan is needed."""
        made_calls = calls(made.pending(allow_deletes=self._allow_deletes))
        # What has to go first goes first; otherwise no call waits for another.
        ordered = any(call.payload is None for call in made_calls)
        with ThreadPoolExecutor(1 if ordered else AT_ONCE) as pool:
            failures = list(pool.map(self._route, routes(made_calls)))
        return next((failure for failure in failures if failure is not None), None)

    def _route(self, route: list[Call]) -> Failure | None:
        self._lease.renew()
        payloads = [call.payload for call in route if call.payload]
        self._registrations.sending(self._installation.id, payloads, self._prefix)
        with self._counting:
            self._calls += 1
        return self._settle(route, self._called(route))

    def _called(self, route: list[Call]) -> dict[int, Failure]:
        """Which of the calls failed, by their place."""
        if len(route) == 1:
            try:
                self._token.call_method(route[0].method, route[0].params)
            except SdkError as error:
                if not error_code(error):
                    raise
                return {0: Failure(error_code(error), described(error))}
            return {}
        # Names that are no numbers: PHP would make lists of the answers (PROTOCOL.md section 5).
        commands = {f"call{place}": (call.method, call.params) for place, call in enumerate(route)}
        errors = self._token.batch(commands).errors
        return {place: _failure(errors[name]) for place, name in enumerate(commands) if name in errors}

    def _settle(self, route: list[Call], failures: Mapping[int, Failure]) -> Failure | None:
        """Store what one call came to, in one transaction."""
        again: Failure | None = None
        accepted, refused, deleted = [], [], []
        put = {call.code for call in route if call.payload}  # a replaced code stays this app's
        for place, call in enumerate(route):
            failure = failures.get(place)
            if call.payload is None and (failure is None or failure.code == NOT_FOUND):
                if call.code not in put:
                    deleted.append(call.code)
                self._registered[call.code] = Registered(call.code, call.kind, call.done)
            elif call.payload is not None and failure is None:
                accepted.append((call.payload, call.done))
                self._registered[call.code] = Registered(call.code, call.kind, call.done)
            elif call.payload is not None and failure is not None and failure.code in REFUSALS:
                refused.append((call.payload, failure.words))
                self._registered[call.code] = Registered(call.code, call.kind, "refused", failure.words)
            elif failure is not None and failure.code in PASSING:
                again = failure
            elif failure is not None:
                self._registrations.settle(self._installation.id, accepted, refused, deleted)
                raise _unlisted(failure)
        self._registrations.settle(self._installation.id, accepted, refused, deleted)
        return again

    def _wait(self, failure: Failure, round_: int) -> None:
        """As long as PROTOCOL.md section 5 asks before another try."""
        if failure.code == "EXPIRED_TOKEN":
            self._token.refresh_and_set_oauth_token()
            return
        pause = float(2**round_)
        if failure.code == "OPERATION_TIME_LIMIT":
            resets_at = self._token.operating_resets_at
            pause = max(pause, (resets_at - now()).total_seconds() + 1) if resets_at else LONGEST_WAIT_SECONDS
            if pause > LONGEST_WAIT_SECONDS:
                raise PortalUnavailable(f"{failure.words} It can be tried again in {pause:.0f} s.", retry_in=pause)
        time.sleep(pause)


def _failure(error: Mapping[str, Any]) -> Failure:
    words = ": ".join(str(error[key]) for key in ("error", "error_description") if error.get(key))
    return Failure(str(error.get("error", "")).upper(), words)


def _unlisted(failure: Failure) -> PortalRefused | PortalUnavailable:
    if failure.code in ("ACCESS_DENIED", "INSUFFICIENT_SCOPE"):
        return PortalRefused(
            f"{failure.words}. Activities are registered with the rights of who installs the app: an administrator of"
            " the portal has to open it."
        )
    return PortalUnavailable(failure.words)
