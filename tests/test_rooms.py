"""Arrows between the rooms go one way (docs/architecture.md)."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ROOMS = {"activities", "app", "bizproc", "commands", "devportal", "handlers", "tests"}
ALLOWED = {
    "activities": {"activities", "bizproc"},
    "bizproc": {"bizproc"},
    "devportal": {"devportal", "bizproc"},
    "handlers": {"handlers", "bizproc"},
    "commands": {"commands", "handlers", "bizproc", "activities", "app"},
}
FORBIDDEN_NAMES = {"utils", "util", "helpers", "helper", "common", "core", "base", "managers", "manager"}
MODULES = [path for room in ALLOWED for path in sorted((ROOT / room).rglob("*.py"))]


def imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_room_knows_only_the_rooms_below_it(path: Path) -> None:
    room = path.relative_to(ROOT).parts[0]
    assert {name.partition(".")[0] for name in imported(path)} & ROOMS <= ALLOWED[room]


@pytest.mark.parametrize("path", [path for path in MODULES if "bizproc" in path.parts], ids=lambda path: path.stem)
def test_the_core_knows_no_web_framework(path: Path) -> None:
    assert not {name.partition(".")[0] for name in imported(path)} & {"flask", "click", "werkzeug", "rich"}


def test_an_activity_module_imports_the_names_of_bizproc_alone() -> None:
    for path in (ROOT / "activities").glob("*.py"):
        rooms = {name for name in imported(path) if name.startswith("bizproc")}
        assert all(name.count(".") == 1 or name.startswith("bizproc.document_types.") for name in rooms), path


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_names_say_what_is_inside(path: Path) -> None:
    assert not {path.stem, *path.relative_to(ROOT).parts} & FORBIDDEN_NAMES
    assert len(path.read_text().splitlines()) <= 600, "a file that needs scrolling for minutes is two files"
