"""Who sends a callback: read before anything else, and the same as from all of it."""

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bizproc.php import parse_str
from bizproc.runs.callback import Sender, essentials, event_token, sender, text

FORM = b"auth[member_id]=m&auth[application_token]=t&event_token=e"
KNOWN = Sender("m", "t")
PARTS = [
    *(b"auth", b"%61uth", b"a%75th", b"event", b"token", b"event_token", b"ev%65nt%5ftoke%6E", b"Auth", b"x", b"code"),
    *(b"[member_id]", b"[application_token]", b"%5Bmember_id%5D", b"%5bapplication_token]", b"[]", b"[", b"]", b"%5B"),
    *(b"_", b".", b" ", b"+", b"%20", b"%2E", b"%5F", b"%00", b"\0", b"%", b"=", b"=1", b"=2", b"&", b"&", b"&", b"\n"),
]
forms = st.lists(st.sampled_from(PARTS), max_size=30).map(b"".join)


@given(forms)
def test_they_are_what_the_whole_form_has(raw: bytes) -> None:
    form = parse_str(raw)
    assert sender(essentials(raw)) == sender(form)
    assert event_token(raw) == text(form, "event_token")


@given(forms)
def test_they_stay_the_same_when_the_rest_is_too_much(raw: bytes) -> None:
    much = b"x&" * 11_000 + raw
    with pytest.raises(ValueError, match="fields"):
        parse_str(much)
    assert sender(essentials(much)) == sender(parse_str(raw))
    assert event_token(much) == text(parse_str(raw), "event_token")


@pytest.mark.parametrize("much", [b"&x" * 11_000, b"&x" + b"[a]" * 100, b"&x" + b"[]" * 60 + b"&y" * 11_000])
def test_a_form_that_is_too_much_has_one_sender(much: bytes) -> None:
    """Behind a NUL there is nothing, and a later field of any writing wins."""
    assert sender(essentials(FORM + much)) == KNOWN
    assert sender(essentials(FORM + much + b"\0&auth[member_id]=other")) == KNOWN
    assert sender(essentials(b"\0" + FORM + much)) == Sender("", "")
    assert sender(essentials(FORM + much + b"&a%75th%5Bmember_id%5D=other")) == Sender("other", "t")
    assert sender(essentials(FORM + much + b"&auth=x")) == Sender("", "")
    assert event_token(FORM + much + b"&+event%2Etoken=later") == "later"


@pytest.mark.parametrize("auth", [b"auth&" * 11_000, b"auth" + b"[a]" * 100 + b"&"])
def test_too_much_of_a_sender_is_none(auth: bytes) -> None:
    assert essentials(auth + FORM) == {}


@pytest.mark.parametrize(
    "many", [b"x&" * 500_000, b"auth&" * 200_000, b"auth[" * 200_000, b" " * 1_000_000, b"& " * 500_000]
)
def test_little_is_made_before_the_sender_is_known(many: bytes) -> None:
    """As much as a request can bring: 500,000 fields were 150 MB."""
    tracemalloc.start()
    try:
        assert sender(essentials(many)) == Sender("", "")
        assert tracemalloc.get_traced_memory()[1] < 10_000_000
    finally:
        tracemalloc.stop()
