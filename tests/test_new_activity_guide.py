"""docs/new-activity.md, as somebody follows it: its commands are run and its code is used."""

import importlib
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from flask import Flask, Response, abort, jsonify, request
from werkzeug.serving import make_server

from bizproc.backend import Backend
from bizproc.definition.registry import discover
from bizproc.settings import Settings
from handlers import attach
from tests import canaries
from tests.conftest import POLL_SECONDS, Portal, install, serving, values

ROOT = Path(__file__).parent.parent
GUIDE = (ROOT / "docs" / "new-activity.md").read_text()
BEGIN, MODULE, TEST, CHECKS, DEV, LEAVE, PORTALS = re.findall(r"^```\w*\n(.*?)^```", GUIDE, re.DOTALL | re.MULTILINE)
TOKEN = "glpat-a-token-of-the-guide"
SHELL = """
import shlex, sys
import pytest
from flask.cli import cli
for line in sys.argv[1].splitlines():
    program, *arguments = shlex.split(line)
    if program == "pytest":
        assert pytest.main(arguments) == 0
    else:
        assert program == "flask"
        try:
            cli.main(arguments, prog_name="flask")
        except SystemExit as ended:
            assert not ended.code
"""
"""Runs command lines in one process: to start one for each would take most of the test's time."""


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The repository without activities, in which ``guided`` is the package of those that are written."""
    for room in ("app.py", "bizproc", "commands", "handlers"):
        (tmp_path / room).symlink_to(ROOT / room)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for package in ("activities", "tests", "tests/activities"):
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").touch()
    (tmp_path / "guided").symlink_to(tmp_path / "activities")
    (tmp_path / "gitlab.token").write_text(TOKEN)
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def typed(commands: str, checkout: Path, environment: Mapping[str, str] | None = None) -> str:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("B24_", "FLASK_"))}
    path = os.pathsep.join((str(checkout), *filter(None, [os.environ.get("PYTHONPATH")])))
    done = subprocess.run(
        [sys.executable, "-c", SHELL, commands],
        capture_output=True,
        text=True,
        cwd=checkout,
        env=clean | {"PYTHONPATH": path} | dict(environment or {}),
        timeout=100,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def gitlab() -> Iterator[str]:
    """The address of what the guide needs of a GitLab."""
    app = Flask("gitlab")

    @app.before_request
    def authorized() -> None:
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            abort(401)

    @app.get("/api/v4/user")
    def user() -> Response:
        return jsonify(username="b24")

    @app.post("/api/v4/projects/<path:project>/issues")
    def opened(project: str) -> Response:
        if project != "group/name":
            abort(404)
        issue = request.get_json()
        return jsonify(iid=14, web_url=f"{request.host_url}{project}/-/issues/14?{issue['title']}")

    @app.errorhandler(404)
    def unknown(_: Exception) -> tuple[Response, int]:
        return jsonify(message="404 Project Not Found"), 404

    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, args=(POLL_SECONDS,), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def settings(settings: Settings, gitlab: str) -> Settings:
    return replace(settings, allowed_systems=(gitlab,))


def test_the_guide_leads_to_a_running_process(
    checkout: Path, settings: Settings, portal: Portal, gitlab: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = typed(BEGIN, checkout)
    module, test = checkout / "activities/gitlab_issue.py", checkout / "tests/activities/test_gitlab_issue.py"
    assert told.splitlines() == [
        f"Written: {module.relative_to(checkout)}",
        f"Written: {test.relative_to(checkout)}",
        '{"result": "HELLO"}',
    ]
    module.write_text(MODULE)
    test.write_text(TEST)
    told = typed(CHECKS, checkout)
    assert "1 activity is valid.\n" in told
    assert "3 passed" in told

    monkeypatch.delitem(sys.modules, "guided", raising=False)
    monkeypatch.delitem(sys.modules, "guided.gitlab_issue", raising=False)

    def guided(settings: Settings) -> Flask:
        app = Flask("guided")
        backend = Backend(settings, discover(importlib.import_module("guided")))
        backend.database.upgrade()
        attach(app, backend)
        return app

    with serving(settings, guided) as app:
        canaries.PORTALS[portal.ready["oauth_url"]].note(TOKEN)
        install(app, portal)
        environment = {
            "B24_ALLOWED_SYSTEMS": gitlab,
            "B24_APP_URL": app.url,
            "B24_CLIENT_ID": settings.client_id,
            "B24_CLIENT_SECRET": settings.client_secret,
            "B24_OAUTH_URL": settings.oauth_url,
            "B24_SECRET_KEY": settings.secret_keys[0],
            "DATABASE_URL": settings.database_url,
            "FILES_URL": settings.files_url,
            "REST_LOG_FOLDER": settings.rest_log_folder,
            "SPOOL_FOLDER": str(settings.spool_folder),
        }
        domain = portal.description["domain"]
        commands = PORTALS.replace("acme.bitrix24.com", domain).replace("https://gitlab.example.com", gitlab)
        told = typed(commands, checkout, environment)
        assert told.count("user b24\n") == 2
        step = {"connection": "Development", "project": "group/name", "summary": "Order 7"}
        finished = portal.finished(portal.run("gitlab_issue", step))
        assert values(finished) == {"number": 14, "link": f"{gitlab}/group/name/-/issues/14?Order 7"}
        finished = portal.finished(portal.run("gitlab_issue", step | {"project": "group/other"}))
        assert values(finished) == {"error": "GitLab answered with 404: 404 Project Not Found"}


def test_the_other_commands_of_the_guide_are_those_of_the_app() -> None:
    assert DEV == "flask dev\n"
    assert LEAVE == "export B24_ALLOWED_SYSTEMS=gitlab.internal\n"
    assert "](docs/new-activity.md)" in (ROOT / "README.md").read_text()
