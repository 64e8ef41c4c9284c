"""Work on one run: read its callback, run the function, store the outcome, have the process told."""

import datetime as dt
import logging
import threading
import time
import traceback
from dataclasses import dataclass, replace
from typing import Any

from structlog.contextvars import bind_contextvars, clear_contextvars

from bizproc.context import ActivityFailed, Deferred, Retry
from bizproc.definition.activity import AnyActivity
from bizproc.definition.registry import Registry
from bizproc.definition.text import t
from bizproc.files import FileStore
from bizproc.metrics import FUNCTION_SECONDS, OTHER, OUTCOMES, RETRIES, known
from bizproc.portal.b24 import PersonNeeded, PortalRefused, PortalUnavailable, SdkError, described, error_code
from bizproc.portal.connections import same_host
from bizproc.portal.installations import REMOVED, Installation, Installations
from bizproc.runs import callback
from bizproc.runs.answering import PUT_OFF, Answer, Answering, must_be_told, place
from bizproc.runs.callback import Callback, MalformedCallback
from bizproc.runs.calling import Callers, TookTooLong
from bizproc.runs.completion import Completion
from bizproc.runs.decoding import UnusableValues, decode, slashes_meant, slashes_seen
from bizproc.runs.outcomes import failed, succeeded
from bizproc.runs.pauses import growing
from bizproc.runs.run_context import RunContext
from bizproc.runs.runs import KINDS, TIME_RAN_OUT, Claim, Outcome, Runs, storable
from bizproc.runs.turns import Turn, Turns
from bizproc.secrets import CannotDecrypt
from bizproc.storage.patience import Patience
from bizproc.storage.tables import Slashes, now
from bizproc.systems.connections import SystemConnections

logger = logging.getLogger(__name__)

AT_ONCE_PER_PORTAL = 4

UNEXPECTED = t(
    en="an unexpected error in the app. Its operator finds it under run {run}.",
    de="ein unerwarteter Fehler in der App. Ihr Betreiber findet ihn unter Lauf {run}.",
    ru="непредвиденная ошибка приложения. Её оператор найдёт её под номером {run}.",
)
UNKNOWN = t(
    en="the app has no activity {code} any more.",
    de="die App hat keine Aktivität {code} mehr.",
    ru="в приложении больше нет действия {code}.",
)
TOO_LONG = t(
    en="it took longer than {seconds} seconds.",
    de="er hat länger als {seconds} Sekunden gedauert.",
    ru="выполнение заняло больше {seconds} с.",
)


@dataclass(eq=False)
class _Again(Exception):
    """The function is to be called once more."""

    pause: dt.timedelta
    why: str
    trace: str | None = None


class Execution:
    """Safe to use from many threads."""

    def __init__(
        self,
        runs: Runs,
        installations: Installations,
        registry: Registry,
        files: FileStore,
        completion: Completion,
        connections: SystemConnections,
    ) -> None:
        self._runs = runs
        self._installations = installations
        self._registry = registry
        self._files = files
        self._completion = completion
        self._connections = connections
        limits = {each.definition.code: each.definition.at_once for each in registry}
        self._codes = frozenset(limits)
        for code in (*limits, OTHER):
            RETRIES.labels(code)
            for kind in KINDS:
                self._count_outcome(code, kind, 0)
        self._turns = Turns(AT_ONCE_PER_PORTAL, {code: limit for code, limit in limits.items() if limit is not None})
        self._patience = Patience()
        self._answering = Answering(runs, installations, self._patience, self._release)
        self._held: dict[int, Claim] = {}
        self._answered_here: set[int] = set()
        self._callers = Callers()
        self._stopping = False
        self._lock = threading.Lock()

    def work(self, turn: Turn) -> None:
        """Bring a run as far as it goes now, and then those that waited for its place. Harmless for a run that is
        closed, or that another worker has. While the database is away, it waits."""
        if not self._turns.begin(turn):
            return
        self._work(turn.run_id)
        following = self._turns.end(turn)
        while following is not None:
            if not self._stopping:
                self._work(following.run_id)
            following = self._turns.end(following)

    def renew_leases(self) -> None:
        with self._lock:
            claims = list(self._held.values())
        if claims:
            self._runs.renew(claims)

    def end_what_timed_out(self) -> None:
        for code in self._runs.end_what_timed_out():
            self._count_outcome(code, "failed")

    @property
    def busy(self) -> bool:
        """Whether runs are worked on here, or their answers are still to be sent."""
        with self._lock:
            return bool(self._held)

    @property
    def stuck(self) -> list[str]:
        """The activities whose functions go on though their runs are over. Nothing can end them but their process."""
        return self._callers.stuck

    @property
    def crowded(self) -> list[tuple[int, str]]:
        """The portals, each with an activity, of which runs wait here for their turn."""
        return self._turns.crowded()

    def begin_no_more(self) -> list[int]:
        """Let what waits for its place be, so that it can be handed to another process; its runs' ids."""
        self._stopping = True
        self._patience.end()
        return self._turns.waiting()

    def stop(self) -> None:
        """Send the answers that are to be sent. No work comes after this."""
        self._answering.stop()

    def _work(self, run_id: int) -> None:
        clear_contextvars()
        bind_contextvars(run=run_id)
        try:
            self._work_on(run_id)
        except Exception as error:  # the next one is not to pay for it; the sweep hands this one over again
            logger.warning("run %s is left for now: %s", run_id, place(error))

    def _work_on(self, run_id: int) -> None:
        claim = self._patience(lambda: self._runs.claim(run_id))
        if claim is None:
            return
        bind_contextvars(activity=claim.code)
        with self._lock:
            self._held[run_id] = claim
        answer = None
        try:
            answer = self._brought_on(claim)
        finally:
            if answer is None:
                self._release(run_id)
        if answer is not None:
            self._answering.put(answer)

    def _count_outcome(self, code: str, kind: str, number: int = 1) -> None:
        OUTCOMES.labels(known(code, self._codes), kind).inc(number)

    def _release(self, run_id: int) -> None:
        with self._lock:
            self._held.pop(run_id, None)
            self._answered_here.discard(run_id)

    def _brought_on(self, claim: Claim) -> Answer | None:
        """The answer to send, None when there is none to send now."""
        installation = claim.installation
        if installation is None or not installation.active:
            self._patience(lambda: self._runs.close(claim, error=REMOVED))
            self._count_outcome(claim.code, "failed")
            return None
        bind_contextvars(portal=installation.domain)
        called: Callback | None = None
        closes_at: dt.datetime | None = None
        try:
            called = callback.read(claim.raw)
            installation = self._where_it_is(installation, called)
            closes_at = _closes_at(claim, called)
            outcome = claim.outcome or self._run(claim, called, installation, closes_at)
        except MalformedCallback as error:
            outcome = claim.outcome or failed(str(error))
        except _Again as again:
            pause, why, trace = again.pause, again.why, again.trace
            self._patience(lambda: self._runs.try_again(claim, pause, why, trace))
            RETRIES.labels(known(claim.code, self._codes)).inc()
            return None
        except PersonNeeded:
            self._patience(lambda: self._runs.wait_for_person(claim))
            return None
        except (PortalUnavailable, CannotDecrypt) as error:  # a key that is missing can be added again
            logger.warning("run %s: put off for %s s: %s", claim.run_id, PUT_OFF.seconds, error)
            self._patience(lambda: self._runs.later(claim, PUT_OFF))
            return None
        except Deferred:
            workflow_id = called.workflow_id if called else ""
            self._patience(lambda: self._runs.defer(claim, workflow_id=workflow_id, closes_at=closes_at))
            return None
        return self._answer(claim, installation, outcome, called)

    def _answer(
        self, claim: Claim, installation: Installation, outcome: Outcome, called: Callback | None
    ) -> Answer | None:
        event_token = called.event_token if called else callback.event_token(claim.raw)
        workflow_id = called.workflow_id if called else ""
        waits = called.waits if called else True
        answer = Answer(
            claim, installation, outcome, event_token, workflow_id, waits, called.tokens if called else None
        )
        told = must_be_told(outcome, event_token, waits=waits)
        if claim.outcome is not None:
            if told:
                return answer
            self._patience(lambda: self._runs.close(claim))
            return None
        with self._lock:
            self._answered_here.add(claim.run_id)
            besides = list(self._answered_here)
        # What the function has done must not be done again only because the database is away when it ends. Whether the
        # run is still this worker's shows when it is stored.
        stored = self._patience(
            lambda: self._runs.finish(claim, outcome, workflow_id=workflow_id, told=told, besides=besides)
        )
        if stored == "lost":
            logger.warning("run %s: its outcome is not stored, since it is not this worker's any more", claim.run_id)
        else:
            self._count_outcome(claim.code, outcome.kind)
        return answer if stored == "answer" else None

    def _where_it_is(self, installation: Installation, called: Callback) -> Installation:
        """A callback can be the first to tell that its portal has moved. Nothing is sent to an address before the OAuth
        server has confirmed it."""
        if not called.endpoint or same_host(called.endpoint, installation.client_endpoint) or called.tokens is None:
            return installation
        try:
            access, endpoint = called.tokens.access, called.endpoint
            return self._patience(lambda: self._installations.moved(installation, access, endpoint))
        except (SdkError, PortalRefused) as error:
            if isinstance(error, SdkError) and not error_code(error):
                raise PortalUnavailable(f"The OAuth server cannot be asked: {described(error)}") from None
            logger.warning("%s: a callback names another address: %s", installation.domain, described(error))
            return installation

    def _run(
        self, claim: Claim, called: Callback, installation: Installation, closes_at: dt.datetime | None
    ) -> Outcome:
        """Raises _Again, Deferred, PersonNeeded, PortalUnavailable and CannotDecrypt."""
        activity = self._registry.get(claim.code)
        if activity is None:
            # The portal has a step that it should not know any more.
            self._patience(lambda: self._installations.want_registration(installation))
            return failed(UNKNOWN.shown_in(installation.language).format(code=claim.code))
        seconds = (closes_at - now()).total_seconds() if closes_at else activity.definition.seconds
        if seconds <= 0:
            return failed(TIME_RAN_OUT, activity)
        try:
            given = decode(activity.properties, called.properties, self._slashes(installation, activity, called))
            context = RunContext(
                claim,
                called,
                installation,
                self._patience(lambda: self._installations.token(installation, called.tokens)),
                self._runs,
                self._patience,
                self._files.of_run(installation.member_id, claim.run_id),
                self._completion.address(claim.run_id),
                self._connections,
            )
            return succeeded(activity, self._called(activity, given, context, seconds))
        except (PersonNeeded, PortalUnavailable, CannotDecrypt, Deferred):
            raise
        except (ActivityFailed, UnusableValues, PortalRefused) as error:
            return failed(str(error), activity)
        except TookTooLong:
            logger.warning("run %s of %s took longer than %.0f s", claim.run_id, claim.code, seconds)
            return failed(TOO_LONG.shown_in(installation.language).format(seconds=f"{seconds:.0f}"), activity)
        except Retry as error:
            pause = growing(claim.attempts) if error.after is None else dt.timedelta(seconds=max(0, error.after))
            return self._again(claim, activity, pause, str(error))
        except (Exception, SystemExit) as error:  # what the activity's author did not foresee concerns this run alone
            logger.warning("run %s of %s failed: %s", claim.run_id, claim.code, place(error))
            why = UNEXPECTED.shown_in(installation.language).format(run=claim.run_id)
            trace = "".join(traceback.format_exception(error))
            return self._again(claim, activity, growing(claim.attempts), why, trace)

    def _slashes(self, installation: Installation, activity: AnyActivity, called: Callback) -> Slashes:
        seen = slashes_seen(activity.properties, called.properties)
        if seen and seen != installation.slashed_dates:
            self._patience(lambda: self._installations.dates_seen(installation, seen))
        return slashes_meant(seen, installation.slashed_dates, installation.language)

    def _called(self, activity: AnyActivity, given: Any, context: RunContext, seconds: float) -> Any:
        """What the function returns. Raises what it raises, and TookTooLong."""
        began = time.perf_counter()
        try:
            return self._callers.call(activity.definition.code, lambda: activity(given, context), seconds)
        except TookTooLong:
            context.end()
            raise
        finally:
            FUNCTION_SECONDS.labels(activity.definition.code).observe(time.perf_counter() - began)

    def _again(
        self, claim: Claim, activity: AnyActivity, pause: dt.timedelta, why: str, trace: str | None = None
    ) -> Outcome:
        """Raises _Again, unless it was the last try."""
        if claim.attempts + 1 < activity.definition.tries:
            raise _Again(pause, storable(why), trace)
        return replace(failed(why, activity), trace=trace, dead=True)


def _closes_at(claim: Claim, called: Callback) -> dt.datetime | None:
    return claim.received_at + dt.timedelta(seconds=called.timeout) if called.timeout else None
