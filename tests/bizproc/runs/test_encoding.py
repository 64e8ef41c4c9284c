"""What results become in an answer."""

import datetime as dt

import pytest

from bizproc import User
from bizproc.runs.encoding import encode
from tests.shelf.every_type import Output


def test_each_type() -> None:
    moment = dt.datetime(2026, 8, 1, 12, 30, tzinfo=dt.timezone(dt.timedelta(hours=2)))
    values = Output(
        flag_back=False,
        day_back=dt.date(2026, 8, 1),
        moment_back=moment,
        amount_back=1.5,
        number_back=0,
        choice_back="a",
        line_back="",
        person_back=User.of(1),
        numbers_back=[1, 2],
        days_back=[dt.date(2026, 8, 1)],
    )
    assert encode(values) == {
        "flag_back": "N",
        "day_back": "2026-08-01",
        "moment_back": "1785580200",
        "amount_back": 1.5,
        "number_back": 0,
        "choice_back": "a",
        "line_back": "",
        "person_back": "user_1",
        "numbers_back": [1, 2],
        "people_back": [],
        "days_back": ["2026-08-01"],
    }


def test_nothing_is_returned() -> None:
    assert encode(None) == {}


def test_a_moment_needs_a_zone() -> None:
    with pytest.raises(ValueError, match="has no time zone"):
        encode(Output(moment_back=dt.datetime(2026, 8, 1)))  # noqa: DTZ001
