"""Tell a portal of this app's activities, and where its events go."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete

from bizproc.definition.definition import Definition, Kind
from bizproc.portal.b24 import PortalRefused, PortalToken, SdkError, described, error_code
from bizproc.portal.installations import Installation
from bizproc.storage.database import Database
from bizproc.storage.tables import RegistrationRow, now

EVENTS = ("ONAPPINSTALL", "ONAPPUPDATE", "ONAPPUNINSTALL", "ONAPPPAYMENT", "ONAPPTEST")
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

        Raises SdkError when the portal cannot be asked at all, PortalRefused when it refuses everything.
        """
        listed = self._bind_and_list(token)
        done: list[Registered] = []
        for definition in self.definitions:
            registered = self._send(token, definition, listed)
            done.append(registered)
            self._store(installation, registered)
        return done

    def _bind_and_list(self, token: PortalToken) -> dict[str, list[str]]:
        """The codes that the portal has, by kind."""
        commands: dict[str, tuple[str, dict[str, Any]]] = {
            event: ("event.bind", {"event": event, "handler": f"{self._app_url}/events"}) for event in EVENTS
        }
        for kind in KINDS:
            commands[kind] = (f"bizproc.{kind}.list", {})
        # A handler that is bound already answers ERROR_CORE, which is no fault (PROTOCOL.md section 2).
        answer = token.batch(commands)
        for kind in KINDS:
            if kind in answer.errors:
                raise PortalRefused(
                    f"{_words(answer.errors[kind])}. Activities are registered with the rights of who installs the"
                    " app: an administrator of the portal has to open it."
                )
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
            if not error_code(error):
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


def _words(error: dict[str, Any]) -> str:
    return ": ".join(str(error[key]) for key in ("error", "error_description") if error.get(key))
