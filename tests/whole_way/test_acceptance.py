"""A callback that got 2xx is run, whatever happens to the database and to the process at that moment."""

import multiprocessing
import os
import secrets
import signal
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from sqlalchemy import create_engine, event, make_url, text, update
from werkzeug.serving import make_server

from bizproc.portal import installations
from bizproc.portal.installations import Installation
from bizproc.runs import inbox, spool
from bizproc.runs.queue import ANSWER_SECONDS
from bizproc.runs.runs import LEASE
from bizproc.runs.turns import Turn
from bizproc.settings import Settings
from bizproc.storage.tables import InstallationRow, now
from tests.conftest import Portal, RunningApp, app_of_shelf, eventually, serving
from tests.shelf import behaviours

ON_POSTGRESQL = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
ON_SQLITE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture
def settings(settings: Settings, database_url: str) -> Settings:
    return replace(settings, database_url=database_url)


def form(portal: Portal, event_token: object = "1|A1|x.y", **changed: str) -> dict[str, Any]:
    """A proven callback, for which no process waits."""
    return {
        "code": "silent",
        "workflow_id": "1",
        "document_id[0]": "crm",
        "document_id[1]": "CCrmDocumentDeal",
        "document_id[2]": "DEAL_1",
        "document_type[]": ["crm", "CCrmDocumentDeal", "DEAL"],
        "properties[words]": "x",
        "event_token": event_token,
        "use_subscription": "N",
        "auth[member_id]": portal.description["member_id"],
        "auth[application_token]": portal.state()["installation"]["application_token"],
    } | changed


def call(url: str, fields: dict[str, Any], timeout: float = 30) -> int:
    return requests.post(f"{url}/activities/silent", data=fields, timeout=timeout).status_code


def call_all(url: str, forms: list[dict[str, Any]], threads: int = 16) -> list[int]:
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(lambda fields: call(url, fields), forms))


def install(app: RunningApp, portal: Portal) -> Installation:
    portal.ask("install", app_url=app.url)
    return eventually(lambda: app.backend.installations.find(portal.description["member_id"]))


def closed(app: RunningApp) -> int:
    return len(app.backend.runs.list(state="closed", limit=1000))


def succeeded(app: RunningApp) -> int:
    return len(app.backend.runs.list(state="succeeded", limit=1000))


@contextmanager
def away(app: RunningApp, table: str) -> Iterator[None]:
    """The database lacks a table, so it can serve nobody."""

    def rename(old: str, new: str) -> None:
        with app.backend.database.writing() as session:
            session.execute(text(f"ALTER TABLE {old} RENAME TO {new}"))

    rename(table, "elsewhere")
    try:
        yield
    finally:
        rename("elsewhere", table)


@contextmanager
def cut_off(url: str) -> Iterator[None]:
    """Nobody can connect to this database, and who is connected no longer is."""
    name = make_url(url).database
    server = create_engine(make_url(url).set(database="postgres"), isolation_level="AUTOCOMMIT")
    with server.connect() as connection:
        connection.execute(text(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false"))
        connection.execute(text(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"))
        try:
            yield
        finally:
            connection.execute(text(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true"))
    server.dispose()


def test_requests_that_come_at_once_share_commits(installed: RunningApp, portal: Portal) -> None:
    installed.backend.queue.stop()
    base = form(portal)
    assert call(installed.url, base) == 200
    commits: list[object] = []
    event.listen(installed.backend.database.engine, "commit", commits.append)
    forms = [base | {"event_token": f"{number}"} for number in range(200)]
    assert set(call_all(installed.url, forms + forms[::10], threads=32)) == {200}
    shared = len(commits)
    assert len(installed.backend.runs.list(limit=1000)) == 201
    assert 0 < shared < 190


@ON_SQLITE
def test_a_known_sender_costs_no_query_but_the_insert(installed: RunningApp, portal: Portal) -> None:
    installed.backend.queue.stop()
    base = form(portal)
    assert call(installed.url, base) == 200
    statements: list[str] = []

    def seen(_connection: object, _cursor: object, statement: str, *_more: object) -> None:
        statements.append(statement)

    event.listen(installed.backend.database.engine, "before_cursor_execute", seen)
    assert call(installed.url, base | {"event_token": "2"}) == 200
    assert [statement.split()[0] for statement in statements if "BEGIN" not in statement] == ["INSERT"]


@ON_SQLITE
def test_what_happens_to_an_installation_is_believed_at_once(installed: RunningApp, portal: Portal) -> None:
    """By the process that hears of it, and a new application token by every other too."""
    base = form(portal)
    former = base["auth[application_token]"]
    assert call(installed.url, base) == 200
    portal.ask("install", app_url=installed.url)
    again = form(portal, "2")
    assert call(installed.url, again) == 200
    new = "of-another-process"
    with installed.backend.database.writing() as session:
        hashed = installed.backend.hashes.hash(new.encode())
        session.execute(update(InstallationRow).values(application_token_hash=hashed))
    assert call(installed.url, again | {"event_token": "3", "auth[application_token]": new}) == 200
    assert call(installed.url, again | {"event_token": "4"}) == (200 if new == former else 403)
    found = installed.backend.installations.find(base["auth[member_id]"])
    assert found
    installed.backend.uninstall(found, clean=False)
    assert call(installed.url, again | {"event_token": "5", "auth[application_token]": new}) == 403


@ON_SQLITE
def test_an_uninstall_in_another_process_is_heard_of_soon(
    installed: RunningApp, portal: Portal, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert call(installed.url, form(portal)) == 200
    with installed.backend.database.writing() as session:
        session.execute(update(InstallationRow).values(uninstalled_at=now()))
    assert call(installed.url, form(portal, "2")) == 200
    monkeypatch.setattr(installations, "KNOWN_SECONDS", 0)
    assert call(installed.url, form(portal, "3")) == 403


@pytest.mark.parametrize("table", ["runs", "installations"])
def test_while_the_database_is_away_the_spool_takes_all_that_may_be_right(
    installed: RunningApp, portal: Portal, other_portal: Portal, caplog: pytest.LogCaptureFixture, table: str
) -> None:
    other_portal.ask("install", app_url=installed.url)
    eventually(lambda: installed.backend.installations.find(other_portal.description["member_id"]))
    base, other = form(portal), form(other_portal)
    assert call(installed.url, base | {"event_token": "before"}) == 200
    eventually(lambda: closed(installed) == 1)
    with away(installed, table):
        known = installed.backend.installations._known
        known.update({member_id: (0.0, found) for member_id, (_, found) in known.items()})
        forms = [base | {"event_token": f"{number}"} for number in range(20)]
        forms += [other | {"event_token": f"{number}"} for number in range(20)]
        forms += [*forms[::4], base | {"event_token": "before"}]
        assert set(call_all(installed.url, forms)) == {200}
        forged = {"event_token": "forged", "auth[application_token]": "forged"}
        assert call(installed.url, base | forged) == 200
        assert call(installed.url, base | {"event_token": "forged", "auth[application_token]": ""}) == 403
    eventually(lambda: succeeded(installed) == 41)
    eventually(lambda: not list(installed.backend.settings.spool_folder.iterdir()))
    assert len(installed.backend.runs.list(limit=1000)) == 41
    dropped = [record for record in caplog.records if "in the spool is dropped" in record.getMessage()]
    assert len(dropped) == 1
    assert "event_token" not in caplog.text


@ON_POSTGRESQL
def test_callbacks_come_while_postgresql_is_cut_off(installed: RunningApp, portal: Portal, database_url: str) -> None:
    base = form(portal)
    forms = [base | {"event_token": f"{n}", "properties[words]": f"cut off {n}"} for n in range(300)]
    with ThreadPoolExecutor(16) as pool:
        answers = [pool.submit(call, installed.url, fields) for fields in forms[:150]]
        eventually(lambda: sum(answer.done() for answer in answers) > 30)
        with cut_off(database_url):
            answers += [pool.submit(call, installed.url, fields) for fields in forms[150:]]
            assert {answer.result() for answer in answers} == {200}
            began = time.monotonic()
            assert call(installed.url, base | {"event_token": "alone"}) == 200
            assert time.monotonic() - began < 1, "nobody waits for a database that is known to be away"
            assert list(installed.backend.settings.spool_folder.iterdir())
    # Who was cut off at the very moment of a claim does not know of it, so its lease has to end.
    eventually(lambda: succeeded(installed) == 301, LEASE.total_seconds() + 30)
    assert len(installed.backend.runs.list(limit=1000)) == 301
    assert {each["properties[words]"] for each in forms} <= set(behaviours.CALLS)


class Proxy:
    """In front of a server; can stop to pass anything on, as a network that swallows everything does."""

    def __init__(self, host: str, port: int) -> None:
        self._server = (host, port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.passes = threading.Event()
        self.passes.set()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(self._server)
            for source, target in ((client, server), (server, client)):
                threading.Thread(target=self._pass_on, args=(source, target), daemon=True).start()

    def _pass_on(self, source: socket.socket, target: socket.socket) -> None:
        try:
            while data := source.recv(65536):
                self.passes.wait()
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def close(self) -> None:
        self._listener.close()


@ON_POSTGRESQL
def test_a_database_that_says_nothing_any_more_holds_up_one_request_alone(
    settings: Settings, portal: Portal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inbox, "PATIENCE_SECONDS", 0.5)
    monkeypatch.setattr(installations, "PATIENCE_SECONDS", 0.5)
    url = make_url(settings.database_url)
    proxy = Proxy(url.host or "", url.port or 5432)
    through = url.set(port=proxy.port).render_as_string(False)
    with serving(replace(settings, database_url=through), app_of_shelf) as app:
        portal.ask("install", app_url=app.url)
        eventually(lambda: len(portal.stored()) == len(app.backend.registry))
        base = form(portal)
        assert call(app.url, base) == 200
        proxy.passes.clear()
        with ThreadPoolExecutor(20) as pool:
            answers = [pool.submit(call, app.url, base | {"event_token": f"{each}"}) for each in range(20)]
            eventually(lambda: sum(answer.done() for answer in answers) == 19)
            began = time.monotonic()
            assert call(app.url, base | {"event_token": "alone"}) == 200
            assert time.monotonic() - began < 0.4
            proxy.passes.set()
            assert {answer.result() for answer in answers} == {200}
        eventually(lambda: succeeded(app) == 22)
    proxy.close()


@ON_POSTGRESQL
def test_nobody_waits_for_a_queue_that_is_away(
    settings: Settings, portal: Portal, redis_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Nor is anything forgotten: what came meanwhile is sent once the queue answers again."""
    address = urlsplit(redis_url)
    proxy = Proxy(address.hostname or "", address.port or 6379)
    through = address._replace(netloc=f"127.0.0.1:{proxy.port}").geturl()
    with serving(replace(settings, queue_url=through), app_of_shelf) as app:
        found = install(app, portal)
        base = form(portal)
        assert call(app.url, base) == 200
        proxy.passes.clear()
        took = []
        for number in range(9):
            began = time.monotonic()
            assert call(app.url, base | {"event_token": f"{number}"}) == 200
            took.append(time.monotonic() - began)
        assert sorted(took)[4] < ANSWER_SECONDS / 4
        app.backend.register(found)
        proxy.passes.set()
        sent = app.backend.queue.messages
        eventually(lambda: len(sent) >= 11)
        sent.clear()
    assert caplog.text.count("the queue cannot be reached") <= 1
    proxy.close()


def test_a_full_spool_is_told_with_503(
    installed: RunningApp, portal: Portal, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(spool, "LIMIT", 3000)
    base = form(portal)
    assert call(installed.url, base) == 200
    eventually(lambda: closed(installed) == 1)
    with away(installed, "runs"):
        answers = [call(installed.url, base | {"event_token": f"{number}"}) for number in range(12)]
        taken = answers.count(200)
        assert 2 <= taken <= 6
        assert answers == [200] * taken + [503] * (12 - taken)
        assert "a callback is lost: The spool is full" in caplog.text
    eventually(lambda: succeeded(installed) == 1 + taken)
    assert call(installed.url, base | {"event_token": "afterwards"}) == 200


def _serve_until_killed(settings: Settings, port: int, killed_at: int) -> None:
    """An app in a process of its own that dies when it has stored so many callbacks, before it answers the last."""
    app = app_of_shelf(settings)
    backend = app.extensions["b24"]
    sent: list[Turn] = []

    def send(turns: Sequence[Turn]) -> None:
        sent.extend(turns)
        if len(sent) >= killed_at:
            os.kill(os.getpid(), signal.SIGKILL)

    backend.inbox._send = send
    make_server("127.0.0.1", port, app, threaded=True).serve_forever()


def test_killed_between_insert_and_answer(settings: Settings, portal: Portal) -> None:
    with serving(settings, app_of_shelf) as app:
        portal.ask("install", app_url=app.url)
        eventually(lambda: len(portal.stored()) == len(app.backend.registry))
    base = form(portal)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload(["tests.crowd"])
    process = processes.Process(target=_serve_until_killed, args=(settings, port, 40))
    process.start()
    url = f"http://127.0.0.1:{port}"
    eventually(lambda: _answers(url))
    answered: list[str] = []

    def caller(number: int) -> None:
        for each in range(50):
            token = f"{number}-{each}-{secrets.token_hex(4)}"
            try:
                if call(url, base | {"event_token": token}) == 200:
                    answered.append(token)
            except requests.ConnectionError:
                return

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(caller, range(8)))
    process.join(20)
    assert process.exitcode == -signal.SIGKILL
    assert 0 < len(answered) <= 40
    with serving(settings, app_of_shelf) as app:
        eventually(lambda: not [run for run in app.backend.runs.list(limit=1000) if run.state != "closed"])
        stored = app.backend.runs.list(limit=1000)
        assert len(stored) >= max(40, len(answered))
        # Each of them is there: to send it once more stores nothing.
        assert {call(app.url, base | {"event_token": token}) for token in answered} == {200}
        assert len(app.backend.runs.list(limit=1000)) == len(stored)
        assert {run.outcome for run in stored} == {"succeeded"}


def _answers(url: str) -> bool:
    try:
        return requests.get(f"{url}/healthz", timeout=5).ok
    except requests.RequestException:
        return False
