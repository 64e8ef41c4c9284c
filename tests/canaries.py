"""The suite's secrets as canaries: whatever a test does with the app, none of them may come to light.

Looked through are the lines of all loggers, as the app's own handler would write them in each form, all that the app
answers, and the bytes of its database and of its log of REST calls.
"""

import io
import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from flask import Flask
from sqlalchemy import MetaData, create_engine, make_url

from bizproc.log import LINE, ROOMS, Json, Redacting
from bizproc.settings import Settings
from devportal.cloud import Cloud
from devportal.tokens import Grant


class Canaries:
    """All secrets that a development portal gives out, from the moment this is made."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._given: set[str] = set()
        # The portal forgets tokens when it is reset or the app is removed, so they are noted as they are made.
        cloud.tokens.give = self._noting(cloud.tokens.give)  # type: ignore[method-assign]
        cloud.tokens.refresh = self._noting(cloud.tokens.refresh)  # type: ignore[method-assign]
        for portal in cloud.portals:
            portal.application_token = self._noting(portal.application_token)  # type: ignore[method-assign]

    def _noting(self, make: Callable[..., Any]) -> Callable[..., Any]:
        def made(*arguments: Any) -> Any:
            result = make(*arguments)
            if isinstance(result, Grant):
                self._given |= {token for token in (result.access_token, result.refresh_token) if token}
            elif result:
                self._given.add(result)
            return result

        return made

    def note(self, secret: str) -> None:
        """One that the portal did not give out."""
        self._given.add(secret)

    def forget(self) -> None:
        """Begin anew, with the next test."""
        self._given.clear()

    def all(self) -> set[str]:
        # The end of an event token, after its last |, looks the same however it is encoded.
        events = {
            process.token.signed(portal.signing_key).rpartition("|")[2]
            for portal in self._cloud.portals
            for process in list(portal.processes.values())
        }
        return events | self._given | {self._cloud.application.client_secret}


PORTALS: dict[str, Canaries] = {}
"""By the address of the OAuth server, under which an app's settings know it."""


def look_through(settings: Settings, places: dict[str, bytes]) -> None:
    """Raises AssertionError when a secret is in one of these places; it says where, and not the secret."""
    canaries = PORTALS.get(settings.oauth_url)
    secrets = (canaries.all() if canaries else set()) | {settings.client_secret, *settings.secret_keys}
    found = sorted(
        f"{place}: …{content[max(0, at - 60) : at].decode(errors='replace')}[a secret of {len(secret)} characters]"
        for place, content in places.items()
        for secret in secrets
        if (at := content.find(secret.encode())) >= 0
    )
    if found:
        raise AssertionError("Secrets have come to light:\n" + "\n".join(found))


@contextmanager
def watched(app: Flask, settings: Settings) -> Iterator[None]:
    """Fails when a secret comes to light while the block runs, or lies open in the database afterwards."""
    written, answered = io.StringIO(), io.BytesIO()
    root = logging.getLogger()
    handlers = [logging.StreamHandler(written), logging.StreamHandler(written)]
    for handler, form in zip(handlers, (Redacting(LINE), Json()), strict=True):
        handler.setFormatter(form)
        root.addHandler(handler)
    for room in ROOMS:
        logging.getLogger(room).setLevel(logging.INFO)
    before = app.wsgi_app
    app.wsgi_app = _Overheard(before, answered)  # type: ignore[method-assign]
    try:
        yield
    finally:
        for handler in handlers:
            root.removeHandler(handler)
        app.wsgi_app = before  # type: ignore[method-assign]
    places = {"the log": written.getvalue().encode(errors="replace"), "an answer": answered.getvalue()}
    look_through(settings, places | in_database(settings.database_url) | in_rest_log(settings.rest_log_folder))


class _Overheard:
    """A WSGI app whose answers are noted, headers and all."""

    def __init__(self, app: Any, notes: io.BytesIO) -> None:
        self._app, self._notes = app, notes

    def __call__(self, environ: Any, start_response: Any) -> Iterable[bytes]:
        def started(status: str, headers: list[tuple[str, str]], *error: Any) -> Any:
            self._notes.write(f"\n{status} {headers}\n".encode(errors="replace"))
            return start_response(status, headers, *error)

        answer = self._app(environ, started)
        try:
            body = b"".join(answer)
        finally:
            if hasattr(answer, "close"):
                answer.close()
        self._notes.write(body)
        return [body]


def in_rest_log(folder: str) -> dict[str, bytes]:
    return {f"rest-log/{file.name}": file.read_bytes() for file in Path(folder).glob("*")}


def in_database(url: str) -> dict[str, bytes]:
    """What a database keeps, by the place: all of a SQLite file, or the tables of a server."""
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite":
        file = Path(parsed.database or "")
        return {each.name: each.read_bytes() for each in file.parent.glob(f"{file.name}*")}
    engine = create_engine(parsed.set(drivername="postgresql+psycopg"))
    try:
        with engine.connect() as connection:
            tables = MetaData()
            tables.reflect(connection)
            return {
                name: b"\n".join(
                    value if isinstance(value, bytes) else str(value).encode(errors="replace")
                    for row in connection.execute(table.select())
                    for value in row
                )
                for name, table in tables.tables.items()
            }
    finally:
        engine.dispose()
