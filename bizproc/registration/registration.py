"""Tell a portal of this app's activities, and where its events go."""

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete, func, select

from bizproc.definition.definition import Definition, Kind
from bizproc.portal.b24 import PortalRefused, PortalToken, PortalUnavailable, SdkError, described, error_code
from bizproc.portal.installations import Installation
from bizproc.storage.database import Database
from bizproc.storage.tables import RegistrationRow, now

logger = logging.getLogger(__name__)

EVENTS = ("ONAPPINSTALL", "ONAPPUPDATE", "ONAPPUNINSTALL", "ONAPPPAYMENT", "ONAPPTEST")
REFUSALS = frozenset(
    (
        "ERROR_ACTIVITY_ADD_FAILURE",
        "ERROR_ACTIVITY_ALREADY_INSTALLED",
        "ERROR_ACTIVITY_NOT_FOUND",
        "ERROR_ACTIVITY_VALIDATION_FAILURE",
        "ERROR_CORE",
        "ERROR_UNSUPPORTED_PROTOCOL",
        "ERROR_WRONG_HANDLER_URL",
    )
)
"""What a portal says of a definition that it will never take as it is; anything else may pass."""
NOT_ALLOWED = frozenset(("ACCESS_DENIED", "INSUFFICIENT_SCOPE"))
KINDS: tuple[Kind, ...] = ("activity", "robot")


@dataclass(frozen=True)
class Registered:
    """What became of one definition: ``added``, ``updated``, or ``refused`` with the portal's words."""

    code: str
    kind: str
    action: str
    error: str | None = None


class Registration:
    """Sends the definitions of the code to portals. ``app_url`` is where their callbacks go."""

    def __init__(self, database: Database, definitions: Iterable[Definition], app_url: str) -> None:
        self._database = database
        self.definitions = tuple(definitions)
        self._app_url = app_url

    def register(self, installation: Installation, token: PortalToken) -> list[Registered]:
        """Bind the events, and add or update every definition; what the portal refuses does not stop the others.

        Raises SdkError and PortalUnavailable when the portal cannot take it now, PortalRefused when it refuses
        everything.
        """
        listed = self._bind_and_list(token)
        done: list[Registered] = []
        for definition in self.definitions:
            registered = self._send(token, definition, listed)
            done.append(registered)
            self._store(installation, registered)
        return done

    def refusals(self) -> dict[int, int]:
        """How many definitions each portal refused when they were last sent, by installation id."""
        refused = select(RegistrationRow.installation_id, func.count()).where(RegistrationRow.action == "refused")
        with self._database.reading() as session:
            counted = session.execute(refused.group_by(RegistrationRow.installation_id)).tuples()
            return dict(counted.all())

    def _bind_and_list(self, token: PortalToken) -> dict[str, list[str]]:
        """The codes that the portal has, by kind."""
        commands: dict[str, tuple[str, dict[str, Any]]] = {
            event: ("event.bind", {"event": event, "handler": f"{self._app_url}/events"}) for event in EVENTS
        }
        for kind in KINDS:
            commands[kind] = (f"bizproc.{kind}.list", {})
        answer = token.batch(commands)
        for name, error in answer.errors.items():
            if name in KINDS and _code(error) in NOT_ALLOWED:
                raise PortalRefused(
                    f"{_words(error)}. Activities are registered with the rights of who installs the app: an"
                    " administrator of the portal has to open it."
                )
            if name in KINDS:
                raise PortalUnavailable(f"the portal did not list its activities: {_words(error)}")
            # A handler that is bound already is no fault (PROTOCOL.md section 2).
            if _code(error) != "ERROR_CORE":
                logger.warning("%s: the event %s is not bound: %s", token.domain, name, _words(error))
        return {kind: list(answer.results[kind]) for kind in KINDS}

    def _send(self, token: PortalToken, definition: Definition, listed: dict[str, list[str]]) -> Registered:
        code, kind = definition.code, definition.kind
        other = "robot" if kind == "activity" else "activity"
        handler = f"{self._app_url}/activities/{code}"
        try:
            if code in listed[other]:  # a record cannot change its kind (PROTOCOL.md section 6)
                token.call_method(f"bizproc.{other}.delete", {"CODE": code})
            if code in listed[kind]:
                fields = definition.to_bitrix_update(handler)
                token.call_method(f"bizproc.{kind}.update", {"CODE": code, "FIELDS": fields})
                return Registered(code, kind, "updated")
            token.call_method(f"bizproc.{kind}.add", definition.to_bitrix(handler))
        except SdkError as error:
            if error_code(error) not in REFUSALS:
                raise
            return Registered(code, kind, "refused", described(error))
        return Registered(code, kind, "added")

    def _store(self, installation: Installation, registered: Registered) -> None:
        with self._database.writing() as session:
            session.execute(
                delete(RegistrationRow).where(
                    RegistrationRow.installation_id == installation.id, RegistrationRow.code == registered.code
                )
            )
            session.add(
                RegistrationRow(
                    installation_id=installation.id,
                    code=registered.code,
                    kind=registered.kind,
                    action=registered.action,
                    error=registered.error,
                    sent_at=now(),
                )
            )


def _code(error: dict[str, Any]) -> str:
    return str(error.get("error", "")).upper()


def _words(error: dict[str, Any]) -> str:
    return ": ".join(str(error[key]) for key in ("error", "error_description") if error.get(key))
