"""The log of REST calls: what is in it, what is not, and that it stays small."""

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest
import requests

from bizproc.portal import rest_log as module
from bizproc.portal.rest_log import KEPT_DAYS, LARGEST_TEXT, RestLog
from tests import canaries
from tests.conftest import Portal, RunningApp, eventually

TOKEN = "0123456789abcdef" * 5


def lines(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for file in sorted(folder.glob("*")) for line in file.read_text().splitlines()]


def answer(content: bytes = b"{}", status: int = 200) -> requests.Response:
    response = requests.Response()
    response.status_code, response._content = status, content
    return response


def note(log: RestLog, params: dict[str, Any], given: requests.Response | None = None) -> None:
    log.exchange(lambda: answer() if given is None else given, portal="p.example.com", method="m", params=params)


def test_every_exchange_is_there_and_no_secret(installed: RunningApp, portal: Portal) -> None:
    portal.ask("faults", rest={"bizproc.event.send": {"error": "INTERNAL_SERVER_ERROR", "status": 500, "times": 1}})
    process = portal.run("tell", {"words": "Привет"})
    portal.finished(process)
    eventually(lambda: installed.backend.runs.list(state="closed"))
    folder = Path(installed.backend.settings.rest_log_folder)
    calls = lines(folder)
    sent = [entry for entry in portal.log() if entry["direction"] in ("to_portal", "to_oauth")]
    assert [call["status"] for call in calls].count(500) == 1
    assert len(calls) == len(sent)
    (batch, *_) = [call for call in calls if call["method"] == "batch"]
    assert batch["commands"] > 1
    failed, answered = [call for call in calls if call["method"] == "bizproc.event.send"]
    assert (failed["status"], failed["error"]) == (500, "INTERNAL_SERVER_ERROR")
    assert (answered["status"], answered["error"], answered["portal"]) == (200, None, portal.url.partition("//")[2])
    assert '"result":true' in answered["answer"].replace(" ", "")
    assert answered["ms"] > 0
    assert answered["at"].startswith(time.strftime("%Y-%m-", time.gmtime()))
    assert failed["process"] == answered["process"] == process
    renewed = installed.backend.app.refreshed(portal.ask("token")["refresh_token"])
    told = lines(folder)[-1]
    assert told["method"] == "/oauth/token/"
    assert renewed.access not in str(told)
    canaries.look_through(installed.backend.settings, canaries.in_rest_log(str(folder)))


def test_no_call_came_through(tmp_path: Path) -> None:
    def refused() -> requests.Response:
        raise requests.ConnectionError("p.example.com cannot be reached")

    with pytest.raises(requests.ConnectionError):
        RestLog(str(tmp_path)).exchange(refused, portal="p.example.com", method="m", params={"auth": TOKEN})
    (call,) = lines(tmp_path)
    assert (call["status"], call["error"]) == (None, "p.example.com cannot be reached")
    assert call["request"] == '{"auth": "[redacted]"}'


@pytest.mark.parametrize("before", range(LARGEST_TEXT - 200, LARGEST_TEXT + 20, 7))
def test_no_secret_is_cut_into_a_piece_that_looks_like_none(tmp_path: Path, before: int) -> None:
    log = RestLog(str(tmp_path))
    note(log, {"x": "y" * before, "z": TOKEN}, answer(f'{{"x": "{"y" * before}", "z": "{TOKEN}"}}'.encode()))
    assert TOKEN[:16] not in str(lines(tmp_path))


def test_large_texts_are_cut(tmp_path: Path) -> None:
    note(RestLog(str(tmp_path)), {"x": ["word"] * 100_000}, answer(b'"word" ' * 1_000_000))
    (file,) = tmp_path.glob("*")
    assert LARGEST_TEXT * 2 - 100 < file.stat().st_size < LARGEST_TEXT * 5


def test_what_is_older_than_three_days_is_deleted_and_nothing_else(tmp_path: Path) -> None:
    now = time.time()
    names = {name: tmp_path / name for name in ("2026-01-01T00-host-1.jsonl", "2026-01-01T01-host-1.jsonl", "mine.txt")}
    for number, file in enumerate(names.values()):
        file.touch()
        age = KEPT_DAYS * 24 * 3600 + (-60 if number == 1 else 60)
        os.utime(file, (now - age, now - age))
    note(RestLog(str(tmp_path)), {})
    left = {file.name for file in tmp_path.glob("*")}
    assert len(left) == 3
    assert {"mine.txt", "2026-01-01T01-host-1.jsonl"} < left


def test_texts_give_way_first_and_then_the_oldest_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "LARGEST_FOLDER", 2000)
    monkeypatch.setattr(module, "MEASURED_EVERY_SECONDS", -1)
    old = [tmp_path / f"2026-01-01T0{number}-host-1.jsonl" for number in range(3)]
    log = RestLog(str(tmp_path))
    old[0].write_text("x" * 1100)
    note(log, {"x": 1})
    note(log, {"x": 2})
    note(log, {"x": 3}, answer(b'{"error": "OVERLOAD"}', 503))
    assert old[0].exists()
    old[1].write_text("x" * 900)
    note(log, {"x": 4})
    assert [file.exists() for file in old[:2]] == [False, True]
    old[2].write_text("x" * 1800)
    note(log, {"x": 5})
    assert not any(file.exists() for file in old)
    assert caplog.text.count("is deleted before its 3 days") == 3
    for number in range(99):
        note(log, {"x": number})
    assert "nothing more is written" in caplog.text
    (file,) = tmp_path.glob("*")
    assert file.stat().st_size < 2500
    calls = lines(tmp_path)
    assert ["request" in call for call in calls[:5]] == [True, False, True, False, False]


def test_a_folder_that_cannot_be_written_fails_no_call(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").touch()
    log = RestLog(str(tmp_path / "file"))
    note(log, {})
    note(log, {})
    assert caplog.text.count("REST calls cannot be logged in REST_LOG_FOLDER") == 1
    (tmp_path / "file").unlink()
    note(log, {})
    assert len(lines(tmp_path / "file")) == 1


def test_a_forked_process_writes_a_file_of_its_own(tmp_path: Path) -> None:
    log = RestLog(str(tmp_path))
    note(log, {"x": "parent"})
    child = os.fork()
    if not child:
        note(log, {"x": "child"})
        os._exit(0)
    os.waitpid(child, 0)
    note(log, {"x": "parent"})
    assert sorted(len(file.read_text().splitlines()) for file in tmp_path.glob("*")) == [1, 2]
