from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bizproc.php import from_json
from devportal.dates import PortalDates
from devportal.options import Options
from devportal.values import sent_value, taken_value
from tests.devportal.driver import App, Portal, seeded

BERLIN = PortalDates("d.m.Y", 7200)


def sent(value: Any, type_: str, dates: PortalDates = BERLIN) -> Any:
    return sent_value(value, {"TYPE": type_}, dates)


def taken(value: Any, type_: str, dates: PortalDates = BERLIN, **definition: Any) -> tuple[Any, Any, str | None]:
    got = taken_value(from_json(value), {"TYPE": type_, **definition}, dates)
    return got.as_json()["value"], got.typed, got.fault


@pytest.mark.parametrize(
    ("value", "type_", "text"),
    [
        (True, "bool", "Y"),
        (False, "bool", "N"),
        ("1", "bool", "1"),
        (1, "user", "user_1"),
        ("user_1", "user", "user_1"),
        ("group_d1", "user", "group_d1"),
        ([1, "user_2"], "user", ["user_1", "user_2"]),
        ("2026-05-31", "date", "31.05.2026"),
        ("31/05/26", "date", "31/05/26"),
        ("2026-05-31T10:00:00+00:00", "datetime", "31.05.2026 12:00:00"),
        (0, "datetime", "01.01.1970 02:00:00"),
        ("31.05.2026 12:00:00 [7200]", "datetime", "31.05.2026 12:00:00 [7200]"),
        ("1 000,5", "double", "1 000,5"),
        (1.5, "double", "1.5"),
        (7, "int", "7"),
        (None, "string", ""),
        (["a", None], "string", ["a", ""]),
        ({"a": 1}, "file", "Array"),
        ("pdf", "select", "pdf"),
    ],
)
def test_sent(value: Any, type_: str, text: Any) -> None:
    assert sent(value, type_) == text


@pytest.mark.parametrize(
    ("letters", "date", "moment"),
    [
        ("d.m.Y", "31.05.2026", "31.05.2026 15:04:05"),
        ("m/d/Y", "05/31/2026", "05/31/2026 15:04:05"),
        ("m/d/Y h:i:s a", "05/31/2026", "05/31/2026 03:04:05 pm"),
        ("Y-m-d H:i", "2026-05-31", "2026-05-31 15:04"),
    ],
)
def test_date_formats(letters: str, date: str, moment: str) -> None:
    dates = PortalDates(letters)
    assert sent("2026-05-31", "date", dates) == date
    assert sent("2026-05-31T15:04:05+00:00", "datetime", dates) == moment
    assert taken(date, "date", dates)[1] == "2026-05-31"
    assert taken(moment, "datetime", dates)[1].startswith("2026-05-31T15:04")
    assert taken("2026-05-31", "date", dates)[0] == date


@pytest.mark.parametrize(
    ("value", "type_", "stored", "typed"),
    [
        ("Y", "bool", "Y", True),
        ("N", "bool", "N", False),
        (7, "int", 7, 7),
        ("7", "int", "7", 7),
        ("1.5", "double", "1.5", 1.5),
        ("user_1", "user", "user_1", "user_1"),
        ("x", "string", "x", "x"),
        ("x", "text", "x", "x"),
        ("1780236245", "datetime", "31.05.2026 16:04:05", "2026-05-31T16:04:05+02:00"),
        (1780236245, "datetime", "31.05.2026 16:04:05", "2026-05-31T16:04:05+02:00"),
        ("2026-05-31T14:04:05+00:00", "datetime", "31.05.2026 16:04:05", "2026-05-31T14:04:05+00:00"),
        ("2026-05-31T14:04:05Z", "datetime", "31.05.2026 14:04:05", "2026-05-31T14:04:05+02:00"),
    ],
)
def test_taken(value: Any, type_: str, stored: Any, typed: Any) -> None:
    assert taken(value, type_) == (stored, typed, None)


@pytest.mark.parametrize(
    ("value", "type_", "fault"),
    [
        ("yes", "bool", "'yes' is no bool"),
        ("1,5", "double", "'1,5' is no double"),
        ("x", "int", "'x' is no int"),
        (5, "user", "'5' is no user"),
        ("2026-05-31 10:00:00", "datetime", "'2026-05-31 10:00:00' is no datetime that the portal reads"),
        ("2026-02-31", "date", "'2026-02-31' is no date that the portal reads"),
        ({"a": ["b"]}, "string", "several values for a property that is not multiple; an array where a string belongs"),
    ],
)
def test_what_does_not_fit_is_stored_and_told(value: Any, type_: str, fault: str) -> None:
    stored, _, got = taken(value, type_)
    assert (stored, got) == (value, fault)


def test_a_portal_with_the_iso_format_reads_it() -> None:
    assert taken("2026-05-31 10:00:00", "datetime", PortalDates("Y-m-d"))[2] is None


def test_select_and_multiple() -> None:
    options = from_json({"pdf": "PDF", "1": "One"})
    assert taken("pdf", "select", OPTIONS=options)[1] == "pdf"
    assert taken(1, "select", OPTIONS=options)[1] == "1"
    assert taken("PDF", "select", OPTIONS=options)[2] == "'PDF' is no select"
    assert taken(["1", "2"], "int", MULTIPLE="Y") == (["1", "2"], [1, 2], None)
    assert taken("1", "int", MULTIPLE="Y") == ("1", [1], None)
    assert taken([], "int", MULTIPLE="Y") == ([], [], None)
    assert taken("", "int") == ("", None, None)


@given(st.datetimes(datetime(1971, 1, 1), datetime(2100, 1, 1)), st.sampled_from(["d.m.Y", "m/d/Y h:i:s A", "Y-m-d"]))  # noqa: DTZ001
def test_a_datetime_survives_the_way_there_and_back(moment: datetime, letters: str) -> None:
    moment = moment.replace(microsecond=0, tzinfo=UTC)
    dates = PortalDates(letters, -18_000)
    text = sent(moment.isoformat(), "datetime", dates)
    assert dates.read_datetime(text) == moment
    assert dates.read_datetime(str(int(moment.timestamp()))) == moment


@pytest.mark.parametrize("letters", ["", "d.m", "d.m.Y e", "H:i:s", "d.m.y"])
def test_wrong_formats(letters: str) -> None:
    with pytest.raises(ValueError, match="date format"):
        PortalDates(letters)


@pytest.mark.parametrize(
    ("options", "date", "moment"),
    [
        (Options(), "31.05.2026", "31.05.2026 10:00:00"),
        (seeded(date_format="m/d/Y h:i:s a", utc_offset=3600), "05/31/2026", "05/31/2026 11:00:00 am"),
        (seeded(date_format="Y-m-d", utc_offset=-7200), "2026-05-31", "2026-05-31 08:00:00"),
    ],
)
def test_dates_over_the_wire(app: App, options: Options, date: str, moment: str) -> None:
    portal = Portal(options)
    try:
        portal.reset()
        types = {"day": {"Name": "x", "Type": "date"}, "at": {"Name": "x", "Type": "datetime"}}
        portal.add(HANDLER=app.url, PROPERTIES=types, RETURN_PROPERTIES=types)
        id_ = portal.run(properties={"day": "2026-05-31", "at": "2026-05-31T10:00:00+00:00"})
        (got,) = app.wait_for(1)
        assert got.fields["properties"] == {"day": date, "at": moment}
        token = got.fields["event_token"]
        values = {"day": "2026-05-31", "at": "1780221600"}
        portal.call("bizproc.event.send", {"EVENT_TOKEN": token, "RETURN_VALUES": values})
        returned = portal.process(id_)["returned"]
        assert (returned["day"]["value"], returned["at"]["value"]) == (date, moment)
    finally:
        portal.stop()
