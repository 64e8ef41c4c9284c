"""What comes back to the app: answers of a portal and of an OAuth server that are hostile or broken.

Whatever they are, nothing fails with a stack trace, and once the answers are right again all is done that was due.
"""

import datetime as dt
import json
import logging
import secrets
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import delete, update

from bizproc.backend import Backend
from bizproc.definition.registry import discover
from bizproc.portal.b24 import Tokens
from bizproc.portal.installations import Installation
from bizproc.portal.proof import Proof
from bizproc.portal.visitor import Visitor
from bizproc.runs.turns import Turn
from bizproc.settings import Settings
from bizproc.storage.tables import InstallationRow, RunRow, now
from devportal.wire import Listener, Request, Response
from handlers import attach
from tests import shelf
from tests.conftest import eventually, tries
from tests.fuzzing.answering import (
    ACCESS_TOKEN,
    APP_INFO,
    CLIENT_ID,
    MEMBER_ID,
    OAUTH_TOKEN,
    Answer,
    asked,
    sane,
    sane_value,
)
from tests.fuzzing.odd import spoiled_json

SLOWEST_SECONDS = 20
"""Of one example; what hangs takes for ever. Machines that are busy are slow."""
APP_HOST = "127.0.0.1:9"
STATUSES = [200, 200, 200, 204, 302, 400, 401, 403, 404, 429, 500, 502]
FORM = {
    "code": "tell",
    "workflow_id": "1",
    "document_id[]": ["crm", "CCrmDocumentDeal", "DEAL_1"],
    "document_type[]": ["crm", "CCrmDocumentDeal", "DEAL"],
    "use_subscription": "Y",
    "properties[words]": "x",
    "auth[member_id]": MEMBER_ID,
    "auth[application_token]": "application-token",
}


class Hostile:
    """An app, and over HTTP a portal and an OAuth server that answer what they are told to, else what is right."""

    def __init__(self, folder: Path) -> None:
        self.answers: dict[str, Answer] = {}
        self._listener = Listener("127.0.0.1", 0, self._answer)
        self.url = f"http://127.0.0.1:{self._listener.port}"
        self.backend = Backend(
            Settings(
                client_id=CLIENT_ID,
                client_secret="client-secret",
                app_url=f"http://{APP_HOST}",
                secret_keys=(secrets.token_urlsafe(32),),
                database_url=f"sqlite:///{folder / 'b24.sqlite3'}",
                files_url=(folder / "files").as_uri(),
                rest_log_folder=str(folder / "rest-log"),
                spool_folder=folder / "spool",
                oauth_url=self.url,
            ),
            discover(shelf),
        )
        self.backend.database.upgrade()
        self.backend.queue.stop()  # each test works on what it gave, when it wants to
        app = Flask("fuzzed", static_folder=None)
        attach(app, self.backend)
        self.client = app.test_client()

    def close(self) -> None:
        self.backend.close()
        self._listener.stop()

    def _answer(self, request: Request) -> Response:
        what = asked(f"{self.url}{request.target}")
        given: dict[str, Any] = json.loads(request.body) if request.body else dict(parse_qsl(request.query))
        answer = self.answers.get(what) or sane(what, given)
        body = answer.body.replace(b"http://127.0.0.1:9/", f"{self.url}/".encode())
        return Response(answer.status, body, {"Content-Type": answer.content_type})

    def installed(self, *, expired: bool = False) -> Installation:
        self.answers = {}
        lives = dt.timedelta(hours=-1 if expired else 1)
        return self.backend.installations.install(
            Visitor(
                Proof(MEMBER_ID, APP_HOST, f"{self.url}/rest/", "bizproc", "L", 1),
                Tokens(ACCESS_TOKEN, "refresh", now() + lives),
                administrator=True,
            ),
            application_token="application-token",
            language="en",
            app_host=APP_HOST,
        )

    def register(self, installation: Installation) -> Installation:
        """Work on the registration as if it were due."""
        with self.backend.database.writing() as session:
            session.execute(update(InstallationRow).values(register_due_at=now()))
        self.backend.worker.register(installation.id)
        found = self.backend.installations.get(installation.id)
        assert found is not None
        return found

    def work(self, turn: Turn) -> str:
        """Work on the run as if it were due; its state then."""
        with self.backend.database.writing() as session:
            session.execute(update(RunRow).values(due_at=now()))
        self.backend.worker.run(turn)
        eventually(lambda: not self.backend.execution.busy)
        run = self.backend.runs.get(turn.run_id)
        assert run is not None
        return run.state


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hostile]:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("bizproc.registration.applying.time.sleep", lambda _: None)
        hostile = Hostile(tmp_path_factory.mktemp("hostile"))
        yield hostile
        hostile.close()


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """No error in the log, and no stack trace, whatever was answered."""
    yield
    records = caplog.get_records("call")
    assert [record.getMessage() for record in records if record.levelno >= logging.ERROR or record.exc_info] == []


def answered(what: str) -> st.SearchStrategy[dict[str, Answer]]:
    given: dict[str, Any] = {"auth": ACCESS_TOKEN, "cmd": {"activity": "bizproc.activity.list", "call0": "x"}}
    bodies = spoiled_json(sane_value(what, given))
    types = st.sampled_from(["application/json", "application/json; charset=utf-7", "text/html", "", "x" * 100])
    answers: st.SearchStrategy[Answer] = st.builds(Answer, bodies, st.sampled_from(STATUSES), types)
    return answers.map(lambda answer: {what: answer})


@tries(25)
@given(answers=answered(APP_INFO), path=st.sampled_from(["/install", "/", "/events"]))
def test_an_install(hostile: Hostile, answers: dict[str, Answer], path: str) -> None:
    started = time.monotonic()
    hostile.answers = answers
    form = {
        "AUTH_ID": ACCESS_TOKEN,
        "REFRESH_ID": "refresh",
        "APPLICATION_TOKEN": "another",
        "member_id": MEMBER_ID,
        "event": "ONAPPINSTALL",
        "auth[access_token]": ACCESS_TOKEN,
        "auth[member_id]": MEMBER_ID,
        "auth[application_token]": "another",
    }
    assert hostile.client.post(path, data=form).status_code in (200, 403, 503)
    assert time.monotonic() - started < SLOWEST_SECONDS


@tries(10)
@given(answers=answered("batch") | answered(OAUTH_TOKEN) | answered("bizproc.activity.add"), expired=st.booleans())
def test_a_registration(hostile: Hostile, answers: dict[str, Answer], expired: bool) -> None:
    started = time.monotonic()
    installation = hostile.installed(expired=expired)
    hostile.answers = answers
    hostile.register(installation)
    hostile.answers = {}
    again = hostile.register(hostile.installed())
    assert (again.register_due_at, again.register_error) == (None, None)
    assert time.monotonic() - started < SLOWEST_SECONDS


@tries(10)
@given(
    answers=answered("bizproc.event.send") | answered("bizproc.activity.log") | answered(OAUTH_TOKEN),
    code=st.sampled_from(["tell", "fail", "ask_portal", "silent", "unknown"]),
    expired=st.booleans(),
)
def test_a_run(hostile: Hostile, answers: dict[str, Answer], code: str, expired: bool) -> None:
    started = time.monotonic()
    hostile.installed(expired=expired)
    assert (
        hostile.client.post(f"/activities/{code}", data=FORM | {"event_token": secrets.token_hex()}).status_code == 200
    )
    (turn,) = hostile.backend.runs.due(lost_before=now())
    hostile.answers = answers
    assert hostile.work(turn) in ("answering", "closed")
    hostile.installed()
    assert hostile.work(turn) == "closed"
    with hostile.backend.database.writing() as session:
        session.execute(delete(RunRow))
    assert time.monotonic() - started < SLOWEST_SECONDS


def test_a_portal_that_is_away_for_weeks(hostile: Hostile) -> None:
    """The pause before the next try once grew until it was no time any more."""
    installation = hostile.installed()
    with hostile.backend.database.writing() as session:
        session.execute(update(InstallationRow).values(register_attempts=500))
    hostile.answers = {"batch": Answer(b"", 502)}
    again = hostile.register(installation)
    assert again.register_due_at is not None
    assert again.register_due_at < now() + dt.timedelta(hours=2)
    assert "502" in (again.register_error or "")
