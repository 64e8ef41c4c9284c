"""The activities and robots that a portal holds of the application, with their settings dialogs."""

from typing import Final

from bizproc.definition import portal_rules
from bizproc.php import PhpArray, PhpValue, to_text, upper_keys
from devportal.errors import RestError

PLACEMENT_UNIQUE: Final = 200


class Records:
    """Records in order of their adding. The caller holds the portal's lock.

    A record is a PHP array in the shape of the conformance cases' `stored`. Activities and robots share their codes.
    """

    def __init__(self) -> None:
        self._by_code: dict[str, PhpArray] = {}
        self._placements: dict[str, str] = {}

    def add(self, params: PhpArray, *, robot: bool) -> None:
        data = portal_rules.prepared(params)
        portal_rules.check_new(data, robot=robot)
        code = to_text(data["CODE"])
        if code in self._by_code:
            raise RestError("ERROR_ACTIVITY_ALREADY_INSTALLED", "Activity or Robot already installed!")
        record = portal_rules.new_record(data, robot=robot)
        if record["USE_PLACEMENT"] == "Y":
            portal_rules.check_handler(data.get("PLACEMENT_HANDLER"))
            self._bind(code, to_text(data["PLACEMENT_HANDLER"]))
        if portal_rules.too_large(record):
            self._placements.pop(code, None)
            raise RestError("ERROR_ACTIVITY_ADD_FAILURE", portal_rules.SAVE_ERROR)
        self._by_code[code] = record

    def update(self, params: PhpArray, *, robot: bool) -> None:
        data = portal_rules.prepared(params)
        record = self._found(data.get("CODE"), robot=robot)
        code = to_text(record["CODE"])
        fields = data.get("FIELDS")
        if not isinstance(fields, dict) or not fields:
            raise portal_rules.invalid("No fields to update")
        changed = portal_rules.changed_fields(fields)
        # The portal binds the settings dialog before it saves the record, and does not take that back.
        if fields.get("PLACEMENT_HANDLER") is not None:
            portal_rules.check_handler(fields["PLACEMENT_HANDLER"])
            self._bind(code, to_text(fields["PLACEMENT_HANDLER"]))
        if changed.get("USE_PLACEMENT") == "N":
            self._placements.pop(code, None)
        faults = portal_rules.too_large(changed)
        if faults:
            raise portal_rules.invalid("; ".join(f"{field.upper()} {words}" for field, words in faults))
        record.update(changed)

    def delete(self, params: PhpArray, *, robot: bool) -> None:
        record = self._found(upper_keys(params).get("CODE"), robot=robot)
        code = to_text(record["CODE"])
        del self._by_code[code]
        self._placements.pop(code, None)

    def codes(self, *, robot: bool) -> list[str]:
        kind = _kind(robot)
        return [code for code, record in self._by_code.items() if record["IS_ROBOT"] == kind]

    def get(self, code: str) -> PhpArray | None:
        return self._by_code.get(code)

    def all(self) -> list[PhpArray]:
        return list(self._by_code.values())

    def placements(self) -> list[dict[str, str]]:
        return [{"CODE": code, "PLACEMENT_HANDLER": handler} for code, handler in self._placements.items()]

    def wipe(self) -> None:
        self._by_code.clear()
        self._placements.clear()

    def _found(self, code: PhpValue, *, robot: bool) -> PhpArray:
        portal_rules.check_code(code)
        record = self._by_code.get(to_text(code))
        if record is None or record["IS_ROBOT"] != _kind(robot):
            raise RestError("ERROR_ACTIVITY_NOT_FOUND", "Activity or Robot not found!")
        return record

    def _bind(self, code: str, handler: str) -> None:
        if any(
            other != code and bound[:PLACEMENT_UNIQUE] == handler[:PLACEMENT_UNIQUE]
            for other, bound in self._placements.items()
        ):
            twice = "You should use unique placement handler for each CODE!"
            raise RestError("ERROR_CORE", f"Unable to set placement handler: {twice}")
        portal_rules.check_placement(handler)
        self._placements[code] = handler


def _kind(robot: bool) -> str:
    return "Y" if robot else "N"
