from typing import Any

import pytest

from bizproc.definition.filters import shown

DEAL = ("crm", "CCrmDocumentDeal", "DEAL")
LEAD = ("crm", "CCrmDocumentLead", "LEAD")
LISTS = ("lists", "BizprocDocument", "iblock_5")


@pytest.mark.parametrize("filter_", [None, [], {}, "box", {"FOO": ["box"]}, {"EXCLUDE": []}])
def test_what_hides_nothing(filter_: Any) -> None:
    assert shown(filter_, DEAL, "b24")
    assert shown(filter_, None, "box")


@pytest.mark.parametrize("filter_", [{"INCLUDE": []}, {"INCLUDE": [[]]}, {"INCLUDE": ["crm"]}, {"INCLUDE": [["CRM"]]}])
def test_an_include_that_nothing_meets_hides(filter_: Any) -> None:
    assert not shown(filter_, DEAL, "b24")


def test_editions() -> None:
    assert shown({"INCLUDE": ["b24"]}, DEAL, "b24")
    assert not shown({"INCLUDE": ["b24"]}, DEAL, "box")
    assert shown({"INCLUDE": "box"}, None, "box")
    assert not shown({"EXCLUDE": ["box"]}, None, "box")


def test_a_rule_is_the_beginning_of_a_document_type() -> None:
    assert shown({"INCLUDE": [["crm"]]}, DEAL, "b24")
    assert shown({"INCLUDE": [["crm", "CCrmDocumentDeal"]]}, DEAL, "b24")
    assert shown({"INCLUDE": [[*DEAL, "more"]]}, DEAL, "b24")
    assert shown({"INCLUDE": [["crm", None, "LEAD"]]}, DEAL, "b24")
    assert not shown({"INCLUDE": [["crm", "CCrmDocumentDeal"]]}, LEAD, "b24")


def test_rules_are_joined_by_or_and_exclude_wins() -> None:
    filter_ = {"INCLUDE": ["b24", ["lists"]], "EXCLUDE": [["crm", "CCrmDocumentLead"]]}
    assert shown(filter_, DEAL, "b24")
    assert not shown(filter_, DEAL, "box")
    assert shown(filter_, LISTS, "box")
    assert not shown(filter_, LEAD, "b24")


def test_without_a_document_type_every_document_rule_applies() -> None:
    assert shown({"INCLUDE": [["crm"]]}, None, "b24")
    assert shown({"INCLUDE": [[]]}, (), "b24")
    assert not shown({"EXCLUDE": [["crm"]]}, None, "b24")


def test_what_is_no_list_is_one_rule() -> None:
    assert not shown({"INCLUDE": {"a": ["crm"]}}, DEAL, "b24")
    assert shown({"INCLUDE": {"0": ["crm"]}}, DEAL, "b24")
    assert shown({"INCLUDE": {0: {0: "crm"}}}, DEAL, "b24")
