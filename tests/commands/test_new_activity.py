"""What is written for a new activity is complete: the repository's own checks pass on it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest

from commands.new_activity import module_name, write

ROOT = Path(__file__).parents[2]
LONGEST = "A" * 127 + "-"
PLAIN = ("send_sms", "Send-SMS.2", "2nd", "...", LONGEST)
TAKEN = ("import", "activity", "t", "print", "match", "pytest", "process", "test_x")
CODES = (*PLAIN, *TAKEN)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The repository without its own activities."""
    for room in ("bizproc", "commands"):
        (tmp_path / room).symlink_to(ROOT / room)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for package in ("activities", "tests", "tests/activities"):
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").touch()
    return tmp_path


def passes(checkout: Path, *command: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", *command],
        capture_output=True,
        text=True,
        cwd=checkout,
        env=os.environ | {"PYTHONPATH": str(checkout)},
        timeout=100,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_what_is_written_passes_all_checks(checkout: Path) -> None:
    written = [path for code in CODES for path in write(code, checkout / "activities", checkout / "tests/activities")]
    assert len(set(written)) == 2 * len(CODES)
    assert written[:2] == [checkout / "activities/send_sms.py", checkout / "tests/activities/test_send_sms.py"]
    paths = [str(path.relative_to(checkout)) for path in written]
    assert passes(checkout, "flask", "activities", "validate") == f"{len(CODES)} activities are valid.\n"
    assert [path.read_text().count(f'"{code}"') for code, path in zip(CODES, written[::2], strict=True)] == [1] * len(
        CODES
    )
    passes(checkout, "mypy", "--cache-dir", str(checkout / "cache"), *paths)
    passes(checkout, "ruff", "check", "--no-cache", *paths)
    passes(checkout, "ruff", "format", "--check", "--no-cache", *paths)
    assert f"{2 * len(CODES)} passed" in passes(checkout, "pytest", "-p", "no:cacheprovider", "-n0", *paths[1::2])


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("a b", "code: 'a b' may only have Latin letters, digits, '.', '_' and '-' (the portal: Wrong activity code!)"),
        ("0", "code: '0' counts as empty (the portal: Empty activity code!)"),
        ("a" * 129, "code: has 129 characters, at most 128 are allowed (the portal: Activity save error!)"),
        ("a\n", r"code: 'a\n' ends with a line break, which no callback would carry"),
        ("../a", "code: '../a' may only have Latin letters, digits"),
    ],
)
def test_a_code_that_a_portal_refuses_is_told_in_its_words(tmp_path: Path, code: str, words: str) -> None:
    with pytest.raises(click.ClickException) as refused:
        write(code, tmp_path, tmp_path)
    assert refused.value.message.startswith(words)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("there", ["activities/send_sms.py", "activities/send_sms/x.py", "tests/test_send_sms.py"])
def test_nothing_is_written_over(tmp_path: Path, there: str) -> None:
    (tmp_path / there).parent.mkdir(parents=True)
    (tmp_path / there).write_text("mine")
    with pytest.raises(click.ClickException, match="is there already: choose another code"):
        write("Send.SMS", tmp_path / "activities", tmp_path / "tests")
    assert [path.read_text() for path in tmp_path.rglob("*.py")] == ["mine"]


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "activities").touch()
    with pytest.raises(click.ClickException, match=r"send_sms\.py cannot be written: "):
        write("send_sms", tmp_path / "activities", tmp_path / "tests")


@pytest.mark.parametrize(
    ("code", "name"),
    [
        ("Send-SMS.2", "send_sms_2"),
        ("import", "import_"),
        ("2nd", "activity_2nd"),
        ("...", "activity____"),
        ("tests", "activity_tests"),
    ],
)
def test_a_module_is_named_after_its_code(code: str, name: str) -> None:
    assert module_name(code) == name
