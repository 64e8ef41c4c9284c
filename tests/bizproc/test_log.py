"""What reaches stderr, whoever writes it."""

import datetime as dt
import json
import logging
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests
from structlog.contextvars import bound_contextvars, clear_contextvars

from bizproc.log import FORMATS, Json, Redacting
from bizproc.redaction import HIDDEN
from bizproc.settings import Settings
from tests.conftest import Portal, RunningApp, app_of_shelf, eventually

ROOT = Path(__file__).parents[2]
SECRET = "q1w2e3r4t5y6"


def line(message: str, *arguments: object, error: BaseException | None = None) -> str:
    trace = (type(error), error, error.__traceback__) if error else None
    record = logging.LogRecord("bizproc.x", logging.WARNING, "x.py", 5, message, arguments, trace)  # type: ignore[arg-type]
    return Redacting("%(levelname)s %(name)s: %(message)s").format(record)


def test_message_and_arguments_are_redacted_together() -> None:
    assert line("GET /x?auth=%s&a=%s", SECRET, 1) == f"WARNING bizproc.x: GET /x?auth={HIDDEN}&a=1"
    assert (
        line("%s", {"client_secret": SECRET, "a": 1}) == f"WARNING bizproc.x: {{'client_secret': '{HIDDEN}', 'a': 1}}"
    )


def test_a_stack_trace_keeps_its_places() -> None:
    try:
        raise RuntimeError(f"https://x/?client_secret={SECRET}") from KeyError(f"refresh_token={SECRET}")
    except RuntimeError as error:
        written = line("failed", error=error)
    assert SECRET not in written
    assert "test_log.py" in written
    assert f"RuntimeError: https://x/?client_secret={HIDDEN}" in written


def test_a_line_that_cannot_be_formatted_names_no_argument() -> None:
    assert line("%d tokens", f"access_token={SECRET}") == "x.py:5: this line cannot be logged: TypeError"


def told(message: str, *arguments: object, error: BaseException | None = None) -> dict[str, Any]:
    trace = (type(error), error, error.__traceback__) if error else None
    record = logging.LogRecord("bizproc.x", logging.WARNING, "x.py", 5, message, arguments, trace)  # type: ignore[arg-type]
    written = Json().format(record)
    assert len(written.splitlines()) == 1
    object_: dict[str, Any] = json.loads(written)
    return object_


def test_a_line_in_json_tells_what_is_bound_and_no_secret() -> None:
    clear_contextvars()  # of a request that an earlier test has made in this thread
    with bound_contextvars(run=5, activity=f"\u2028?auth={SECRET}"):
        try:
            raise RuntimeError(f"https://x/?client_secret={SECRET}")
        except RuntimeError as error:
            written = told("%s\n%s", {"client_secret": SECRET}, "a", error=error)
    assert SECRET not in str(written)
    assert dt.datetime.fromisoformat(written.pop("at")).tzinfo
    assert "test_log.py" in written["exception"]
    assert written.pop("exception").endswith(f"RuntimeError: https://x/?client_secret={HIDDEN}")
    assert written == {
        "level": "warning",
        "logger": "bizproc.x",
        "message": f"{{'client_secret': '{HIDDEN}'}}\na",
        "run": 5,
        "activity": f"\u2028?auth={HIDDEN}",
    }
    assert told("%d", "x") == {"message": "x.py:5: this line cannot be logged: TypeError"}


@contextmanager
def noted() -> Iterator[list[dict[str, Any]]]:
    """The lines of all loggers, as JSON."""
    written: list[dict[str, Any]] = []

    class Note(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            written.append(json.loads(Json().format(record)))

    logging.getLogger().addHandler(note := Note())
    try:
        yield written
    finally:
        logging.getLogger().removeHandler(note)


def test_a_request_is_not_told_of_what_its_thread_did_before(settings: Settings) -> None:
    forged = {"auth[member_id]": "a", "auth[application_token]": "x"}
    app = app_of_shelf(settings)
    with noted() as written, bound_contextvars(portal="p.example.com", run=5):
        for _ in range(2):
            app.test_client().post("/activities/tell", data=forged)
    first, second = (each for each in written if "callback refused" in each["message"])
    assert first["activity"] == second["activity"] == "tell"
    assert first["request"] != second["request"]
    assert not {"portal", "run"} & (first.keys() | second.keys())


def test_lines_tell_the_run_that_they_are_about(
    installed: RunningApp, portal: Portal, caplog: pytest.LogCaptureFixture
) -> None:
    def line(part: str) -> dict[str, Any]:
        return next(each for each in written if part in each["message"])

    caplog.set_level(logging.INFO, "tests.shelf")
    with noted() as written:
        portal.finished(portal.run("tell", {"words": "x"}))
        portal.ask("faults", rest={"bizproc.event.send": {"error": "BUSY", "status": 500, "times": 9}})
        portal.run("crash")
        eventually(lambda: any("not answered" in each["message"] for each in written))
    domain = portal.description["domain"]
    ids = ("portal", "activity", "run")
    assert [line("telling")[name] for name in ids] == [domain, "tell", 1], "also in the function's thread"
    assert [line("of crash failed")[name] for name in ids] == [domain, "crash", 2]
    assert [line("not answered")[name] for name in ids] == [domain, "crash", 2]


EVERY_WAY = f"""
import logging, sys, threading, warnings
from bizproc import log

log.to_stderr()
log.to_stderr()
fails = "https://x/?client_secret={SECRET}"
logging.getLogger("bizproc.x").info("one " + fails)
logging.getLogger("urllib3.connectionpool").warning("two %s", fails)
logging.getLogger("sqlalchemy.engine").info("unwanted")

def task():
    raise RuntimeError("three " + fails)

try:
    task()
except RuntimeError:
    logging.getLogger("limits").exception("failed")
warnings.warn("four " + fails)

def thread():
    raise RuntimeError("five " + fails)

for target in (thread, sys.exit):
    started = threading.Thread(target=target)
    started.start()
    started.join()
raise RuntimeError("six " + fails)
"""


@pytest.mark.parametrize("form", FORMATS)
def test_nothing_gets_by_whoever_writes_it(form: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", EVERY_WAY],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=30,
        env=os.environ | {"LOG_FORMAT": form},
    )
    assert SECRET not in done.stderr + done.stdout
    for what in ("one", "two", "three", "four", "five", "six"):
        assert done.stderr.count(f"{what} https://x/?client_secret={HIDDEN}") == 1, done.stderr
    assert "unwanted" not in done.stderr
    assert "SystemExit" not in done.stderr
    assert (", in task\n" if form == "text" else r", in task\n") in done.stderr
    if form == "json":
        assert all(json.loads(each)["level"] for each in done.stderr.splitlines())
    assert done.returncode == 1


@pytest.fixture
def environment(settings: Settings) -> dict[str, str]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    return {
        "B24_CLIENT_ID": settings.client_id,
        "B24_CLIENT_SECRET": settings.client_secret,
        "B24_APP_URL": f"http://127.0.0.1:{port}",
        "B24_SECRET_KEY": settings.secret_keys[0],
        "DATABASE_URL": settings.database_url,
        "FILES_URL": settings.files_url,
        "SPOOL_FOLDER": str(settings.spool_folder),
    }


@pytest.mark.parametrize(("server", "form"), [("gunicorn", "json"), ("flask", "text")])
def test_a_servers_own_lines_are_redacted_too(
    environment: dict[str, str], tmp_path: Path, server: str, form: str
) -> None:
    environment["LOG_FORMAT"] = form
    url = environment["B24_APP_URL"]
    address = url.removeprefix("http://")
    port = address.partition(":")[2]
    command = {
        "gunicorn": ["gunicorn", "--bind", address, "--access-logfile", "-"],
        "flask": ["flask", "run", "--port", port],
    }[server]
    written = tmp_path / "written"
    with written.open("wb") as output:
        running = subprocess.Popen(
            [sys.executable, "-m", *command], cwd=ROOT, env=os.environ | environment, stdout=output, stderr=output
        )
    try:
        eventually(lambda: _answers(url))
        assert requests.get(f"{url}/install?access_token={SECRET}&LANG=de", timeout=9).status_code == 200
        forged = {"auth[member_id]": "a" * 60, "auth[application_token]": "x"}
        assert requests.post(f"{url}/activities/x", data=forged, timeout=9).status_code == 403
        with socket.create_connection(("127.0.0.1", int(port))) as connection:
            connection.sendall(f"GET /x?client_secret={SECRET} NONSENSE\r\n\r\n".encode())
            connection.recv(1000)
        eventually(lambda: b"NONSENSE" in written.read_bytes())
    finally:
        running.terminate()
        running.wait(20)
    said = written.read_text()
    assert SECRET not in said
    if form == "json":
        assert all(json.loads(each)["level"] for each in said.splitlines())
    assert f"/install?access_token={HIDDEN}&LANG=de" in said
    assert f"callback refused: unknown member id (member id '{HIDDEN}')" in said


def _answers(url: str) -> bool:
    try:
        return requests.get(f"{url}/healthz", timeout=5).ok
    except requests.RequestException:
        return False
