"""The calls of the Integrations API, and what each answer means for a step.

Every call here can be repeated: a PUT replaces the whole action, and a PATCH sets the same values. But whoever changed
the same thing between two tries would lose that change. So tries follow each other closely (``TRIES``), and a system
that wants a longer pause than ``LONGEST_PAUSE`` fails the step.
"""

import json
from collections.abc import Mapping
from typing import Any, NoReturn, TypeVar

import requests
from pydantic import BaseModel, ConfigDict, ValidationError
from urllib3.exceptions import InvalidHeader
from urllib3.util import Retry as Urllib3Retry

from activities.assistants.requests_checked import ActionUpdate, IntegrationUpdate
from bizproc import ActivityFailed, Connection, NoAnswer, Retry

TRIES = 7
"""With growing pauses of 1 to 32 seconds: a little more than the minute for which a limit of requests counts."""
LONGEST_PAUSE = 300
"""Seconds that a system may have its Retry-After wait."""
SAID_CHARACTERS = 300
NAMES_TOLD = 5


class Action(BaseModel):
    """What became of an action."""

    id: str
    slug: str
    order: int | None = None
    inputFields: list[dict[str, Any]] = []


class Integration(BaseModel):
    """What became of an integration."""

    id: str
    name: str
    description: str | None = None


class ListedIntegration(Integration):
    model_config = ConfigDict(extra="allow")

    @property
    def built_in(self) -> bool:
        """Whether it is the system's own, which has ``buildByLangdock`` true. No key may look at those."""
        return any(told is True for name, told in (self.model_extra or {}).items() if name.startswith("buildBy"))


class Listed(BaseModel):
    integrations: list[ListedIntegration]


Result = TypeVar("Result", bound=BaseModel)


def update_action(connection: Connection, update: ActionUpdate) -> Action:
    """Raises ActivityFailed, and Retry where that can help."""
    configuration = update.model_dump(exclude={"integrationId", "actionId"}, exclude_unset=True)
    answer = _call(connection, "PUT", f"{update.integrationId}/actions/{update.actionId}", configuration)
    return _result(connection, Action, answer, "action")


def update_integration(connection: Connection, update: IntegrationUpdate) -> Integration:
    """Raises ActivityFailed, and Retry where that can help."""
    changes = update.model_dump(exclude={"integrationId"}, exclude_unset=True)
    answer = _call(connection, "PATCH", update.integrationId, changes)
    return _result(connection, Integration, answer, "integration")


def check(connection: Connection) -> str:
    """Says which integrations the API key sees.

    Keys of another scope may list them too, but only one with INTEGRATION_API may look at one.
    """
    listed = _call(connection, "GET", "get")
    try:
        integrations = Listed.model_validate(listed).integrations
    except ValidationError:
        raise ActivityFailed(f"{connection.base_url} lists integrations in another form than documented.") from None
    own = [each for each in integrations if not each.built_in]
    if not own:
        return "The key sees no integration of your own yet."
    _call(connection, "GET", own[0].id)
    names = ", ".join(each.name for each in own[:NAMES_TOLD])
    return f"{len(own)} of your own: {names}{', …' if len(own) > NAMES_TOLD else ''}"


def _call(connection: Connection, method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
    url = f"{connection.base_url}/integrations/v1/{path}"
    try:
        response = connection.http.request(
            method, url, json=body, headers={"Authorization": f"Bearer {connection.secret}"}
        )
    except NoAnswer as error:
        raise Retry(str(error)) from None
    if not response.ok:
        _refused(connection, response, body or {})
    answer = connection.json(response)
    if not isinstance(answer, dict):
        raise ActivityFailed(f"{connection.base_url} answered with no JSON object. Is that the right base URL?")
    return answer


def _result(connection: Connection, kind: type[Result], answer: dict[str, Any], name: str) -> Result:
    try:
        return kind.model_validate(answer.get(name))
    except ValidationError:
        raise ActivityFailed(
            f"{connection.base_url} has made the change, but tells the {name} in another form than documented."
        ) from None


def _refused(connection: Connection, response: requests.Response, body: Mapping[str, Any]) -> NoReturn:
    who, status = connection.base_url, response.status_code
    said = _said(connection, response)
    if status == 429:
        _again_later(response, f"{who} limits how often it may be asked{said}.")
    if status >= 500:
        _again_later(response, f"{who} has failed ({status}){said}. Look there whether it has made the change.")
    raise ActivityFailed(
        {
            400: f"{who} refuses the request as invalid{said}. Correct the step's settings.",
            401: f"{who} does not accept the API key: it is wrong, or not valid any more{said}. Store a new one in the"
            f" connection {connection.name}.",
            403: f"{who} does not allow this with the API key{said}. Share the integration with the key, or store one"
            f" with the scope INTEGRATION_API in the connection {connection.name}.",
            404: f"{who} has no such integration, or no such action in it{said}. Correct the step's IDs.",
            409: f"{who} has another one named {body.get('name')!r} already{said}. Choose another name.",
        }.get(status, f"{who} answered {status} {response.reason}{said}. Is that the right base URL?")
    )


def _again_later(response: requests.Response, why: str) -> NoReturn:
    """Try again after the pause that the system wants, else after a growing one."""
    asked = response.headers.get("Retry-After")
    try:
        pause = None if asked is None else Urllib3Retry().parse_retry_after(asked)
    except InvalidHeader:
        pause = None
    if pause is not None and pause > LONGEST_PAUSE:
        raise ActivityFailed(f"{why} It wants a pause of {pause:.0f} s, which is too long for this step.")
    raise Retry(why, after=pause)


def _said(connection: Connection, response: requests.Response) -> str:
    """The system's own words, for which no form is documented."""
    try:
        answer = response.json()
    except requests.JSONDecodeError:
        return ""
    words = answer.get("message") or answer.get("error") if isinstance(answer, dict) else None
    if isinstance(words, dict):
        words = words.get("message")
    if not words:
        return ""
    text = words if isinstance(words, str) else json.dumps(words, ensure_ascii=False)
    text = text.replace(connection.secret, "***")
    return f": {text[:SAID_CHARACTERS]}".rstrip(".")
