"""What one portal is to hold of one definition, field by field."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from bizproc.definition.definition import CLEARED, Definition, Kind


@dataclass(frozen=True)
class Payload:
    """A definition as one portal is to hold it.

    code: with the prefix, if there is one
    fields: every field that ``bizproc.activity.update`` knows; what the definition does not have is cleared
    previous_code: under which the portal may still hold it
    """

    code: str
    kind: Kind
    fields: Mapping[str, Any]
    edition: str
    previous_code: str | None = None

    @property
    def fingerprint(self) -> str:
        """A hash of all of it: two payloads have the same exactly when the portal would hold the same. The order of
        properties and options counts: the designer shows it."""
        whole = json.dumps([self.code, self.kind, self.edition, sorted(self.fields.items())], ensure_ascii=False)
        return hashlib.sha256(whole.encode()).hexdigest()

    def to_add(self) -> dict[str, Any]:
        """The parameters of an add: what is cleared need not be said."""
        said = {name: value for name, value in self.fields.items() if name not in CLEARED or value != CLEARED[name]}
        return {"CODE": self.code} | said


def payload(definition: Definition, *, app_url: str, edition: str, prefix: str = "") -> Payload:
    """The payload of a definition for one portal. ``prefix`` keeps a developer's codes apart from production's; the
    handler is the same, so that the app knows its activity by the address. A settings dialog's address has the prefix
    too: a portal wants another one for every code, within its first characters (PROTOCOL.md section 6)."""
    previous = definition.previous_code
    dialog = f"{app_url}/settings/{definition.code}" if definition.placement else definition.placement_handler
    if prefix and dialog:
        address = urlsplit(dialog)
        dialog = address._replace(query=f"prefix={prefix}&{address.query}".rstrip("&")).geturl()
    fields = definition.to_bitrix_update(f"{app_url}/activities/{definition.code}", dialog)
    return Payload(
        code=prefix + definition.code,
        kind=definition.kind,
        fields=fields,
        edition=edition,
        previous_code=None if previous is None else prefix + previous,
    )
