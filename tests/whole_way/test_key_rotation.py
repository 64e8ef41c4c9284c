"""The operator changes B24_SECRET_KEY while portals have the app, and drops the old key."""

import re
import secrets
from dataclasses import replace

import pytest
import requests
from sqlalchemy import text

from app import CannotStart, create_app
from bizproc.settings import Settings
from tests.commands.test_commands import ROOT, flask
from tests.conftest import Portal, RunningApp, app_of_shelf, eventually, serving, values

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
OLD, NEW = secrets.token_urlsafe(32), secrets.token_urlsafe(32)


@pytest.fixture
def settings(settings: Settings, database_url: str) -> Settings:
    return replace(settings, database_url=database_url, secret_keys=(OLD,))


def environment_of(settings: Settings) -> dict[str, str]:
    return {
        "B24_CLIENT_ID": settings.client_id,
        "B24_CLIENT_SECRET": settings.client_secret,
        "B24_APP_URL": settings.app_url,
        "B24_SECRET_KEY": ",".join(settings.secret_keys),
        "B24_OAUTH_URL": settings.oauth_url,
        "DATABASE_URL": settings.database_url,
        "FILES_URL": settings.files_url,
    }


def registered_here(app: RunningApp, portal: Portal) -> None:
    """The portal calls this app, without having installed it again. Needs the stored tokens."""
    installation = app.backend.installations.find(portal.ready["member_id"])
    assert installation
    app.backend.register(installation)
    eventually(lambda: all(each["HANDLER"].startswith(app.url) for each in portal.stored().values()))


def repeat(app: RunningApp, form: str) -> int:
    return requests.post(f"{app.url}/activities/tell", data=form, headers=FORM, timeout=9).status_code


def test_another_key_is_told_and_changes_nothing(
    settings: Settings, portal: Portal, caplog: pytest.LogCaptureFixture
) -> None:
    with serving(settings, app_of_shelf) as app:
        portal.ask("install", app_url=app.url)
        eventually(lambda: len(portal.stored()) == len(app.backend.registry))
        told = portal.run("tell", {"words": "x"})
        portal.finished(told)
        form = portal.callback(told)
        eventually(lambda: len(app.backend.runs.list(state="closed")) == 1)
    wrong = replace(settings, secret_keys=(NEW,))
    with pytest.raises(CannotStart, match="B24_SECRET_KEY lacks the key"):
        create_app(wrong)
    worker = flask("worker", environment=environment_of(wrong) | {"QUEUE_URL": "redis://127.0.0.1:1"})
    assert (worker.returncode, worker.stderr.partition(":")[2][:34]) == (1, " Stored data cannot be decrypted: ")
    scaled_out = replace(wrong, queue_url="redis://127.0.0.1:1")
    with serving(scaled_out, create_app) as app:
        assert requests.get(f"{app.url}/healthz", timeout=9).status_code == 200
        assert requests.get(f"{app.url}/readyz", timeout=9).status_code == 503
        assert repeat(app, form) == 503
        assert repeat(app, form.replace("event_token=", "event_token=x")) == 503
        said = [record.getMessage() for record in caplog.records if "B24_SECRET_KEY" in record.getMessage()]
        assert len(said) == 3
        assert all("B24_SECRET_KEY lacks the key it was stored with" in each for each in said)
    with serving(settings, app_of_shelf) as app:
        assert repeat(app, form) == 200
        assert len(app.backend.runs.list()) == 1


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_who_has_lost_the_key_can_go_on_as_the_document_says(settings: Settings, portal: Portal) -> None:
    with serving(settings, app_of_shelf) as app:
        portal.ask("install", app_url=app.url)
        eventually(lambda: len(portal.stored()) == len(app.backend.registry))
        told = portal.run("tell", {"words": "x"})
        portal.finished(told)
        with app.backend.database.writing() as session:
            for statement in re.findall(r"^[A-Z].*;$", (ROOT / "docs" / "settings.md").read_text(), re.MULTILINE):
                session.execute(text(statement))
    with serving(replace(settings, secret_keys=(NEW,)), app_of_shelf) as app:
        assert repeat(app, portal.callback(told)) == 403
        portal.ask("install", app_url=app.url)
        registered_here(app, portal)
        assert values(portal.finished(portal.run("tell", {"words": "again"})))["told"].startswith("again")
