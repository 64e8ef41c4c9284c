"""What reaches stderr, whoever writes it."""

import logging
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import requests

from bizproc.log import Redacting
from bizproc.redaction import HIDDEN
from bizproc.settings import Settings
from tests.conftest import eventually

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


EVERY_WAY = f"""
import logging, sys, threading, warnings
from huey import MemoryHuey
from bizproc import log

log.to_stderr()
log.to_stderr()
fails = "https://x/?client_secret={SECRET}"
logging.getLogger("bizproc.x").info("one " + fails)
logging.getLogger("urllib3.connectionpool").warning("two %s", fails)
logging.getLogger("sqlalchemy.engine").info("unwanted")
huey = MemoryHuey(immediate=True)

@huey.task()
def task():
    raise RuntimeError("three " + fails)

task()
warnings.warn("four " + fails)

def thread():
    raise RuntimeError("five " + fails)

for target in (thread, sys.exit):
    started = threading.Thread(target=target)
    started.start()
    started.join()
raise RuntimeError("six " + fails)
"""


def test_nothing_gets_by_whoever_writes_it() -> None:
    done = subprocess.run([sys.executable, "-c", EVERY_WAY], capture_output=True, text=True, cwd=ROOT, timeout=30)
    assert SECRET not in done.stderr + done.stdout
    for what in ("one", "two", "three", "four", "five", "six"):
        assert done.stderr.count(f"{what} https://x/?client_secret={HIDDEN}") == 1, done.stderr
    assert "unwanted" not in done.stderr
    assert "SystemExit" not in done.stderr
    assert ", in task\n" in done.stderr
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


@pytest.mark.parametrize("server", ["gunicorn", "flask"])
def test_a_servers_own_lines_are_redacted_too(environment: dict[str, str], tmp_path: Path, server: str) -> None:
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
    assert f"/install?access_token={HIDDEN}&LANG=de" in said
    assert f"callback refused: unknown member id (member id '{HIDDEN}')" in said


def _answers(url: str) -> bool:
    try:
        return requests.get(f"{url}/healthz", timeout=5).ok
    except requests.RequestException:
        return False
