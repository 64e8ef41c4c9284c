"""A backend as one finds them published: it works in every demonstration, and has all ten holes of test_ten_holes.py.

Nothing but those tests uses it. They have to fail on it: a test that passes here proves nothing about the real app.
"""

import logging
import os
import sqlite3
import threading
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests
from flask import Flask, request

logger = logging.getLogger("naive")

TRIES = 3
PAUSE_SECONDS = 0.1
EVENTS = ("ONAPPUPDATE", "ONAPPUNINSTALL")


def tell(form: Any) -> dict[str, Any]:
    document_id = form.getlist("document_id[]")
    return {"told": f"{form.get('properties[words]')} {'.'.join(document_id)}"}


def every_type(form: Any) -> dict[str, Any]:
    numbers = form.get("properties[numbers]")
    return {"numbers_back": [int(numbers)] if numbers else []}


def crash(form: Any) -> dict[str, Any]:
    raise RuntimeError("a detail that nobody foresaw")


ACTIVITIES = {"tell": tell, "every_type": every_type, "crash": crash}
PROPERTIES = {"words": {"Name": "Words"}, "numbers": {"Name": "Numbers", "Type": "int", "Multiple": "Y"}}
RETURNED = {
    "told": {"Name": "Told"},
    "error": {"Name": "Error"},
    "numbers_back": {"Name": "Numbers", "Type": "int", "Multiple": "Y"},
}


class Naive:
    """The installations in a SQLite file, and what is done with them."""

    def __init__(self, *, client_id: str, client_secret: str, app_url: str, database: Path) -> None:
        self.client = {"client_id": client_id, "client_secret": client_secret}
        self.app_url = app_url
        self.database = database
        self.sql(
            "CREATE TABLE IF NOT EXISTS portals (member_id TEXT PRIMARY KEY, client_endpoint TEXT,"
            " server_endpoint TEXT, access_token TEXT, refresh_token TEXT, application_token TEXT)"
        )

    def sql(self, statement: str, *values: Any) -> list[dict[str, Any]]:
        connection = sqlite3.connect(self.database)
        connection.row_factory = sqlite3.Row
        with connection:
            rows = [dict(row) for row in connection.execute(statement, values)]
        connection.close()
        return rows

    def portal(self, member_id: str) -> dict[str, Any] | None:
        return next(iter(self.sql("SELECT * FROM portals WHERE member_id = ?", member_id)), None)

    def call(self, portal: dict[str, Any], method: str, params: dict[str, Any]) -> Any:
        """One REST call; an access token that has expired is renewed."""
        url = portal["client_endpoint"] + method
        answer = requests.post(url, json=params | {"auth": portal["access_token"]}).json()
        if answer.get("error") == "expired_token":
            self.refresh(portal)
            answer = requests.post(url, json=params | {"auth": portal["access_token"]}).json()
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']}")
        return answer["result"]

    def refresh(self, portal: dict[str, Any]) -> None:
        server = urlsplit(portal["server_endpoint"])
        answer = requests.get(
            f"{server.scheme}://{server.netloc}/oauth/token/",
            params={"grant_type": "refresh_token", "refresh_token": portal["refresh_token"], **self.client},
        )
        answer.raise_for_status()
        portal["access_token"], portal["refresh_token"] = answer.json()["access_token"], answer.json()["refresh_token"]
        self.sql(
            "UPDATE portals SET access_token = ?, refresh_token = ? WHERE member_id = ?",
            portal["access_token"],
            portal["refresh_token"],
            portal["member_id"],
        )

    def register_everywhere(self) -> None:
        for portal in self.sql("SELECT * FROM portals ORDER BY rowid"):
            for event in EVENTS:
                self.once(portal, "event.bind", {"event": event, "handler": f"{self.app_url}/events"})
            for code in ACTIVITIES:
                fields = {
                    "CODE": code,
                    "NAME": code,
                    "HANDLER": f"{self.app_url}/activities/{code}",
                    "USE_SUBSCRIPTION": "Y",
                    "PROPERTIES": PROPERTIES,
                    "RETURN_PROPERTIES": RETURNED,
                }
                self.once(portal, "bizproc.activity.add", fields)

    def once(self, portal: dict[str, Any], method: str, params: dict[str, Any]) -> None:
        try:
            self.call(portal, method, params)
        except RuntimeError as error:
            if not str(error).endswith(("ERROR_CORE", "ERROR_ACTIVITY_ALREADY_INSTALLED")):
                raise

    def work(self, code: str, form: Any, portal: dict[str, Any]) -> None:
        for attempt in range(TRIES):
            try:
                values = ACTIVITIES[code](form)
                answer = {"EVENT_TOKEN": form.get("event_token"), "RETURN_VALUES": values}
                self.call(portal, "bizproc.event.send", answer)
                return
            except Exception:
                logger.exception("attempt %s failed", attempt)
                time.sleep(PAUSE_SECONDS)


def create_app(*, client_id: str, client_secret: str, app_url: str, database: Path) -> Flask:
    app = Flask("naive")
    naive = Naive(client_id=client_id, client_secret=client_secret, app_url=app_url, database=database)

    @app.before_request
    def seen() -> None:
        logger.info("%s %s", request.full_path, request.form.to_dict())

    @app.errorhandler(Exception)
    def failed(error: Exception) -> tuple[dict[str, str], int]:
        logger.error("failed: %s", error)
        return {"error": str(error)}, 500

    @app.post("/install")
    def install() -> str:
        form = request.form
        naive.sql(
            "INSERT OR REPLACE INTO portals VALUES (?, ?, ?, ?, ?, ?)",
            form["member_id"],
            form.get("client_endpoint") or f"http://{request.args['DOMAIN']}/rest/",
            form["SERVER_ENDPOINT"],
            form["AUTH_ID"],
            form["REFRESH_ID"],
            form["APPLICATION_TOKEN"],
        )
        naive.register_everywhere()
        return "<!doctype html><title>Installed</title>"

    @app.post("/activities/<code>")
    def called(code: str) -> tuple[str, int]:
        portal = naive.portal(request.form.get("auth[member_id]", ""))
        if portal is None:
            return "unknown portal", 404
        threading.Thread(target=naive.work, args=(code, request.form, portal), daemon=True).start()
        return "", 200

    @app.post("/events")
    def happened() -> str:
        if request.form.get("event") == "ONAPPUNINSTALL":
            naive.sql("DELETE FROM portals WHERE member_id = ?", request.form.get("auth[member_id]"))
        return ""

    @app.get("/readyz")
    def ready() -> str:
        return "ready"

    return app


if __name__ == "__main__":
    address = os.environ["B24_APP_URL"]
    create_app(
        client_id=os.environ["B24_CLIENT_ID"],
        client_secret=os.environ["B24_CLIENT_SECRET"],
        app_url=address,
        database=Path(os.environ["DATABASE_URL"].removeprefix("sqlite:///")),
    ).run(host="127.0.0.1", port=urlsplit(address).port)
