"""The operator changes B24_SECRET_KEY while portals have the app, and drops the old key."""

import os
import re
import secrets
import signal
import subprocess
from dataclasses import replace

import pytest
import requests
from sqlalchemy import select, text

from app import CannotStart, create_app
from bizproc.secrets import Secrets
from bizproc.settings import Settings
from bizproc.storage.data_keys import KeyedHashes
from bizproc.storage.database import Database
from bizproc.storage.tables import RunRow
from tests.bizproc.storage.test_reencryption import add_runs, expect_all_under
from tests.commands.test_commands import FLASK, ROOT, flask
from tests.conftest import Portal, RunningApp, app_of_shelf, environment_of, eventually, serving, values

pytestmark = pytest.mark.long

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
OLD, NEW = secrets.token_urlsafe(32), secrets.token_urlsafe(32)


@pytest.fixture
def settings(settings: Settings, database_url: str) -> Settings:
    return replace(settings, database_url=database_url, secret_keys=(OLD,))


def registered_here(app: RunningApp, portal: Portal) -> None:
    """The portal calls this app, without having installed it again. Needs the stored tokens."""
    installation = app.backend.installations.find(portal.ready["member_id"])
    assert installation
    app.backend.register(installation)
    eventually(lambda: all(each["HANDLER"].startswith(app.url) for each in portal.stored().values()))


def repeat(app: RunningApp, form: str) -> int:
    return requests.post(f"{app.url}/activities/tell", data=form, headers=FORM, timeout=9).status_code


def test_a_key_is_changed_and_the_old_one_dropped(settings: Settings, portal: Portal) -> None:
    with serving(settings, app_of_shelf) as app:
        portal.ask("install", app_url=app.url)
        eventually(lambda: len(portal.stored()) == len(app.backend.registry))
        told = portal.run("tell", {"words": "before"})
        before = values(portal.finished(told))["told"]
        form = portal.callback(told)
        portal.finished(portal.run("crash"))
        link = values(portal.finished(portal.run("count", {"words": "x"})))["link"]
        eventually(lambda: len(app.backend.runs.list(state="closed")) == 3)

    both = replace(settings, secret_keys=(NEW, OLD))
    with serving(both, app_of_shelf) as app:
        registered_here(app, portal)
        assert repeat(app, form) == 200
        portal.finished(portal.run("tell", {"words": "between"}))
        eventually(lambda: len(app.backend.runs.list(state="closed")) == 4)
        assert requests.get(f"{app.url}/files/{link.rpartition('/')[2]}", timeout=9).text == "1 x"
        done = flask("portals", "reencrypt", environment=environment_of(both, both.app_url))
        assert done.exit_code == 0, done.stderr
        rows = [line.split() for line in done.stdout.splitlines()]
        assert rows[1:4] == [["data_keys", "1", "0"], ["installations", "1", "0"], ["runs", "3", "0"]]
        assert "The older ones can be dropped from B24_SECRET_KEY" in done.stdout
        again = flask("portals", "reencrypt", environment=environment_of(both, both.app_url))
        assert [line.split() for line in again.stdout.splitlines()[1:4]] == [
            ["data_keys", "0", "0"],
            ["installations", "0", "0"],
            ["runs", "0", "0"],
        ]

    with serving(replace(settings, secret_keys=(NEW,)), app_of_shelf) as app:
        assert requests.get(f"{app.url}/readyz", timeout=9).status_code == 200
        registered_here(app, portal)
        assert repeat(app, form) == 200
        assert repeat(app, form.replace("application_token%5D=", "application_token%5D=x")) == 403
        after = portal.run("tell", {"words": "after"})
        assert values(portal.finished(after))["told"].startswith("after")
        portal.ask("expire-tokens")
        registered_here(app, portal)
        eventually(lambda: len(app.backend.runs.list(state="closed")) == 5)
        listed = app.backend.runs.list()
        assert [run.code for run in listed] == ["tell", "tell", "count", "crash", "tell"]
        shown = [app.backend.runs.get(run.id) for run in listed]
        assert shown[4]
        assert shown[4].values == {"told": before}
        assert shown[3]
        assert "Traceback" in str(shown[3].trace)
        # Links cannot be signed anew: they are in the portal.
        assert requests.get(f"{app.url}/files/{link.rpartition('/')[2]}", timeout=9).status_code == 404


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
    scaled = {} if wrong.database_url.startswith("sqlite") else {"QUEUE_URL": "redis://127.0.0.1:1"}
    worker = flask("worker", environment=environment_of(wrong, wrong.app_url) | scaled)
    assert (worker.exit_code, worker.stderr.partition(":")[2][:34]) == (1, " Stored data cannot be decrypted: ")
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


def test_a_command_that_is_killed_is_repeated(settings: Settings, database_url: str) -> None:
    """SIGKILL at several points of the way: what is stored can be read at each, and the last life finishes."""
    count = 2000
    database = Database(database_url)
    database.upgrade()
    old, both = Secrets([OLD]), Secrets([NEW, OLD])
    hashed = KeyedHashes(database, old).hash(b"token")
    add_runs(database, count, old)
    environment = environment_of(replace(settings, secret_keys=(NEW, OLD)), settings.app_url)

    def is_new(run_id: int) -> bool:
        with database.reading() as session:
            return both.is_newest(session.get_one(RunRow, run_id).raw)

    def killed_at(run_id: int) -> int:
        running = subprocess.Popen([FLASK, "portals", "reencrypt"], cwd=ROOT, env=os.environ | environment)
        eventually(lambda: is_new(run_id) or running.poll() is not None, patience=60)
        running.kill()
        return running.wait(9)

    for run_id in (1, 700):
        assert not is_new(run_id)
        assert killed_at(run_id) == -signal.SIGKILL
        assert not is_new(count), "it was killed too late to show anything"
        with database.reading() as session:
            for row in session.scalars(select(RunRow)):
                assert both.decrypt(row.raw) == b"raw %d" % row.id
    done = flask("portals", "reencrypt", environment=environment)
    assert done.exit_code == 0, done.stderr
    expect_all_under(database, NEW, count)
    assert KeyedHashes(database, Secrets([NEW])).is_hash_of(hashed, b"token")
    database.close()


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_what_cannot_be_read_is_named(settings: Settings, database_url: str) -> None:
    database = Database(database_url)
    database.upgrade()
    KeyedHashes(database, Secrets([OLD])).load()
    add_runs(database, 20, Secrets([OLD]))
    with database.writing() as session:
        lost = Secrets(["l" * 32]).encrypt(b"lost")
        session.execute(text("UPDATE runs SET raw = :lost WHERE id <= 12"), {"lost": lost})
    database.close()
    both = replace(settings, secret_keys=(NEW, OLD))
    done = flask("portals", "reencrypt", environment=environment_of(both, both.app_url))
    assert done.exit_code == 1
    assert "12 (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, …)" in done.stdout
    assert done.stderr.startswith("Error: 12 rows could not be read: B24_SECRET_KEY lacks the key")
    assert "can be dropped" not in done.stdout
