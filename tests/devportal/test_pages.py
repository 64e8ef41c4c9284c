"""The files of the pages, as a browser asks for them. What they do is in tests/browser."""

import re

import pytest
import requests

from devportal.pages import FOLDER
from tests.devportal.driver import Portal


def test_the_page_names_its_portal(portal: Portal) -> None:
    answer = requests.get(f"{portal.url}/")
    assert answer.headers["Content-Type"].startswith("text/html")
    assert "script-src 'self';" in answer.headers["Content-Security-Policy"]
    assert portal.ready["domain"] in answer.text
    head = requests.head(f"{portal.url}/")
    assert (head.status_code, head.content) == (200, b"")


def test_under_another_name_the_page_moves_to_the_portals_own(portal: Portal) -> None:
    by_name = portal.url.replace("127.0.0.1", "localhost")
    answer = requests.get(f"{by_name}/", allow_redirects=False)
    assert (answer.status_code, answer.headers["Location"]) == (302, f"{portal.url}/")


def test_every_file_that_is_named_is_there(portal: Portal) -> None:
    asked = {"/api/v1/", *re.findall(r'(?:href|src)="(/[^"]+)"', requests.get(f"{portal.url}/").text)}
    for script in FOLDER.glob("*.js"):
        asked |= {f"/pages/{name}" for name in re.findall(r'from "\./(\w+\.js)"', script.read_text("utf-8"))}
    assert len(asked) > 8
    for path in asked:
        answer = requests.get(f"{portal.url}{path}")
        assert (answer.status_code, answer.headers["X-Content-Type-Options"]) == (200, "nosniff"), path


@pytest.mark.parametrize("path", ["/pages/", "/pages/__init__.py", "/pages/..%2fportal.py", "/pages/none.js"])
def test_no_other_file_is_given_out(portal: Portal, path: str) -> None:
    assert requests.get(f"{portal.url}{path}").status_code == 404


def test_every_text_is_there_in_every_language_and_used() -> None:
    """A key is used by itself, or as the end of a prefix such as `status_${state}`."""
    texts = (FOLDER / "texts.js").read_text("utf-8")
    listed = re.findall(r'^  "?([\w ]+)"?: \[(.*?)\],$', texts, re.MULTILINE | re.DOTALL)
    code = "".join(path.read_text("utf-8") for path in FOLDER.glob("*.js") if path.name != "texts.js")
    prefixes = tuple(re.findall(r"`(\w+_)\$\{", code))
    assert len(listed) > 150
    for key, words in listed:
        assert len(re.findall(r'"(?:[^"\\]|\\.)+"', words)) == 3, key
        assert f'"{key}"' in code or key.startswith(prefixes), key
    keys = {key for key, _ in listed}
    assert set(re.findall(r'say\("(\w+)"', code)) <= keys
