"""Make a document from a template and the values of a process, and keep it."""

import datetime as dt
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from activities.documents import TemplateError, render, templates
from bizproc import (
    ActivityFailed,
    Context,
    Filter,
    Properties,
    ReturnProperties,
    activity,
    boolean,
    integer,
    select,
    string,
    t,
)
from bizproc.document_types import CRM, LISTS

FOLDER = Path(os.environ.get("TEMPLATES_FOLDER") or Path(__file__).parent / "documents" / "templates")
TEMPLATES = templates(FOLDER)


class Input(Properties):
    template: str = select(
        t(en="Template", de="Vorlage", ru="Шаблон"),
        options=TEMPLATES,
        default=next(iter(TEMPLATES)),
        required=True,
    )
    docType: Literal["pdf", "docx"] = select(
        t(en="Document type", de="Dokumenttyp", ru="Тип документа"),
        options={"pdf": "PDF", "docx": "DOCX"},
        default="pdf",
        required=True,
    )
    saveDoc: bool = boolean(
        t(en="Save document", de="Dokument speichern", ru="Сохранить документ"),
        description=t(
            en="Assign a consecutive number to the document",
            de="Dem Dokument eine fortlaufende Nummer zuweisen",
            ru="Присвоить документу порядковый номер",
        ),
        default=True,
    )
    Parameters: list[str] = string(
        t(en="Template's parameters", de="Vorlagenparameter", ru="Параметры шаблона"),
        description=t(
            en="One per line: ParamID=value",
            de="Je Zeile einer: ParamID=Wert",
            ru="По одному в строке: ParamID=значение",
        ),
        multiple=True,
        default=(),
    )


class Output(ReturnProperties):
    number: int | None = integer(t(en="Number", de="Nummer", ru="Номер"), default=None)
    name: str | None = string(t(en="File name", de="Dateiname", ru="Имя файла"), default=None)
    link: str | None = string(t(en="Link", de="Link", ru="Ссылка"), default=None)
    error: str | None = string(t(en="Error", de="Fehler", ru="Ошибка"), default=None)


@activity(
    "save_document",
    name=t(en="Save document", de="Dokument speichern", ru="Сохранить документ"),
    description=t(
        en="Makes a PDF or Word document from a template and returns a link to it",
        de="Erstellt aus einer Vorlage ein PDF- oder Word-Dokument und liefert einen Link darauf",
        ru="Создаёт документ PDF или Word по шаблону и возвращает ссылку на него",
    ),
    filter=Filter(include=[LISTS, CRM]),
    waits=True,
)
def save_document(given: Input, context: Context) -> Output:
    values = {"date": dt.datetime.now(dt.UTC).date().isoformat()} | parameters(given.Parameters)
    number = context.counter("documents") if given.saveDoc else None
    if number is not None:
        values["number"] = str(number)
    name = f"{given.template}-{number}.{given.docType}" if number else f"{given.template}.{given.docType}"
    context.log(f"{name}: {TEMPLATES[given.template]}")
    try:
        content = render(FOLDER / f"{given.template}.md", values, given.docType)
    except TemplateError as error:
        raise ActivityFailed(str(error)) from None
    stored = context.files.store(name, content)
    return Output(number=number, name=stored.name, link=stored.link)


def parameters(lines: Iterable[str]) -> dict[str, str]:
    """The values of ``ParamID=value`` lines, by ParamID. Raises ActivityFailed for a line of another form."""
    values: dict[str, str] = {}
    for line in lines:
        name, separator, value = line.partition("=")
        if not separator or not name.strip():
            raise ActivityFailed(f"The parameter {line!r} has another form than ParamID=value.")
        values[name.strip()] = value.strip()
    return values
