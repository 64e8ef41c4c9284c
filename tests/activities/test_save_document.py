"""The shipped activity, as an integrator tests one: a function with a context."""

import datetime as dt
import io
from typing import Any

import pytest
from docx import Document
from pypdf import PdfReader

from activities.save_document import Input, Output, parameters, save_document
from bizproc import ActivityFailed, Context, DocumentId, Files, StoredFile
from bizproc.document_types import DEAL


class KeptFiles(Files):
    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {}

    def store(self, name: str, content: bytes) -> StoredFile:
        self.kept[name] = content
        return StoredFile(name, f"https://app.example.com/files/{name}")


class Process(Context):
    """A process that keeps what it is told."""

    def __init__(self) -> None:
        self.workflow_id = "1"
        self.document_id = DocumentId("crm", "CCrmDocumentDeal", "DEAL_1")
        self.document_type = DEAL
        self.user_id = 1
        self.language = "en"
        self.said: list[str] = []
        self.kept = KeptFiles()

    @property
    def portal(self) -> Any:
        raise AssertionError("the portal is not asked")

    @property
    def files(self) -> KeptFiles:
        return self.kept

    def log(self, message: str) -> None:
        self.said.append(message)

    def counter(self, name: str) -> int:
        return {"documents": 7}[name]


def test_a_numbered_pdf() -> None:
    process = Process()
    given = Input(Parameters=["customer=Иван Müller", "subject=a = b", "Sum=1 000 €"])
    name = "letter-7.pdf"
    assert save_document(given, process) == Output(number=7, name=name, link=f"https://app.example.com/files/{name}")
    words = PdfReader(io.BytesIO(process.kept.kept[name])).pages[0].extract_text()
    today = dt.datetime.now(dt.UTC).date().isoformat()
    for expected in ("Иван Müller", "Confirmation 7", "a = b", "Sum", "1 000 €", today):
        assert expected in words
    assert process.said == ["letter-7.pdf: Confirmation"]


def test_a_word_document_without_number() -> None:
    process = Process()
    returned = save_document(Input(docType="docx", saveDoc=False, Parameters=["customer=A"]), process)
    assert (returned.number, returned.name) == (None, "letter.docx")
    document = Document(io.BytesIO(process.kept.kept["letter.docx"]))
    assert document.paragraphs[0].text == "A"


def test_a_repeated_run_makes_the_same_document() -> None:
    first, second = Process(), Process()
    for process in (first, second):
        save_document(Input(), process)
    assert first.kept.kept == second.kept.kept


@pytest.mark.parametrize("line", ["customer", "=value", ""])
def test_a_parameter_of_another_form_is_named(line: str) -> None:
    with pytest.raises(ActivityFailed, match=r"has another form than ParamID=value\.$"):
        parameters([line])


def test_a_parameter_can_have_any_value() -> None:
    assert parameters(["a = b = c", "d="]) == {"a": "b = c", "d": ""}
