"""What is to become of actions: read from what a step is given, and told as old and new."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Never

from activities.zabbix.actions import CHANGEABLE, Row, titled
from bizproc import ActivityFailed

OPERATIONS = ("operations", "recovery_operations", "update_operations")
TOLD_AT_MOST = 60


def replacing(name: str, words: str | None) -> Any:
    """The JSON that is to replace a property; None for nothing.

    Raises ActivityFailed for what is no JSON, or not of the shape that Zabbix knows.
    """
    if words is None:
        return None
    value = _parsed(name, words)
    _require_shape(name, value)
    return value


def restored(previous: str) -> dict[str, Row]:
    """What becomes of each action, by its id, from what an earlier step has returned as ``previous``.

    Raises ActivityFailed for anything else.
    """
    rows = _parsed("Restore", previous)
    updates: dict[str, Row] = {}
    for row in rows if isinstance(rows, list) else ():
        actionid = row.get("actionid") if isinstance(row, dict) else None
        update = {name: value for name, value in row.items() if name != "actionid"} if actionid else {}
        if not str(actionid).isdigit() or not update or update.keys() - CHANGEABLE.keys():
            updates.clear()
            break
        for name in update.keys() & {"filter", *OPERATIONS}:
            _require_shape(name, update[name])
        updates[str(actionid)] = update
    if not updates:
        raise ActivityFailed("Restore is not what a step that changes Zabbix actions returns as its previous values.")
    return updates


def changes(before: Sequence[Row], updates: Mapping[str, Row]) -> list[Row]:
    """Old and new, of the properties that differ::

    [{"actionid": "3", "name": "Report problems", "changes": {"status": {"old": "0", "new": "1"}}}]
    """
    found = []
    for row in before:
        differing = {
            name: {"old": row[name], "new": new}
            for name, new in updates[row["actionid"]].items()
            if _plain(row[name]) != _plain(new)
        }
        if differing:
            found.append({"actionid": row["actionid"], "name": row["name"], "changes": differing})
    return found


def said(changing: Sequence[Row], before: Sequence[Row]) -> Iterator[str]:
    """The changes as lines for people."""
    by_id = {each["actionid"]: each["changes"] for each in changing}
    for row in before:
        of_row = by_id.get(row["actionid"], {}).items()
        words = [f"{name}: {_told(name, each['old'])} → {_told(name, each['new'])}" for name, each in of_row]
        yield f"{titled(row)}: {'; '.join(words) or 'is so already'}"


def _told(name: str, value: Any) -> str:
    if name == "status":
        return "enabled" if str(value) == "0" else "disabled"
    words = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return words if len(words) <= TOLD_AT_MOST else f"{words[:TOLD_AT_MOST]}…"


def _plain(value: Any) -> Any:
    """Zabbix takes numbers for texts, and tells texts."""
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return str(value)


def _parsed(name: str, words: str) -> Any:
    try:
        return json.loads(words, parse_constant=_refuse)
    except json.JSONDecodeError as error:
        raise ActivityFailed(f"{name} is no JSON: {error.msg} in line {error.lineno}, column {error.colno}.") from None
    except ValueError as error:
        raise ActivityFailed(f"{name} is no JSON: {error}.") from None


def _refuse(constant: str) -> Never:
    raise ValueError(f"{constant} is no number")


def _require_shape(name: str, value: Any) -> None:
    if name == "filter":
        parts = value.get("conditions") if isinstance(value, dict) else None
        if not isinstance(value, dict) or "evaltype" not in value or not _are_objects(parts):
            raise ActivityFailed('filter has the form {"evaltype": 0, "conditions": [{…}]}.')
    elif not _are_objects(value) or not all("operationtype" in each for each in value):
        raise ActivityFailed(f'{name} has the form [{{"operationtype": 0, …}}].')


def _are_objects(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(each, dict) for each in value)
