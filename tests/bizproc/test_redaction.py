"""What is hidden in a line, and what is not."""

import json
import secrets
import time
from collections.abc import Callable
from urllib.parse import quote, urlencode

import pytest
from cryptography.fernet import Fernet
from hypothesis import given
from hypothesis import strategies as st

from bizproc.files import FileStore
from bizproc.redaction import HIDDEN, redact
from bizproc.secrets import Secrets
from tests.bizproc.redaction_corpus import WITH_SECRETS, WITHOUT, Line
from tests.conftest import tries


@pytest.mark.parametrize("line", WITH_SECRETS, ids=lambda line: line[0][:40])
def test_secrets_go_and_the_rest_stays(line: Line) -> None:
    text, gone, stays = line
    redacted = redact(text)
    assert HIDDEN in redacted
    assert [secret for secret in gone if secret in redacted] == []
    assert [part for part in stays if part not in redacted] == []


@pytest.mark.parametrize("line", WITHOUT, ids=lambda line: line[:40])
def test_a_line_without_secrets_stays_as_it_is(line: str) -> None:
    assert redact(line) == line


@pytest.mark.parametrize("line", WITH_SECRETS, ids=lambda line: line[0][:40])
def test_a_second_time_changes_nothing(line: Line) -> None:
    assert redact(redact(line[0])) == redact(line[0])


NAMES = [
    *("access_token", "refresh_token", "auth", "AUTH_ID", "REFRESH_ID", "application_token", "APPLICATION_TOKEN"),
    *("client_secret", "event_token", "EVENT_TOKEN", "RETURN_VALUES", "password", "secret", "api_key"),
]


def _in_form(name: str, token: str) -> str:
    return urlencode({"a": "b", f"auth[{name}]": token, "c": "d"})


WAYS: list[Callable[[str, str], str]] = [
    lambda name, token: f"https://acme.bitrix24.com/x?{urlencode({'a': 'b', name: token, 'c': 'd'})}",
    _in_form,
    lambda name, token: f"a=b&auth[{name}]={quote(token)}&c=d",
    lambda name, token: "cmd[x]=method" + quote(f"?{_in_form(name, token)}"),
    lambda name, token: quote(quote(_in_form(name, token))),
    lambda name, token: json.dumps({"a": "b", name: token, "c": "d"}),
    lambda name, token: json.dumps([json.dumps({"a": [{name: token}], "c": "d"})]),
    lambda name, token: json.dumps([json.dumps([json.dumps({"a": "b", name: token})])], separators=(",", ":")),
    lambda name, token: json.dumps({"a": "b", name: token}, indent=2),
    lambda name, token: f"body={quote(json.dumps({'a': 'b', name: token}))}&c=d",
    lambda name, token: repr({"a": "b", name: token, "c": "d"}),
    lambda name, token: repr([("a", "b"), (name, token), ("c", "d")]),
    lambda name, token: repr({name.encode(): token.encode()}),
    lambda name, token: f"Thing(a='b', {name}={token!r}, c='d')",
    lambda name, token: repr(json.dumps({name: token, "a": "it's"})),
]
TOKENS = st.text(st.sampled_from("abcdefXYZ0123456789-_.~+/=|!$*(){}[]\"'\\@: äж"), min_size=6, max_size=80).map(
    lambda inside: f"q{inside}7zQ"
)


@tries(500)
@given(name=st.sampled_from(NAMES), way=st.integers(0, len(WAYS) - 1), token=TOKENS, around=st.text(max_size=20))
def test_any_token_goes_in_any_way_of_writing_it(name: str, way: int, token: str, around: str) -> None:
    # What is around begins with a blank: glued to a name it would make another one.
    redacted = redact(f"run 12: {WAYS[way](name, token)} {around}")
    parts = [token, quote(token), json.dumps(token)[1:-1], repr(token)[1:-1], token[:6], token[-6:]]
    assert [part for part in parts if part in redacted and part not in around] == []
    assert redacted.startswith("run 12: ")


def test_the_apps_own_signed_texts_are_known_by_their_shape() -> None:
    keys = Secrets([secrets.token_urlsafe(32)])
    link = FileStore("memory://", keys.link_keys, "https://app.example.com").store("m", 1, "a.pdf", b"").link
    assert redact(f"made {link} now") == f"made https://app.example.com/files/{HIDDEN} now"
    older = Fernet(Fernet.generate_key()).encrypt(b"x").decode()
    assert redact(f"stored {older} now") == f"stored {HIDDEN} now"


ONE_MEGABYTE = 2**20
ADVERSARIAL = [
    *("a", "0", "\\", "{", '{"', '\\"', "[a]", "%25", "%255B", "://", "://a:", "//:@", "gAAAA", "|A", f"|{'x' * 128}"),
    *("a.bbbbbb.", "secret[", "secret%5B", "secret[a]", "auth[", "password='", "password={", "('secret,", "token "),
    *("access_", "secret\\", "Bearer ", "0123456789abcdefg"),
]


@pytest.mark.parametrize("begin", ["", 'password="', "RETURN_VALUES={", "://a:", "secret["])
@pytest.mark.parametrize("piece", ADVERSARIAL)
def test_a_hostile_line_takes_no_longer_than_any_other(begin: str, piece: str) -> None:
    size = ONE_MEGABYTE // 4
    short, long = (f"{begin}{piece * (each // len(piece))}" for each in (size // 4, size))
    assert _seconds(long) < 8 * _seconds(short) + 0.05, "four times as long: linear is four times the time"


def test_a_megabyte_is_handled_in_well_under_a_second() -> None:
    assert max(_seconds(piece * (ONE_MEGABYTE // len(piece))) for piece in ("://a:", "secret[", '{"')) < 1


def _seconds(line: str) -> float:
    began = time.process_time()
    redact(line)
    return time.process_time() - began
