import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from devportal.conformance import main, same

RULES = Path(__file__).with_name("portal_rules.jsonl")


def case(**changes: Any) -> dict[str, Any]:
    return {
        "group": "own",
        "name": "list",
        "calls": [{"method": "bizproc.activity.list", "params": {}}],
        "out": [{"result": []}],
        "stored": [],
        "placements": [],
        **changes,
    }


def written(tmp_path: Path, *lines: Any) -> str:
    path = tmp_path / "cases.jsonl"
    path.write_text("\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines), "utf-8")
    return str(path)


def test_all_recorded_cases_pass(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(RULES)]) == 0, capsys.readouterr().out
    count = len(RULES.read_text("utf-8").splitlines())
    assert capsys.readouterr().out == f"{count} passed, 0 failed\n"


def test_differences_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(
        tmp_path,
        case(),
        case(name="wrong result", out=[{"result": {"0": "a"}}]),
        case(name="wrong state", stored=[{"CODE": "a"}]),
        case(name="type counts", calls=[{"method": "user.admin"}], out=[{"result": 1}]),
        case(name="error", calls=[{"method": "x"}], out=[{"error": "ERROR_METHOD_NOT_FOUND", "status": 400}]),
    )
    assert main([path]) == 1
    out = capsys.readouterr().out
    assert "own / wrong result: call 1 bizproc.activity.list" in out
    assert 'expected {"result": {"0": "a"}}' in out
    assert 'got      {"result": []}' in out
    assert 'own / wrong state: stored\n    expected [{"CODE": "a"}]\n    got      []' in out
    assert "own / type counts: call 1 user.admin" in out
    assert '"status": 404' in out
    assert out.endswith("1 passed, 4 failed\n")


def test_a_query_is_played_as_a_form_and_in_a_batch(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    query = {"method": "bizproc.activity.delete", "query": "CODE=a.b"}
    error = {"error": "ERROR_ACTIVITY_NOT_FOUND", "error_description": None, "status": 400}
    assert main([written(tmp_path, case(calls=[query], out=[error]))]) == 0
    assert main([written(tmp_path, case(calls=[query], out=[{"result": True}]))]) == 1
    out = capsys.readouterr().out
    assert "(direct)" in out
    assert "(batch)" in out


@pytest.mark.parametrize(
    ("lines", "fault"),
    [
        ([], "no cases"),
        (["{"], ":1: no JSON"),
        ([case(), "[]"], ":2: a case must be an object"),
        ([{"name": "x"}], ":1: group is missing or no text"),
        ([case(out=[])], ":1: 1 calls, but 0 results in out"),
        ([case(calls=["x"])], ":1: a call must be an object with a method"),
        ([case(calls=[{"method": "x", "query": 5}])], ":1: query must be a text"),
    ],
)
def test_a_broken_file_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], lines: list[Any], fault: str
) -> None:
    assert main([written(tmp_path, *lines)]) == 2
    assert fault in capsys.readouterr().err


def test_lines_end_at_line_feeds_only(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "cases.jsonl"
    text = json.dumps(case(name="\u2028\u2029\u0085"), ensure_ascii=False)
    path.write_bytes(f"\ufeff{text}\r\n\n{text}\n".encode())
    assert main([str(path)]) == 0, capsys.readouterr()
    assert capsys.readouterr().out == "2 passed, 0 failed\n"


def test_a_case_that_is_no_unicode(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    broken = [
        case(name="\ud800", out=[{"result": ["x"]}]),
        case(calls=[{"method": "\ud800"}]),
        case(calls=[{"method": "x", "query": "a=\ud800"}]),
        case(out=[{"result": "\ud800"}]),
        case(calls=[{"method": "filter", "filter": {"INCLUDE": ["\ud800"]}, "document_type": None}]),
    ]
    assert main([written(tmp_path, *broken, case())]) == 1
    out = capsys.readouterr().out
    assert "own / \\ud800: call 1" in out
    assert out.endswith("1 passed, 5 failed\n")
    params = {"CODE": "\ud800"}
    refused = case(
        calls=[{"method": "bizproc.activity.add", "params": params}],
        out=[{"error": "ERROR_ACTIVITY_VALIDATION_FAILURE", "error_description": "Empty data!", "status": 400}],
    )
    assert main([written(tmp_path, refused)]) == 0, capsys.readouterr().out


def test_a_missing_file_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path / "none.jsonl")]) == 2
    assert "none.jsonl: No such file or directory" in capsys.readouterr().err
    assert main([]) == 2


def test_the_command(tmp_path: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-m", "devportal.conformance", written(tmp_path, case())],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (run.returncode, run.stdout, run.stderr) == (0, "1 passed, 0 failed\n", "")


def test_same_is_that_of_php_arrays() -> None:
    assert same({}, [])
    assert same({"0": "a", "1": {}}, ["a", []])
    assert not same({"1": "a"}, ["a"])
    assert not same(True, 1)
    assert not same("1", 1)
