"""The dashboard and the alerts ask for what is told, for all of it, and for nothing else."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from bizproc.settings import Settings
from tests.conftest import RunningApp
from tests.handlers.test_metrics import scrape, settings
from tests.services import left_out

__all__ = ["settings"]  # with a METRICS_TOKEN

ROOT = Path(__file__).parent.parent
ALERTS = ROOT / "docs" / "alerts.yaml"
DASHBOARD: dict[str, Any] = json.loads((ROOT / "docs" / "grafana.json").read_text())
RULES = [rule for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]]
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
OF_PROMETHEUS = {"up"}
ENDINGS = {"counter": ("_total",), "gauge": ("",), "histogram": ("_bucket", "_sum", "_count")}


def named(expression: str) -> set[str]:
    """The metrics that an expression asks for, whatever its labels say."""
    without_strings = re.sub(r'"[^"]*"', "", expression)
    return set(re.findall(r"\bb24_\w+", without_strings)) | ({"up"} & set(re.findall(r"\w+", without_strings)))


def test_they_ask_for_what_is_told_and_for_all_of_it(app: RunningApp, settings: Settings) -> None:
    told = {
        family.name: {f"{family.name}{ending}" for ending in ENDINGS[family.type]}
        for family in text_string_to_metric_families(scrape(app.url).text)
    }
    expressions = [target["expr"] for panel in PANELS for target in panel["targets"]]
    expressions += [rule["expr"] for rule in RULES]
    assert all(named(each) for each in expressions)
    asked = set().union(*map(named, expressions)) - OF_PROMETHEUS
    assert asked <= set().union(*told.values())
    assert {family for family, names in told.items() if not names & asked} == set()
    variables = {variable["definition"] for variable in DASHBOARD["templating"]["list"] if "definition" in variable}
    assert variables == {"label_values(b24_callbacks_total, portal)"}


def test_the_panels_lie_beside_each_other() -> None:
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & taken, panel["title"]
        assert max(x for x, _ in cells) < 24
        taken |= cells


def test_ten_alerts_say_what_is_wrong_and_what_to_do() -> None:
    assert len({rule["alert"] for rule in RULES}) == len(RULES) == 10
    for rule in RULES:
        assert rule["labels"]["severity"] in ("page", "ticket")
        assert set(rule["annotations"]) == {"summary", "action"}


@pytest.mark.parametrize("arguments", [("check", "rules", ALERTS), ("test", "rules", ROOT / "tests/alerts_test.yaml")])
def test_prometheus_takes_the_alerts(arguments: tuple[str | Path, ...]) -> None:
    if shutil.which("promtool") is None:
        left_out("there is no promtool; Debian's package prometheus has it")
    done = subprocess.run(["promtool", *arguments], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
