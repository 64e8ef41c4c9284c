"""The portals' connections, from where they are stored to the function that uses them."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from bizproc import ActivityFailed, Connection, Retry, System
from bizproc.backend import Backend
from bizproc.definition.faults import DefinitionError, collecting
from bizproc.definition.registry import Registry, discover
from bizproc.portal.installations import Installation
from bizproc.settings import Settings
from bizproc.systems import connections as module
from bizproc.systems.addresses import UnusableAddress
from bizproc.systems.connections import CheckFailed, ConnectionRefused
from bizproc.testing import Dialog, Process, connected
from tests import canaries, shelf
from tests.bizproc.storage.test_data_keys import installation
from tests.conftest import Portal, RunningApp, eventually, values
from tests.library import SECRET, Answer, Library, library
from tests.shelf.library_books import LIBRARY, Input, count_books


@pytest.fixture
def there() -> Iterator[Library]:
    with library() as there:
        yield there


@pytest.fixture
def settings(settings: Settings, there: Library) -> Settings:
    canaries.PORTALS[settings.oauth_url].note(SECRET)
    return replace(settings, allowed_systems=(there.url,))


def installation_of(app: RunningApp, portal: Portal) -> Installation:
    found = app.backend.installations.find(portal.description["member_id"])
    assert found
    return found


@pytest.fixture
def here(installed: RunningApp, portal: Portal) -> Installation:
    return installation_of(installed, portal)


def test_a_step_works_over_the_connection_that_its_settings_name(
    installed: RunningApp, portal: Portal, here: Installation, there: Library
) -> None:
    stored = installed.backend.connections
    assert stored.add(here, "library", " main ", f"{there.url}/", f"{SECRET}\n") == "3 books"
    assert values(portal.finished(portal.run("count_books", {"library": "main"}))) == {"books": 3}
    missing = portal.finished(portal.run("count_books", {"library": "other"}))
    words = "This portal has no connection 'other' to Library. There are: main."
    assert values(missing)["error"] == words
    stored.remove(here, "library", "main")
    missing = portal.finished(portal.run("count_books", {"library": "main"}))
    assert values(missing)["error"] == "This portal has no connection 'main' to Library. There is none."


def test_a_portals_connections_are_its_own(
    installed: RunningApp, other_portal: Portal, here: Installation, there: Library
) -> None:
    other_portal.ask("install", app_url=installed.url)
    other = installation_of(installed, other_portal)
    stored = installed.backend.connections
    stored.add(here, "library", "main", there.url, SECRET)
    stored.add(other, "library", "theirs", there.url, SECRET)
    assert (stored.names(here.id, LIBRARY), stored.names(other.id, LIBRARY)) == (["main"], ["theirs"])
    with pytest.raises(ActivityFailed, match="no connection 'main'"):
        stored.get(other.id, LIBRARY, "main")
    with pytest.raises(ConnectionRefused, match="no connection 'main'"):
        stored.remove(other, "library", "main")


@pytest.mark.parametrize("clean", [False, True])
def test_an_uninstall_with_clean_erases_them(
    installed: RunningApp, portal: Portal, here: Installation, there: Library, clean: bool
) -> None:
    installed.backend.connections.add(here, "library", "main", there.url, SECRET)
    portal.ask("uninstall", clean=clean)
    eventually(lambda: not installation_of(installed, portal).active)
    assert len(installed.backend.connections.all(here)) == (0 if clean else 1)


def test_what_cannot_be_stored(installed: RunningApp, here: Installation, there: Library) -> None:
    add = installed.backend.connections.add
    for system, name, url, secret, words in (
        ("none", "main", there.url, SECRET, "knows no system 'none'. It knows: library."),
        ("library", " ", there.url, SECRET, "A name has 1 to 100 characters"),
        ("library", "a" * 101, there.url, SECRET, "A name has 1 to 100 characters"),
        ("library", "{=Variable:a}", there.url, SECRET, "A name has 1 to 100 characters"),
        ("library", "main", there.url, "a\nb", "The secret has 1 to 4000 characters in one line"),
        ("library", "main", there.url, "", "The secret has 1 to 4000 characters in one line"),
        ("library", "main", "https://127.0.0.1", SECRET, "is no public address"),
        ("library", "main", there.url, "wrong", "it does not take the secret of the connection main"),
    ):
        with pytest.raises((ConnectionRefused, UnusableAddress)) as raised:
            add(here, system, name, url, secret)
        assert words in str(raised.value)
    assert installed.backend.connections.all(here) == []
    assert add(here, "library", "main", there.url, "wrong", check=False) == ""
    with pytest.raises(ConnectionRefused, match="There is a connection 'main' to Library already"):
        add(here, "library", "main", there.url, SECRET)
    assert add(here, "library", "main", there.url, SECRET, replace=True) == "3 books"
    assert installed.backend.connections.check(here, "library", "main") == "3 books"


def test_as_many_as_a_portal_may_have(
    installed: RunningApp, here: Installation, there: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_PER_PORTAL", 2)
    add = installed.backend.connections.add
    for name in ("a", "b"):
        add(here, "library", name, there.url, SECRET, check=False)
    with pytest.raises(ConnectionRefused, match="at most 2 connections"):
        add(here, "library", "c", there.url, SECRET, check=False)
    add(here, "library", "b", there.url, SECRET, check=False, replace=True)


def test_whatever_a_check_does_it_is_told(
    installed: RunningApp, here: Installation, there: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = installed.backend.connections
    stored.add(here, "library", "main", there.url, SECRET)

    def failing(error: BaseException) -> str:
        def check(_: Connection) -> str:
            raise error

        monkeypatch.setattr(LIBRARY, "check", check)
        with pytest.raises(CheckFailed) as raised:
            stored.check(here, "library", "main")
        return str(raised.value)

    assert failing(Retry("It is away.")) == "It is away."
    assert failing(SystemExit(3)) == "The check of Library failed unexpectedly: SystemExit."
    assert failing(KeyError(SECRET)) == "The check of Library failed unexpectedly: KeyError."


def test_checks_that_hang_are_few_and_nobody_waits_for_them(
    installed: RunningApp, here: Installation, there: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = installed.backend.connections
    stored.add(here, "library", "main", there.url, SECRET)
    monkeypatch.setattr(module, "CHECK_SECONDS", 0.1)
    go_on = threading.Event()
    monkeypatch.setattr(LIBRARY, "check", lambda _: str(go_on.wait(60)))
    told = []
    for _ in range(module.CHECKS_AT_ONCE + 1):
        with pytest.raises(CheckFailed) as raised:
            stored.check(here, "library", "main")
        told.append(str(raised.value))
    go_on.set()
    assert told == [f"The check of {there.url} was not done within 0.1 seconds."] * 4 + [
        "4 other connections are being checked. Try again in a moment."
    ]


def test_an_activity_is_tested_without_a_portal(there: Library) -> None:
    process = Process(connections={"main": connected(there.url, SECRET)})
    assert count_books(Input(library="main"), process).books == 3
    assert process.connection(LIBRARY, "main").name == "main"
    with pytest.raises(ActivityFailed, match="There are: main"):
        count_books(Input(library="other"), process)
    (field,) = count_books.definition.properties
    assert field.list_options
    assert field.list_options(Dialog(connections=["main", "test"])) == {"main": "main", "test": "test"}


def test_systems_are_found_in_the_modules(monkeypatch: pytest.MonkeyPatch) -> None:
    assert discover(shelf).systems == {"library": LIBRARY}
    from tests.shelf import behaviours

    def faults() -> list[str]:
        with collecting(), pytest.raises(DefinitionError) as raised:
            discover(shelf)
        return [str(fault) for fault in raised.value.faults]

    monkeypatch.setattr(behaviours, "SAME", LIBRARY, raising=False)
    assert discover(shelf).systems == {"library": LIBRARY}
    monkeypatch.setattr(behaviours, "OTHER", System("library", name="L", secret="s", check=str), raising=False)
    assert "'library' is the code of two systems, in tests.shelf.behaviours and in" in faults()[0]
    monkeypatch.setattr(behaviours, "OTHER", System("My library", name="L", secret="s", check=str))
    assert faults() == [
        "tests.shelf.behaviours.System: 'My library' must be 1 to 64 lower-case Latin letters, digits and '_'"
    ]


def test_of_those_who_store_one_at_the_same_time_one_does(
    settings: Settings, database_url: str, there: Library
) -> None:
    app = Backend(replace(settings, database_url=database_url), Registry([], [LIBRARY]))
    app.database.upgrade()
    with app.database.writing() as session:
        session.add(installation(id=1))
    here, together = next(app.installations.all()), threading.Barrier(4)

    def answer() -> Answer:
        together.wait(60)
        return 200, "application/json", b'{"books": 3}', {}

    def add(_: int) -> str:
        try:
            return app.connections.add(here, "library", "main", there.url, SECRET)
        except ConnectionRefused as error:
            return str(error)

    there.answers["/books"] = answer
    with ThreadPoolExecutor(4) as pool:
        told = sorted(pool.map(add, range(4)))
    assert told == ["3 books"] + ["There is a connection 'main' to Library already."] * 3
    assert app.connections.get(1, LIBRARY, "main").secret == SECRET
    app.connections.add(here, "library", "main", there.url, "changed", check=False, replace=True)
    assert app.connections.get(1, LIBRARY, "main").secret == "changed"
    app.connections.remove(here, "library", "main")
    assert app.connections.all(here) == []
    app.close()


def test_what_is_not_there_any_more_can_be_removed(
    installed: RunningApp, here: Installation, there: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = installed.backend.connections
    stored.add(here, "library", "main", there.url, SECRET)
    monkeypatch.setattr(stored, "systems", {})
    with pytest.raises(ConnectionRefused, match="knows no system 'library'"):
        stored.check(here, "library", "main")
    stored.remove(here, "library", "main")
