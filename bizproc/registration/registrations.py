"""The stored registrations: what each portal last accepted of each definition."""

import json
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from bizproc.definition.definition import Kind
from bizproc.registration.payload import Payload
from bizproc.registration.plan import Known
from bizproc.storage.database import Database
from bizproc.storage.tables import PayloadRow, RegistrationRow, now


@dataclass(frozen=True)
class Registered:
    """What became of one definition: ``added``, ``updated``, ``replaced``, ``deleted``, or ``refused``, then with the
    portal's words."""

    code: str
    kind: Kind
    action: str
    error: str | None = None


class Registrations:
    def __init__(self, database: Database) -> None:
        self._database = database

    def known(self, installation_id: int, prefix: str) -> dict[str, Known]:
        """What was registered with this prefix, by code."""
        rows = (
            select(RegistrationRow, PayloadRow.fields)
            .outerjoin(PayloadRow, PayloadRow.fingerprint == RegistrationRow.fingerprint)
            .where(RegistrationRow.installation_id == installation_id, RegistrationRow.prefix == prefix)
            .order_by(RegistrationRow.id)
        )
        with self._database.reading() as session:
            return {
                row.code: Known(row.kind, row.fingerprint, None if fields is None else json.loads(fields))  # type: ignore[arg-type]
                for row, fields in session.execute(rows)
            }

    def last(self, installation_id: int) -> dict[str, Registered]:
        """What became of each code when it was last sent, by code."""
        rows = select(RegistrationRow).where(RegistrationRow.installation_id == installation_id)
        with self._database.reading() as session:
            return {
                row.code: Registered(row.code, row.kind, row.action, row.error)  # type: ignore[arg-type]
                for row in session.scalars(rows)
            }

    def others(self, installation_id: int, prefix: str) -> set[str]:
        """The codes that were registered with another prefix."""
        rows = select(RegistrationRow.code).where(
            RegistrationRow.installation_id == installation_id, RegistrationRow.prefix != prefix
        )
        with self._database.reading() as session:
            return set(session.scalars(rows))

    def refusals(self) -> dict[int, int]:
        """How many definitions each portal refused when they were last sent, by installation id."""
        refused = select(RegistrationRow.installation_id, func.count()).where(RegistrationRow.action == "refused")
        with self._database.reading() as session:
            counted = session.execute(refused.group_by(RegistrationRow.installation_id))
            return {installation_id: number for installation_id, number in counted}  # noqa: C416 - rows are no pairs

    def sending(self, installation_id: int, payloads: Iterable[Payload], prefix: str) -> None:
        """These are about to be sent. Until the portal has accepted them, nobody knows what it holds; and whatever
        happens now, the codes are this app's."""
        moment = now()
        rows = [
            {
                "installation_id": installation_id,
                "code": payload.code,
                "prefix": prefix,
                "kind": payload.kind,
                "action": "sending",
                "fingerprint": None,
                "error": None,
                "sent_at": moment,
            }
            for payload in payloads
        ]
        with self._database.writing() as session:
            self._put(session, rows)

    def settle(
        self,
        installation_id: int,
        accepted: Iterable[tuple[Payload, str]] = (),
        refused: Iterable[tuple[Payload, str]] = (),
        deleted: Collection[str] = (),
    ) -> None:
        """Store in one transaction what one call came to: the payloads that the portal accepted, each with what was
        done (``added``, ``updated``), those that it refused, each with its words, and the codes that are gone. They
        have all been announced by ``sending``."""
        wholes, rows = [], []
        row: dict[str, Any] = {"installation_id": installation_id, "prefix": "", "sent_at": now()}
        for payload, action in accepted:
            fingerprint = payload.fingerprint
            wholes.append({"fingerprint": fingerprint, "fields": json.dumps(dict(payload.fields))})
            settled = {"code": payload.code, "kind": payload.kind, "action": action, "fingerprint": fingerprint}
            rows.append({**row, **settled, "error": None})
        for payload, words in refused:
            refusal = {"code": payload.code, "kind": payload.kind, "action": "refused", "fingerprint": None}
            rows.append({**row, **refusal, "error": words})
        with self._database.writing() as session:
            if wholes:
                session.execute(self._database.insert(PayloadRow).on_conflict_do_nothing(), wholes)
            self._put(session, rows, kept=("prefix", "sent_at"))
            if deleted:
                session.execute(
                    delete(RegistrationRow).where(
                        RegistrationRow.installation_id == installation_id, RegistrationRow.code.in_(list(deleted))
                    )
                )

    def _put(self, session: Session, rows: list[dict[str, Any]], kept: Collection[str] = ()) -> None:
        """Insert the rows, or change those that are there, but for what is to be kept of them."""
        if not rows:
            return
        key = ("installation_id", "code")
        insert = self._database.insert(RegistrationRow)
        changed = {name: insert.excluded[name] for name in rows[0] if name not in (*key, *kept)}
        session.execute(insert.on_conflict_do_update(index_elements=list(key), set_=changed), rows)
