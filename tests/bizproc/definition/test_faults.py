"""What is wrong with a definition is told completely, with its path."""

import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

import pytest

from bizproc import Context, Filter, Properties, ReturnProperties, activity, integer, select, string, t
from bizproc.definition.checks import check
from bizproc.definition.definition import Definition
from bizproc.definition.faults import DefinitionError
from bizproc.definition.fields import Declared
from bizproc.definition.properties import Property
from bizproc.definition.registry import discover


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[ModuleType, Path]]:
    """An empty package named ``shelf``, importable during the test."""
    folder = tmp_path / "shelf"
    folder.mkdir()
    (folder / "__init__.py").touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    import shelf  # type: ignore[import-not-found]

    yield shelf, folder
    for name in [name for name in sys.modules if name.partition(".")[0] == "shelf"]:
        del sys.modules[name]


MODULE = """
from bizproc import Context, Properties, activity, select, t

class Input(Properties):
    docType: str = select(t(en="Type"), options={"pdf": "PDF", "docx": "DOCX"}, default="%(default)s")

@activity("%(code)s", name=t(en="Save"))
def function(given: Input, context: Context) -> None: ...
"""


def faults_of(**declared: Any) -> list[str]:
    """The faults of an activity with these arguments of its own, without the module's name."""

    def function(given: Properties, context: Context) -> None: ...

    given = declared.pop("given", Properties)
    returns = declared.pop("returns", None)
    function.__annotations__ = {"given": given, "context": Context, "return": returns}
    with pytest.raises(DefinitionError) as raised:
        activity(**{"code": "a", "name": "A"} | declared)(function)
    prefix = f"{__name__}.{declared.get('code', 'a')}."
    return [str(fault).removeprefix(prefix) for fault in raised.value.faults]


def test_the_path_leads_from_the_module_to_the_fault(package: tuple[ModuleType, Path]) -> None:
    shelf, folder = package
    (folder / "save_document.py").write_text(MODULE % {"code": "save_document", "default": "PDF"})
    with pytest.raises(DefinitionError) as raised:
        discover(shelf)
    assert str(raised.value) == (
        "shelf.save_document.properties.docType.default: 'PDF' is no option; options are pdf, docx"
    )


def test_all_faults_of_all_modules_are_told_together(package: tuple[ModuleType, Path]) -> None:
    shelf, folder = package
    (folder / "broken.py").write_text("\nimport nothing_of_that_name\n")
    (folder / "one.py").write_text(MODULE % {"code": "o/ne", "default": "PDF"})
    (folder / "two.py").write_text(
        MODULE % {"code": "two", "default": "x"} + MODULE % {"code": "three", "default": "y"}
    )
    with pytest.raises(DefinitionError) as raised:
        discover(shelf)
    assert [str(fault).partition(":")[0] for fault in raised.value.faults] == [
        "shelf.broken",
        "shelf.one.o/ne.code",
        "shelf.one.o/ne.properties.docType.default",
        "shelf.two.properties.docType.default",
        "shelf.two.three.properties.docType.default",
    ]
    assert "cannot be imported (line 2): ModuleNotFoundError" in str(raised.value)
    with pytest.raises(DefinitionError) as again:
        discover(shelf)
    assert again.value.faults == raised.value.faults


def test_a_wrong_definition_fails_when_its_module_is_imported(package: tuple[ModuleType, Path]) -> None:
    _, folder = package
    (folder / "alone.py").write_text(MODULE % {"code": "alone", "default": "PDF"})
    with pytest.raises(DefinitionError, match=r"shelf\.alone\.properties\.docType\.default"):
        import shelf.alone  # type: ignore[import-not-found]  # noqa: F401


def test_discovery_finds_every_module_and_no_imported_activity_twice(package: tuple[ModuleType, Path]) -> None:
    shelf, folder = package
    (folder / "first.py").write_text(MODULE % {"code": "first", "default": "pdf"})
    (folder / "second.py").write_text(
        "from shelf.first import function as other\n" + MODULE % {"code": "second", "default": "pdf"}
    )
    (folder / "client.py").write_text("ADDRESS = 'https://example.com'\n")
    assert [each.definition.code for each in discover(shelf)] == ["first", "second"]


def test_a_code_used_twice(package: tuple[ModuleType, Path]) -> None:
    shelf, folder = package
    for name in ("first", "second"):
        (folder / f"{name}.py").write_text(MODULE % {"code": "same", "default": "pdf"})
    with pytest.raises(DefinitionError, match=r"'same' is used twice: in shelf\.first and in shelf\.second"):
        discover(shelf)


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("", "'' counts as empty"),
        ("0", "'0' counts as empty"),
        ("a b", "may only have Latin letters"),
        ("é", "may only have Latin letters"),
        ("a\n", "ends with a line break"),
        ("x" * 129, "has 129 characters"),
    ],
)
def test_codes(code: str, words: str) -> None:
    (fault,) = faults_of(code=code)
    assert words in fault


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("", "name: is empty"),
        ("0", "name: is empty"),
        (t(), "name: is empty"),
        (t(de="Nur Deutsch"), "name: has neither an English nor a plain text"),
    ],
)
def test_names(name: Any, words: str) -> None:
    (fault,) = faults_of(name=name)
    assert fault.startswith(words)


@pytest.mark.parametrize(
    ("field", "annotation", "fault"),
    [
        (Declared("strin", "Name"), str | None, "field.type: 'strin' is no property type"),
        (Declared("string", ""), str | None, "field.name: is empty"),
        (Declared("string", "Name", key="a-b"), str | None, "a-b: 'a-b' is no key"),
        (Declared("string", "Name", key="Title"), str | None, "Title: is a name that the portal keeps"),
        (Declared("select", "Name"), str | None, "field.options: are missing"),
        (Declared("select", "Name", options={"": "Nothing"}), str | None, "field.options: '' is no option key"),
        (Declared("int", "Name", default=True), int, "field.default: True is no int"),
        (Declared("int", "Name", default="1"), int, "field.default: '1' is no int"),
        (Declared("date", "Name", default="today"), None, "field.default: 'today' is no date"),
        (Declared("string", "Name", multiple=True, default="a"), list[str], "field.default: 'a' is no list"),
        (Declared("string", "Name", required=True), int, "field: annotated int, but it holds str"),
        (Declared("string", "Name"), str, "field: annotated str, but it holds str | None"),
        (Declared("string", "Name", multiple=True), str, "field: annotated str, but it holds list[str]"),
        (
            Declared("select", "Name", required=True, options={"pdf": "PDF"}),
            Literal["pdf", "docx"],
            "field: annotated docx, pdf, but options are pdf",
        ),
        ("x", str, "field: has no field function"),
    ],
)
def test_fields(field: Any, annotation: Any, fault: str) -> None:
    input_ = type("Input", (Properties,), {"__annotations__": {"field": annotation}, "field": field})
    assert any(found.startswith(f"properties.{fault}") for found in faults_of(given=input_)), faults_of(given=input_)


def test_a_field_without_annotation() -> None:
    class Input(Properties):
        title = string("Title")

    (fault,) = faults_of(given=Input)
    assert fault.startswith("properties.title: has no type")


def test_names_that_differ_by_case_alone() -> None:
    class Input(Properties):
        number: int | None = integer("Number")
        NUMBER: int | None = integer("Number again")

    class Output(ReturnProperties):
        Number: int | None = integer("Number once more")

    assert faults_of(given=Input, returns=Output) == [
        "properties.NUMBER: is the same name as properties.number: the portal ignores case",
        "return_properties.Number: is the same name as properties.number: the portal ignores case",
    ]


def test_a_rule_that_is_no_edition() -> None:
    (fault,) = faults_of(filter=Filter(include=["b24", "lists"]))
    assert fault == "filter.include[1]: 'lists' is no edition (b24, box); a document type is a tuple: ('lists',)"


def test_properties_that_the_portal_cannot_store() -> None:
    class Input(Properties):
        kind: str | None = select("Kind", options={f"{number:05}": "x" * 50 for number in range(1000)})

    (fault,) = faults_of(given=Input)
    assert fault.startswith("properties: a portal cannot store it: it takes 65535 bytes or more")


def test_a_function_with_another_signature() -> None:
    def function(given: int) -> int: ...

    with pytest.raises(DefinitionError) as raised:
        activity("a", name="A")(function)  # type: ignore[call-arg, arg-type]
    assert "takes (given: Input, context: Context)" in str(raised.value)
    assert "returns a subclass of ReturnProperties" in str(raised.value)


@pytest.mark.parametrize("options", [{" ": "x"}, {"\n": "x"}, {"": "x"}, {"\0": "x"}, {"a\0b": "x"}])
@pytest.mark.parametrize("type_", ["string", "select"])
def test_option_keys_that_no_portal_keeps(type_: str, options: dict[str, str]) -> None:
    property_ = Property(key="p", type=type_, name=t("P"), options=options)
    (fault,) = check(Definition("a", "activity", t("A"), properties=(property_,)))
    assert fault.path == "properties.p.options"
    assert "is no option key" in fault.message


@pytest.mark.parametrize(
    ("previous", "words"),
    [
        ("a", "'a' is the code itself"),
        ("b d", "may only have Latin letters"),
        ("", "counts as empty"),
        ("x" * 129, "has 129 characters"),
        ("b\n", "ends with a line break"),
    ],
)
def test_former_codes(previous: str, words: str) -> None:
    (fault,) = check(Definition("a", "activity", t("A"), previous_code=previous))
    assert fault.path == "previous_code"
    assert words in fault.message


@pytest.mark.parametrize(("first", "second"), [("second", None), ("second", "first"), ("old", "old")])
def test_a_former_code_that_is_in_use(package: tuple[ModuleType, Path], first: str, second: str | None) -> None:
    shelf, folder = package
    for code, previous in (("first", first), ("second", second)):
        module = MODULE % {"code": code, "default": "pdf"}
        (folder / f"{code}.py").write_text(module.replace("@activity(", f"@activity(previous_code={previous!r}, code="))
    with pytest.raises(DefinitionError, match=rf"previous_code: '{first}' is also a code or former code in shelf\."):
        discover(shelf)
