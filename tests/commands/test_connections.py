"""``flask connections``, as an operator uses it beside the running app."""

import contextlib
import os
import pty
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from bizproc.settings import Settings
from commands.connections import connections
from tests import canaries, shelf
from tests.commands.test_commands import FLASK, ROOT, environment
from tests.conftest import Portal, RunningApp
from tests.library import SECRET, Library, library
from tests.shelf.library_books import LIBRARY

__all__ = ["environment"]


@pytest.fixture
def there() -> Iterator[Library]:
    with library() as there:
        yield there


@pytest.fixture
def settings(settings: Settings, there: Library) -> Settings:
    canaries.PORTALS[settings.oauth_url].note(SECRET)
    return replace(settings, allowed_systems=(there.url,))


@pytest.fixture
def operator(environment: dict[str, str], there: Library, monkeypatch: pytest.MonkeyPatch) -> "Operator":
    monkeypatch.setattr("app.activities", shelf)
    monkeypatch.setattr("bizproc.log.to_stderr", lambda: None)
    return Operator(environment | {"B24_ALLOWED_SYSTEMS": there.url})


class Operator:
    def __init__(self, environment: dict[str, str]) -> None:
        self.environment = environment

    def __call__(self, *arguments: str, types: str = "") -> Result:
        done = CliRunner(catch_exceptions=False).invoke(connections, arguments, input=types, env=self.environment)
        assert SECRET not in done.output
        return done


def test_from_the_first_to_the_last(operator: Operator, portal: Portal, there: Library, tmp_path: Path) -> None:
    domain = portal.ready["domain"]
    main = (domain, "library", "main")
    assert operator("list").stdout == "There is no connection yet. 'flask connections add' stores one.\n"
    added = operator("add", *main, there.url, types=f"{SECRET}\n")
    assert (added.exit_code, added.stdout) == (0, "3 books\nThe connection main is stored.\n")
    listed = operator("list", "--portal", domain).stdout.splitlines()
    assert listed[0].split() == ["Portal", "System", "Name", "Base", "URL", "Stored"]
    assert [line.split()[:4] for line in listed[1:]] == [[domain, "library", "main", there.url]]
    again = operator("add", *main, there.url, types=SECRET)
    assert (again.exit_code, again.stderr) == (1, "Error: There is a connection 'main' to Library already.\n")
    file = tmp_path / "secret"
    file.write_text("wrong\n")
    changed = operator("add", *main, there.url, "--replace", "--secret-file", str(file))
    assert changed.exit_code == 1
    assert changed.stderr == (
        f"Error: {there.url} answered with 401 Unauthorized: it does not take the secret of the connection main.\n"
        "Nothing is stored. --no-check stores it all the same.\n"
    )
    assert operator("check", *main).stdout == "3 books\n"
    unchecked = operator("add", *main, there.url, "--replace", "--no-check", "--secret-file", str(file))
    assert unchecked.stdout == "The connection main is stored, unchecked.\n"
    wrong = operator("check", *main)
    assert (wrong.exit_code, "401 Unauthorized" in wrong.stderr) == (1, True)
    assert operator("remove", *main).stdout == "The connection main is removed.\n"
    gone = operator("remove", *main)
    assert (gone.exit_code, gone.stderr) == (1, f"Error: {domain} has no connection 'main' to 'library'.\n")
    elsewhere = operator("check", "nowhere", "library", "main")
    assert (elsewhere.exit_code, "The app is not installed in nowhere" in elsewhere.stderr) == (1, True)


def test_a_secret_that_is_typed_is_not_shown(
    environment: dict[str, str], installed: RunningApp, portal: Portal
) -> None:
    ours, theirs = pty.openpty()
    command = ("add", portal.ready["domain"], "none", "main", "https://93.184.215.14")
    with subprocess.Popen(
        [FLASK, "connections", *command],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        cwd=ROOT,
        env=os.environ | environment,
    ) as asking:
        os.close(theirs)
        told = b""
        with contextlib.suppress(OSError):  # how a terminal says that nobody writes to it any more
            while more := os.read(ours, 1000):
                told += more
                if more.endswith(b"Secret: "):
                    os.write(ours, f"{SECRET}\n".encode())
    assert b"The app knows no system 'none'" in told
    assert (asking.returncode, SECRET.encode() in told) == (1, False)


def test_a_system_with_one_base_url_needs_none(
    operator: Operator, portal: Portal, there: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    main = (portal.ready["domain"], "library", "main")
    without = operator("add", *main, types=SECRET)
    assert (without.exit_code, without.stderr[:24]) == (1, "Error: A base URL is an ")
    monkeypatch.setattr(LIBRARY, "base_url", there.url)
    assert operator("add", *main, types=SECRET).stdout == "3 books\nThe connection main is stored.\n"
    assert there.url in operator("list").stdout
