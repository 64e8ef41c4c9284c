"""The shipped activity, as an integrator tests one: a function with a context."""

import datetime as dt
import io

import pytest
from docx import Document
from pypdf import PdfReader

from activities.save_document import Input, Output, parameters, save_document
from bizproc import ActivityFailed
from bizproc.testing import Process

COUNTED = {"documents": 7}


def test_a_numbered_pdf() -> None:
    process = Process(counters=COUNTED)
    given = Input(Parameters=["customer=Иван Müller", "subject=a = b", "Sum=1 000 €"])
    name = "letter-7.pdf"
    assert save_document(given, process) == Output(number=7, name=name, link=f"https://app.example.com/files/{name}")
    words = PdfReader(io.BytesIO(process.files.kept[name])).pages[0].extract_text()
    today = dt.datetime.now(dt.UTC).date().isoformat()
    for expected in ("Иван Müller", "Confirmation 7", "a = b", "Sum", "1 000 €", today):
        assert expected in words
    assert process.said == ["letter-7.pdf: Confirmation"]


def test_a_word_document_without_number() -> None:
    process = Process(counters=COUNTED)
    returned = save_document(Input(docType="docx", saveDoc=False, Parameters=["customer=A"]), process)
    assert (returned.number, returned.name) == (None, "letter.docx")
    document = Document(io.BytesIO(process.files.kept["letter.docx"]))
    assert document.paragraphs[0].text == "A"


def test_a_repeated_run_makes_the_same_document() -> None:
    first, second = Process(counters=COUNTED), Process(counters=COUNTED)
    for process in (first, second):
        save_document(Input(), process)
    assert first.files.kept == second.files.kept


@pytest.mark.parametrize("line", ["customer", "=value", ""])
def test_a_parameter_of_another_form_is_named(line: str) -> None:
    with pytest.raises(ActivityFailed, match=r"has another form than ParamID=value\.$"):
        parameters([line])


def test_a_parameter_can_have_any_value() -> None:
    assert parameters(["a = b = c", "d="]) == {"a": "b = c", "d": ""}
