"""A step of Langdock as a designer fills it in, up to the changed action."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from playwright.sync_api import Page, expect

from bizproc.settings import Settings
from tests import canaries
from tests.activities.integrations_service import IntegrationsService, running
from tests.activities.test_assistants import FIELDS, KEY, shipped
from tests.conftest import Portal, install, serving, values

pytestmark = pytest.mark.xdist_group("browser")


@pytest.fixture
def service() -> Iterator[IntegrationsService]:
    with running(IntegrationsService(keys={KEY: {"INTEGRATION_API"}})) as service:
        yield service


@pytest.fixture
def settings(settings: Settings, service: IntegrationsService) -> Settings:
    canaries.PORTALS[settings.oauth_url].note(KEY)
    return replace(settings, allowed_systems=(service.url,))


def test_an_action_is_replaced_as_somebody_fills_it_in(
    view: Callable[[str], Page], portal: Portal, settings: Settings, service: IntegrationsService
) -> None:
    integration, action = service.integration("Tickets", "Get User")
    with serving(settings, shipped) as app:
        install(app, portal)
        installation = app.backend.installations.find(portal.ready["member_id"])
        assert installation is not None
        app.backend.connections.add(installation, "langdock", "Assistants", service.url, KEY)
        page = view("designer")
        page.locator('.palette [data-code="langdock_action"]').click()
        inside = page.frame_locator(".dialog iframe")
        inside.locator('[data-property="connection"] select').select_option("Assistants")
        typed = {"integrationId": integration, "actionId": action, "name": "{=Document:TITLE}", "code": "return 2"}
        for name, value in typed.items():
            inside.locator(f'[data-property="{name}"]').locator("input, textarea").first.fill(value)
        fields = inside.locator('[data-property="inputFields"]')
        fields.locator("textarea").fill('[\n{"label": }]')
        expect(fields).to_contain_text("line 2")
        fields.locator("textarea").fill(json.dumps(FIELDS))
        expect(fields).not_to_contain_text("line 2")
        page.locator(".submit .primary").click()
        expect(page.locator(".badge.completed")).to_be_visible()
        process = portal.process(page.url.rpartition("/")[2])
    held = service.action(action)
    assert (held["name"], held["code"]) == ("Office chairs", "return 2")
    assert json.loads(values(process)["fields"]) == held["inputFields"]
