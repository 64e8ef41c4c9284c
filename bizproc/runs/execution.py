"""Work on one run: read its callback, run the function, store the outcome, answer the process."""

import datetime as dt
import json
import logging
import threading
import traceback
from dataclasses import replace
from pathlib import Path
from typing import Any

from bizproc.context import ActivityFailed, Context, Files
from bizproc.definition.activity import AnyActivity
from bizproc.definition.registry import Registry
from bizproc.definition.text import t
from bizproc.errors import BizprocError
from bizproc.files import FileStore
from bizproc.portal.b24 import (
    Client,
    PersonNeeded,
    PortalRefused,
    PortalToken,
    PortalUnavailable,
    SdkError,
    described,
    error_code,
)
from bizproc.portal.connections import same_host
from bizproc.portal.installations import Installation, Installations
from bizproc.runs import callback
from bizproc.runs.callback import Callback, MalformedCallback
from bizproc.runs.decoding import UnusableValues, decode
from bizproc.runs.encoding import encode
from bizproc.runs.runs import Claim, Outcome, Runs

logger = logging.getLogger(__name__)

ANSWER_ATTEMPTS = 20
LONGEST_PAUSE = dt.timedelta(hours=1)
PUT_OFF = dt.timedelta(seconds=30)
PROCESS_GONE = "404"
WRONG_EVENT_TOKEN = "ACCESS_DENIED"  # noqa: S105 - an error code
"""What activity.log answers when the process is over, and what a forged event token gets (PROTOCOL.md section 8)."""

FAILED = t(
    en="The step has failed: {why}",
    de="Der Schritt ist fehlgeschlagen: {why}",
    ru="Не удалось выполнить действие: {why}",
)
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


class RunContext(Context):
    """The context of one run against its portal."""

    def __init__(
        self, claim: Claim, called: Callback, installation: Installation, token: PortalToken, runs: Runs, files: Files
    ) -> None:
        self.workflow_id = called.workflow_id
        self.document_id = called.document_id
        self.document_type = called.document_type
        self.user_id = called.user_id
        self.language = installation.language
        self._claim, self._event_token, self._token, self._runs, self._files = (
            claim,
            called.event_token,
            token,
            runs,
            files,
        )

    @property
    def portal(self) -> Client:
        return self._token.get_client()

    @property
    def files(self) -> Files:
        return self._files

    def log(self, message: str) -> None:
        if not message.strip():
            return  # the portal refuses an empty line (PROTOCOL.md section 8)
        try:
            # Not the SDK's own request: it takes the answer apart, and fails where that lacks the least of its times.
            self._token.call_method("bizproc.activity.log", _line(self._event_token, message))
        except Exception as error:  # whatever a portal answers, a log line is worth no run
            logger.warning("run %s: the portal did not take a log line: %s", self._claim.run_id, _why(error))

    def counter(self, name: str) -> int:
        return self._runs.next_number(self._claim, name)


class Execution:
    """Safe to use from many threads."""

    def __init__(self, runs: Runs, installations: Installations, registry: Registry, files: FileStore) -> None:
        self._runs = runs
        self._installations = installations
        self._registry = registry
        self._files = files
        self._working: dict[int, Claim] = {}
        self._lock = threading.Lock()

    def work(self, run_id: int) -> None:
        """Bring a run as far as it goes now. Harmless for a run that is closed, or that another worker has."""
        claim = self._runs.claim(run_id)
        if claim is None:
            return
        with self._lock:
            self._working[run_id] = claim
        try:
            self._work(claim)
        finally:
            with self._lock:
                self._working.pop(run_id, None)

    def renew_leases(self) -> None:
        with self._lock:
            claims = list(self._working.values())
        if claims:
            self._runs.renew(claims)

    def _work(self, claim: Claim) -> None:
        installation = self._installations.get(claim.installation_id)
        if installation is None or not installation.active:
            self._runs.close(claim, error="The app has been removed from the portal.")
            return
        called: Callback | None = None
        try:
            called = callback.read(claim.raw)
            installation = self._where_it_is(installation, called)
            outcome = claim.outcome or self._run(claim, called, installation)
        except MalformedCallback as error:
            outcome = claim.outcome or self._failed(str(error))
        except PersonNeeded:
            self._runs.wait_for_person(claim)
            return
        except PortalUnavailable as error:
            logger.warning("run %s: put off for %s s: %s", claim.run_id, PUT_OFF.seconds, error)
            self._runs.later(claim, PUT_OFF)
            return
        if claim.outcome is None and not self._runs.finish(claim, outcome):
            logger.warning(
                "run %s: its outcome is not stored, since the run is not this worker's any more", claim.run_id
            )
            return
        self._answer(claim, outcome, installation, called)

    def _where_it_is(self, installation: Installation, called: Callback) -> Installation:
        """A callback can be the first to tell that its portal has moved. Nothing is sent to an address before the OAuth
        server has confirmed it."""
        if not called.endpoint or same_host(called.endpoint, installation.client_endpoint) or called.tokens is None:
            return installation
        try:
            return self._installations.moved(installation, called.tokens.access, called.endpoint)
        except (SdkError, PortalRefused) as error:
            if isinstance(error, SdkError) and not error_code(error):
                raise PortalUnavailable(f"The OAuth server cannot be asked: {described(error)}") from None
            logger.warning("%s: a callback names another address: %s", installation.domain, described(error))
            return installation

    def _run(self, claim: Claim, called: Callback, installation: Installation) -> Outcome:
        activity = self._registry.get(claim.code)
        if activity is None:
            # The portal has a step that it should not know any more.
            self._installations.want_registration(installation)
            return self._failed(UNKNOWN.shown_in(installation.language).format(code=claim.code))
        try:
            given = decode(activity.properties, called.properties, installation.language)
            context = RunContext(
                claim,
                called,
                installation,
                self._installations.token(installation, called.tokens),
                self._runs,
                self._files.of_run(installation.member_id, claim.run_id),
            )
            returned = activity(given, context)
            expected = activity.return_properties or type(None)
            if not isinstance(returned, expected):
                raise TypeError(f"{activity} returned {returned!r}, which is no {expected.__name__}")
            values = encode(returned)
            # What no JSON can say would fail every answer. So it fails the run, where its author sees it.
            json.dumps(values, allow_nan=False, ensure_ascii=False).encode()
        except (PersonNeeded, PortalUnavailable):
            raise
        except (ActivityFailed, UnusableValues, PortalRefused) as error:
            return self._failed(str(error), activity)
        except (Exception, SystemExit) as error:  # what the activity's author did not foresee fails this run alone
            logger.warning("run %s of %s failed: %s", claim.run_id, claim.code, _place(error))
            why = UNEXPECTED.shown_in(installation.language).format(run=claim.run_id)
            trace = "".join(traceback.format_exception(error))
            return replace(self._failed(why, activity), trace=trace)
        return Outcome(values)

    def _failed(self, why: str, activity: AnyActivity | None = None) -> Outcome:
        """A failure, with the return property ``error`` where the definition has one: a portal knows no other way to
        report one (PROTOCOL.md section 8)."""
        declared = activity.definition.return_properties if activity else ()
        keys = [each.key for each in declared if each.key.lower() == "error"]
        return Outcome(dict.fromkeys(keys, why), error=why)

    def _answer(self, claim: Claim, outcome: Outcome, installation: Installation, called: Callback | None) -> None:
        event_token = called.event_token if called else callback.event_token(claim.raw)
        waits = called.waits if called else True
        message = FAILED.shown_in(installation.language).format(why=outcome.error) if outcome.error else None
        if not event_token or not (waits or message):
            self._runs.close(claim)
            return
        try:
            token = self._installations.token(installation, called.tokens if called else None)
            line = _line(event_token, message) if message else {"EVENT_TOKEN": event_token}
            if waits:
                token.call_method("bizproc.event.send", {**line, "RETURN_VALUES": outcome.values})
            else:
                token.call_method("bizproc.activity.log", line)
        except PersonNeeded:
            self._runs.wait_for_person(claim)
        except Exception as error:  # whatever a portal answers, the run must not stay open without a next try
            self._not_answered(claim, outcome, error)
        else:
            self._runs.close(claim)

    def _not_answered(self, claim: Claim, outcome: Outcome, error: Exception) -> None:
        why = _why(error)
        code = error_code(error) if isinstance(error, SdkError) else ""
        if code == PROCESS_GONE:
            self._runs.close(claim)
        elif code == WRONG_EVENT_TOKEN:
            self._runs.close(claim, error=_joined(outcome.error, f"The portal refused the answer: {why}"))
        elif claim.answer_attempts + 1 >= ANSWER_ATTEMPTS:
            told = f"The portal could not be told, {ANSWER_ATTEMPTS} times: {why}"
            self._runs.close(claim, error=_joined(outcome.error, told))
        else:
            pause = min(dt.timedelta(seconds=2**claim.answer_attempts), LONGEST_PAUSE)
            logger.warning("run %s: not answered, again in %s s: %s", claim.run_id, pause.seconds, why)
            self._runs.answer_later(claim, pause)


def _line(event_token: str, message: str) -> dict[str, Any]:
    return {"EVENT_TOKEN": event_token, "LOG_MESSAGE": message}


def _why(error: Exception) -> str:
    if isinstance(error, (SdkError, BizprocError)):
        return described(error)
    return f"its answer is not understood ({_place(error)})"


def _joined(*sentences: str | None) -> str:
    return " ".join(sentence for sentence in sentences if sentence)


def _place(error: BaseException) -> str:
    """Which error, and where. Its text may hold anything, so it is left to the encrypted trace."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__} in {Path(last.filename).name}, line {last.lineno}"
