import json
import math
import tracemalloc
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bizproc.php import (
    INT_MAX,
    INT_MIN,
    PhpValue,
    TooDeep,
    TooManyFields,
    Url,
    from_json,
    is_empty,
    loosely_equal,
    parse_str,
    parse_url,
    serialized_size,
    to_int,
    to_json,
    to_text,
    trim,
    upper,
    upper_keys,
)

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)  # fmt: skip


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", {}),
        ("a=1&b=2", {"a": "1", "b": "2"}),
        ("a", {"a": ""}),
        ("a=b=c", {"a": "b=c"}),
        ("a=1&a=2", {"a": "2"}),
        ("a+b=1+2", {"a_b": "1 2"}),
        ("a=%41%zz%4", {"a": "A%zz%4"}),
        ("&&a=1&", {"a": "1"}),
        ("=1", {}),
        ("[a]=1", {}),
        ("  a=1", {"a": "1"}),
        ("a.b=1&c d=2", {"a_b": "1", "c_d": "2"}),
        ("a[b.c d]=1", {"a": {"b.c d": "1"}}),
        ("a[]=1&a[]=2", {"a": {0: "1", 1: "2"}}),
        ("a[ ]=1", {"a": {0: "1"}}),
        ("a[ b]=1", {"a": {" b": "1"}}),
        ("a[5]=1&a[]=2&a[-9]=3&a[]=4", {"a": {5: "1", 6: "2", -9: "3", 7: "4"}}),
        ("a[-5]=1&a[]=2", {"a": {-5: "1", -4: "2"}}),
        ("a[][-5]=1&a[0][]=2", {"a": {0: {-5: "1", -4: "2"}}}),
        ("a[x]=1&a[]=2", {"a": {"x": "1", 0: "2"}}),
        ("a[-9223372036854775808]=1&a[]=2", {"a": {INT_MIN: "1", INT_MIN + 1: "2"}}),
        ("a[b][]=1&a[b][]=2", {"a": {"b": {0: "1", 1: "2"}}}),
        ("a[][b]=1&a[][b]=2", {"a": {0: {"b": "1"}, 1: {"b": "2"}}}),
        ("x[0][y]=1", {"x": {0: {"y": "1"}}}),
        ("a=1&a[b]=2", {"a": {"b": "2"}}),
        ("a[b]=2&a=1", {"a": "1"}),
        ("a[]=1&a=2&a[]=3", {"a": {0: "3"}}),
        ("a[b", {"a_b": ""}),
        ("a[b.c[d=1", {"a_b_c_d": "1"}),
        ("a[b][c=1", {"a": {"b": "1"}}),
        ("a[][c=1", {"a": {0: "1"}}),
        ("a[b]c=1", {"a": {"b": "1"}}),
        ("a]b=1", {"a]b": "1"}),
        ("a[[b]]=1", {"a": {"[b": "1"}}),
        ("5=a&05=b&-0=c&-5=d", {5: "a", "05": "b", "-0": "c", -5: "d"}),
        ("a[9223372036854775807]=1&a[9223372036854775808]=2", {"a": {2**63 - 1: "1", "9223372036854775808": "2"}}),
        ("a[9223372036854775807]=1&a[]=2", {"a": {2**63 - 1: "1"}}),
        ("a%00b=1%002", {"a": "1\x002"}),
        ("a=1\x00&b=2", {"a": "1"}),
        (b"a=\xff&b=%ff", {"a": "\ufffd", "b": "\ufffd"}),
        ("ключ=%D0%B7", {"ключ": "з"}),
        ("a%5Bb%5D=1", {"a": {"b": "1"}}),
        ("a%5D=1&a%5B%5D=2", {"a]": "1", "a": {0: "2"}}),
    ],
)
def test_parse_str(query: str | bytes, expected: PhpValue) -> None:
    got = parse_str(query)
    assert got == expected
    assert list(got) == list(expected)  # type: ignore[arg-type]


def pairs(value: PhpValue) -> Any:
    """Arrays as lists of pairs: the order counts too."""
    return [[key, pairs(inner)] for key, inner in value.items()] if isinstance(value, dict) else value


def test_parse_str_reads_what_php_reads() -> None:
    """What PHP 8.2 made of generated queries. Among them are each kind that was once read otherwise here."""
    lines = (Path(__file__).parent / "parse_str.jsonl").read_text().splitlines()
    assert len(lines) >= 300
    for case in map(json.loads, lines):
        query = case["query"].encode("latin-1")
        assert pairs(parse_str(query)) == case["php"], query


def test_parse_str_is_bounded() -> None:
    with pytest.raises(TooManyFields):
        parse_str("a=1&b=2&c=3", max_fields=2)
    with pytest.raises(TooManyFields):
        parse_str("a=1" + "&" * 1000 + "b=2&&c=3", max_fields=2)
    assert parse_str("a=1&&b=2", max_fields=2) == {"a": "1", "b": "2"}
    with pytest.raises(TooDeep):
        parse_str("a[b][c][d]=1", max_depth=2)
    assert parse_str("a[b][c]=1", max_depth=2) == {"a": {"b": {"c": "1"}}}


def test_nothing_is_made_of_too_many_fields() -> None:
    """1 MB of them were a list of 37 MB before they were counted."""
    many = b"a&" * 500_000
    tracemalloc.start()
    try:
        with pytest.raises(TooManyFields, match="more than 10000 fields"):
            parse_str(many)
        assert tracemalloc.get_traced_memory()[1] < 2_000_000
    finally:
        tracemalloc.stop()


def test_few_fields_make_no_endless_arrays() -> None:
    """Each bracket is an array of its own: 8,000 fields of 1 MB took 150 MB."""
    deep = "&".join("a" + "[]" * 60 for _ in range(100))
    assert len(parse_str(deep, max_fields=6_000)["a"]) == 100  # type: ignore[arg-type]
    with pytest.raises(TooManyFields, match="more than 5000 arrays"):
        parse_str(deep, max_fields=5_000)


def test_parse_str_is_fast_with_long_lists() -> None:
    assert len(parse_str("&".join(["a[]=1"] * 10_000))["a"]) == 10_000  # type: ignore[arg-type]


@given(st.binary(max_size=200) | st.text(alphabet="ab[]=&.+% \x00\n05-", max_size=60))
def test_parse_str_takes_everything(query: str | bytes) -> None:
    parse_str(query)


@given(st.dictionaries(st.text("abcxyz", min_size=1), st.text(st.characters(exclude_categories=["Cs"])), max_size=5))
def test_parse_str_reads_what_urlencode_writes(fields: dict[str, str]) -> None:
    assert parse_str(urlencode(fields)) == fields


@given(json_values)
def test_json_comes_back(value: Any) -> None:
    again = to_json(from_json(value))
    assert to_json(from_json(again)) == again


def test_from_json() -> None:
    assert from_json(["a", {"1": "x", "01": "y", "": None}]) == {0: "a", 1: {1: "x", "01": "y", "": None}}
    assert from_json(2**63 - 1) == 2**63 - 1
    assert isinstance(from_json(2**63), float)
    assert from_json(10**400) == math.inf
    with pytest.raises(ValueError, match="surrogate"):
        from_json({"a": "\ud800"})
    with pytest.raises(TooDeep):
        from_json([[[]]], max_depth=2)
    with pytest.raises(TypeError):
        from_json(object())


def test_to_json() -> None:
    assert to_json({}) == []
    assert to_json({0: "a", 1: "b"}) == ["a", "b"]
    assert to_json({1: "a", 0: "b"}) == {"1": "a", "0": "b"}
    assert to_json({"a": {0: {}}}) == {"a": [[]]}
    assert repr(to_json({0: 12.0, 1: 0.5, 2: math.inf})) == "[12, 0.5, 0]"


@pytest.mark.parametrize(
    ("value", "serialized"),
    [
        (None, "N;"),
        (True, "b:1;"),
        (-12, "i:-12;"),
        (0.5, "d:0.5;"),
        (12.0, "d:12;"),
        (1e25, "d:1.0E+25;"),
        ("", 's:0:"";'),
        ("abcdefghij", 's:10:"abcdefghij";'),
        ("é", 's:2:"é";'),
        ({}, "a:0:{}"),
        ({0: "a", "k": {}}, 'a:2:{i:0;s:1:"a";s:1:"k";a:0:{}}'),
    ],
)
def test_serialized_size(value: PhpValue, serialized: str) -> None:
    assert serialized_size(value) == len(serialized.encode())


@pytest.mark.parametrize("value", [None, False, 0, 0.0, "", "0", {}])
def test_empty(value: PhpValue) -> None:
    assert is_empty(value)


@pytest.mark.parametrize("value", [True, 1, -1, 0.1, " ", "00", "0.0", {0: None}])
def test_not_empty(value: PhpValue) -> None:
    assert not is_empty(value)


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (None, 0),
        (True, 1),
        (12.7, 12),
        (-12.7, -12),
        ("", 0),
        ("abc", 0),
        (" 12abc", 12),
        ("-3.9", -3),
        ("1e3", 1000),
        (".5", 0),
        ("0x1A", 0),
        ("9" * 30, 2**63 - 1),
        ("-" + "9" * 30, -(2**63)),
        ("1e99", 2**63 - 1),
        (math.inf, 0),
        (math.nan, 0),
        (2.0**64, 0),
        (2.0**63, -(2**63)),
        ({}, 0),
        ({0: 0}, 1),
    ],
)
def test_to_int(value: PhpValue, number: int) -> None:
    assert to_int(value) == number


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, ""), (False, ""), (True, "1"), (7, "7"), (1.0, "1"), (0.1, "0.1"), (1e-7, "1.0E-7"), (1e20, "1.0E+20")],
)
def test_to_text(value: PhpValue, text: str) -> None:
    assert to_text(value) == text


@given(json_values)
def test_casts_take_everything(value: Any) -> None:
    php = from_json(value)
    assert isinstance(to_text(php), str)
    assert -(2**63) <= to_int(php) <= 2**63 - 1
    assert serialized_size(php) > 0


@pytest.mark.parametrize(
    ("left", "right", "equal"),
    [
        ("a", "a", True),
        ("a", "A", False),
        ("1e1", "10", True),
        ("1 ", "1", True),
        ("1a", "1", False),
        (0, "a", False),
        (5, "5", True),
        (True, "a", True),
        (True, "0", False),
        (None, "", True),
        (None, "0", False),
        (None, 0, True),
        ({}, None, True),
        ({0: 1}, True, True),
        ({}, "", False),
    ],
)
def test_loosely_equal(left: PhpValue, right: PhpValue, equal: bool) -> None:
    assert loosely_equal(left, right) is equal
    assert loosely_equal(right, left) is equal


def test_text_functions() -> None:
    assert upper("aéß") == "Aéß"
    assert upper_keys({"a": 1, "A": 2, 5: 3}) == {"A": 2, 5: 3}
    assert trim(" \n\0a\u00a0 ") == "a\u00a0"


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://app.example.com", Url(scheme="https", host="app.example.com")),
        (
            "https://u:p@a.b:8443/x?y=1#z",
            Url("https", "a.b", 8443, "u", "p", "/x", "y=1", "z"),
        ),
        ("//a.b/c", Url(host="a.b", path="/c")),
        ("a.b/c", Url(path="a.b/c")),
        ("a.b:80", Url(host="a.b", port=80)),
        ("a.b:80/c", Url(host="a.b", port=80, path="/c")),
        ("mailto:x@y", Url(scheme="mailto", path="x@y")),
        ("https:", Url(scheme="https")),
        ("https:///x", None),
        ("http://a.b:", Url(scheme="http", host="a.b")),
        ("http://a.b:65536/", None),
        ("http://a.b:123456/", None),
        ("http://?a", None),
        ("/a:80", None),
        ("file:///etc/x", Url(scheme="file", path="/etc/x")),
        ("http://[::1]:80/", Url(scheme="http", host="[::1]", port=80, path="/")),
        ("http://[::1]/", Url(scheme="http", host="[::1]", path="/")),
        ("https://a.b\n/", Url(scheme="https", host="a.b_", path="/")),
        ("m.n?a=b:c#d", Url(path="m.n", query="a=b:c", fragment="d")),
        ("?a", Url(query="a")),
        ("", Url(path="")),
    ],
)
def test_parse_url(url: str, expected: Url | None) -> None:
    assert parse_url(url) == expected


@given(st.text(alphabet="htps:/.@?#[]a1 \n", max_size=20))
def test_parse_url_takes_everything(url: str) -> None:
    found = parse_url(url)
    assert found is None or found.host != ""


@given(st.lists(st.tuples(st.text("ab", min_size=1), st.text("xy")), max_size=6))
def test_last_field_wins(fields: list[tuple[str, str]]) -> None:
    query = "&".join(f"{quote_plus(name)}={value}" for name, value in fields)
    assert parse_str(query) == dict(fields)


def test_a_number_of_any_length_is_read() -> None:
    assert to_int("9" * 5000) == INT_MAX
    assert to_int("-" + "9" * 5000) == INT_MIN
    assert to_int("0" * 5000 + "7") == 7
    assert not loosely_equal("9" * 5000, "1")
