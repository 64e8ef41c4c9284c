"""The benchmarks work; how fast anything is, no test says."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

BENCH = "from commands.bench import bench; bench()"


def measured(name: str, folder: Path, *options: str) -> tuple[list[str], dict[str, Any]]:
    """What a benchmark prints, the last line as JSON."""
    done = subprocess.run(
        [sys.executable, "-c", BENCH, name, "--quick", *options],
        capture_output=True,
        text=True,
        cwd=folder,
        timeout=110,
    )
    assert done.returncode == 0, done.stderr
    *lines, last = done.stdout.splitlines()
    return lines, json.loads(last)


def test_registration_is_measured_from_anywhere_without_a_setting(tmp_path: Path) -> None:
    lines, figures = measured("registration", tmp_path)
    assert lines[0] == "1 definition: 2 calls (goal 2), then nothing to do: 1 (goal 1)"
    assert figures["benchmark"] == "registration"
    counted = [(each["definitions"], each["first"], each["goal"], each["again"]) for each in figures["calls"]]
    assert counted == [(1, 2, 2, 1), (51, 3, 3, 1)]
    assert figures["against_sdk"]["times_as_fast"]["least"] > 0
    assert figures["many_portals"]["times_as_long"]["least"] > 0
    limit = figures["rate_limit"]
    assert (limit["applies"], limit["failed"], limit["calls"], limit["status_503"]) == (5, 0, 10, 0)


@pytest.mark.parametrize(
    ("name", "figure"), [("accept", "share"), ("runs", "share"), ("scale", "accept"), ("memory", "times")]
)
def test_the_way_of_a_callback_is_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, figure: str
) -> None:
    monkeypatch.setenv("TEST_POSTGRES_URL", "postgresql+psycopg://nobody@127.0.0.1:1/none")
    _, figures = measured(name, tmp_path)
    assert figures["benchmark"] == name
    assert figures["SQLite, embedded"][figure]


@pytest.mark.long
def test_chaos_keeps_every_promise(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_POSTGRES_URL", "postgresql+psycopg://nobody@127.0.0.1:1/none")
    lines, figures = measured("chaos", tmp_path, "--seed", "7", "--report", "chaos.md")
    assert figures["benchmark"] == "chaos"
    assert figures["SQLite, embedded"]["seed"] == 7
    assert figures["SQLite, embedded"]["broken"] == []
    assert "SQLite, embedded: every promise was kept" in lines
    assert "- every promise was kept" in (tmp_path / "chaos.md").read_text()
