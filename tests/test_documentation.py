"""What the documents say is so."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from bizproc.definition.faults import collecting
from commands.activities import activities
from commands.bench import bench
from commands.callbacks import callbacks
from commands.connections import connections
from commands.db import db
from commands.dev import dev
from commands.portals import portals
from commands.runs import runs
from commands.worker import worker

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
SETTINGS = (ROOT / "docs" / "settings.md").read_text()


def commands() -> Iterator[str]:
    for command in (activities, bench, callbacks, connections, db, dev, portals, runs, worker):
        if isinstance(command, click.Group):
            yield from (f"flask {command.name} {name}" for name in command.commands)
        else:
            yield f"flask {command.name}"


def test_ci_runs_the_two_lines_that_the_readme_starts_with() -> None:
    lines = README.split("```")[1].strip().splitlines()
    assert len(lines) == 2
    ci = (ROOT / ".ci" / "run").read_text().splitlines()
    assert [line for line in ci if line in lines] == lines


def test_every_command_and_option_is_in_the_readme() -> None:
    for command in commands():
        assert f"`{command}" in README, command
    for command in (
        runs.commands["list"],
        connections.commands["add"],
        portals.commands["confirm"],
        callbacks.commands["receive"],
        dev,
    ):
        for parameter in command.params:
            if isinstance(parameter, click.Option):
                assert parameter.opts[0] in README, parameter.opts


def test_every_option_of_registration_is_documented() -> None:
    told = (ROOT / "docs" / "registration.md").read_text()
    for name in ("plan", "apply", "drift"):
        for parameter in activities.commands[name].params:
            assert parameter.opts[0] in told, parameter.opts


def test_every_setting_is_documented_and_no_other() -> None:
    read: set[str] = set()
    for room in ("bizproc", "activities", "handlers"):
        for path in (ROOT / room).rglob("*.py"):
            read |= set(
                re.findall(
                    r'"(B24_[A-Z_]+|[A-Z]+_URL|CA_BUNDLE|TRUSTED_PROXIES|METRICS_TOKEN|LOG_FORMAT|WORKER_BIND|[A-Z_]+_FOLDER|[A-Z_]+_DAYS)"',
                    path.read_text(),
                )
            )
    read.add("BIND")
    documented = set(re.findall(r"^\| `([A-Z0-9_]+)` \|", SETTINGS, re.MULTILINE))
    assert documented == read - {"OAUTH_URL", "JS_URL"}


@pytest.mark.parametrize("document", ["README.md", "docs/architecture.md", "docs/connections.md"])
def test_the_example_activities_are_valid(document: str) -> None:
    text = (ROOT / document).read_text()
    examples = [example for example in re.findall(r"```python\n(.*?)```", text, re.DOTALL) if "@activity" in example]
    assert len(examples) == 1
    source = "\n".join(line.removeprefix("   ") for line in examples[0].splitlines())
    ast.parse(source)
    with collecting() as faults:
        exec(compile(source, document, "exec"), {"__name__": "example"})
    assert faults == []


def test_links_between_documents_lead_somewhere() -> None:
    for document in (ROOT / "README.md", *(ROOT / "docs").rglob("*.md")):
        for target in re.findall(r"\]\(([^)#]+)\)", document.read_text()):
            assert target.startswith("https://") or (document.parent / target).exists(), (document, target)


def test_the_rooms_of_the_architecture_are_those_that_are_there() -> None:
    told = (ROOT / "docs" / "architecture.md").read_text().split("```")[1]
    for name in re.findall(r"^(\w+/|\w+\.py)", told, re.MULTILINE):
        assert (ROOT / name).exists(), name
    for name in re.findall(r"^  (\w+/|\w+\.py)", told, re.MULTILINE):
        assert (ROOT / "bizproc" / name).exists(), name
    there = {path.name for path in (ROOT / "bizproc").iterdir()} - {"__pycache__", "errors.py"}
    assert there == {name.rstrip("/") for name in re.findall(r"^  (\w+/|\w+\.py)", told, re.MULTILINE)}
