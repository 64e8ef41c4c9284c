"""Each field function: what the portal is told, what the function gets, and what a type checker knows."""

import datetime as dt
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import bizproc
from bizproc import Context, Properties, ReturnProperties, User, activity, integer, select, string, t, userfield
from bizproc.definition.properties import PYTHON_TYPES

FIELDS: dict[str, tuple[str, Any, Any]] = {
    "boolean": ("bool", True, "Y"),
    "calendar_date": ("date", dt.date(2026, 8, 1), "2026-08-01"),
    "timestamp": ("datetime", dt.datetime(2026, 8, 1, 12, 30, tzinfo=dt.UTC), "2026-08-01 12:30:00"),
    "time_of_day": ("time", dt.time(12, 30), "12:30"),
    "double": ("double", 1.5, "1.5"),
    "integer": ("int", 7, "7"),
    "string": ("string", "a", "a"),
    "text": ("text", "a\nb", "a\nb"),
    "user": ("user", User.of(1), "user_1"),
    "file": ("file", "12", "12"),
    "email": ("email", "a@example.com", "a@example.com"),
    "phone": ("phone", "+49 30 1", "+49 30 1"),
    "web": ("web", "https://example.com", "https://example.com"),
    "internalselect": ("internalselect", "STAGE_ID", "STAGE_ID"),
}


def defined(properties: type[Properties]) -> dict[str, Any]:
    def function(given: Properties, context: Context) -> None: ...

    function.__annotations__["given"] = properties
    fields: dict[str, Any] = activity("a", name="A")(function).definition.to_bitrix()["PROPERTIES"]
    return fields


def class_of(annotation: Any, value: Any) -> type[Properties]:
    return type("Input", (Properties,), {"__annotations__": {"field": annotation}, "field": value})


def test_every_type_of_the_portal_has_a_field() -> None:
    assert {type_ for type_, _, _ in FIELDS.values()} | {"select"} == set(PYTHON_TYPES)


@pytest.mark.parametrize("field", FIELDS)
def test_single(field: str) -> None:
    type_, value, told = FIELDS[field]
    make = getattr(bizproc, field)
    python = PYTHON_TYPES[type_]

    required = class_of(python, make("Name", required=True))
    assert defined(required)["field"] == {"Name": "Name", "Type": type_, "Required": "Y", "Multiple": "N"}
    assert required(field=value).field == value
    with pytest.raises(TypeError):
        required()

    defaulted = class_of(python, make("Name", default=value))
    assert defined(defaulted)["field"]["Default"] == told
    assert defaulted().field == value

    optional = class_of(python | None, make("Name"))
    assert defined(optional)["field"]["Required"] == "N"
    assert optional().field is None


@pytest.mark.parametrize("field", FIELDS)
def test_multiple(field: str) -> None:
    type_, value, told = FIELDS[field]
    make = getattr(bizproc, field)
    listed = class_of(list[PYTHON_TYPES[type_]], make("Name", multiple=True, default=(value,)))  # type: ignore[misc]
    assert defined(listed)["field"]["Default"] == [told]
    assert listed().field == [value]
    assert listed().field is not listed().field


def test_select_and_user_field() -> None:
    class Input(Properties):
        one: str = select("One", options={"a": "A", "b": "B"}, default="a")
        several: list[str] = select("Several", options={"a": "A"}, multiple=True, default=("a",))
        money: str | None = userfield("Money", type="UF:money")

    fields = defined(Input)
    assert fields["one"]["Options"] == {"a": "A", "b": "B"}
    assert fields["several"]["Default"] == ["a"]
    assert fields["money"]["Type"] == "UF:money"


def test_a_key_that_python_keeps_for_itself() -> None:
    class Input(Properties):
        from_: str = string(t(en="From"), key="from", required=True)

    assert list(defined(Input)) == ["from"]
    assert Input(from_="x").from_ == "x"


def test_properties_are_frozen_and_compared_by_value() -> None:
    class Output(ReturnProperties):
        number: int = integer("Number", required=True)

    assert Output(number=1) == Output(number=1)
    with pytest.raises(AttributeError):
        Output(number=1).number = 2  # type: ignore[misc]


def test_a_user_knows_its_id() -> None:
    assert User("user_12").id == 12
    assert User("group_d5").id is None
    assert User.of(3) == "user_3"


RIGHT = """
from typing import Literal
from bizproc import Properties, boolean, integer, select, string

class Input(Properties):
    kind: Literal["pdf", "docx"] = select("Kind", options={"pdf": "PDF", "docx": "DOCX"}, default="pdf")
    title: str = string("Title", required=True)
    note: str | None = string("Note", default=None)
    numbers: list[int] = integer("Numbers", multiple=True, default=())
    flag: bool = boolean("Flag", default=True)

Input(title="x", kind="docx", numbers=[1])
"""
WRONG = (
    RIGHT
    + """
class Wrong(Properties):
    number: int = string("Number", required=True)
    maybe: str = string("Maybe")
    kind: Literal["pdf", "docx"] = select("Kind", options={"pdf": "PDF", "docx": "DOCX"}, default="PDF")

Input()
Input(title=1)
Input(title="x", kind="odt")
Input(title="x").title = "y"
"""
)


def test_a_type_checker_knows_every_name(tmp_path: Path) -> None:
    (tmp_path / "right.py").write_text(RIGHT)
    (tmp_path / "wrong.py").write_text(WRONG)
    checked = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(tmp_path / "cache"), "--no-error-summary"]
        + ["--config-file", str(Path(__file__).parents[3] / "pyproject.toml")]
        + [str(tmp_path / name) for name in ("right.py", "wrong.py")],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[3],
    )
    faults = [line.split(":", 2) for line in checked.stdout.splitlines() if " error: " in line]
    assert {Path(file).name for file, _, _ in faults} == {"wrong.py"}, checked.stdout
    first = WRONG.splitlines().index("class Wrong(Properties):") + 1
    assert [int(line) - first for _, line, _ in faults] == [1, 2, 3, 5, 6, 7, 8], checked.stdout
