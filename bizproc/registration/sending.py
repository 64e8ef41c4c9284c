"""The calls that carry a plan's changes to a portal, and the route that works for each (PROTOCOL.md section 5)."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bizproc.definition.definition import Kind
from bizproc.registration.payload import Payload
from bizproc.registration.plan import Change

BATCH = 50
FORM_VARIABLES = 900
"""PHP reads no more than 1,000 variables of a form or query; some room is left."""

_REFERENCE = re.compile(r"\$(result|next|total|time|error)\S*?\[", re.IGNORECASE | re.ASCII)
_LOST_KEY = re.compile(r"[\[\]\0]|\A\s?\Z", re.ASCII)


@dataclass(frozen=True)
class Call:
    """One REST call of a plan.

    done: what it is when the portal accepts it: ``added``, ``updated``, ``replaced``; without a payload ``deleted``,
        ``removed`` (deleted to be added as the other kind), ``released`` (its dialog's address is free for another)
    code, kind: of the record that it concerns; payload: what the portal holds then
    """

    method: str
    params: dict[str, Any]
    done: str
    code: str
    kind: Kind
    payload: Payload | None = None


def calls(changes: Sequence[Change]) -> list[Call]:
    """What has to go first, then what is new or different. A batch is worked on in its order."""
    return [
        *_releases(changes),
        *(call for change in changes for call in _deletes(change)),
        *(call for change in changes for call in _puts(change)),
    ]


def last_calls(change: Change) -> list[Call]:
    """What goes once the portal has accepted the change: what it held under a former code."""
    return [_delete(kind, code, "deleted") for kind, code in change.replaces if code != change.code]


def _releases(changes: Sequence[Change]) -> Iterator[Call]:
    """A portal wants another dialog's address for every code: where one may go from code to code, whoever has it gives
    it up before anybody takes it."""
    sent = [(change, each) for change in changes for each in change.fields]
    takers = {change.code for change, each in sent if each.field == "PLACEMENT_HANDLER"}
    holders = [
        (change.kind, change.code)
        for change, each in sent
        if change.held and each.field == "USE_PLACEMENT" and each.old != "N"
    ]
    former = [old for change in changes if change.fields for old in change.replaces if old[1] != change.code]
    for kind, code in (*holders, *former):
        if takers - {code}:
            params = {"CODE": code, "FIELDS": {"USE_PLACEMENT": "N"}}
            yield Call(f"bizproc.{kind}.update", params, "released", code, kind)


def _deletes(change: Change) -> Iterator[Call]:
    if change.action == "delete":
        yield _delete(change.kind, change.code, "deleted")
    for kind, code in change.replaces:
        if code == change.code:
            yield _delete(kind, code, "removed")


def _delete(kind: Kind, code: str, done: str) -> Call:
    return Call(f"bizproc.{kind}.delete", {"CODE": code}, done, code, kind)


def _puts(change: Change) -> Iterator[Call]:
    payload = change.payload
    if payload is None or not change.fields:
        return
    done = {"add": "added", "update": "updated"}.get(change.action, "replaced")
    if change.held:
        params = {"CODE": change.code, "FIELDS": {each.field: each.new for each in change.fields}}
        yield Call(f"bizproc.{change.kind}.update", params, done, change.code, change.kind, payload)
    else:
        yield Call(f"bizproc.{change.kind}.add", payload.to_add(), done, change.code, change.kind, payload)


def routes(made: Sequence[Call]) -> Iterator[list[Call]]:
    """The calls in the order in which they are sent: batches of at most 50, then alone those that no batch can carry.
    A list of one is sent as JSON."""
    carried: list[Call] = []
    alone: list[Call] = []
    for call in made:
        (carried if survives_a_query(call.params) else alone).append(call)
    yield from (carried[start : start + BATCH] for start in range(0, len(carried), BATCH))
    yield from ([call] for call in alone)


def survives_a_query(params: Mapping[str, Any]) -> bool:
    """Whether the portal reads the same from the query string of a batch as from JSON. Empty lists and objects do not
    survive, nor keys that are empty, one blank, or have brackets or a NUL; ``$result[`` and ``$results[`` would be
    replaced; and there is a limit to the number of variables."""
    variables = 0
    waiting: list[Any] = [params]
    while waiting:
        value = waiting.pop()
        if isinstance(value, Mapping):
            if not value or any(map(_LOST_KEY.search, value)):
                return False
            waiting += value.values()
        elif isinstance(value, (list, tuple)):
            if not value:
                return False
            waiting += value
        else:
            variables += 1
            if isinstance(value, str) and "[" in value and _REFERENCE.search(value):
                return False
    return variables <= FORM_VARIABLES
