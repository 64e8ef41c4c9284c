"""A step of a process: reached, called, answered, timed out (PROTOCOL.md sections 7 and 8)."""

import secrets
from dataclasses import dataclass, field
from typing import Any, Literal

from bizproc.php import PhpArray, PhpValue, is_empty, to_int, to_json, to_text, upper, upper_keys
from devportal.app_client import Pairs, bracketed
from devportal.cloud import Cloud, unix_now
from devportal.errors import RestError, access_denied
from devportal.portal import Portal
from devportal.process import EventToken, Process, new_event_id, new_workflow_id
from devportal.values import sent_value, taken_value

DEFAULT_DOCUMENT_TYPE = ("crm", "CCrmDocumentDeal", "DEAL")
DEFAULT_LOG_MESSAGE = "Answer received"
ListForm = Literal["[0]", "[]", "plain"]


@dataclass(frozen=True, slots=True)
class StepOrder:
    """How a template's author has set the step, and the document the process runs on.

    Attributes:
        properties: by name, JSON values; a missing one has its default.
        wait: whether the step waits, where the record leaves that open.
        timeout: seconds, 0 for never.
        user_id: the user chosen in the step instead of AUTH_USER_ID.
        lists: how lists are written in the form: `x[0]`, `x[]`, or `x` for a list of one.
    """

    code: str
    document_type: tuple[str, ...] = DEFAULT_DOCUMENT_TYPE
    document_id: str = ""
    properties: dict[str, Any] = field(default_factory=dict)
    wait: bool = True
    timeout: float = 0
    user_id: int | None = None
    lists: ListForm = "[0]"


def run(cloud: Cloud, portal: Portal, order: StepOrder) -> Process:
    """Start a process whose one step is the application's. What cannot run fails at once, as in a portal."""
    workflow_id = new_workflow_id()
    module, entity, type_ = order.document_type[:3] if len(order.document_type) > 2 else ("", *order.document_type)
    with portal.lock:
        record = portal.records.get(order.code)
        process = Process(
            id=workflow_id,
            code=order.code,
            document_type=list(order.document_type),
            document_id=[module, entity, order.document_id or f"{type_}_{secrets.randbelow(9000) + 1}"],
            token=EventToken(workflow_id, _activity_name(), new_event_id()),
            use_subscription=_subscription(record, order.wait) if record else "N",
            timeout=order.timeout,
        )
        portal.add_process(process)
        failure = None
        if record is None:
            failure = f"No activity or robot {order.code!r} of the application is registered"
        elif portal.installation.payment_expired:
            failure = "Rest application status error: payment required"
        if record is None or failure:
            process.close("failed", failure)
            portal.changed.notify_all()
            return process
        process.sent = _sent(portal, record, order.properties)
        if not process.waits:
            process.close("completed")
        pairs = _callback(cloud, portal, process, record, order)
        handler = to_text(record["HANDLER"])
        process.deliveries = cloud.queue.send(portal, "callback", handler, pairs, process.id)
    if process.waits and process.timeout > 0:
        cloud.scheduler.after(process.timeout, lambda: _time_out(portal, process))
    return process


def _activity_name() -> str:
    return "A" + "_".join(str(secrets.randbelow(90_000) + 10_000) for _ in range(4))


def _subscription(record: PhpArray, wait: bool) -> str:
    """An empty USE_SUBSCRIPTION leaves it to the author; anything else is sent as stored, and only `Y` waits."""
    fixed = record.get("USE_SUBSCRIPTION")
    return ("Y" if wait else "N") if is_empty(fixed) else to_text(fixed)


def _sent(portal: Portal, record: PhpArray, given: dict[str, Any]) -> dict[str, str | list[str]]:
    definitions = record.get("PROPERTIES")
    if not isinstance(definitions, dict):
        return {}
    by_name = {upper(name): value for name, value in given.items()}
    sent = {}
    for name, definition in definitions.items():
        if not isinstance(definition, dict):
            continue
        value = by_name.get(upper(str(name)), to_json(definition.get("DEFAULT")))
        if isinstance(value, dict):
            value = list(value.values())
        sent[str(name)] = sent_value(value, definition, portal.dates)
    return sent


def _callback(cloud: Cloud, portal: Portal, process: Process, record: PhpArray, order: StepOrder) -> Pairs:
    pairs: Pairs = [("workflow_id", process.id), ("code", process.code)]
    pairs += [("document_id[]", part) for part in process.document_id]
    pairs += [("document_type[]", part) for part in process.document_type]
    pairs.append(("event_token", process.token.signed(portal.signing_key)))
    for name, value in process.sent.items():
        pairs += _field(f"properties[{name}]", value, order.lists)
    pairs += [
        ("use_subscription", process.use_subscription),
        ("timeout_duration", to_text(process.timeout)),
        ("ts", unix_now()),
    ]
    user_id = order.user_id if order.user_id is not None else to_int(record.get("AUTH_USER_ID"))
    return pairs + bracketed("auth", cloud.auth(portal, user_id if user_id > 0 else None))


def _field(name: str, value: str | list[str], lists: ListForm) -> Pairs:
    if isinstance(value, str):
        return [(name, value)]
    if lists == "plain" and len(value) == 1:
        return [(name, value[0])]
    if lists == "[]":
        return [(f"{name}[]", inner) for inner in value]
    return [(f"{name}[{index}]", inner) for index, inner in enumerate(value)]


def _time_out(portal: Portal, process: Process) -> None:
    with portal.lock:
        if process.status == "waiting" and portal.processes.get(process.id) is process:
            process.is_timeout = True
            process.close("completed")
            portal.changed.notify_all()


def terminate(portal: Portal, process: Process) -> None:
    """End a process from outside: it is gone, its step is never answered."""
    with portal.lock:
        process.close("terminated")
        portal.changed.notify_all()


def _token(portal: Portal, token: PhpValue) -> EventToken:
    verified = EventToken.verified(token, portal.signing_key) if isinstance(token, str) else None
    if verified is None:
        raise access_denied()
    return verified


def answer(portal: Portal, token: PhpValue, return_values: PhpValue, log_message: PhpValue) -> None:
    """`bizproc.event.send`: take the answer if the step waits for it; else nothing happens, and nobody is told.

    Raises:
        RestError: the token's signature is wrong.
    """
    verified = _token(portal, token)
    with portal.lock:
        process = portal.processes.get(verified.workflow_id)
        if process is None or process.token != verified or process.status != "waiting":
            return
        process.write(log_message if isinstance(log_message, str) and log_message else DEFAULT_LOG_MESSAGE)
        record = portal.records.get(process.code)
        outputs = record.get("RETURN_PROPERTIES") if record else None
        if isinstance(outputs, dict) and not is_empty(return_values):
            given = upper_keys(return_values if isinstance(return_values, dict) else {0: return_values})
            for name, definition in outputs.items():
                key = upper(str(name))
                if key in given and isinstance(definition, dict):
                    process.returned[str(name)] = taken_value(given[key], definition, portal.dates)
        process.close("completed")
        portal.changed.notify_all()


def write_log(portal: Portal, token: PhpValue, message: PhpValue) -> None:
    """`bizproc.activity.log`: unlike an answer, this tells when the process is gone.

    Raises:
        RestError: wrong signature, empty message, or no such process any more (code 404).
    """
    verified = _token(portal, token)
    if is_empty(message):
        raise RestError("ERROR_EMPTY_LOG_MESSAGE", "Empty log message!")
    with portal.lock:
        process = portal.processes.get(verified.workflow_id)
        if process is None or process.status != "waiting":
            raise RestError(404, "Workflow instance not found")
        if process.token == verified:
            process.write(message if isinstance(message, str) else DEFAULT_LOG_MESSAGE)
            portal.changed.notify_all()
