"""What is to be done so that a portal holds exactly the definitions. Pure: no input, no output."""

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from bizproc.definition.definition import Kind
from bizproc.registration.payload import Payload

Action = Literal["add", "update", "replace", "delete", "keep"]


@dataclass(frozen=True)
class Known:
    """A registration as this app has it stored.

    fingerprint: of the payload that the portal last accepted; None when nobody knows what it holds, since what was sent
        last was refused or never answered
    fields: what it last accepted, also when nobody knows what it holds now
    """

    fingerprint: str | None = None
    fields: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class FieldChange:
    """A field that differs. ``old`` is None where nobody knows what the portal holds."""

    field: str
    old: Any
    new: Any


@dataclass(frozen=True)
class Change:
    """What is to be done with one code.

    payload: what the portal is to hold; None for a delete
    fields: what is sent; none where the portal holds all of it
    held: whether the portal has the code, and as this kind
    replaces: the records that have to go, as kind and code: the same code as the other kind, or a former code
    warnings: for whoever reads the plan
    """

    action: Action
    code: str
    kind: Kind
    payload: Payload | None = None
    fields: tuple[FieldChange, ...] = ()
    held: bool = False
    replaces: tuple[tuple[Kind, str], ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Plan:
    """All changes in the order of the definitions, deletions last.

    foreign: what the portal holds of this application though this app did not register it; it is never touched
    gone: codes that are stored as registered, neither wanted nor held by the portal any more
    """

    changes: tuple[Change, ...]
    foreign: tuple[tuple[Kind, str], ...] = ()
    gone: tuple[str, ...] = ()

    def pending(self, *, allow_deletes: bool) -> tuple[Change, ...]:
        """What an apply would do."""
        left_alone = {"keep"} if allow_deletes else {"keep", "delete"}
        return tuple(change for change in self.changes if change.action not in left_alone)


def plan(
    desired: Iterable[Payload],
    known: Mapping[str, Known],
    listed: Mapping[Kind, Collection[str]],
    *,
    refresh: bool = False,
) -> Plan:
    """Compare what is wanted with what is stored and with what the portal lists.

    known: by code; only what was registered with the same prefix
    listed: the codes that the portal holds, by kind
    refresh: send everything again, whatever is stored
    """
    wanted = list(desired)
    held: dict[str, Kind] = {code: kind for kind, codes in listed.items() for code in codes}
    codes = {each.code for each in wanted}
    changes = [_change(each, codes, known, held, refresh=refresh) for each in wanted]
    settled = {change.code for change in changes} | {code for each in changes for _, code in each.replaces}
    deletes = [
        Change(
            "delete", code, held[code], held=True, warnings=("process templates that use it will fail at this step",)
        )
        for code in known
        if code in held and code not in settled
    ]
    return Plan(
        changes=(*changes, *deletes),
        foreign=tuple((kind, code) for code, kind in held.items() if code not in known and code not in settled),
        gone=tuple(code for code in known if code not in held and code not in settled),
    )


def _change(
    payload: Payload, wanted: Collection[str], known: Mapping[str, Known], held: Mapping[str, Kind], *, refresh: bool
) -> Change:
    code, kind, previous = payload.code, payload.kind, payload.previous_code
    stored = known.get(code, Known())
    replaces: list[tuple[Kind, str]] = []
    if previous is not None and previous in held and previous in known and previous not in wanted:
        replaces.append((held[previous], previous))
    if code in held and held[code] != kind:  # a record cannot change its kind (PROTOCOL.md section 6)
        replaces.append((held[code], code))
    there = held.get(code) == kind
    certain = there and stored.fingerprint is not None and not refresh
    same = certain and stored.fingerprint == payload.fingerprint
    action: Action = "replace" if replaces else "keep" if same else "update" if there else "add"
    former = [known[old].fields for _, old in replaces if old != code]
    return Change(
        action,
        code,
        kind,
        payload,
        fields=() if same else _fields(payload, stored.fields if certain else None),
        held=there,
        replaces=tuple(replaces),
        warnings=tuple(
            f"{old} goes: process templates that use it under another code or kind will fail" for _, old in replaces
        )
        + tuple(_vanished(payload, stored.fields, *former)),
    )


def _fields(payload: Payload, old: Mapping[str, Any] | None) -> tuple[FieldChange, ...]:
    """The fields that differ from the old ones, all of them where nobody knows the old ones. When only what is no
    field differs, such as the edition, all are sent once more."""
    if old is None:
        return tuple(FieldChange(name, None, value) for name, value in payload.fields.items())
    differing = {
        name for name, value in payload.fields.items() if name not in old or json.dumps(old[name]) != json.dumps(value)
    }
    if "PLACEMENT_HANDLER" in differing:  # alone it is "No fields to update" (PROTOCOL.md section 6)
        differing.add("USE_PLACEMENT")
    changes = (FieldChange(name, old.get(name), value) for name, value in payload.fields.items() if name in differing)
    return tuple(changes) or _fields(payload, None)


def _vanished(payload: Payload, *before: Mapping[str, Any] | None) -> Iterator[str]:
    for section, words in (("PROPERTIES", "property"), ("RETURN_PROPERTIES", "return property")):
        for key in dict.fromkeys(key for old in before for key in (old or {}).get(section) or ()):
            if key not in payload.fields[section]:
                yield f"the {words} {key} vanishes: process templates that use it refer to nothing"
