"""Zabbix's actions: what of them can be changed, and how they are read so that they can be written again.

The rules are those of Zabbix's manual, "API > Action > Action object", 6.0 to 7.4.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from activities.zabbix.client import Client
from bizproc import ActivityFailed

Row = dict[str, Any]
"""An action's ``actionid``, ``name``, ``eventsource`` and some of its properties, as ``action.update`` takes them."""

EVENT_SOURCES = {
    "0": "trigger",
    "1": "discovery",
    "2": "autoregistration",
    "3": "internal",
    "4": "service",
}
ESCALATING = ("trigger", "internal", "service")
EVERY = tuple(EVENT_SOURCES.values())


@dataclass(frozen=True)
class Changeable:
    """A property of actions that can be changed.

    sources: the event sources whose actions have it
    since: the first version of Zabbix that has it
    selected_by: the parameter of ``action.get`` that asks for it; empty where ``output`` does
    """

    sources: Sequence[str] = EVERY
    since: float = 6.0
    selected_by: str = ""


CHANGEABLE = {
    "status": Changeable(),
    "name": Changeable(),
    "esc_period": Changeable(ESCALATING),
    "pause_suppressed": Changeable(("trigger",)),
    "pause_symptoms": Changeable(("trigger",), since=6.4),
    "notify_if_canceled": Changeable(("trigger",)),
    "filter": Changeable(selected_by="selectFilter"),
    "operations": Changeable(selected_by="selectOperations"),
    "recovery_operations": Changeable(ESCALATING, selected_by="selectRecoveryOperations"),
    "update_operations": Changeable(("trigger", "service"), selected_by="selectUpdateOperations"),
}

CUSTOM_EXPRESSION = "3"
SUPPRESSED = "16"
EVENT_TAG_VALUE = "26"
RECOVERY_MESSAGE = "11"
PARTS_OF_OPERATION = {
    "opmessage": ("default_msg", "subject", "message", "mediatypeid"),
    "opmessage_grp": ("usrgrpid",),
    "opmessage_usr": ("userid",),
    "opcommand": ("scriptid",),
    "opcommand_grp": ("groupid",),
    "opcommand_hst": ("hostid",),
    "opconditions": ("conditiontype", "operator", "value"),
    "opgroup": ("groupid",),
    "opinventory": ("inventory_mode",),
    "optag": ("tag", "value"),
    "optemplate": ("templateid",),
}


def find(client: Client, named: Sequence[str], properties: Sequence[str], *, by_name: bool) -> list[Row]:
    """The actions of these ids, or exact names too, in this order, each once.

    Raises ActivityFailed for those that are not there or not the user's to change, which Zabbix does not tell apart,
    and for what means two actions.
    """
    ids = [each for each in named if each.isascii() and each.isdigit()]
    of_name = _get(client, properties, filter={"name": named}) if by_name else []
    of_id = _get(client, properties, actionids=ids) if ids else []
    found: dict[str, Row] = {}
    unknown = []
    for each in named:
        meant = {row["actionid"]: row for row in of_name if row["name"] == each}
        meant |= {row["actionid"]: row for row in of_id if row["actionid"] == each}
        if len(meant) > 1:
            both = " and ".join(map(titled, meant.values()))
            raise ActivityFailed(f"{each} means several actions: {both}. Give the id of one, or the name of the other.")
        if not meant:
            unknown.append(each)
        found |= meant
    if unknown:
        raise ActivityFailed(
            f"Zabbix shows no action {', '.join(unknown)}: either none has this id or exact name, or the token's user"
            f" {client.username} may not change it. Look at the spelling, and at the user's role and rights."
            " Nothing was changed."
        )
    return list(found.values())


def titled(row: Row) -> str:
    return f'"{row["name"]}" ({row["actionid"]})'


def check(client: Client, row: Row, properties: Iterable[str]) -> None:
    """Raises ActivityFailed where this Zabbix, or an action of this event source, has no such property."""
    source = EVENT_SOURCES.get(row["eventsource"], row["eventsource"])
    for name in properties:
        rule = CHANGEABLE[name]
        if client.version < rule.since:
            raise ActivityFailed(f"{name} came with Zabbix {rule.since}, and this is {client.version}.")
        if source not in rule.sources:
            raise ActivityFailed(
                f"{titled(row)} is an action for {source} events, and {name} is only for those of "
                f"{', '.join(rule.sources)}. Nothing was changed."
            )


def _get(client: Client, properties: Sequence[str], **chosen: Any) -> list[Row]:
    selected = {CHANGEABLE[name].selected_by: "extend" for name in properties if CHANGEABLE[name].selected_by}
    output = ["actionid", "name", "eventsource", *(name for name in properties if not CHANGEABLE[name].selected_by)]
    rows = client.action.get(output=output, editable=True, **selected, **chosen)
    return [_writable(row, properties) for row in rows]


def _writable(row: Row, properties: Iterable[str]) -> Row:
    """Without what ``action.get`` tells beyond what ``action.update`` takes."""
    source = EVENT_SOURCES.get(row["eventsource"])
    written = {name: row[name] for name in ("actionid", "name", "eventsource")}
    for name in properties:
        if name == "filter":
            written[name] = _filter(row[name])
        elif name in row and CHANGEABLE[name].selected_by:
            written[name] = [_operation(each, name, source) for each in row[name]]
        elif name in row:
            written[name] = row[name]
    return written


def _filter(read: Mapping[str, Any]) -> Row:
    custom = read["evaltype"] == CUSTOM_EXPRESSION
    conditions = []
    for each in read["conditions"]:
        names = ["conditiontype", "operator"]
        names += ["value"] if each["conditiontype"] != SUPPRESSED else []
        names += ["value2"] if each["conditiontype"] == EVENT_TAG_VALUE else []
        names += ["formulaid"] if custom else []
        conditions.append(_only(each, names))
    return _only(read, ["evaltype", "formula"] if custom else ["evaltype"]) | {"conditions": conditions}


def _operation(read: Mapping[str, Any], group: str, source: str | None) -> Row:
    names, parts = ["operationtype"], set(PARTS_OF_OPERATION)
    if group == "operations" and source in ESCALATING:
        names += ["esc_period", "esc_step_from", "esc_step_to"]
    if group == "operations" and source == "trigger":
        names += ["evaltype"]
    else:
        parts -= {"opconditions"}
    if source == "service":
        parts -= {"opcommand_grp", "opcommand_hst"}
    operation = _only(read, names)
    for name in PARTS_OF_OPERATION:
        if name in read and name in parts:
            operation[name] = _part(read[name], PARTS_OF_OPERATION[name])
    if "opmessage" in operation:
        operation["opmessage"] = _message(operation["opmessage"], read["operationtype"])
    return operation


def _part(read: Any, names: Iterable[str]) -> Any:
    return [_only(each, names) for each in read] if isinstance(read, list) else _only(read, names)


def _message(message: Row, operation_type: str) -> Row:
    # Zabbix refuses these even when they are as it told them.
    refused = {"subject", "message"} if message.get("default_msg") == "1" else set()
    refused |= {"mediatypeid"} if operation_type == RECOVERY_MESSAGE else set()
    return {name: value for name, value in message.items() if name not in refused}


def _only(read: Mapping[str, Any], names: Iterable[str]) -> Row:
    return {name: read[name] for name in names if name in read}
