"""A definition: what an activity module declares about its activity, and what a portal is told of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from bizproc.definition.properties import Property
from bizproc.definition.text import LocalizedText
from bizproc.document_types import DocumentType

Kind = Literal["activity", "robot"]
Rule = str | tuple[str, ...]

CLEARED: Mapping[str, Any] = {
    "AUTH_USER_ID": 0,
    "USE_SUBSCRIPTION": "",
    "DESCRIPTION": "",
    "PROPERTIES": {},
    "RETURN_PROPERTIES": {},
    "DOCUMENT_TYPE": "",
    "FILTER": "",
    "USE_PLACEMENT": "N",
}
"""What an update sends so that the portal holds nothing in a field (PROTOCOL.md sections 5 and 6)."""


@dataclass(frozen=True)
class Filter:
    """Where the designer offers the activity.

    A rule is an edition, ``"b24"`` (cloud) or ``"box"`` (self-hosted), or the beginning of a document type, such as
    ``("lists",)``, ``DEAL.entity`` or ``DEAL``. Rules of one list are joined by OR (PROTOCOL.md section 6). None says
    nothing; an empty ``include`` hides the activity everywhere.
    """

    include: Sequence[Rule] | None = None
    exclude: Sequence[Rule] | None = None

    def to_bitrix(self) -> dict[str, list[Any]]:
        sides = {"INCLUDE": self.include, "EXCLUDE": self.exclude}
        return {
            side: [rule if isinstance(rule, str) else list(rule) for rule in rules]
            for side, rules in sides.items()
            if rules is not None
        }


@dataclass(frozen=True)
class Definition:
    """What the designer sees of one activity or robot.

    waits: the process waits for the answer (True), goes on at once (False), or as the template's author says (None)
    auth_user_id: whose access token a callback carries, 0 for whoever started the process
    previous_code: under which it was registered before it was renamed
    tries: how often the function is called, if it raises ``Retry`` or what nobody foresaw
    seconds: how long the function may take, where the step has no timeout of its own
    at_once: how many runs of it one worker process works on at a time; None for any number
    placement: a step's settings are a dialog of the app's own: True for a form made from the properties, or the file
        name of a template next to the module
    handler, placement_handler: where callbacks and the settings dialog go. A module says neither: they are the
    installation's
    """

    code: str
    kind: Kind
    name: LocalizedText
    description: LocalizedText | None = None
    properties: tuple[Property, ...] = ()
    return_properties: tuple[Property, ...] = ()
    document_type: DocumentType | None = None
    filter: Filter | None = None
    waits: bool | None = None
    auth_user_id: int = 0
    handler: str | None = None
    placement_handler: str | None = None
    previous_code: str | None = None
    tries: int = 3
    seconds: float = 300
    at_once: int | None = None
    placement: bool | str = False

    def to_bitrix(self, handler: str | None = None, placement_handler: str | None = None) -> dict[str, Any]:
        """The parameters of ``bizproc.activity.add`` or ``bizproc.robot.add``; HANDLER and PLACEMENT_HANDLER only where
        one is given here or by the definition. What the definition does not have is left out."""
        # Only the letters Y and N have the effect they name (PROTOCOL.md section 6, USE_SUBSCRIPTION).
        fields: dict[str, Any] = {"CODE": self.code, "NAME": self.name.to_bitrix()}
        if handler or self.handler:
            fields["HANDLER"] = handler or self.handler
        if self.auth_user_id:
            fields["AUTH_USER_ID"] = self.auth_user_id
        if self.waits is not None:
            fields["USE_SUBSCRIPTION"] = "Y" if self.waits else "N"
        if self.description is not None:
            fields["DESCRIPTION"] = self.description.to_bitrix()
        if self.properties:
            fields["PROPERTIES"] = {each.key: each.to_bitrix() for each in self.properties}
        if self.return_properties:
            fields["RETURN_PROPERTIES"] = {each.key: each.to_bitrix() for each in self.return_properties}
        if self.document_type is not None:
            fields["DOCUMENT_TYPE"] = list(self.document_type)
        if self.filter is not None:
            fields["FILTER"] = self.filter.to_bitrix()
        if placement_handler or self.placement_handler is not None:
            fields |= {"USE_PLACEMENT": "Y", "PLACEMENT_HANDLER": placement_handler or self.placement_handler}
        return fields

    @classmethod
    def from_bitrix(cls, fields: Mapping[str, Any], kind: Kind = "activity") -> "Definition":
        """The definition that these parameters of ``bizproc.activity.add`` (or ``bizproc.robot.add``) make, read as a
        portal reads them: keys in any case, empty values as PHP takes them.

        Raises DefinitionError for what the portal refuses, in its words, and for what docs/definitions.md lists.
        """
        from bizproc.definition.loading import load

        return load(fields, kind)

    def to_bitrix_update(self, handler: str, placement_handler: str | None = None) -> dict[str, Any]:
        """The FIELDS of an update after which the portal holds exactly this definition: since an update is partial,
        what the definition does not have carries its clearing value (PROTOCOL.md sections 5 and 6). For a JSON call: an
        empty PROPERTIES does not survive the query string of a batch."""
        fields = {**CLEARED, **self.to_bitrix(handler, placement_handler)}
        del fields["CODE"]
        return fields
