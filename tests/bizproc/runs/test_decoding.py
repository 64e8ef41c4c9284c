"""What the texts of a callback become."""

import datetime as dt
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bizproc import Properties, User, boolean, integer, select, string
from bizproc.runs.decoding import UnusableValues, decode, slashes_of, slashes_seen
from tests.shelf.every_type import Input

UTC = dt.UTC
EAST = dt.timezone(dt.timedelta(hours=3))


def decoded(name: str, value: Any) -> Any:
    return getattr(decode(Input, {name: value}), name)


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("flag", "Y", True),
        ("flag", "N", False),
        ("flag", "1", True),
        ("flag", "0", False),
        ("number", "7", 7),
        ("number", "-7", -7),
        ("number", "1 000", 1000),
        ("number", "1\u00a0000", 1000),
        ("number", "1,000", 1000),
        ("number", "1.000.000", 1000000),
        ("amount", "1 000,5", 1000.5),
        ("amount", "1.000,5", 1000.5),
        ("amount", "1,000.5", 1000.5),
        ("amount", "-0.25", -0.25),
        ("amount", "5", 5.0),
        ("amount", "5.", 5.0),
        ("amount", ",5", 0.5),
        ("amount", "1e3", 1000.0),
        ("amount", "1,000,000", 1000000.0),
        ("amount", "1.234.567", 1234567.0),
        ("amount", "1,234,567.5", 1234567.5),
        ("day", "31.12.2026", dt.date(2026, 12, 31)),
        ("day", "2026-12-31", dt.date(2026, 12, 31)),
        ("day", "12/31/2026", dt.date(2026, 12, 31)),
        ("day", "31/12/2026", dt.date(2026, 12, 31)),
        ("day", "2026/12/31", dt.date(2026, 12, 31)),
        ("day", "31.12.2026 10:00:00", dt.date(2026, 12, 31)),
        ("moment", "31.12.2026 10:00:05", dt.datetime(2026, 12, 31, 10, 0, 5, tzinfo=UTC)),
        ("moment", "12/31/2026 01:00:05 pm", dt.datetime(2026, 12, 31, 13, 0, 5, tzinfo=UTC)),
        ("moment", "2026-12-31 10:00", dt.datetime(2026, 12, 31, 10, 0, tzinfo=UTC)),
        ("moment", "31.12.2026 10:00:05 [10800]", dt.datetime(2026, 12, 31, 10, 0, 5, tzinfo=EAST)),
        ("moment", "2026-12-31T10:00:05+03:00", dt.datetime(2026, 12, 31, 10, 0, 5, tzinfo=EAST)),
        ("hour", "12:30", dt.time(12, 30)),
        ("hour", "12:30:15", dt.time(12, 30, 15)),
        ("hour", "01:30 pm", dt.time(13, 30)),
        ("person", "user_1", User("user_1")),
        ("person", {0: "user_1", 1: "user_2"}, User("user_1")),
        ("person", "group_d5", User("group_d5")),
        ("choice", "a", "a"),
        ("choice", {0: "a", 1: "A"}, "a"),
        ("line", "  ", None),
        ("lines", "a\r\nb", "a\r\nb"),
        ("numbers", "7", [7]),
        ("numbers", {0: "7"}, [7]),
        ("numbers", {0: "7", 1: "", 2: "8"}, [7, 8]),
        ("numbers", "", []),
        ("days", {0: "01.02.2026"}, [dt.date(2026, 2, 1)]),
    ],
)
def test_values(name: str, value: Any, expected: Any) -> None:
    result = decoded(name, value)
    assert result == expected
    assert type(result) is type(expected)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("flag", "maybe", "'maybe' is neither Y nor N"),
        ("number", "1.5", "'1.5' is no whole number"),
        ("number", "1e3", "'1e3' is no whole number"),
        ("amount", "a lot", "'a lot' is no number"),
        ("amount", "inf", "'inf' is no number"),
        ("amount", "1e999", "'1e999' is no number"),
        ("day", "25/13/2026", "'25/13/2026' is no date"),
        ("day", "32.12.2026", "'32.12.2026' is no date"),
        ("moment", "now", "'now' is no date"),
        ("hour", "25:00", "'25:00' is no time of day"),
        ("choice", "c", "'c' is no option; options are a, b"),
        ("numbers", {0: "1", 1: "x"}, "'x' is no whole number"),
    ],
)
def test_values_that_do_not_fit(name: str, value: Any, words: str) -> None:
    with pytest.raises(UnusableValues, match=f"^{name}: "):
        decoded(name, value)
    with pytest.raises(UnusableValues) as raised:
        decoded(name, value)
    assert words in str(raised.value)


def test_slashes_are_read_as_the_portal_means_them() -> None:
    form = {"day": "05/06/2026", "moment": "05/06/2026 01:00:05 pm"}
    month_first, day_first = decode(Input, form, slashes_of("en")), decode(Input, form, slashes_of("fr"))
    assert (month_first.day, day_first.day) == (dt.date(2026, 5, 6), dt.date(2026, 6, 5))
    assert month_first.moment == dt.datetime(2026, 5, 6, 13, 0, 5, tzinfo=UTC)
    assert day_first.moment == dt.datetime(2026, 6, 5, 13, 0, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("form", "seen"),
    [
        ({"day": "25/06/2026"}, "d/m/Y"),
        ({"DAY": "06/25/2026"}, "m/d/Y"),
        ({"moment": "06/25/2026 11:00:00 am"}, "m/d/Y"),
        ({"moment": "13/1/2026 9:00"}, "d/m/Y"),
        ({"day": "05/06/2026", "days": {0: "06/05/2026", 1: "31/05/2026"}}, "d/m/Y"),
        ({"day": "05/06/2026"}, None),
        ({"day": "25/06/2026", "moment": "06/25/2026 10:00"}, None),
        ({"day": "25.06.2026", "moment": "2026/06/25"}, None),
        ({"day": "25/13/2026"}, None),
        ({"day": "00/25/2026"}, None),
        ({"day": "25/06/26"}, None),
        ({"line": "25/06/2026"}, None),
    ],
)
def test_a_date_that_can_be_read_in_one_way_tells_what_slashes_mean(form: dict[Any, Any], seen: str | None) -> None:
    assert slashes_seen(Input, form) == seen


def test_a_long_value_is_cut_in_the_message() -> None:
    with pytest.raises(UnusableValues) as raised:
        decoded("number", "x" * 1000)
    assert len(str(raised.value)) < 120


class Defaults(Properties):
    flag: bool = boolean("Flag", default=True)
    needed: str = string("Needed", required=True)
    kinds: list[str] = select("Kinds", options={"a": "A"}, multiple=True, default=("a",))
    number: int = integer("Number", default=7, required=True)
    from_: str | None = string("From", key="from")


def test_what_is_missing_or_empty_is_the_default() -> None:
    for form in ({"needed": "x"}, {"needed": "x", "flag": "", "kinds": "", "number": "", "from": ""}):
        assert decode(Defaults, form) == Defaults(needed="x", flag=True, kinds=["a"], number=7, from_=None)


def test_names_match_without_regard_to_case_and_by_their_key() -> None:
    given_ = decode(Defaults, {"NEEDED": "x", "FROM": "y", "unknown": "z"})
    assert (given_.needed, given_.from_) == ("x", "y")


def test_all_faults_are_told() -> None:
    with pytest.raises(UnusableValues) as raised:
        decode(Defaults, {"flag": "x", "number": "y"})
    assert str(raised.value) == (
        "flag: 'x' is neither Y nor N; needed: is required, but empty; number: 'y' is no whole number"
    )


@given(st.integers(-(10**30), 10**30), st.sampled_from(["", " ", "\u00a0", "\u202f"]))
def test_every_whole_number_however_it_is_grouped(number: int, separator: str) -> None:
    assert decoded("number", f"{number:,}".replace(",", separator)) == number


@given(
    st.floats(-1e12, 1e12).map(lambda number: round(number, 4)), st.sampled_from([(" ", ","), (".", ","), (",", ".")])
)
def test_every_number_however_it_is_written(number: float, separators: tuple[str, str]) -> None:
    group, point = separators
    written = f"{number:,.4f}".translate(str.maketrans({",": group, ".": point}))
    assert decoded("amount", written) == number


@given(
    st.dictionaries(
        st.sampled_from(list(Input.__properties__)), st.text() | st.dictionaries(st.integers(0, 3), st.text())
    )
)
def test_no_text_breaks_it(form: dict[Any, Any]) -> None:
    try:
        assert isinstance(decode(Input, form), Input)
    except UnusableValues as error:
        assert str(error)  # noqa: PT017


def test_no_text_takes_longer_than_its_length_tells() -> None:
    """Whoever types into a step's property must not hold up a worker: 100,000 digits once took minutes."""
    started = time.process_time()
    for text in ("1" * 100_000 + "x", "1," * 50_000 + "x", "1e" * 50_000, " " * 100_000 + "x", "0:" * 50_000):
        for name in ("amount", "number", "moment", "hour", "flag"):
            with pytest.raises(UnusableValues):
                decode(Input, {name: text})
    assert time.process_time() - started < 5
