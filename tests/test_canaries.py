"""The check for secrets that come to light would find one, wherever it is."""

import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import requests
from flask import Flask, Response, request
from sqlalchemy import create_engine, text

from bizproc.settings import Settings
from handlers import backend
from tests import canaries
from tests.conftest import Portal, app_of_shelf, serving

Leak = Callable[[str], Response]


def logged(secret: str) -> Response:
    logging.getLogger("bizproc.leak").info("a word of its own: %s", secret[:32])
    return Response()


def logged_by_a_library(secret: str) -> Response:
    logging.getLogger("library").warning("x=%s", secret)
    return Response()


def told(secret: str) -> Response:
    return Response(f"<p>{secret}</p>")


def told_in_a_header(secret: str) -> Response:
    return Response(headers={"X-Leak": secret})


def stored(secret: str) -> Response:
    with backend().database.writing() as session:
        session.execute(text("CREATE TABLE leak (x TEXT)"))
        session.execute(text("INSERT INTO leak VALUES (:x)"), {"x": secret})
    return Response()


def kept_in_the_rest_log(secret: str) -> Response:
    folder = Path(backend().settings.rest_log_folder)
    folder.mkdir(exist_ok=True)
    (folder / "leak.jsonl").write_text(secret)
    return Response()


def app_with(leak: Leak) -> Callable[[Settings], Flask]:
    def make(settings: Settings) -> Flask:
        app = app_of_shelf(settings)
        app.add_url_rule("/leak", view_func=lambda: leak(request.get_data(as_text=True)), methods=["POST"])
        return app

    return make


def client_secret(settings: Settings, portal: Portal) -> str:
    return settings.client_secret


def secret_key(settings: Settings, portal: Portal) -> str:
    return settings.secret_keys[0]


def application_token(settings: Settings, portal: Portal) -> str:
    return str(portal.state()["installation"]["application_token"])


def refresh_token(settings: Settings, portal: Portal) -> str:
    return str(portal.ask("token")["refresh_token"])


@pytest.mark.parametrize(
    ("leak", "secret", "place"),
    [
        (logged, application_token, "the log"),
        (logged_by_a_library, client_secret, "the log"),
        (told, refresh_token, "an answer"),
        (told_in_a_header, secret_key, "an answer"),
        (stored, refresh_token, "b24.sqlite3"),
        (kept_in_the_rest_log, refresh_token, "rest-log/leak.jsonl"),
    ],
)
def test_a_secret_that_comes_to_light_is_found(
    settings: Settings, portal: Portal, leak: Leak, secret: Callable[[Settings, Portal], str], place: str
) -> None:
    value = secret(settings, portal)
    with pytest.raises(AssertionError, match=place) as found, serving(settings, app_with(leak)) as running:
        assert requests.post(f"{running.url}/leak", data=value, timeout=9).status_code == 200
    assert value not in str(found.value)


def test_an_event_token_is_found_however_it_is_encoded(settings: Settings, portal: Portal) -> None:
    token = portal.ask("token")["access_token"]
    record = {"CODE": "x", "NAME": "X", "HANDLER": "http://127.0.0.1:1/x", "auth": token}
    assert requests.post(f"{portal.url}/rest/bizproc.activity.add", json=record, timeout=9).ok
    event_token = portal.process(portal.run("x"))["event_token"]
    for written in (event_token, event_token.replace("|", "%7C")):
        with pytest.raises(AssertionError, match=r"a page: .*a secret of"):
            canaries.look_through(settings, {"a page": f"<p>{written}</p>".encode()})
    canaries.look_through(settings, {"a page": event_token.rpartition("|")[0].encode()})


def test_the_tables_of_every_database_are_looked_through(database_url: str, settings: Settings, portal: Portal) -> None:
    value = client_secret(settings, portal)
    changed = replace(settings, database_url=database_url)
    with pytest.raises(AssertionError, match=r"leak|test\.sqlite3"), serving(changed, app_with(stored)) as running:
        assert requests.post(f"{running.url}/leak", data=value, timeout=9).status_code == 200
    engine = create_engine(database_url)
    with engine.begin() as connection:
        connection.execute(text("DROP TABLE leak"))
    engine.dispose()
