"""Documents from templates: real files are made and read back."""

import os
import subprocess
import sys
import time
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from zipfile import ZipFile

import pytest
from docx import Document
from docx.document import Document as WordDocument
from docx.oxml.ns import qn
from docx.shared import Mm
from docx.table import Table
from docx.text.paragraph import Paragraph
from hypothesis import example, given
from hypothesis import strategies as st
from pypdf import PdfReader

from activities import documents
from activities.documents import TemplateError, render, templates
from activities.documents.blocks import column_widths
from activities.documents.filling import plain
from tests.conftest import tries

SHIPPED = Path(documents.__file__).with_name("templates")
LETTER = SHIPPED / "letter.md"

EVERYTHING = """\
# Title with *italic* and **bold**

Plain, **bold**, *italic*, ***both***, `code`, [a link](https://example.com/a?b=c) and
the same paragraph.\\
New line.

- one
- two
  - nested

1. first
2. second

Between.

4. fourth

> quoted

---

| Left | Right |
|:-----|------:|
| **fat** thin | 5 |

    fixed   width

![a picture](https://example.com/x.png) <b>no HTML</b>
"""


@pytest.fixture
def template(tmp_path):
    def write(text: str) -> Path:
        path = tmp_path / "sample.md"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def word(made: bytes) -> WordDocument:
    return Document(BytesIO(made))


def word_text(document: WordDocument) -> list[str]:
    """Text of each paragraph and cell, in order."""
    texts = []
    for block in document.iter_inner_content():
        if isinstance(block, Table):
            texts += [cell.text for row in block.rows for cell in row.cells]
        else:
            texts.append(block.text)
    return texts


def pdf_text(made: bytes) -> str:
    return "\n".join(page.extract_text() for page in PdfReader(BytesIO(made)).pages)


def pdf_links(made: bytes) -> list[str]:
    notes = [note.get_object() for page in PdfReader(BytesIO(made)).pages for note in page.get("/Annots", [])]
    return [note["/A"]["/URI"] for note in notes]


# What a template can hold


def test_word_file_uses_words_own_styles(template):
    document = word(render(template(EVERYTHING), {}, "docx"))
    styles = {p.text: p.style.name for p in document.paragraphs if p.text}
    assert styles == {
        "Title with italic and bold": "Heading 1",
        "Plain, bold, italic, both, code, a link and the same paragraph.\nNew line.": "Normal",
        "one": "List Bullet",
        "two": "List Bullet",
        "nested": "List Bullet 2",
        "first": "List Number",
        "second": "List Number",
        "Between.": "Normal",
        "fourth": "List Number",
        "quoted": "Quote",
        "fixed   width": "Normal",
        "a picture <b>no HTML</b>": "Normal",
    }
    runs = {run.text: (run.bold, run.italic) for run in document.paragraphs[1].runs}
    assert runs["bold"] == (True, None)
    assert runs["italic"] == (None, True)
    assert runs["both"] == (True, True)
    assert [link.address for p in document.paragraphs for link in p.hyperlinks] == ["https://example.com/a?b=c"]
    (table,) = document.tables
    assert table.style.name == "Table Grid"
    assert [[cell.text for cell in row.cells] for row in table.rows] == [["Left", "Right"], ["fat thin", "5"]]
    section = document.sections[0]
    assert (round(section.page_width / Mm(1)), round(section.page_height / Mm(1))) == (210, 297)
    assert document.core_properties.title == "Title with italic and bold"


def test_each_numbered_list_of_a_word_file_starts_anew(template):
    document = word(render(template(EVERYTHING), {}, "docx"))
    numbers = [p._p.pPr.numPr.numId.val for p in document.paragraphs if p.style.name == "List Number"]
    assert numbers[0] == numbers[1] != numbers[2]
    numberings = document.part.numbering_part.element
    starts = [numberings.num_having_numId(n).find(f".//{qn('w:startOverride')}").get(qn("w:val")) for n in numbers[1:]]
    assert starts == ["1", "4"]


def test_pdf_holds_everything(template):
    made = render(template(EVERYTHING), {}, "pdf")
    text = pdf_text(made)
    for part in [
        "Title with italic and bold", "both", "code", "the same paragraph.\nNew line.", "• one", "◦ nested",
        "2. second", "4. fourth", "quoted", "fat thin", "fixed   width", "a picture <b>no HTML</b>",
    ]:  # fmt: skip
        assert part in text
    assert pdf_links(made) == ["https://example.com/a?b=c"]
    reader = PdfReader(BytesIO(made))
    assert reader.metadata.title == "Title with italic and bold"
    assert [round(float(side) / 72 * 25.4) for side in reader.pages[0].mediabox[2:]] == [210, 297]
    assert not reader.pages[0].images


def test_a_pdf_has_its_fonts_within_and_shows_many_scripts(template):
    words = "Straße ẞ, Привет, Ещё ґ, Καλημέρα, Žluťoučký, 5 €, 7 ₽, №"
    made = render(template("{{ words }} **{{ words }}** *{{ words }}* ***{{ words }}***"), {"words": words}, "pdf")
    assert " ".join(pdf_text(made).split()).count(words) == 4
    fonts = PdfReader(BytesIO(made)).pages[0]["/Resources"]["/Font"].values()
    described = [font.get_object()["/DescendantFonts"][0].get_object()["/FontDescriptor"] for font in fonts]
    assert all("/FontFile2" in font.get_object() for font in described)
    assert len(described) == 4
    assert len(made) < 100_000


def test_a_character_without_a_glyph_is_replaced_visibly(template):
    assert "a � b" in pdf_text(render(template("{{ x }}"), {"x": "a 漢 b"}, "pdf"))


def test_pages_are_numbered_and_a_long_table_repeats_its_heading(template):
    rows = "{% for i in range(100) %}\n| row {{ i }} | x |\n{% endfor %}\n"
    path = template(f"| Name | Value |\n|--|--|\n{rows}")
    pages = [page.extract_text() for page in PdfReader(BytesIO(render(path, {}, "pdf"))).pages]
    assert len(pages) > 2
    for number, page in enumerate(pages, 1):
        assert "Name" in page
        assert str(number) in page.splitlines()
    assert [f"row {i}" in "\n".join(pages) for i in range(100)] == [True] * 100


def test_a_row_longer_than_a_page_goes_on_the_next(template):
    lines = [f"line {i}." for i in range(150)]
    made = render(template("| a | b |\n|--|--|\n| {{ x }} | y |"), {"x": "\n".join(lines)}, "pdf")
    assert len(PdfReader(BytesIO(made)).pages) >= 3
    text = pdf_text(made)
    assert all(line in text for line in lines)


def test_a_word_wider_than_the_page_is_broken(template):
    made = render(template("{{ x }}"), {"x": "W" * 300}, "pdf")
    assert pdf_text(made).count("W") == 300
    assert len(pdf_text(made).splitlines()) > 3


def test_columns_share_the_width_so_that_short_cells_stay_on_one_line(template):
    assert column_widths([10, 20], 60) == [20, 40]
    assert column_widths([10, 500, 20, 300], 100) == [10, 35, 20, 35]
    source = "| No. | Product | Remark | Price |\n|--|--|--|--|\n| 1000 | Product 17 | {{ x }} | 1234.50 € |"
    path = template(source)
    text = pdf_text(render(path, {"x": "words " * 99}, "pdf"))
    assert all(cell in text for cell in ["1000", "Product 17", "1234.50 €"])
    table = word(render(path, {"x": "words " * 99}, "docx")).tables[0]
    assert sum(column.width for column in table.columns) == pytest.approx(Mm(165), abs=2000)
    assert table.columns[2].width > 3 * table.columns[1].width


# Values are plain text

PLACES = """\
# Heading {{ v }}

{{ v }} at the start, **{{ v }}**, *{{ v }}*, `{{ v }}`, [{{ v }}](https://example.com/{{ v }}).

{{ v }}

- {{ v }}

1. {{ v }}

> {{ v }}

| Head | {{ v }} |
|------|---------|
| {{ v }} | x{{ v }}y |

{% for name, value in values.items() %}
{{ name }} is {{ value }}
{% endfor %}
"""

MARKDOWN = [
    "# ", "\n\n# h\n\n", "* ", "- a", "1. ", "**", "_", "`", "```\n", "|", "\n|--|--|\n", "> ", "---", "===", "\n",
    "\n\n", "![i](https://evil.example/i.png)", "[l](https://evil.example)", "<https://evil.example>", "https://e.example",
    "<b>", "<script>alert(1)</script>", "&lt;", "&amp;", "{{ 7 * 7 }}", "{% for x in y %}", "{# c #}", "{{ self }}",
    "\\", "    code", "\t", " ", "Привет", "größer", "😀", "{nb}", "[x]: https://evil.example",
    "\ufdd00\ufdd1", "0", "\x00", "\r\n",
]  # fmt: skip
VALUES = st.one_of(st.text(), st.lists(st.sampled_from(MARKDOWN)).map("".join))


def shape(document: WordDocument) -> list[object]:
    """Everything about the document but its text."""
    return [
        [
            block.style.name,
            [(run.bold, run.italic) for run in block.runs],
            [(len(link.runs), link.address.startswith("https://example.com/")) for link in block.hyperlinks],
        ]
        if isinstance(block, Paragraph)
        else [block.style.name, len(block.rows), len(block.columns)]
        for block in document.iter_inner_content()
    ]


@tries(15)
@given(value=VALUES)
@example("".join(MARKDOWN))
def test_a_value_shows_as_typed_and_changes_nothing_else(template, value):
    path = template(PLACES)
    document = word(render(path, {"v": value, "other": value}, "docx"))
    v = plain(value)
    assert word_text(document) == [
        f"Heading {v}", f"{v} at the start, {v}, {v}, {v}, {v}.", v, v, v, v,
        "Head", v, v, f"x{v}y", "", f"other is {v}",
    ]  # fmt: skip
    assert shape(document) == shape(word(render(path, {"v": "x", "other": "x"}, "docx")))


@tries(8)
@given(value=VALUES)
@example("".join(MARKDOWN))
def test_any_value_makes_a_pdf_without_further_links(template, value):
    made = render(template(PLACES), {"v": value, "other": value}, "pdf")
    assert all(link.startswith("https://example.com/") for link in pdf_links(made))


def test_a_pdf_shows_a_value_as_typed(template):
    value = "# no *heading* | {{ x }} <b> {nb}\n  - second line"
    assert pdf_text(render(template("{{ v }}"), {"v": value}, "pdf")).startswith(value)


@given(st.text())
def test_plain_text_loses_only_what_no_document_can_hold(text):
    kept = plain(text)
    assert len(kept) == len(text.replace("\r\n", "\n"))
    assert all(new in (old, "\n", "\ufffd") for old, new in zip(text.replace("\r\n", "\n"), kept, strict=True))
    assert plain("Ärger ± 😀\t\u2028\ue000\n") == "Ärger ± 😀\t\u2028\ue000\n"


@pytest.mark.parametrize(
    ("link", "values", "address"),
    [
        ("[a]({{ u }})", "https://example.com/ü?a=b", "https://example.com/%C3%BC?a=b"),
        ("[a]({{ u }})", "javascript:alert(1)", None),
        ("[a]({{ u }})", "file:///etc/passwd", None),
        ("[a](https://example.com/{{ u }}/)", "../x?y#z", "https://example.com/..%2Fx%3Fy%23z/"),
        ("[a](<java{{ u }}>)", "script:alert(1)", None),
        ("[a](mailto:{{ u }})", "a@example.com", "mailto:a%40example.com"),
        ("[a](/relative)", "", None),
    ],
)
def test_a_value_in_a_links_address(template, link, values, address):
    expected = [address] if address else []
    made = word(render(template(link), {"u": values}, "docx"))
    assert [link.address for p in made.paragraphs for link in p.hyperlinks] == expected
    assert made.paragraphs[0].text == "a"
    assert pdf_links(render(template(link), {"u": values}, "pdf")) == expected


def test_expressions_see_the_values_themselves(template):
    source = (
        '{% if a == "*x*" %}{{ a | upper }}{{ a ~ b }}{% endif %}{% if not missing %} {{ missing or "-" }}{% endif %}'
    )
    assert word_text(word(render(template(source), {"a": "*x*", "b": "|"}, "docx"))) == ["*X**x*| -"]


def test_values_holds_what_the_template_does_not_name(template):
    source = "{{ a }}: {{ values | length }} {% for name in values %}{{ name }} {% endfor %}"
    given = {"a": "1", "b b": "2", "Имя": "3", "values": "4"}
    assert word_text(word(render(template(source), given, "docx"))) == ["1: 3 b b Имя values"]


# Errors


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("a\n\n{{ missing }}", "sample.md, line 3: 'missing' is undefined. Given are: date, number. Give the value"),
        ("a\n\n{{ missing | upper }}", "sample.md, line 3: 'missing' is undefined."),
        ("\n{% for x in missing %}{% endfor %}", "sample.md, line 2: 'missing' is undefined."),
        ("\n{{ values.x }}", "sample.md, line 2: 'dict object' has no attribute 'x'."),
        ("a\n{% if %}", "sample.md, line 2: Expected an expression"),
        ("a\n{% if x %}", "sample.md, line 2: Unexpected end of template."),
        ("a\n{{ number | nothing }}", "sample.md, line 2: No filter named 'nothing'. Correct the template."),
        ("a\n{{ 1 / 0 }}", "sample.md, line 2: ZeroDivisionError: division by zero. Correct the template."),
        ("a\n{{ number.__class__ }}", "sample.md, line 2: access to attribute '__class__' of 'str' object is unsafe."),
        ("a\n{% include 'b.md' %}", "sample.md, line 2: a statement of the kind 'include' is not possible"),
        ("{% macro a() %}{% endmacro %}", "sample.md, line 1: a statement of the kind 'macro' is not possible"),
        ("{% for a in [] recursive %}{% endfor %}", "sample.md, line 1: a statement of the kind 'recursive for'"),
        ("{{ lipsum() }}", "sample.md, line 1: 'lipsum' is undefined."),
        ("{{" + "(" * 5000, "sample.md: RecursionError"),
    ],
)
def test_a_wrong_template_is_explained(template, source, message):
    with pytest.raises(TemplateError) as caught:
        render(template(source), {"number": "1", "date": "2"}, "pdf")
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    "source",
    [
        "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
        "{% for a in big %}{% for b in big %}{% endfor %}{% endfor %}",
        "{% for a in range(9999) %}" + "some words, {{ a }} " * 20 + "{% endfor %}",
        "{% for a in range(99) %}{{ big }}{% endfor %}",
        "{{ range(999999999) | list }}",
    ],
)
def test_a_template_cannot_run_away(template, source):
    before = time.process_time()
    with pytest.raises(TemplateError, match=r"loops turn more than|text grows over|Range too big"):
        render(template(source), {"big": "x" * 20_000}, "pdf")
    assert time.process_time() - before < 2


def test_a_template_that_cannot_be_read_is_explained(tmp_path):
    with pytest.raises(TemplateError, match=r"There is no template no\.md in "):
        render(tmp_path / "no.md", {}, "pdf")
    (tmp_path / "latin.md").write_bytes("Grüße".encode("latin-1"))
    with pytest.raises(TemplateError, match=r"latin\.md is not UTF-8 text"):
        render(tmp_path / "latin.md", {}, "pdf")
    (tmp_path / "folder.md").mkdir()
    with pytest.raises(TemplateError, match=r"folder\.md cannot be read: Is a directory"):
        render(tmp_path / "folder.md", {}, "pdf")
    (tmp_path / "long.md").write_text("x" * 1024 * 1024 + "x")
    with pytest.raises(TemplateError, match=r"long\.md is longer than"):
        render(tmp_path / "long.md", {}, "pdf")


# The folder of templates


def test_templates_are_listed_with_their_titles(tmp_path):
    (tmp_path / "b.md").write_text("\ufeffIntro\n\n## *Offer*   No. {{ number }}\n\n# Later\n", encoding="utf-8")
    (tmp_path / "a.md").write_text("{% if x %}\n# Счёт {# c #}`1`\n{% endif %}", encoding="utf-8")
    (tmp_path / "c.md").write_text("# {{ subject }}\n\ntext")
    (tmp_path / "d.txt").write_text("# no template")
    assert list(templates(tmp_path).items()) == [("a", "Счёт 1"), ("b", "Offer No."), ("c", "c")]


def test_a_folder_without_templates_is_explained(tmp_path):
    with pytest.raises(TemplateError, match=r"The folder .* holds no template\. Put at least one"):
        templates(tmp_path)
    with pytest.raises(TemplateError, match=r"There is no folder of templates at .*nowhere"):
        templates(tmp_path / "nowhere")


# The shipped letter


def test_the_letter_needs_no_values():
    assert templates(SHIPPED) == {"letter": "Confirmation"}
    assert "To whom it may concern" in pdf_text(render(LETTER, {}, "pdf"))
    assert "Details" not in word_text(word(render(LETTER, {"number": "", "customer": ""}, "docx")))


def test_the_letter_shows_all_values():
    given = {"number": "17", "date": "21.11.2026", "customer": "ООО «Ромашка»\nМосква", "subject": "Bürostühle"}
    more = {"text": "Two | chairs", "Sum": "1 200 €", "Срок": "2 недели"}
    document = word(render(LETTER, given | more, "docx"))
    assert document.paragraphs[0].text == "ООО «Ромашка»\nМосква"
    assert document.core_properties.title == "Confirmation 17"
    first, second = ([[cell.text for cell in row.cells] for row in table.rows] for table in document.tables)
    assert first == [["Number", "Date", "Subject"], ["17", "21.11.2026", "Bürostühle"]]
    assert second == [["Item", "Value"], ["Sum", "1 200 €"], ["Срок", "2 недели"]]
    text = pdf_text(render(LETTER, given | more, "pdf"))
    assert all(part in text for part in ["Москва", "Confirmation 17", "Two | chairs", "1 200 €", "2 недели"])


# The same bytes every time


@pytest.mark.parametrize("kind", ["pdf", "docx"])
def test_the_same_input_makes_the_same_bytes_in_another_process(template, kind):
    program = (
        "import sys; from pathlib import Path; from activities.documents import render;"
        "sys.stdout.buffer.write(render(Path(sys.argv[1]), {}, sys.argv[2]))"
    )
    path = template(EVERYTHING)
    other = subprocess.run(
        [sys.executable, "-c", program, str(path), kind],
        env=os.environ | {"PYTHONHASHSEED": "4711", "TZ": "Asia/Tokyo"},
        cwd=Path(__file__).parents[2],
        check=True,
        capture_output=True,
    )
    assert other.stdout == render(path, {}, kind)


def test_files_carry_no_time_of_making(template):
    path = template("x")
    with ZipFile(BytesIO(render(path, {}, "docx"))) as archive:
        assert {info.date_time for info in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
    made = PdfReader(BytesIO(render(path, {}, "pdf"))).metadata
    assert made.creation_date == datetime(1980, 1, 1, tzinfo=UTC)
