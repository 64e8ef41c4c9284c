"""The benchmarks work; how fast anything is, no test says."""

import json
import subprocess
import sys
from pathlib import Path

BENCH = "from commands.bench import bench; bench()"


def test_registration_is_measured_from_anywhere_without_a_setting(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", BENCH, "registration", "--quick"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr
    *lines, last = done.stdout.splitlines()
    assert lines[0] == "1 definition: 2 calls (goal 2), then nothing to do: 1 (goal 1)"
    figures = json.loads(last)
    assert figures["benchmark"] == "registration"
    counted = [(each["definitions"], each["first"], each["goal"], each["again"]) for each in figures["calls"]]
    assert counted == [(1, 2, 2, 1), (51, 3, 3, 1)]
    assert figures["against_sdk"]["times_as_fast"]["least"] > 0
    assert figures["many_portals"]["times_as_long"]["least"] > 0
    limit = figures["rate_limit"]
    assert (limit["applies"], limit["failed"], limit["calls"], limit["status_503"]) == (5, 0, 10, 0)
