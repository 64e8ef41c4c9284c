"""A broken promise is told, in all of the report's forms, and by the exit code."""

import json
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.benchmarks import chaos
from tests.benchmarks.app import Deployment
from tests.chaos.report import Kill, Plan, Report, note_standstills
from tests.chaos.test_facts import RUN, WELL
from tests.chaos.weather import KINDS, met

PLAN = Plan(callbacks=1, portals=1, kills=2, seed=7)
KILLS = [
    Kill(1.0, "web", {"received": 2, "running": 1}, 3, stood_still=1.5, recovered=2.5),
    Kill(4.0, "Redis", {}, 9, stood_still=0.2),
]
KEPT = Report(PLAN, 5.0, 6.0, KILLS, ended=0, opened=0, most_calls=9, facts=WELL)
BROKEN = replace(KEPT, facts=replace(WELL, runs=[replace(RUN, outcome="dead")]))


def test_every_kill_is_told() -> None:
    assert "| 1 | 1.0 s | web | 2 received, 1 running | 1.5 s | 2.5 s |" in KEPT.markdown("SQLite")
    assert "| 2 | 4.0 s | Redis | nothing | 0.2 s | never |" in KEPT.markdown("SQLite")
    assert list(KEPT.figures()["by_kill"]) == ["Redis", "web"]
    assert KEPT.figures()["by_kill"]["Redis"]["recovered_most"] is None
    assert KEPT.figures()["by_kill"]["web"] == {
        "kills": 1,
        "stood_still_median": 1.5,
        "stood_still_most": 1.5,
        "recovered_median": 2.5,
        "recovered_most": 2.5,
    }


def test_a_standstill_is_the_longest_time_without_an_outcome() -> None:
    kills = [Kill(at, "web", {}, 0) for at in (1.0, 6.0, 9.0)]
    note_standstills(kills, [0.9, 1.1, 3.1, 3.2, 5.9, 6.5, 8.8, 9.1], end=9.5)
    assert [round(kill.stood_still, 1) for kill in kills] == [2.7, 2.3, 0.4]


def test_a_broken_promise_is_told() -> None:
    assert "every promise was kept" in str(KEPT)
    assert "- every promise was kept" in KEPT.markdown("SQLite")
    assert "every promise was kept" not in str(BROKEN)
    assert "- BROKEN: 1 runs are closed as dead" in BROKEN.markdown("SQLite")
    assert BROKEN.figures()["broken"] == ["1 runs are closed as dead"]


@pytest.mark.parametrize(("report", "code"), [(KEPT, 0), (BROKEN, 1)])
def test_the_exit_code_tells_it_and_the_document_keeps_its_introduction(
    report: Report, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured: Callable[..., Report] = lambda *_: report  # noqa: E731
    monkeypatch.setattr(chaos, "measure", measured)
    monkeypatch.setattr(chaos, "end_with_all", lambda: None)
    deployment = Deployment("SQLite", "sqlite://", tmp_path)
    monkeypatch.setattr(chaos, "both", lambda: [lambda: nullcontext(deployment)])
    document = tmp_path / "chaos.md"
    document.write_text(f"What is done.\n{chaos.GENERATED}an older report")
    done = CliRunner().invoke(chaos.main, ["--seed", "7", "--report", str(document)])
    assert done.exit_code == code
    assert json.loads(done.output.splitlines()[-1])["SQLite"] == report.figures()
    kept, _, written = document.read_text().partition(chaos.GENERATED)
    assert kept == "What is done.\n"
    assert "an older report" not in written
    assert written.count("## SQLite") == 2, "without the rate limit and with it"


def test_what_the_app_met_is_read_from_its_log(tmp_path: Path) -> None:
    calls: list[tuple[int | None, str | None]] = [
        (200, None),
        (503, "QUERY_LIMIT_EXCEEDED"),
        (429, "OPERATION_TIME_LIMIT"),
        (401, "expired_token"),
        (None, "connection dropped"),
        (302, None),
        (401, "invalid_token"),
    ]
    lines = [json.dumps({"status": status, "error": error}) for status, error in calls]
    assert met(tmp_path) == dict.fromkeys(KINDS, 0)
    (tmp_path / "2026.jsonl").write_text("\n".join(lines) + "\n")
    assert met(tmp_path) == dict.fromkeys(KINDS, 1)
