"""The short form of ``flask bench chaos``: what got its 2xx is not lost, whatever dies."""

import random
import sys
from pathlib import Path

import pytest

from tests.chaos.chaos import run
from tests.chaos.report import Plan


@pytest.mark.long
@pytest.mark.timeout(400)
def test_no_kill_breaks_a_promise(database_url: str, tmp_path: Path) -> None:
    folder = tmp_path / "app"
    folder.mkdir()
    plan = Plan(callbacks=500, portals=20, kills=5, seed=random.randrange(10**6), per_second=30)
    report = run(plan, folder, database_url)
    sys.stdout.write(f"{report}\n")
    assert not report.faults, str(report)
    assert len(report.kills) == 5
    assert any(kill.in_flight for kill in report.kills)
    assert len(report.facts.deliveries) > 500, "some are repeated"
