"""The two ways to run the app: embedded on SQLite, and scaled out over PostgreSQL and Redis with two workers."""

import secrets
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from flask import Flask

from bizproc.settings import Settings
from bizproc.storage.tables import DataKeyRow, Table
from devportal.server import RunningPortal
from tests import canaries
from tests.across_processes import FOLDER
from tests.conftest import Portal, RunningApp, app_of_shelf, environment_of, forget_calls, install, postgresql, serving
from tests.whole_way.test_processes import process

WORKERS = 2


@pytest.fixture(scope="session")
def scaled_out(
    running_portal: RunningPortal, redis_server: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[RunningApp, Flask, list[Path]]]:
    """The app without a worker of its own, and the logs of the two that work for it."""
    folder = tmp_path_factory.mktemp("scaled-out")
    made: list[Flask] = []

    def make(settings: Settings) -> Flask:
        made.append(app_of_shelf(settings))
        return made[0]

    with ExitStack() as running:
        settings = Settings(
            client_id=running_portal.ready["client_id"],
            client_secret=running_portal.ready["client_secret"],
            app_url="http://127.0.0.1:1",
            secret_keys=(secrets.token_urlsafe(32),),
            database_url=running.enter_context(postgresql()),
            # Other tests' apps have the same client id, and their messages in database 0.
            queue_url=urlsplit(redis_server)._replace(path="/1").geturl(),
            files_url=(folder / "files").as_uri(),
            rest_log_folder=str(folder / "rest-log"),
            spool_folder=folder / "spool",
            oauth_url=running_portal.ready["oauth_url"],
        )
        # Each test watches for itself: this lives while other tests let secrets out, to see that they are found.
        app = running.enter_context(serving(settings, make, watched=False))
        environment = environment_of(settings, app.url) | {
            "QUEUE_URL": settings.queue_url,
            "SHELF_FOLDER": str(FOLDER),
        }
        logs = [folder / f"worker-{number}.log" for number in range(WORKERS)]
        for log in logs:
            command = (sys.executable, "-m", "tests.whole_way.worker")
            stderr = running.enter_context(log.open("wb"))
            running.enter_context(process(*command, environment=environment, stderr=stderr))
        yield app, made[0], logs


@pytest.fixture(params=["embedded", pytest.param("scaled out", marks=pytest.mark.xdist_group("scaled out"))])
def deployed(request: pytest.FixtureRequest, portal: Portal) -> Iterator[RunningApp]:
    """The app, installed in the portal, its activities registered."""
    if request.param == "embedded":
        app = request.getfixturevalue("app")
        install(app, portal)
        yield app
        return
    app, flask, logs = request.getfixturevalue("scaled_out")
    forget_calls(app.backend.settings.queue_url, portal)
    with canaries.watched(flask, app.backend.settings):
        install(app, portal)
        yield app
        canaries.look_through(app.backend.settings, {log.name: log.read_bytes() for log in logs})
    with app.backend.database.writing() as session:
        for table in reversed(Table.metadata.sorted_tables):
            if table is not DataKeyRow.__table__:
                session.execute(table.delete())
