"""Tell processes what their runs came to, a portal's in the fewest calls.

A portal's answers go one call after another, so that no two of one process meet (PROTOCOL.md section 8). What has
queued up meanwhile goes in one batch: at two calls a second that is a hundred answers instead of two.
"""

import datetime as dt
import logging
import threading
import time
import traceback
from collections import defaultdict, deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from structlog.contextvars import bind_contextvars, bound_contextvars, clear_contextvars

from bizproc.definition.text import t
from bizproc.errors import BizprocError
from bizproc.metrics import ANSWERED_SECONDS, ANSWERS
from bizproc.portal.b24 import PersonNeeded, PortalToken, SdkError, Tokens, described, error_code
from bizproc.portal.installations import Installation, Installations
from bizproc.registration.sending import survives_a_query
from bizproc.runs.pauses import growing
from bizproc.runs.runs import Claim, Outcome, Runs
from bizproc.secrets import CannotDecrypt
from bizproc.storage.patience import Patience
from bizproc.storage.tables import now

logger = logging.getLogger(__name__)

PUT_OFF = dt.timedelta(seconds=30)
THREADS = 8
AT_ONCE = 2
"""Calls of all portals: so few that answers gather meanwhile and go in one call, which costs both sides less."""
SLOW_SECONDS = 0.25
"""After so long others do not wait any more: a portal that is slow must not hold them up."""
BATCH = 50
LARGEST_IN_BATCH = 8_000
"""Characters of an answer; a larger one goes alone."""
ATTEMPTS = 20
STOP_SECONDS = 15
"""When the process is to end, no answer is begun after so long: gunicorn gives it 30 in all."""
PROCESS_GONE = "404"
WRONG_EVENT_TOKEN = "ACCESS_DENIED"  # noqa: S105 - an error code
"""What activity.log answers when the process is over, and what a forged event token gets (PROTOCOL.md section 8)."""
TOKEN_REFUSED = frozenset(("EXPIRED_TOKEN", "INVALID_TOKEN", "NO_AUTH_FOUND", "AUTHORIZATION_ERROR"))

FAILED = t(
    en="The step has failed: {why}",
    de="Der Schritt ist fehlgeschlagen: {why}",
    ru="Не удалось выполнить действие: {why}",
)


@dataclass(frozen=True)
class Answer:
    """What a process is to be told.

    installation: the portal, as it was when the run was claimed
    workflow_id: of the process, empty where its callback could not be read
    tokens: that the callback brought, None where it brought none
    """

    claim: Claim
    installation: Installation
    outcome: Outcome
    event_token: str
    workflow_id: str
    waits: bool
    tokens: Tokens | None


class Answering:
    """Safe to use from many threads. ``done``: is told of every run whose answer has been dealt with."""

    def __init__(
        self, runs: Runs, installations: Installations, patience: Patience, done: Callable[[int], None]
    ) -> None:
        self._patience = patience
        self._ends_at = float("inf")
        self._runs = runs
        self._installations = installations
        self._done = done
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="answer")
        self._waiting: defaultdict[int, deque[Answer]] = defaultdict(deque)
        self._turns = threading.Semaphore(AT_ONCE)
        self._lock = threading.Lock()

    def put(self, answer: Answer) -> None:
        """Have it sent, after those of the same portal that came before."""
        installation_id = answer.claim.installation_id
        with self._lock:
            sending = installation_id in self._waiting
            self._waiting[installation_id].append(answer)
        if not sending:
            self._pool.submit(self._send_all, installation_id)

    def stop(self) -> None:
        """Send what has been put, as far as STOP_SECONDS allow, and take no more. The leases of the rest end."""
        self._ends_at = time.monotonic() + STOP_SECONDS
        self._pool.shutdown(wait=True)

    def _send_all(self, installation_id: int) -> None:
        going_on = True
        while going_on:
            in_turn = self._turns.acquire(timeout=SLOW_SECONDS)
            try:
                going_on = self._send_some(self._next(installation_id))
            finally:
                if in_turn:
                    self._turns.release()

    def _send_some(self, answers: Sequence[Answer]) -> bool:
        try:
            if answers:
                self._send(answers)
        except Exception as error:  # the database is away: their leases end, and the sweep hands them over again
            logger.warning("%s answers are not dealt with: %s", len(answers), place(error))
        finally:
            for answer in answers:
                self._done(answer.claim.run_id)
        return bool(answers)

    def _next(self, installation_id: int) -> list[Answer]:
        """Up to a batch of those that wait, no two of one process; none when all are sent."""
        with self._lock:
            waiting = self._waiting[installation_id]
            if time.monotonic() > self._ends_at:
                waiting.clear()
            taken: list[Answer] = []
            kept: deque[Answer] = deque()
            processes: set[str] = set()
            while waiting and len(taken) < BATCH:
                answer = waiting.popleft()
                if answer.workflow_id and answer.workflow_id in processes:
                    kept.append(answer)
                else:
                    processes.add(answer.workflow_id)
                    taken.append(answer)
            waiting.extendleft(reversed(kept))
            if not taken:
                del self._waiting[installation_id]
            return taken

    def _send(self, answers: Sequence[Answer]) -> None:
        installation = answers[-1].installation
        clear_contextvars()
        bind_contextvars(portal=installation.domain)
        calls = [
            (answer, *call_of(answer.outcome, answer.event_token, waits=answer.waits, language=installation.language))
            for answer in answers
        ]
        together: list[tuple[Answer, str, dict[str, Any]]] = []
        alone: list[tuple[Answer, str, dict[str, Any]]] = []
        for each in calls:
            (together if len(calls) > 1 and _fits_in_batch(each[2]) else alone).append(each)
        if len(together) > 1:
            self._send_together(installation, together)
        else:
            alone += together
        for answer, method, params in alone:
            self._send_alone(installation, answer, method, params)

    def _send_together(self, installation: Installation, calls: Sequence[tuple[Answer, str, dict[str, Any]]]) -> None:
        # event.send asks for the event token alone, so any token of the portal will do (PROTOCOL.md section 4).
        tokens = next((answer.tokens for answer, *_ in calls if answer.tokens), None)
        commands = {f"run{answer.claim.run_id}": (method, params) for answer, method, params in calls}
        try:
            errors = self._with_token(installation, tokens, lambda token: token.batch(commands)).errors
        except PersonNeeded:
            for answer, *_ in calls:
                self._wait_for_person(answer.claim)
            return
        except CannotDecrypt as error:
            for answer, *_ in calls:
                self._put_off(answer, error)
            return
        except Exception as error:  # whatever a portal answers, no run must stay open without a next try
            for answer, *_ in calls:
                self._not_taken(answer, _code(error), _why(error))
            return
        taken = []
        for answer, *_ in calls:
            refusal = errors.get(f"run{answer.claim.run_id}")
            if refusal is None:
                taken.append(answer.claim)
            else:
                code = str(refusal.get("error", "")).upper()
                self._not_taken(answer, code, f"{code}: {refusal.get('error_description', '')}")
        self._patience(lambda: self._runs.close_all(taken))
        _count_taken(taken)

    def _send_alone(self, installation: Installation, answer: Answer, method: str, params: dict[str, Any]) -> None:
        try:
            self._with_token(installation, answer.tokens, lambda token: token.call_method(method, params))
        except PersonNeeded:
            self._wait_for_person(answer.claim)
        except CannotDecrypt as error:
            self._put_off(answer, error)
        except Exception as error:  # as above
            self._not_taken(answer, _code(error), _why(error))
        else:
            self._close(answer.claim)
            _count_taken([answer.claim])

    def _with_token(self, installation: Installation, given: Tokens | None, call: Callable[[PortalToken], Any]) -> Any:
        """With the callback's own token, and if the portal does not take that, with the stored one."""
        try:
            return call(self._patience(lambda: self._installations.token(installation, given)))
        except SdkError as error:
            if given is None or error_code(error) not in TOKEN_REFUSED:
                raise
        return call(self._patience(lambda: self._installations.token(installation)))

    def _put_off(self, answer: Answer, error: CannotDecrypt) -> None:
        """However often: a key that is missing can be added again."""
        with _told_of(answer.claim):
            logger.warning("run %s: not answered, again in %s s: %s", answer.claim.run_id, PUT_OFF.seconds, error)
        ANSWERS.labels("again").inc()
        self._patience(lambda: self._runs.later(answer.claim, PUT_OFF))

    def _not_taken(self, answer: Answer, code: str, why: str) -> None:
        claim, failure = answer.claim, answer.outcome.error
        if code == PROCESS_GONE:
            ANSWERS.labels("process_gone").inc()
            self._close(claim)
        elif code == WRONG_EVENT_TOKEN:
            ANSWERS.labels("refused").inc()
            self._close(claim, _joined(failure, f"The portal refused the answer: {why}"))
        elif claim.answer_attempts + 1 >= ATTEMPTS:
            ANSWERS.labels("given_up").inc()
            self._close(claim, _joined(failure, f"The portal could not be told, {ATTEMPTS} times: {why}"))
        else:
            ANSWERS.labels("again").inc()
            pause = growing(claim.answer_attempts)
            with _told_of(claim):
                logger.warning("run %s: not answered, again in %s s: %s", claim.run_id, pause.seconds, why)
            self._patience(lambda: self._runs.answer_later(claim, pause))

    def _close(self, claim: Claim, error: str | None = None) -> None:
        self._patience(lambda: self._runs.close(claim, error=error))

    def _wait_for_person(self, claim: Claim) -> None:
        ANSWERS.labels("person_needed").inc()
        self._patience(lambda: self._runs.wait_for_person(claim))


def must_be_told(outcome: Outcome, event_token: str, *, waits: bool) -> bool:
    """Whether there is anything to say, and anybody to say it to."""
    return bool(event_token) and (waits or outcome.error is not None)


def call_of(outcome: Outcome, event_token: str, *, waits: bool, language: str) -> tuple[str, dict[str, Any]]:
    """The method and the parameters with which a process is told. ``language``: the portal's."""
    message = FAILED.shown_in(language).format(why=outcome.error) if outcome.error else None
    params = log_line(event_token, message) if message else {"EVENT_TOKEN": event_token}
    if waits:
        return "bizproc.event.send", {**params, "RETURN_VALUES": outcome.values}
    return "bizproc.activity.log", params


def log_line(event_token: str, message: str) -> dict[str, Any]:
    return {"EVENT_TOKEN": event_token, "LOG_MESSAGE": message}


def place(error: BaseException) -> str:
    """Which error, and where. Its text may hold anything, so it is left to the encrypted trace."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__} in {Path(last.filename).name}, line {last.lineno}"


def _told_of(claim: Claim) -> AbstractContextManager[None]:
    return bound_contextvars(run=claim.run_id, activity=claim.code)


def _count_taken(claims: Sequence[Claim]) -> None:
    ANSWERS.labels("taken").inc(len(claims))
    for claim in claims:
        ANSWERED_SECONDS.observe((now() - claim.received_at).total_seconds())


def _fits_in_batch(params: dict[str, Any]) -> bool:
    return survives_a_query(params) and len(str(params)) <= LARGEST_IN_BATCH


def _code(error: Exception) -> str:
    return error_code(error) if isinstance(error, SdkError) else ""


def _why(error: Exception) -> str:
    if isinstance(error, (SdkError, BizprocError)):
        return described(error)
    return f"its answer is not understood ({place(error)})"


def _joined(*sentences: str | None) -> str:
    return " ".join(sentence for sentence in sentences if sentence)
