"""The steps of Langdock and Odeus: what they send, what each answer becomes, and the whole way to a changed action."""

import datetime as dt
import json
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
import responses
from flask import Flask
from hypothesis import given, strategies

import activities
from activities.assistants.integrations_api import LONGEST_PAUSE, check
from activities.assistants.requests_checked import ActionUpdate, checked
from activities.langdock_action import Input, langdock_action
from activities.odeus_action import Input as OdeusInput
from activities.odeus_action import odeus_action
from activities.odeus_integration import Input as IntegrationInput
from activities.odeus_integration import odeus_integration
from bizproc import ActivityFailed, Retry
from bizproc.backend import Backend
from bizproc.definition.activity import AnyActivity
from bizproc.definition.registry import discover
from bizproc.settings import Settings
from bizproc.testing import Process, connected
from handlers import attach
from tests import canaries
from tests.activities.integrations_service import ACTION, IntegrationsService, faults, running
from tests.conftest import Portal, install, serving, tries, values
from tests.handlers.test_settings_dialog import Form, opened

PAGES = Path(__file__).parents[2] / "docs" / "activities"
KEY = "sk-a-key-with-the-right-scope"
INTEGRATION = "550e8400-e29b-41d4-a716-446655440000"
ACTION_ID = "660e8400-e29b-41d4-a716-446655440001"
API = "https://api.langdock.com"
URL = f"{API}/integrations/v1/{INTEGRATION}"
FIELDS = [
    {"label": "User ID", "type": "TEXT", "required": True},
    {"label": "Format", "type": "SELECT", "options": [{"label": "JSON", "value": "json"}]},
]


def replace_action(url: str = API, key: str = KEY, **changed: Any) -> Any:
    settings = {"integrationId": INTEGRATION, "actionId": ACTION_ID, "name": "Get User Data"} | changed
    return langdock_action(Input(connection="main", **settings), Process(connections={"main": connected(url, key)}))


def change_integration(url: str = API, key: str = KEY, **changed: Any) -> Any:
    settings = {"integrationId": INTEGRATION, "name": "Tickets"} | changed
    return odeus_integration(
        IntegrationInput(connection="main", **settings), Process(connections={"main": connected(url, key)})
    )


CALLS = pytest.mark.parametrize(
    ("call", "method", "url"),
    [(replace_action, "PUT", f"{URL}/actions/{ACTION_ID}"), (change_integration, "PATCH", URL)],
)
STATUSES = {
    400: f"{API} refuses the request as invalid: It is so. Correct the step's settings.",
    401: f"{API} does not accept the API key: it is wrong, or not valid any more: It is so. Store a new one in the"
    " connection main.",
    403: f"{API} does not allow this with the API key: It is so. Share the integration with the key, or store one with"
    " the scope INTEGRATION_API in the connection main.",
    404: f"{API} has no such integration, or no such action in it: It is so. Correct the step's IDs.",
    409: f"{API} has another one named 'Taken' already: It is so. Choose another name.",
    418: f"{API} answered 418 I'm a Teapot: It is so. Is that the right base URL?",
}
LIMITED = f"{API} limits how often it may be asked: It is so."
FAILED = f"{API} has failed (503): It is so. Look there whether it has made the change."


@CALLS
@pytest.mark.parametrize(("status", "words"), STATUSES.items())
@responses.activate
def test_each_status_is_told_in_words(call: Callable[..., Any], method: str, url: str, status: int, words: str) -> None:
    responses.add(method, url, status=status, json={"message": "It is so."})
    with pytest.raises(ActivityFailed) as failed:
        call(name="Taken")
    assert str(failed.value) == words
    assert len(responses.calls) == 1


@CALLS
@pytest.mark.parametrize(("status", "words"), [(429, LIMITED), (500, FAILED.replace("503", "500")), (503, FAILED)])
@pytest.mark.parametrize(
    ("header", "pause"),
    [(None, None), ("7", 7), ("Sat, 01 Jan 2000 00:00:00 GMT", 0), ("soon", None), (str(LONGEST_PAUSE), LONGEST_PAUSE)],
)
@responses.activate
def test_what_can_pass_is_tried_again(
    call: Callable[..., Any], method: str, url: str, status: int, words: str, header: str | None, pause: float | None
) -> None:
    headers = {} if header is None else {"Retry-After": header}
    responses.add(method, url, status=status, json={"message": "It is so."}, headers=headers)
    with pytest.raises(Retry) as again:
        call()
    assert (str(again.value), again.value.after) == (words, pause)


@responses.activate
def test_a_pause_that_ends_at_a_time_is_kept() -> None:
    until = format_datetime(dt.datetime.now(dt.UTC) + dt.timedelta(seconds=200), usegmt=True)
    responses.put(f"{URL}/actions/{ACTION_ID}", status=429, headers={"Retry-After": until})
    with pytest.raises(Retry) as again:
        replace_action()
    assert again.value.after is not None
    assert 100 < again.value.after <= 200


@responses.activate
def test_a_pause_that_is_too_long_fails_the_step() -> None:
    responses.patch(URL, status=429, headers={"Retry-After": "3600"})
    with pytest.raises(ActivityFailed, match=r"asked\. It wants a pause of 3600 s, which is too long for this step\.$"):
        change_integration()


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ({"error": "It is so"}, ": It is so"),
        ({"error": {"message": "It is so."}}, ": It is so"),
        ({"message": ["one", "two"]}, ': ["one", "two"]'),
        ({"message": f"The key {KEY} is wrong"}, ": The key *** is wrong"),
        ({"message": "x" * 1000}, f": {'x' * 300}"),
        (["It is so"], ""),
        ({}, ""),
    ],
)
@responses.activate
def test_the_systems_own_words_are_told_in_short_and_without_the_key(answer: Any, said: str) -> None:
    responses.patch(URL, status=400, json=answer)
    with pytest.raises(ActivityFailed) as failed:
        change_integration()
    assert str(failed.value) == f"{API} refuses the request as invalid{said}. Correct the step's settings."


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ({"body": "<h1>Welcome</h1>", "content_type": "text/html"}, "web page. Is that the right base URL"),
        ({"body": "[]"}, "answered with no JSON object. Is that the right base URL"),
        ({"json": {"action": {"id": 1}}}, "has made the change, but tells the action in another form than documented"),
    ],
)
@responses.activate
def test_an_answer_that_is_none_is_told(answer: dict[str, Any], words: str) -> None:
    responses.put(f"{URL}/actions/{ACTION_ID}", **answer)
    with pytest.raises(ActivityFailed, match=words):
        replace_action()


def test_a_call_without_an_answer_is_made_again() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=lambda: listener.accept()[0].close(), daemon=True).start()
        with pytest.raises(Retry, match="broke off without an answer"):
            replace_action(f"http://127.0.0.1:{listener.getsockname()[1]}")


@responses.activate
def test_only_what_is_given_is_sent() -> None:
    responses.patch(URL, json={"integration": {"id": INTEGRATION, "name": "Tickets"}})
    change_integration(name=None, color="#1A73E8", iconUrl="https://example.com/icon.png")
    sent = responses.calls[0].request
    assert json.loads(sent.body or "") == {"color": "#1A73E8", "iconUrl": "https://example.com/icon.png"}
    assert sent.headers["Authorization"] == f"Bearer {KEY}"


@responses.activate
def test_all_faults_are_told_at_once_and_nothing_is_sent() -> None:
    fields = [
        {"label": "x" * 101, "type": "text", "required": "yes", "description": "x" * 501, "placeholder": "x" * 201},
        {"type": "SELECT", "options": [{"label": "A"}]},
        {"label": "A", "type": "SELECT"},
        {"label": "B", "options": [{"label": "A", "value": "a"}], "contextActionId": "1"},
        {"label": "C", "help": "me"},
        "D",
    ]
    with pytest.raises(ActivityFailed) as failed:
        replace_action(integrationId="1", actionId=f"{ACTION_ID}\n", name="x" * 101, inputFields=json.dumps(fields))
    told = str(failed.value).splitlines()
    assert told[0] == "Nothing was sent. Correct the step's settings:"
    assert [line.partition(": ")[0] for line in told[1:]] == [
        "integrationId",
        "actionId",
        "name",
        "inputFields[0].label",
        "inputFields[0].type",
        "inputFields[0].description",
        "inputFields[0].placeholder",
        "inputFields[0].required",
        "inputFields[1].label",
        "inputFields[1].options[0].value",
        "inputFields[2]",
        "inputFields[3].contextActionId",
        "inputFields[4].help",
        "inputFields[5]",
    ]
    with pytest.raises(ActivityFailed) as failed:
        change_integration(name="x" * 41, description="x" * 91, iconUrl="icon.png", color="red")
    told = str(failed.value).splitlines()
    assert told[1:] == [
        "name: String should have at most 40 characters",
        "description: String should have at most 90 characters",
        "iconUrl: is no web address, such as https://example.com/icon.png",
        "color: is no hex code of a color, such as #1A73E8",
    ]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ("[{", "inputFields: Invalid JSON: EOF while parsing an object at line 1 column 2"),
        ("{}", "inputFields: Input should be a valid list"),
        (json.dumps([{}] * 50), r"^Nothing.*\n(inputFields\[\d+\]\.label: Field required\n){20}and 30 more$"),
        (
            json.dumps([{"label": "A", "allowMultiSelect": True}]),
            "has options or allowMultiSelect, which only a SELECT",
        ),
    ],
)
def test_wrong_fields_are_told(fields: str, words: str) -> None:
    with pytest.raises(ActivityFailed, match=words):
        replace_action(inputFields=fields)


@pytest.mark.parametrize("address", ["ftp://example.com/a.png", "https://", "https://[", "https://example.com/a b"])
def test_an_icon_has_a_web_address(address: str) -> None:
    with pytest.raises(ActivityFailed, match="iconUrl: is no web address"):
        change_integration(iconUrl=address)


def test_a_change_of_nothing_is_told() -> None:
    with pytest.raises(ActivityFailed, match="name, description, iconUrl and color are empty: give at least one"):
        change_integration(name=None)


SHORT = strategies.sampled_from(["", "a", "x" * 100, "x" * 101, "x" * 201, "x" * 501, INTEGRATION, None, 1, True])
OPTIONS = strategies.lists(strategies.dictionaries(strategies.sampled_from(["label", "value", "x"]), SHORT), max_size=2)
FIELD = strategies.fixed_dictionaries(
    {"label": SHORT},
    optional={
        "type": strategies.sampled_from(["TEXT", "SELECT", "ID", "text", None]),
        "description": SHORT,
        "placeholder": SHORT,
        "required": SHORT,
        "options": OPTIONS | SHORT,
        "allowMultiSelect": SHORT,
        "contextActionId": SHORT,
        "jsonSchema": SHORT,
        "slug": SHORT,
        "other": SHORT,
    },
)


@tries(200)
@given(fields=strategies.lists(FIELD, max_size=2))
def test_what_is_let_through_is_as_documented(fields: list[dict[str, Any]]) -> None:
    settings = {"integrationId": INTEGRATION, "actionId": ACTION_ID, "name": "A", "inputFields": json.dumps(fields)}
    try:
        update = checked(ActionUpdate, **settings)
    except ActivityFailed:
        return
    body = update.model_dump(exclude={"integrationId", "actionId"}, exclude_unset=True)
    assert faults(ACTION, body) == []


@pytest.fixture
def service() -> Iterator[IntegrationsService]:
    with running(IntegrationsService(keys={KEY: {"INTEGRATION_API"}, "other": {"ASSISTANT_API"}})) as service:
        yield service


def test_the_whole_configuration_is_replaced(service: IntegrationsService) -> None:
    integration, action, _ = service.integration("Tickets", "Get User", "Get Ticket")
    ids = {"integrationId": integration, "actionId": action}
    changed = {"name": "Get User v2", "description": "Ü" * 1000, "code": "return 2", "inputFields": json.dumps(FIELDS)}
    first = replace_action(service.url, **ids, **changed)
    assert replace_action(service.url, **ids, **changed) == first
    held = service.action(action)
    assert {name: held[name] for name in ("name", "description", "code")} == {
        name: changed[name] for name in ("name", "description", "code")
    }
    assert [each["slug"] for each in held["inputFields"]] == ["user_id", "format"]
    assert (first.id, first.slug, first.order) == (action, "get_user", 0)
    assert json.loads(first.fields) == held["inputFields"]

    replace_action(service.url, **ids, name="Get User v3")
    held = service.action(action)
    assert (held["description"], held["inputFields"], held["code"]) == ("", [], "return 2")


def test_the_fields_of_one_action_can_be_anothers(service: IntegrationsService) -> None:
    integration, action, other = service.integration("Tickets", "Get User", "Get Ticket")
    ids = {"integrationId": integration, "actionId": action}
    first = replace_action(service.url, **ids, name="Get User", inputFields=json.dumps(FIELDS))
    given = OdeusInput(
        connection="main", integrationId=integration, actionId=other, name="Get Ticket", inputFields=first.fields
    )
    process = Process(connections={"main": connected(service.url, KEY)})
    assert odeus_action(given, process).fields == first.fields


def test_an_integration_is_changed(service: IntegrationsService) -> None:
    (integration,) = service.integration("Tickets")
    returned = change_integration(service.url, integrationId=integration, name=None, description="All of them")
    assert (returned.id, returned.currentName, returned.currentDescription) == (integration, "Tickets", "All of them")
    change_integration(service.url, integrationId=integration, name="Issues", color="#fff")
    held = service.integrations[integration]
    assert (held["name"], held["description"], held["color"]) == ("Issues", "All of them", "#fff")


def test_the_service_refuses_what_is_not_to_be(service: IntegrationsService) -> None:
    integration, action, _ = service.integration("Tickets", "Get User", "Get Ticket")
    hidden, hidden_action = service.integration("Hidden", "Get User", shared=False)
    for words, how in {
        "does not accept the API key": {"key": "wrong"},
        "does not allow this with the API key: The API key lacks the scope": {"key": "other"},
        "does not allow this with the API key: No access": {"integrationId": hidden, "actionId": hidden_action},
        "has no such integration, or no such action": {"actionId": ACTION_ID},
        "has another one named 'Get Ticket' already": {"name": "Get Ticket"},
    }.items():
        with pytest.raises(ActivityFailed, match=words):
            replace_action(service.url, **{"integrationId": integration, "actionId": action} | how)
    assert service.action(action)["description"] == "as it was"


def test_check_tells_what_the_key_sees(service: IntegrationsService) -> None:
    service.integration("Slack", shared=False, built_in=True)
    assert check(connected(service.url, KEY)) == "The key sees no integration of your own yet."
    for number in range(6):
        service.integration(f"Number {number}")
    told = "6 of your own: Number 0, Number 1, Number 2, Number 3, Number 4, …"
    assert check(connected(service.url, KEY)) == told
    with pytest.raises(ActivityFailed, match="lacks the scope"):
        check(connected(service.url, "other"))
    with pytest.raises(ActivityFailed, match="does not accept the API key"):
        check(connected(service.url, "wrong"))


@pytest.mark.parametrize("step", [langdock_action, odeus_action, odeus_integration], ids=repr)
def test_a_step_is_told_in_three_languages_and_on_its_page(step: AnyActivity) -> None:
    definition = step.definition
    fields = (*definition.properties, *definition.return_properties)
    for told in (definition, *fields):
        for words in filter(None, (told.name, told.description)):
            assert set(words.texts) == {"en", "de", "ru"}, words
    page = (PAGES / f"{definition.code}.md").read_text()
    assert page.startswith(f"# {definition.name.shown_in('en')}\n")
    assert "\n## A process\n" in page
    if "(langdock_action.md)" not in page:
        assert [each.key for each in fields if each.name.shown_in("en") not in page] == []


@pytest.fixture
def settings(settings: Settings, service: IntegrationsService) -> Settings:
    return replace(settings, allowed_systems=(service.url,))


def shipped(settings: Settings) -> Flask:
    """The app with the activities that ship."""
    app = Flask("shipped")
    backend = Backend(settings, discover(activities))
    backend.database.upgrade()
    attach(app, backend)
    return app


def test_the_whole_way_from_a_process_and_back(
    settings: Settings, service: IntegrationsService, portal: Portal
) -> None:
    integration, action, _ = service.integration("Tickets", "Get User", "Get Ticket")
    ids = {"integrationId": integration}
    configuration = {"actionId": action, "name": "Get User v2", "code": "return 2", "inputFields": json.dumps(FIELDS)}
    canaries.PORTALS[portal.ready["oauth_url"]].note(KEY)
    with serving(settings, shipped) as app:
        install(app, portal)
        installation = app.backend.installations.find(portal.ready["member_id"])
        assert installation is not None
        for system in ("langdock", "odeus"):
            told = app.backend.connections.add(installation, system, "Assistants", service.url, KEY)
            assert told == "1 of your own: Tickets"

        dialog = Form(opened(app, portal, "langdock_action").text)
        assert dialog.options["connection"]["Assistants"] == "Assistants"
        assert "inputFields" in dialog.values

        def returned(code: str, /, **properties: str) -> dict[str, Any]:
            run = portal.run(code, {"connection": "Assistants"} | ids | properties)
            return values(portal.finished(run))

        service.held_up.append((429, {"Retry-After": "0"}))
        first = returned("langdock_action", **configuration)
        held = service.action(action)
        assert (held["name"], held["code"]) == ("Get User v2", "return 2")
        assert json.loads(first.pop("fields")) == held["inputFields"]
        assert first == {"id": action, "slug": "get_user", "order": 0}
        assert service.asked[-2:] == [f"PUT /integrations/v1/{integration}/actions/{action}"] * 2

        refused = returned("odeus_action", **configuration | {"name": "Get Ticket"})
        assert refused == {
            "error": f"{service.url} has another one named 'Get Ticket' already: An action with this name already"
            " exists. Choose another name."
        }
        changed = returned("odeus_integration", description="All of them")
        assert changed == {"id": integration, "currentName": "Tickets", "currentDescription": "All of them"}
        unknown = returned("odeus_integration", name="Issues", connection="Others")
        assert unknown == {"error": "This portal has no connection 'Others' to Odeus. There are: Assistants."}
        assert service.integrations[integration]["name"] == "Tickets"
