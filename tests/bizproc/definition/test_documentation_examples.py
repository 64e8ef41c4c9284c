"""Everything that Bitrix24's documentation of bizproc.activity.add shows can be said in a module."""

from typing import Literal

import pytest

from bizproc import Context, Filter, Properties, ReturnProperties, activity, boolean, robot, select, string, t
from bizproc.document_types import (
    COMPANY,
    CONTACT,
    CRM,
    DEAL,
    DISK,
    LEAD,
    LISTS,
    QUOTE,
    SMART_INVOICE,
    DocumentType,
    dynamic,
    process,
    storage,
    universal_list,
)


class Input(Properties):
    docType: Literal["pdf", "docx"] = select(
        t(de="Dokumenttyp", en="Document type"), options={"pdf": "PDF", "docx": "DOCX"}, default="pdf", required=True
    )
    saveDoc: bool = boolean(
        t(de="Dokument speichern", en="Save document"),
        description=t(de="Fortlaufende Nummer zuweisen", en="Assign a sequential number"),
        default=True,
        required=True,
    )
    Parameters: list[str] = string(t(de="Vorlagenparameter", en="Template's parameters"), multiple=True, default=())


class Output(ReturnProperties):
    number: str = string(t(de="Nummer", en="Number"), required=True)


def test_the_three_example_properties() -> None:
    @activity("md5", name=t(de="Dokument", en="Document"), waits=True, auth_user_id=1)
    def example(given: Input, context: Context) -> Output:
        return Output(number="1")

    assert example.definition.to_bitrix("https://app.example.com/x") == {
        "CODE": "md5",
        "HANDLER": "https://app.example.com/x",
        "AUTH_USER_ID": 1,
        "USE_SUBSCRIPTION": "Y",
        "NAME": {"de": "Dokument", "en": "Document"},
        "PROPERTIES": {
            "docType": {
                "Name": {"de": "Dokumenttyp", "en": "Document type"},
                "Type": "select",
                "Options": {"pdf": "PDF", "docx": "DOCX"},
                "Required": "Y",
                "Multiple": "N",
                "Default": "pdf",
            },
            "saveDoc": {
                "Name": {"de": "Dokument speichern", "en": "Save document"},
                "Description": {"de": "Fortlaufende Nummer zuweisen", "en": "Assign a sequential number"},
                "Type": "bool",
                "Required": "Y",
                "Multiple": "N",
                "Default": "Y",
            },
            "Parameters": {
                "Name": {"de": "Vorlagenparameter", "en": "Template's parameters"},
                "Type": "string",
                "Required": "N",
                "Multiple": "Y",
            },
        },
        "RETURN_PROPERTIES": {
            "number": {
                "Name": {"de": "Nummer", "en": "Number"},
                "Type": "string",
                "Required": "Y",
                "Multiple": "N",
            }
        },
    }
    assert example(Input(docType="docx"), None) == Output(number="1")  # type: ignore[arg-type]


def test_a_robot_has_the_same_fields() -> None:
    @robot("robot", name="Robot", description="Does it", waits=False)
    def example(given: Properties, context: Context) -> None: ...

    assert example.definition.kind == "robot"
    assert example.definition.to_bitrix() == {
        "CODE": "robot",
        "NAME": "Robot",
        "DESCRIPTION": "Does it",
        "USE_SUBSCRIPTION": "N",
    }


@pytest.mark.parametrize(
    ("filter_", "expected"),
    [
        (Filter(include=["box"]), {"INCLUDE": ["box"]}),
        (Filter(exclude=["b24"]), {"EXCLUDE": ["b24"]}),
        (Filter(include=[LISTS]), {"INCLUDE": [["lists"]]}),
        (Filter(include=[CRM, DISK]), {"INCLUDE": [["crm"], ["disk"]]}),
        (Filter(include=[LISTS, DEAL.entity]), {"INCLUDE": [["lists"], ["crm", "CCrmDocumentDeal"]]}),
        (
            Filter(include=[LEAD, ("crm", "CCrmDocumentDeal", "DEAL")], exclude=["box"]),
            {
                "INCLUDE": [["crm", "CCrmDocumentLead", "LEAD"], ["crm", "CCrmDocumentDeal", "DEAL"]],
                "EXCLUDE": ["box"],
            },
        ),
        (Filter(), {}),
    ],
)
def test_filters(filter_: Filter, expected: object) -> None:
    assert filter_.to_bitrix() == expected


@pytest.mark.parametrize(
    ("document_type", "expected"),
    [
        (LEAD, ["crm", "CCrmDocumentLead", "LEAD"]),
        (CONTACT, ["crm", "CCrmDocumentContact", "CONTACT"]),
        (COMPANY, ["crm", "CCrmDocumentCompany", "COMPANY"]),
        (DEAL, ["crm", "CCrmDocumentDeal", "DEAL"]),
        (QUOTE, ["crm", "Bitrix\\Crm\\Integration\\BizProc\\Document\\Quote", "QUOTE"]),
        (SMART_INVOICE, ["crm", "Bitrix\\Crm\\Integration\\BizProc\\Document\\SmartInvoice", "SMART_INVOICE"]),
        (dynamic(150), ["crm", "Bitrix\\Crm\\Integration\\BizProc\\Document\\Dynamic", "DYNAMIC_150"]),
        (process(1), ["lists", "BizprocDocument", "iblock_1"]),
        (universal_list(1), ["lists", "Bitrix\\Lists\\BizprocDocumentLists", "iblock_1"]),
        (storage(1), ["disk", "Bitrix\\Disk\\BizProcDocument", "STORAGE_1"]),
    ],
)
def test_document_types(document_type: DocumentType, expected: list[str]) -> None:
    @activity("one", name="One", document_type=document_type)
    def example(given: Properties, context: Context) -> None: ...

    assert example.definition.to_bitrix()["DOCUMENT_TYPE"] == expected
