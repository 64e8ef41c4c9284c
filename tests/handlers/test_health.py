"""Alive and ready."""

from dataclasses import replace
from pathlib import Path

import pytest
import requests

from bizproc.settings import Settings
from tests.conftest import RunningApp, app_of_shelf


def test_alive_and_ready(app: RunningApp) -> None:
    assert requests.get(f"{app.url}/healthz", timeout=9).json() == {"status": "alive"}
    assert requests.get(f"{app.url}/readyz", timeout=9).json() == {"status": "ready"}


def test_not_ready_without_the_migrations(app: RunningApp) -> None:
    app.backend.database.downgrade("base")
    answer = requests.get(f"{app.url}/readyz", timeout=9)
    assert (answer.status_code, answer.json()) == (503, {"status": "not ready"})
    assert requests.get(f"{app.url}/healthz", timeout=9).status_code == 200
    app.backend.database.upgrade()


def test_not_ready_without_the_database(settings: Settings, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "db"
    client = app_of_shelf(replace(settings, database_url=f"sqlite:///{path / 'b24.sqlite3'}")).test_client()
    assert client.get("/readyz").status_code == 200
    for kept in path.iterdir():
        kept.unlink()
    path.rmdir()
    path.write_text("no folder")
    client.application.extensions["b24"].database.engine.dispose()
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json) == (503, {"status": "not ready"})
    callback = client.post("/activities/tell", data={"auth[member_id]": "x", "auth[application_token]": "y"})
    assert callback.status_code == 200, "the spool takes it"
    event = client.post("/events", data={"auth[member_id]": "x", "auth[application_token]": "y"})
    assert (event.status_code, event.text) == (503, "503 Service Unavailable\n")
    assert "Traceback" not in caplog.text
    assert client.get("/healthz").status_code == 200
