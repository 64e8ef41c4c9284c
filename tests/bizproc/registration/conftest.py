"""An installation in the development portal, and definitions to register there."""

import datetime as dt
import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from bizproc.backend import Backend
from bizproc.definition.definition import Definition, Kind
from bizproc.definition.portal_rules import new_record, prepared
from bizproc.definition.properties import Property
from bizproc.definition.registry import Registry
from bizproc.definition.text import t
from bizproc.php import from_json, to_json
from bizproc.portal.b24 import PortalToken, Tokens
from bizproc.portal.installations import Installation
from bizproc.portal.proof import prove
from bizproc.portal.visitor import Visitor
from bizproc.registration.applying import Applied
from bizproc.registration.plan import Plan
from bizproc.registration.registration import Registration
from bizproc.settings import Settings
from tests.conftest import Portal


def defined(code: str, kind: Kind = "activity", **more: Any) -> Definition:
    return Definition(code=code, kind=kind, name=t(en=f"The {code}"), **more)


def prop(key: str, **more: Any) -> Property:
    return Property(key=key, type="string", name=t(en=key), **more)


@dataclass
class Bench:
    """One portal, and an app that is installed there."""

    backend: Backend
    portal: Portal
    installation: Installation
    definitions: list[Definition] = field(default_factory=list)

    @property
    def registration(self) -> Registration:
        app_url = self.backend.settings.app_url
        return Registration(self.backend.registrations, self.backend.installations, self.definitions, app_url)

    @property
    def token(self) -> PortalToken:
        return self.backend.installations.token(self.installation)

    def apply(self, *definitions: Definition, **how: Any) -> Applied:
        self.definitions = list(definitions)
        return self.registration.apply(self.installation, self.token, **how)

    def plan(self, *definitions: Definition, **how: Any) -> Plan:
        self.definitions = list(definitions)
        return self.registration.plan(self.installation, self.token, **how)

    def held(self) -> dict[str, Any]:
        """What the portal holds, by code; what is cleared counts as not there."""
        return {record["CODE"]: normal(record) for record in self.portal.state()["stored"]}

    def wanted(self, prefix: str = "") -> dict[str, Any]:
        """What a portal would hold if all definitions were added to an empty one."""
        wanted = {}
        for payload in self.registration.desired(self.installation, prefix):
            data = prepared(from_json(payload.to_add()))  # type: ignore[arg-type]
            wanted[payload.code] = normal(to_json(new_record(data, robot=payload.kind == "robot")))
        return wanted

    def placements(self) -> list[dict[str, str]]:
        return self.portal.state()["placements"]  # type: ignore[no-any-return]

    def calls(self) -> int:
        return len(self.portal.log("/rest/"))


def normal(record: dict[str, Any]) -> dict[str, Any]:
    """As JSON, since the order of properties and options counts too."""
    return {name: json.dumps(value) for name, value in record.items() if value not in (None, "", [], {}, {"*": ""})}


@pytest.fixture
def bench(portal: Portal, settings: Settings) -> Iterator[Bench]:
    settings = replace(settings, app_url="http://127.0.0.1:9")
    backend = Backend(settings, Registry([]))
    backend.database.upgrade()
    yield installed(backend, portal)
    backend.close()


def installed(backend: Backend, portal: Portal) -> Bench:
    given = portal.ask("token")
    expires = dt.datetime.now(dt.UTC) + dt.timedelta(hours=1)
    tokens = Tokens(given["access_token"], given["refresh_token"], expires)
    proof = prove(backend.app, tokens.access, member_id=portal.description["member_id"])
    installation = backend.installations.install(
        Visitor(proof, tokens, administrator=True), application_token="x", language="en", app_host="127.0.0.1:9"
    )
    before = portal.log()
    return Bench(backend, replace(portal, since=before[-1]["n"] if before else 0), installation)
