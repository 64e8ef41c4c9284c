"""Who may call an activity. What happens to an accepted callback is told in tests/whole_way."""

import json
from urllib.parse import urlencode

import pytest
import requests

from tests.conftest import Portal, RunningApp, eventually, values

FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.fixture
def form(installed: RunningApp, portal: Portal) -> dict[str, str]:
    """A proven callback that has not come before."""
    return {
        "code": "tell",
        "workflow_id": "1",
        "document_id[0]": "crm",
        "document_id[1]": "CCrmDocumentDeal",
        "document_id[2]": "DEAL_1",
        "document_type[]": ["crm", "CCrmDocumentDeal", "DEAL"],  # type: ignore[dict-item]
        "event_token": "1|A1|x.y",
        "use_subscription": "Y",
        "auth[member_id]": portal.description["member_id"],
        "auth[application_token]": portal.state()["installation"]["application_token"],
    }


def call(app: RunningApp, form: dict[str, str], query: str = "") -> requests.Response:
    return requests.post(f"{app.url}/activities/tell{query}", data=form, timeout=9)


@pytest.mark.parametrize(
    "changed",
    [
        {"auth[application_token]": "wrong"},
        {"auth[application_token]": ""},
        {"auth[member_id]": "unknown"},
        {"auth[member_id]": ""},
        {"auth[member_id][]": "x"},
        {"auth": "x"},
    ],
)
def test_a_sender_who_is_not_proven_is_refused_and_nothing_is_stored(
    installed: RunningApp, form: dict[str, str], changed: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    answer = call(installed, form | changed)
    assert (answer.status_code, answer.text) == (403, "403 Forbidden\n")
    assert installed.backend.runs.list() == []
    assert [record.message for record in caplog.records if "callback refused" in record.message]
    assert form["auth[application_token]"] not in caplog.text


def test_the_query_never_overrides_the_form(installed: RunningApp, form: dict[str, str]) -> None:
    secret = form.pop("auth[application_token]")
    assert call(installed, form, f"?auth[application_token]={secret}").status_code == 403
    assert call(installed, {}, "?" + "&".join(f"{k}={v}" for k, v in form.items())).status_code == 403


def test_the_applications_token_of_another_portal_proves_nothing(
    installed: RunningApp, form: dict[str, str], other_portal: Portal
) -> None:
    other = other_portal.state()["installation"]["application_token"]
    assert call(installed, form | {"auth[application_token]": other}).status_code == 403


def test_no_other_method(installed: RunningApp) -> None:
    assert requests.get(f"{installed.url}/activities/tell", timeout=9).status_code == 405


@pytest.mark.parametrize(
    "odd", [{f"properties[p{number}]": "" for number in range(11_000)}, {"properties" + "[a]" * 100: ""}]
)
def test_a_form_that_cannot_be_read_is_kept_and_told(
    installed: RunningApp, portal: Portal, form: dict[str, str], odd: dict[str, str]
) -> None:
    """The sender is proven, so the process would wait for ever."""
    assert call(installed, form | odd | {"auth[application_token]": "wrong"}).status_code == 403
    assert call(installed, form | odd).status_code == 200
    eventually(lambda: portal.log("bizproc.event.send"))
    (sent,) = portal.log("bizproc.event.send")
    assert json.loads(sent["request"]["raw"])["EVENT_TOKEN"] == form["event_token"]
    (run,) = eventually(lambda: installed.backend.runs.list(state="failed"))
    assert run.error is not None
    assert run.error.startswith("The callback's form cannot be read: ")


def test_a_body_without_length_is_refused_whole(installed: RunningApp, form: dict[str, str]) -> None:
    """Cut off at the limit it would look complete."""
    parts = iter([urlencode(form, doseq=True).encode(), b"&properties[a]=" + b"x" * 2_000_000])
    answer = requests.post(f"{installed.url}/activities/tell", data=parts, headers=FORM, timeout=9)
    assert answer.status_code == 411
    assert installed.backend.runs.list() == []


def test_no_nul_reaches_the_database(installed: RunningApp, form: dict[str, str]) -> None:
    assert call(installed, form | {"auth[member_id]": "\0"}).status_code == 403
    answer = requests.post(f"{installed.url}/activities/a%00b", data=form, timeout=9)
    assert answer.status_code == 200
    (run,) = installed.backend.runs.list()
    assert run.code == "a\ufffdb"


def test_lists_come_in_any_form(installed: RunningApp, portal: Portal) -> None:
    for lists in ("[]", "[0]"):
        given = {"numbers": ["1", "2"], "people": ["user_1"]}
        assert values(portal.finished(portal.run("every_type", given, lists=lists)))["numbers_back"] == [1, 2]
