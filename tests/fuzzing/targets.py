"""What is fuzzed, each as a function of bytes that raises when something is wrong.

fuzz.py hands them what atheris thinks up, test_corpus.py what is kept in corpus/.
"""

import atexit
import contextlib
import datetime as dt
import io
import json
import secrets
import sqlite3
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote_plus, unquote_to_bytes

from flask import Flask
from sqlalchemy import delete, event, select

from bizproc import php
from bizproc.backend import Backend
from bizproc.definition.registry import discover
from bizproc.portal.b24 import PortalRefused, PortalUnavailable, SdkError, Tokens
from bizproc.portal.pace import Pace
from bizproc.portal.proof import Proof, prove
from bizproc.portal.visitor import Visitor
from bizproc.registration.applying import listed
from bizproc.runs import callback
from bizproc.runs.decoding import UnusableValues, decode, slashes_of, slashes_seen
from bizproc.runs.encoding import encode
from bizproc.settings import Settings
from bizproc.storage.tables import InstallationRow, RunRow, now
from handlers import attach
from tests import shelf
from tests.conftest import eventually
from tests.fuzzing.answering import (
    ACCESS_TOKEN,
    APP_INFO,
    CLIENT_ID,
    DOMAIN,
    ENDPOINT,
    MEMBER_ID,
    OAUTH_TOKEN,
    Answer,
    AnsweringConnections,
)
from tests.fuzzing.endpoints import ENDPOINTS, allowed
from tests.shelf import behaviours
from tests.shelf.every_type import Input, Output

APPLICATION_TOKEN: Final = "application-token"
NOWHERE: Final = "redis://127.0.0.1:1/0"
"""A queue that is away: what is accepted is worked on right here instead of in threads."""


def forms(data: bytes) -> None:
    """PHP's form parser: what it has read, written as a form and read again, is the same."""
    try:
        form = php.parse_str(data)
    except (php.TooManyFields, php.TooDeep):
        return
    again = php.parse_str("&".join(f"{name}={quote_plus(value)}" for name, value in _fields(form)))
    assert again == form, again
    assert isinstance(php.serialized_size(form), int)
    json.dumps(php.to_json(form)).encode()


def _fields(array: php.PhpArray, name: str = "") -> Iterator[tuple[str, str]]:
    for key, value in array.items():
        inner = f"{name}[{quote_plus(str(key))}]" if name else quote_plus(str(key))
        if isinstance(value, dict):
            yield from _fields(value, inner)
        else:
            yield inner, str(value)


def callbacks(data: bytes) -> None:
    """A stored callback: it can be read or it is malformed, and its event token is the same either way."""
    assert "\0" not in callback.event_token(data)
    callback.sender(callback.essentials(data))
    try:
        called = callback.read(data)
    except callback.MalformedCallback as error:
        str(error).encode()
        return
    assert called.event_token == callback.event_token(data)
    assert 0 <= called.user_id < 10**18


def decoding(data: bytes) -> None:
    """The values of a step: a line for each property of every type, the first for the portal's language."""
    language, *lines = data.decode("utf-8", "replace").split("\n")
    names = list(Input.__properties__)
    values: php.PhpArray = dict(zip(names, lines, strict=False))
    numbers = dict(enumerate(lines[len(names) :]))
    if numbers:
        values["numbers"] = values["days"] = dict(numbers)
    for name, value in values.items():
        try:
            given = decode(Input, {name: value}, slashes_seen(Input, values) or slashes_of(language))
        except UnusableValues:
            continue
        back = {f"{key}_back": getattr(given, key) for key in names if f"{key}_back" in Output.__properties__}
        # A moment before the first year in UTC has no timestamp: the run fails, and says so.
        with contextlib.suppress(OverflowError):
            json.dumps(encode(Output(**{key: value for key, value in back.items() if value is not None})))


def phps(data: bytes) -> None:
    """The other pieces of PHP."""
    text = data.decode("utf-8", "replace")
    php.parse_url(text)
    key = php.array_key(text)
    assert str(key) == text
    assert php.INT_MIN <= php.to_int(text) <= php.INT_MAX
    left, _, right = text.partition("\n")
    assert php.loosely_equal(left, right) == php.loosely_equal(right, left)
    assert php.trim(php.trim(text)) == php.trim(text)
    assert php.upper(php.upper(text)) == php.upper(text)
    try:
        value = php.from_json(json.loads(data), max_depth=256)
    except (ValueError, RecursionError):
        return
    assert php.to_int(value) is not None
    php.is_empty(value), php.to_text(value), php.serialized_size(value)
    if isinstance(value, dict):
        php.upper_keys(value)
    once = php.to_json(value)
    assert php.to_json(php.from_json(once, max_depth=256)) == once


def app(data: bytes) -> None:
    """A request, straight to the WSGI app; then whatever it left to do.

    data: a byte for the endpoint, one for the method and whether credentials are added; then a line each for what
        stands in the path, the query, and the header Authorization; the rest is the body
    """
    which, how, rest = data[:1] or b"\0", data[1:2] or b"\0", data[2:]
    in_path, query, authorization, body = (*rest.split(b"\n", 3), b"", b"", b"", b"")[:4]
    endpoint = ENDPOINTS[which[0] % len(ENDPOINTS)]
    methods = allowed(endpoint)
    running = _running()
    if how[0] & 1:
        body += b"&" + CREDENTIALS
    environ = {
        "REQUEST_METHOD": methods[(how[0] >> 2) % len(methods)],
        "PATH_INFO": endpoint.path(unquote_to_bytes(in_path).decode("latin-1")),
        "QUERY_STRING": query.decode("latin-1"),
        "HTTP_AUTHORIZATION": f"Bearer {running.page_token}" if how[0] & 2 else authorization.decode("latin-1"),
        "HTTP_HOST": DOMAIN,
        "CONTENT_LENGTH": str(len(body)),
        "CONTENT_TYPE": "application/x-www-form-urlencoded",
    }
    status = running.answers(environ, body)
    assert status < 500, status
    running.work()


CREDENTIALS: Final = (
    f"auth[member_id]={MEMBER_ID}&auth[application_token]={APPLICATION_TOKEN}&auth[access_token]={ACCESS_TOKEN}"
    f"&AUTH_ID={ACCESS_TOKEN}&member_id={MEMBER_ID}&APPLICATION_TOKEN={APPLICATION_TOKEN}"
).encode()


def answers(data: bytes) -> None:
    """What comes back from the OAuth server and from a portal. data: a byte for the status, then the body."""
    running = _running()
    status = (200, 200, 200, 400, 401, 403, 429, 500)[(data[:1] or b"\0")[0] % 8]
    installation = running.installed()
    connections = running.connections
    for what in (APP_INFO, OAUTH_TOKEN, "batch", "bizproc.activity.log", "bizproc.event.send"):
        connections.answers = {what: Answer(data[1:], status)}
        with contextlib.suppress(SdkError, PortalRefused, PortalUnavailable):
            if what == APP_INFO:
                proof = prove(running.backend.app, ACCESS_TOKEN, member_id=MEMBER_ID)
                running.installed(proof)
            elif what == OAUTH_TOKEN:
                token = running.backend.installations.token(installation)
                token.refresh_and_set_oauth_token()
            elif what == "batch":
                listed(running.backend.installations.token(installation), "http://127.0.0.1:9/events")
            else:
                running.backend.installations.token(installation).call_method(what, {})
    connections.answers = {}


class Running:
    """The app with the tests' own activities, installed; its portal answers as it is told."""

    def __init__(self, folder: str) -> None:
        settings = Settings(
            client_id=CLIENT_ID,
            client_secret="client-secret",
            app_url=f"http://{DOMAIN}",
            secret_keys=(secrets.token_urlsafe(32),),
            database_url=f"sqlite:///{folder}/b24.sqlite3",
            files_url=f"file://{folder}/files",
            rest_log_folder=f"{folder}/rest-log",
            spool_folder=Path(folder) / "spool",
            queue_url=NOWHERE,
            oauth_url="http://127.0.0.1:9",
        )
        self.backend = Backend(settings, discover(shelf))
        self.backend.database.upgrade()
        self.connections = AnsweringConnections()
        self.backend.app.connections = self.connections
        self.backend.app.pace = _NoPace("memory://")
        event.listen(self.backend.database.engine, "connect", _forgetfully)
        self._app = Flask("fuzzed", static_folder=None)
        self._app.config["PROPAGATE_EXCEPTIONS"] = True
        attach(self._app, self.backend)
        self.page_token = self.backend.page_token(self.installed(), self._visitor())

    def installed(self, proof: Proof | None = None) -> Any:
        return self.backend.installations.install(
            self._visitor(proof), application_token=APPLICATION_TOKEN, language="en", app_host=DOMAIN
        )

    def _visitor(self, proof: Proof | None = None) -> Visitor:
        proven = proof or Proof(MEMBER_ID, DOMAIN, ENDPOINT, "bizproc", "L", 1)
        tokens = Tokens(ACCESS_TOKEN, "refresh", dt.datetime.now(dt.UTC) + dt.timedelta(hours=1))
        return Visitor(proven, tokens, administrator=True)

    def answers(self, environ: Mapping[str, str], body: bytes) -> int:
        """The status of the answer."""
        statuses: list[str] = []

        def start_response(status: str, headers: Any, exc_info: Any = None) -> Callable[[bytes], None]:
            statuses.append(status)
            return lambda _: None

        with io.BytesIO(body) as stream:
            wsgi = {
                "SERVER_NAME": "127.0.0.1",
                "SERVER_PORT": "9",
                "SERVER_PROTOCOL": "HTTP/1.1",
                "wsgi.version": (1, 0),
                "wsgi.url_scheme": "http",
                "wsgi.input": stream,
                "wsgi.errors": sys.stderr,
                "wsgi.multithread": True,
                "wsgi.multiprocess": False,
                "wsgi.run_once": False,
            }
            shown = self._app(environ | wsgi, start_response)
            b"".join(shown)
            if hasattr(shown, "close"):
                shown.close()
        return int(statuses[-1][:3])

    def work(self) -> None:
        """Do all that is due, and see that nothing stays open."""
        runs, database = self.backend.runs, self.backend.database
        for turn in runs.due(lost_before=now()):
            self.backend.worker.run(turn)
            eventually(lambda: not self.backend.execution.busy)
            done = runs.get(turn.run_id)
            assert done is not None
            assert done.state == "closed", done
        with database.reading() as session:
            due = list(session.scalars(select(InstallationRow.id).where(InstallationRow.register_due_at.is_not(None))))
            stored = list(session.scalars(select(RunRow.id).limit(1)))
        for installation_id in due:
            self.backend.worker.register(installation_id)
        if stored:
            with database.writing() as session:
                session.execute(delete(RunRow))
        behaviours.CALLS.clear()


class _NoPace(Pace):
    def wait(self, portal: str) -> None:
        """At once: nobody is called."""


def _forgetfully(connection: sqlite3.Connection, _record: Any) -> None:
    connection.execute("PRAGMA synchronous = OFF")


@cache
def _running() -> Running:
    behaviours.RELEASED.set()
    folder = tempfile.TemporaryDirectory()
    atexit.register(folder.cleanup)
    return Running(folder.name)


TARGETS: Final[dict[str, Callable[[bytes], None]]] = {
    "forms": forms,
    "callback": callbacks,
    "decoding": decoding,
    "php": phps,
    "app": app,
    "answers": answers,
}
