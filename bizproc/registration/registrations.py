"""The stored registrations: what each portal last accepted of each definition."""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from sqlalchemy import bindparam, delete, func, select, update

from bizproc.definition.definition import Kind
from bizproc.portal.installations import Lease
from bizproc.registration.payload import Payload
from bizproc.registration.plan import Known
from bizproc.storage.database import Database
from bizproc.storage.tables import PayloadRow, RegistrationRow, now

UNCERTAIN = ("sending", "refused")
"""After these nobody knows what the portal holds."""


@dataclass(frozen=True)
class Registered:
    """What became of one definition: ``added``, ``updated``, ``replaced``, ``deleted``, or ``refused``, then with the
    portal's words. ``warnings``: what process templates lose by it."""

    code: str
    kind: Kind
    action: str
    error: str | None = None
    warnings: tuple[str, ...] = ()


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
                row.code: Known(
                    None if row.action in UNCERTAIN else row.fingerprint, None if fields is None else json.loads(fields)
                )
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

    def prefix_of(self, installation_id: int, code: str) -> str:
        """The prefix with which this code was registered; empty also where it never was."""
        of_code = select(RegistrationRow.prefix).where(
            RegistrationRow.installation_id == installation_id, RegistrationRow.code == code
        )
        with self._database.reading() as session:
            return session.scalar(of_code) or ""

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

    def refused(self, installation_id: int) -> set[str]:
        """The fingerprints of what the portal refused. Unchanged it is not sent again (PROTOCOL.md section 10)."""
        refused = select(RegistrationRow.refused_fingerprint).where(RegistrationRow.installation_id == installation_id)
        with self._database.reading() as session:
            return {each for each in session.scalars(refused) if each is not None}

    def forget_refusals(self, installation_id: int) -> None:
        """Somebody asks for it once more: what was refused may be sent again."""
        with self._database.writing() as session:
            session.execute(
                update(RegistrationRow)
                .where(RegistrationRow.installation_id == installation_id)
                .values(refused_fingerprint=None)
            )

    def sending(self, lease: Lease, codes: Mapping[str, Kind], prefix: str) -> None:
        """These are about to be sent. Until the portal has accepted them, nobody knows what it holds; and whatever
        happens now, the codes are this app's.

        Raises PortalUnavailable for whoever has lost the lease.
        """
        row = {"installation_id": lease.installation_id, "prefix": prefix, "action": "sending", "sent_at": now()}
        rows = [row | {"code": code, "kind": kind} for code, kind in codes.items()]
        insert = self._database.insert(RegistrationRow)
        changed = {name: insert.excluded[name] for name in ("prefix", "kind", "action", "sent_at")}
        key = ["installation_id", "code"]
        with self._database.writing() as session:
            lease.hold(session)
            if rows:
                nothing = {"error": None, "refused_fingerprint": None}
                session.execute(insert.on_conflict_do_update(index_elements=key, set_=changed | nothing), rows)

    def settle(
        self,
        lease: Lease,
        accepted: Collection[tuple[Payload, str]] = (),
        refused: Collection[tuple[Payload, str]] = (),
        deleted: Collection[str] = (),
    ) -> None:
        """Store in one transaction what one call came to: the payloads that the portal accepted, each with what was
        done (``added``, ``updated``, ``replaced``), those that it refused, each with its words, and the codes that are
        gone. They have all been announced by ``sending``.

        Raises PortalUnavailable for whoever has lost the lease; then nothing is stored.
        """
        wholes = {each.fingerprint: json.dumps(dict(each.fields)) for each, _ in accepted}
        own = RegistrationRow.installation_id == lease.installation_id
        of_code = update(RegistrationRow).where(own, RegistrationRow.code == bindparam("of"))
        with self._database.writing() as session:
            lease.hold(session)
            if wholes:
                whole = self._database.insert(PayloadRow).on_conflict_do_nothing()
                session.execute(whole, [{"fingerprint": each, "fields": fields} for each, fields in wholes.items()])
                session.connection().execute(
                    of_code.values(action=bindparam("done"), fingerprint=bindparam("accepted")),
                    [{"of": each.code, "done": done, "accepted": each.fingerprint} for each, done in accepted],
                )
            if refused:
                session.connection().execute(
                    of_code.values(
                        action="refused", error=bindparam("words"), refused_fingerprint=bindparam("refused")
                    ),
                    [{"of": each.code, "words": words, "refused": each.fingerprint} for each, words in refused],
                )
            if deleted:
                session.execute(delete(RegistrationRow).where(own, RegistrationRow.code.in_(list(deleted))))
