"""From a process in the portal to the row in Zabbix's database, and back."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest

import app as application
from bizproc.settings import Settings
from tests import canaries
from tests.conftest import Portal, install, serving, values
from tests.zabbix import Zabbix

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("zabbix")]

DISCOVERY, PROBLEMS = "2", "3"
"""Two of the actions that Zabbix comes with, all disabled."""


@dataclass(frozen=True)
class Connected:
    """The app with all activities that ship, in a portal that has a connection to Zabbix."""

    portal: Portal
    zabbix: Zabbix
    told: str

    def returned(self, **given: Any) -> dict[str, Any]:
        process = self.portal.run("zabbix_action", {"connection": "Monitoring", **given})
        return values(self.portal.finished(process))

    def statuses(self) -> list[int]:
        return [status for (status,) in self.zabbix.rows("SELECT status FROM actions ORDER BY actionid")]


@pytest.fixture
def connected(portal: Portal, settings: Settings, zabbix: Zabbix) -> Iterator[Connected]:
    canaries.PORTALS[settings.oauth_url].note(zabbix.token)
    with serving(replace(settings, allowed_systems=(zabbix.url,)), application.create_app) as app:
        install(app, portal)
        installation = app.backend.installations.find(portal.ready["member_id"])
        assert installation is not None
        told = app.backend.connections.add(installation, "zabbix", "Monitoring", zabbix.url, zabbix.token)
        zabbix.ask("action.update", {"actionid": PROBLEMS, "status": 0})
        yield Connected(portal, zabbix, told)
        zabbix.ask("action.update", {"actionid": PROBLEMS, "status": 1})


def test_a_process_silences_and_another_restores(connected: Connected) -> None:
    assert re.fullmatch(r"Zabbix 6\.0\.\d+, user Admin", connected.told)
    before = connected.statuses()
    assert before == [1, 0, 1, 1, 1]
    dry = connected.returned(actions=["Report problems to Zabbix administrators"], enabled="N", dry_run="Y")
    assert json.loads(dry["changes"])[0]["changes"] == {"status": {"old": "0", "new": "1"}}
    assert connected.statuses() == before
    silenced = connected.returned(actions=[DISCOVERY, "Report problems to Zabbix administrators"], enabled="N")
    assert silenced["actionids"] == [DISCOVERY, PROBLEMS]
    assert connected.statuses() == [1, 1, 1, 1, 1]
    restored = connected.returned(restore=silenced["previous"])
    assert restored["actionids"] == [DISCOVERY, PROBLEMS]
    assert connected.statuses() == before


def test_a_process_is_told_what_was_wrong(connected: Connected) -> None:
    before = connected.statuses()
    wrong = connected.returned(actions=[DISCOVERY, "No such action"], enabled="N")
    assert set(wrong) == {"error"}
    assert wrong["error"].startswith("Zabbix shows no action No such action: either none has this id or exact name, or")
    elsewhere = connected.returned(connection="Elsewhere", actions=[DISCOVERY], enabled="N")
    assert elsewhere == {"error": "This portal has no connection 'Elsewhere' to Zabbix. There are: Monitoring."}
    assert connected.statuses() == before
