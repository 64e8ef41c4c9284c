"""Kept files and their links."""

from pathlib import Path

import pytest
from itsdangerous import URLSafeTimedSerializer

from bizproc.errors import BizprocError
from bizproc.files import FileStore, LinkError


@pytest.fixture
def files(tmp_path: Path) -> FileStore:
    return FileStore(tmp_path.as_uri(), [b"key"], "https://app.example.com")


def signed(link: str) -> str:
    return link.removeprefix("https://app.example.com/files/")


def test_a_link_opens_its_file_and_no_other(files: FileStore) -> None:
    run = files.of_run("member", 1)
    first, second = run.store("a.txt", b"1"), run.store("Пример b.txt", b"2")
    assert files.load(signed(first.link)) == ("a.txt", b"1")
    assert files.load(signed(second.link)) == ("Пример b.txt", b"2")
    with pytest.raises(LinkError, match="not one of this app"):
        files.load(signed(first.link) + "x")


def test_a_repeated_run_replaces_its_file(files: FileStore) -> None:
    link = files.of_run("member", 1).store("a.txt", b"1").link
    files.of_run("member", 1).store("a.txt", b"2")
    files.of_run("member", 2).store("a.txt", b"3")
    assert files.load(signed(link)) == ("a.txt", b"2")


def test_an_old_link_says_so(files: FileStore, monkeypatch: pytest.MonkeyPatch) -> None:
    link = files.of_run("member", 1).store("a.txt", b"1").link
    monkeypatch.setattr("bizproc.files.LINK_DAYS", -1)
    with pytest.raises(LinkError, match="older than"):
        files.load(signed(link))


def test_a_link_signed_for_something_else_does_not_open_a_file(files: FileStore) -> None:
    files.of_run("member", 1).store("a.txt", b"1")
    with pytest.raises(LinkError):
        files.load(str(URLSafeTimedSerializer([b"key"], salt="page").dumps(["member", 1, "a.txt"])))


@pytest.mark.parametrize("name", ["", ".", "..", "../a", "a/b", "a\\b", "a\0"])
def test_names_with_a_path(files: FileStore, name: str) -> None:
    with pytest.raises(ValueError, match="is no file name"):
        files.of_run("member", 1).store(name, b"")


def test_erasing_a_portal_leaves_the_others(files: FileStore) -> None:
    links = [files.of_run(member, 1).store("a.txt", b"1").link for member in ("one", "two")]
    files.erase("one")
    files.erase("never there")
    with pytest.raises(LinkError, match="has been removed"):
        files.load(signed(links[0]))
    assert files.load(signed(links[1]))


def test_a_folder_that_nothing_can_reach() -> None:
    with pytest.raises(BizprocError, match="FILES_URL cannot be used"):
        FileStore("nothing://x", [b"key"], "")
