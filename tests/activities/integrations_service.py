"""The Integrations API of Langdock and Odeus on real HTTP, as both document it: types, lengths, what is required, no
other fields, who may do what, names that are taken, and limits.

What the documents leave open is as observed by others: an action's description and input fields are gone when a PUT
has none, its code stays. How an error is worded is this server's own.
"""

import re
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from flask import Flask, Response, abort, jsonify, make_response, request
from jsonschema import Draft202012Validator, FormatChecker
from werkzeug.serving import make_server

UUID = {"type": "string", "format": "uuid"}
INPUT_FIELD = {
    "type": "object",
    "required": ["label"],
    "additionalProperties": False,
    "properties": {
        "label": {"type": "string", "minLength": 1, "maxLength": 100},
        "type": {
            "enum": [
                "TEXT",
                "MULTI_LINE_TEXT",
                "NUMBER",
                "BOOLEAN",
                "SELECT",
                "PASSWORD",
                "VECTOR",
                "OBJECT",
                "FILE",
                "ID",
            ],
        },
        "description": {"type": "string", "maxLength": 500},
        "placeholder": {"type": "string", "maxLength": 200},
        "required": {"type": "boolean"},
        "options": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["label", "value"],
                "additionalProperties": False,
                "properties": {"label": {"type": "string"}, "value": {"type": "string"}},
            },
        },
        "allowMultiSelect": {"type": "boolean"},
        "contextActionId": UUID,
        "jsonSchema": {"type": "string"},
    },
}
ACTION = {
    "type": "object",
    "required": ["name"],
    "additionalProperties": False,
    "properties": {
        "name": {"type": "string", "minLength": 1, "maxLength": 100},
        "description": {"type": "string", "maxLength": 1000},
        "code": {"type": "string", "maxLength": 150_000},
        "inputFields": {"type": "array", "items": INPUT_FIELD},
        "requiresConfirmation": {"type": "boolean"},
    },
}
INTEGRATION = {
    "type": "object",
    "minProperties": 1,
    "additionalProperties": False,
    "properties": {
        "name": {"type": "string", "minLength": 1, "maxLength": 40},
        "description": {"type": "string", "maxLength": 90},
        "iconUrl": {"type": "string", "format": "uri"},
        "color": {"type": "string", "pattern": "^#?[0-9A-Fa-f]+$"},
    },
}


def faults(schema: dict[str, Any], body: Any) -> list[str]:
    found = Draft202012Validator(schema, format_checker=FormatChecker()).iter_errors(body)
    return [f"{each.json_path}: {each.message}" for each in found]


@dataclass
class IntegrationsService:
    """keys: to scopes; shared: the integrations that keys may touch; held_up: answers that come before any other."""

    keys: dict[str, set[str]]
    integrations: dict[str, dict[str, Any]] = field(default_factory=dict)
    shared: set[str] = field(default_factory=set)
    held_up: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    url: str = ""

    def integration(self, name: str, *actions: str, shared: bool = True, built_in: bool = False) -> tuple[str, ...]:
        """Make one; gives its id and those of its actions."""
        id_ = str(uuid.uuid4())
        made = [
            {
                "id": str(uuid.uuid4()),
                "name": each,
                "slug": slug(each),
                "description": "as it was",
                "code": "return 1",
                "order": order,
                "inputFields": [],
            }
            for order, each in enumerate(actions)
        ]
        integration = {"id": id_, "name": name, "description": "", "buildByLangdock": built_in}
        self.integrations[id_] = integration | {"actions": made}
        if shared:
            self.shared.add(id_)
        return (id_, *(each["id"] for each in made))

    def action(self, id_: str) -> dict[str, Any]:
        return next(each for one in self.integrations.values() for each in one["actions"] if each["id"] == id_)


def slug(label: str) -> str:
    return "_".join(re.findall(r"\w+", label.lower()))


def refuse(status: int, message: str, **headers: str) -> None:
    abort(make_response(jsonify(message=message), status, headers))


def app_of(service: IntegrationsService) -> Flask:
    app = Flask("integrations")

    def granted(*scopes: str) -> None:
        service.asked.append(f"{request.method} {request.path}")
        if service.held_up:
            status, headers = service.held_up.pop(0)
            refuse(status, "Rate limit exceeded" if status == 429 else "Internal server error", **headers)
        scheme, _, key = request.headers.get("Authorization", "").partition(" ")
        if scheme != "Bearer" or key not in service.keys:
            refuse(401, "Invalid or missing API key")
        if not service.keys[key] & set(scopes):
            refuse(403, "The API key lacks the scope")

    def integration_of(id_: str) -> dict[str, Any]:
        granted("INTEGRATION_API")
        if faults(UUID, id_):
            refuse(400, "Invalid integration ID format")
        if id_ not in service.integrations:
            refuse(404, "Integration not found")
        if id_ not in service.shared:
            refuse(403, "No access to this integration")
        return service.integrations[id_]

    def body_of(schema: dict[str, Any]) -> dict[str, Any]:
        body = request.get_json(silent=True)
        found = faults(schema, body)
        if found:
            refuse(400, "; ".join(found))
        return body  # type: ignore[no-any-return]

    @app.get("/integrations/v1/get")
    def listed() -> Response:
        granted("INTEGRATION_API", "ASSISTANT_API")
        names = ("id", "name", "description", "buildByLangdock")
        seen = [one for id_, one in service.integrations.items() if id_ in service.shared or one["buildByLangdock"]]
        return jsonify(integrations=[{name: one[name] for name in names} for one in seen])

    @app.get("/integrations/v1/<id_>")
    def shown(id_: str) -> Response:
        return jsonify(integration=integration_of(id_))

    @app.patch("/integrations/v1/<id_>")
    def changed(id_: str) -> Response:
        integration = integration_of(id_)
        integration |= body_of(INTEGRATION)
        return jsonify(integration={name: integration[name] for name in ("id", "name", "description")})

    @app.put("/integrations/v1/<id_>/actions/<action_id>")
    def replaced(id_: str, action_id: str) -> Response:
        integration = integration_of(id_)
        if faults(UUID, action_id):
            refuse(400, "Invalid action ID format")
        action = next((each for each in integration["actions"] if each["id"] == action_id), None)
        if action is None:
            abort(404)
        body = body_of(ACTION)
        if any(each is not action and each["name"] == body["name"] for each in integration["actions"]):
            refuse(409, "An action with this name already exists")
        fields = [
            {"slug": slug(each["label"]), "type": "TEXT", "description": None, "order": order} | each
            for order, each in enumerate(body.get("inputFields", []))
        ]
        action |= {"description": ""} | body | {"inputFields": fields}
        return jsonify(action=action)

    return app


@contextmanager
def running(service: IntegrationsService) -> Iterator[IntegrationsService]:
    server = make_server("127.0.0.1", 0, app_of(service), threaded=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    service.url = f"http://127.0.0.1:{server.port}"
    try:
        yield service
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
