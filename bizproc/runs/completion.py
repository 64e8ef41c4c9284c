"""How a deferred run is finished from outside: by a signed address, or by a command."""

from collections.abc import Mapping
from typing import Any

from itsdangerous import BadData, URLSafeSerializer

from bizproc.definition.registry import Registry
from bizproc.errors import BizprocError
from bizproc.metrics import OTHER, OUTCOMES
from bizproc.runs.runs import Outcome, Runs, storable


class CannotComplete(BizprocError):
    """What was given does not finish the run. ``too_late``: nothing that could be given would."""

    def __init__(self, message: str, *, too_late: bool = False) -> None:
        super().__init__(message)
        self.too_late = too_late


class Completion:
    """``app_url``: where the signed addresses lead."""

    def __init__(self, runs: Runs, registry: Registry, link_keys: list[bytes], app_url: str) -> None:
        self._runs = runs
        self._registry = registry
        self._signer = URLSafeSerializer(link_keys, salt="completion")
        self._app_url = app_url

    def address(self, run_id: int) -> str:
        return f"{self._app_url}/runs/{self._signer.dumps(run_id)}"

    def run_of(self, signed: str) -> int | None:
        """None for an address that is not one of this app."""
        try:
            run_id = self._signer.loads(signed)
        except BadData:
            return None
        return run_id if isinstance(run_id, int) else None

    def complete(self, run_id: int, given: Mapping[str, Any]) -> None:
        """Finish a run. ``given``: ``{"values": {name: value}}``, the names those of its return properties, or
        ``{"error": "why"}``.

        Raises CannotComplete with what is wrong.
        """
        run = self._runs.get(run_id)
        if run is None:
            raise CannotComplete(f"There is no run {run_id}.", too_late=True)
        outcome = _outcome(given, self._returned(run.code))
        if not self._runs.complete(run_id, outcome):
            raise CannotComplete(f"Run {run_id} is not waiting to be completed: it is {run.state}.", too_late=True)
        OUTCOMES.labels(run.code if self._registry.get(run.code) else OTHER, outcome.kind).inc()

    def _returned(self, code: str) -> dict[str, str]:
        """The keys of the return properties, by their names in lower case: portals match them so."""
        activity = self._registry.get(code)
        declared = activity.definition.return_properties if activity else ()
        return {each.key.lower(): each.key for each in declared}


def _outcome(given: Mapping[str, Any], returned: Mapping[str, str]) -> Outcome:
    unknown = sorted(set(given) - {"values", "error"})
    error, values = given.get("error"), given.get("values", {})
    if unknown or ("error" in given and "values" in given):
        raise CannotComplete("Give either values or error, and nothing else.")
    if "error" in given:
        if not isinstance(error, str) or not error.strip():
            raise CannotComplete("error: must be a text.")
        error = storable(error)
        return Outcome({returned["error"]: error} if "error" in returned else {}, error=error)
    if not isinstance(values, Mapping):
        raise CannotComplete("values: must be an object.")
    strangers = [str(name) for name in values if str(name).lower() not in returned]
    if strangers:
        known = ", ".join(returned.values()) or "none"
        raise CannotComplete(f"values: the activity returns no {', '.join(strangers)}; it returns {known}.")
    return Outcome({returned[str(name).lower()]: _value(str(name), each) for name, each in values.items()})


def _value(name: str, value: Any) -> Any:
    if isinstance(value, bool):
        return "Y" if value else "N"
    if isinstance(value, (str, int, float)):
        return value
    if isinstance(value, list) and all(isinstance(each, (str, int, float)) for each in value):
        return [_value(name, each) for each in value]
    raise CannotComplete(f"values.{name}: must be a text, a number, true, false, or a list of these.")
