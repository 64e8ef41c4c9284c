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

    done: what it is when the portal accepts it: ``added``, ``updated``, ``replaced``, ``deleted``
    code, kind: of the record that it concerns; payload: what the portal holds then, None for a delete
    """

    method: str
    params: dict[str, Any]
    done: str
    code: str
    kind: Kind
    payload: Payload | None = None


def calls(changes: Sequence[Change]) -> list[Call]:
    """What has to go first, then what is new or different. A batch is worked on in its order."""
    return [call for change in changes for call in _deletes(change)] + [
        call for change in changes for call in _puts(change)
    ]


def _deletes(change: Change) -> Iterator[Call]:
    gone = change.replaces if change.action == "replace" else ()
    if change.action == "delete":
        gone = ((change.kind, change.code),)
    for kind, code in gone:
        yield Call(f"bizproc.{kind}.delete", {"CODE": code}, "deleted", code, kind)


def _puts(change: Change) -> Iterator[Call]:
    payload = change.payload
    if payload is None or change.action == "keep":
        return
    if change.action == "update":
        fields = {each.field: each.new for each in change.fields}
        params = {"CODE": change.code, "FIELDS": fields}
        yield Call(f"bizproc.{change.kind}.update", params, "updated", change.code, change.kind, payload)
    else:
        done = "replaced" if change.action == "replace" else "added"
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
