"""One apply in one portal: send what the plan says, in the fewest calls, until the portal has taken it."""

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

from bizproc.definition.definition import Kind
from bizproc.portal.answers import UnusableAnswer
from bizproc.portal.b24 import PortalRefused, PortalToken, PortalUnavailable, SdkError, described, error_code
from bizproc.portal.installations import Installation, Lease
from bizproc.registration.plan import Plan
from bizproc.registration.registrations import Registered, Registrations
from bizproc.registration.sending import Call, calls, last_calls, routes
from bizproc.storage.tables import now

logger = logging.getLogger(__name__)

EVENTS = ("ONAPPINSTALL", "ONAPPUPDATE", "ONAPPUNINSTALL", "ONAPPPAYMENT", "ONAPPTEST")
KINDS: tuple[Kind, ...] = ("activity", "robot")
ROUNDS = 6
AT_ONCE = 4
LONGEST_WAIT_SECONDS = 30

NOT_FOUND = "ERROR_ACTIVITY_NOT_FOUND"
PASSING = frozenset(
    (
        "",  # the connection was lost, or the answer was no JSON: whether it was done shows in the next list
        "ERROR_ACTIVITY_ALREADY_INSTALLED",  # the portal holds something else than it listed
        NOT_FOUND,
        "ERROR_UNEXPECTED_ANSWER",
        "EXPIRED_TOKEN",
        "INTERNAL_SERVER_ERROR",
        "OPERATION_TIME_LIMIT",
        "OVERLOAD_LIMIT",
        "QUERY_LIMIT_EXCEEDED",
    )
)
"""What a new plan and a second try may settle."""
NOT_ALLOWED = frozenset(("ACCESS_DENIED", "INSUFFICIENT_SCOPE"))
OF_THE_PORTAL = NOT_ALLOWED | {
    "APPLICATION_NOT_FOUND",
    "ERROR_BATCH_LENGTH_EXCEEDED",
    "ERROR_BATCH_METHOD_NOT_ALLOWED",
    "ERROR_METHOD_NOT_FOUND",
    "INVALID_CLIENT",
    "INVALID_GRANT",
    "INVALID_TOKEN",
    "NO_AUTH_FOUND",
    "PAYMENT_REQUIRED",
    "PORTAL_DELETED",
}
"""What ends the apply: the next call would hear the same. Every other code is said of one definition alone."""


@dataclass(frozen=True)
class Applied:
    """What became of a plan. ``calls``: how many REST calls it took."""

    registered: tuple[Registered, ...]
    plan: Plan
    calls: int


@dataclass(frozen=True)
class Failure:
    """Why a call was not done: the portal's code, upper-cased, its words for a person, and what was called."""

    code: str
    words: str
    method: str = "batch"

    def error(self) -> PortalRefused | PortalUnavailable:
        if self.code in PASSING:
            return Passing(self)
        if self.code in NOT_ALLOWED:
            return PortalRefused(
                f"{self.words}. Activities are registered with the rights of who installs the app: an administrator of"
                " the portal has to open it."
            )
        return PortalUnavailable(self.words)


class Passing(PortalUnavailable):
    """What a new plan and a second try may settle."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.words)
        self.failure = failure


def listed(token: PortalToken, events_url: str | None = None) -> tuple[dict[Kind, list[str]], Failure | None]:
    """The codes that the portal holds, by kind, in one call; the same call binds the events where an address is given,
    and tells why if a second try may bind one that is not bound.

    Raises SdkError, Passing and PortalUnavailable, and PortalRefused when whoever installed the app may not ask.
    """
    bound = EVENTS if events_url else ()
    commands: dict[str, tuple[str, dict[str, Any]]] = {
        event: ("event.bind", {"event": event, "handler": events_url}) for event in bound
    }
    for kind in KINDS:
        commands[kind] = (f"bizproc.{kind}.list", {})
    answer = token.batch(commands)
    failures = {name: _failure(answer.errors[name], commands[name][0]) for name in commands if name in answer.errors}
    held: dict[Kind, list[str]] = {}
    for kind in KINDS:
        if kind in failures:
            raise failures[kind].error()
        codes = answer.results.get(kind)
        if not isinstance(codes, list) or not all(isinstance(code, str) for code in codes):
            raise PortalUnavailable(f"the portal's answer is not understood: {commands[kind][0]} gave no list of codes")
        held[kind] = codes
    unbound = None
    for event, failure in failures.items():
        # A handler that is bound already is no fault (PROTOCOL.md section 2).
        if failure.code != "ERROR_CORE":
            logger.warning("%s: the event %s is not bound: %s", token.domain, event, failure.words)
        if failure.code in PASSING:
            unbound = failure
    return held, unbound


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
        self._warnings: dict[str, tuple[str, ...]] = {}
        self._refused = registrations.refused(installation.id)
        self._stuck: dict[str, str] = {}
        self._calls = 0
        self._counting = threading.Lock()

    def run(self, *, refresh: bool) -> Applied:
        """Raises as ``Registration.apply`` does."""
        failure: Failure | None = None
        for number in range(ROUNDS):
            if failure is not None:
                self._wait(failure, number - 1)
            try:
                made, unbound = self._planned(refresh=refresh)
                failure = self._send(made) or unbound
            except Passing as passing:
                failure = passing.failure
            except UnusableAnswer:
                raise  # the same call would be answered the same
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

    def _planned(self, *, refresh: bool) -> tuple[Plan, Failure | None]:
        self._calls += 1
        held, unbound = listed(self._token, self._events_url)
        made = self._plan(held, refresh)
        if made.gone:
            self._registrations.settle(self._lease, deleted=made.gone)
        self._warnings = {change.code: change.warnings for change in made.changes}
        return made, unbound

    def _send(self, made: Plan) -> Failure | None:
        """Send the plan's calls; a failure where a new plan is needed."""
        changes = [
            change
            for change in made.pending(allow_deletes=self._allow_deletes)
            if change.payload is None or change.payload.fingerprint not in self._refused
        ]
        failure = self._carry(calls(changes))
        if failure is None:
            accepted = [each for each in changes if each.payload and each.payload.fingerprint not in self._refused]
            failure = self._carry([call for change in accepted for call in last_calls(change)])
        return failure

    def _carry(self, made: Sequence[Call]) -> Failure | None:
        sent = [call for call in made if call.payload or call.code not in self._stuck]
        # What has to go first goes first; otherwise no call waits for another.
        ordered = any(call.payload is None for call in sent)
        with ThreadPoolExecutor(1 if ordered else AT_ONCE) as pool:
            failures = list(pool.map(self._route, routes(sent)))
        return next((failure for failure in failures if failure is not None), None)

    def _route(self, route: list[Call]) -> Failure | None:
        codes = {call.code: call.kind for call in route if call.done != "deleted"}
        self._registrations.sending(self._lease, codes, self._prefix)
        with self._counting:
            self._calls += 1
        return self._settle(route, self._called(route))

    def _called(self, route: list[Call]) -> dict[int, Failure]:
        """Which of the calls failed, by their place."""
        if len(route) == 1:
            method = route[0].method
            try:
                self._token.call_method(method, route[0].params)
            except SdkError as error:
                if not error_code(error):
                    raise
                return {0: Failure(error_code(error), described(error), method)}
            return {}
        # Names that are no numbers: PHP would make lists of the answers (PROTOCOL.md section 5).
        commands = {f"call{place}": (call.method, call.params) for place, call in enumerate(route)}
        errors = self._token.batch(commands).errors
        return {
            place: _failure(errors[name], commands[name][0]) for place, name in enumerate(commands) if name in errors
        }

    def _settle(self, route: list[Call], failures: Mapping[int, Failure]) -> Failure | None:
        """Store what one call came to, in one transaction."""
        again: Failure | None = None
        ended: Failure | None = None
        accepted, refused, deleted = [], [], []
        for place, call in enumerate(route):
            failure = failures.get(place)
            if failure is None or (failure.code == NOT_FOUND and call.done in ("deleted", "removed")):
                if call.payload:
                    accepted.append((call.payload, call.done))
                if call.done == "deleted":
                    deleted.append(call.code)
                if call.done not in ("removed", "released"):
                    self._note(call, call.done)
            elif failure.code in OF_THE_PORTAL:
                ended = replace(failure, words=f"{call.code}: {failure.words}")
            elif call.payload and call.code in self._stuck:
                refused.append((call.payload, self._stuck[call.code]))
            elif failure.code in PASSING:
                again = replace(failure, words=f"{call.code}: {failure.words}")
            elif call.payload:
                refused.append((call.payload, failure.words))
                self._note(call, "refused", failure.words)
            elif call.done != "released":
                self._stuck[call.code] = failure.words
                self._note(call, "refused", failure.words)
        self._refused |= {payload.fingerprint for payload, _ in refused}
        self._registrations.settle(self._lease, accepted, refused, deleted)
        if ended:
            raise ended.error()
        return again

    def _note(self, call: Call, action: str, error: str | None = None) -> None:
        warnings = () if error else self._warnings.get(call.code, ())
        for warning in warnings:
            logger.warning("%s: %s: %s", self._installation.domain, call.code, warning)
        self._registered[call.code] = Registered(call.code, call.kind, action, error, warnings)

    def _wait(self, failure: Failure, round_: int) -> None:
        """As long as PROTOCOL.md section 5 asks before another try."""
        if failure.code == "EXPIRED_TOKEN":
            self._token.refresh_and_set_oauth_token()
            return
        pause = float(2**round_)
        if failure.code == "OPERATION_TIME_LIMIT":
            resets_at = self._token.operating_resets_at.get(failure.method)
            pause = max(pause, (resets_at - now()).total_seconds() + 1) if resets_at else LONGEST_WAIT_SECONDS
            if pause > LONGEST_WAIT_SECONDS:
                raise PortalUnavailable(f"{failure.words} It can be tried again in {pause:.0f} s.", retry_in=pause)
        time.sleep(pause)


def _failure(error: Any, method: str) -> Failure:
    told = error if isinstance(error, Mapping) else {}
    words = ": ".join(str(told[key]) for key in ("error", "error_description") if told.get(key))
    return Failure(str(told.get("error", "")).upper(), words or "the portal's answer is not understood", method)
