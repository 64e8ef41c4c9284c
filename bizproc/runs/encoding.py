"""The results of an activity, from Python to the values of an answer (PROTOCOL.md section 8)."""

import datetime as dt
from typing import Any

from bizproc.definition.given import ReturnProperties


def encode(returned: ReturnProperties | None) -> dict[str, Any]:
    """RETURN_VALUES: what is None is left out, and so stays empty in the process.

    Raises ValueError for a moment without a time zone: it would be another moment on every server.
    """
    if returned is None:
        return {}
    values = {property_.key: getattr(returned, name) for name, property_ in returned.__properties__.items()}
    return {key: _encoded(value) for key, value in values.items() if value is not None}


def _encoded(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return [_encoded(item) for item in value]
    if isinstance(value, bool):
        return "Y" if value else "N"
    if isinstance(value, dt.datetime):
        if value.tzinfo is None:
            raise ValueError(f"{value} has no time zone")
        # The one form that names the instant: a zone is misread or refused by the portal.
        return str(int(value.timestamp()))
    if isinstance(value, dt.date):
        return value.isoformat()
    if isinstance(value, dt.time):
        return value.strftime("%H:%M")
    return value
