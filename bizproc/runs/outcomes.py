"""What a run comes to, from what its function returned or why it failed."""

import json
from typing import Any

from bizproc.definition.activity import AnyActivity
from bizproc.runs.encoding import encode
from bizproc.runs.runs import Outcome, storable


def succeeded(activity: AnyActivity, returned: Any) -> Outcome:
    """Raises TypeError and ValueError for what the definition does not allow, or no answer can carry."""
    expected = activity.return_properties or type(None)
    if not isinstance(returned, expected):
        raise TypeError(f"{activity} returned {returned!r}, which is no {expected.__name__}")
    values = encode(returned)
    # What no JSON can say would fail every answer. So it fails the run, where its author sees it.
    json.dumps(values, allow_nan=False, ensure_ascii=False).encode()
    return Outcome(values)


def failed(why: str, activity: AnyActivity | None = None) -> Outcome:
    """A failure, with the return property ``error`` where the definition has one: a portal knows no other way to
    report one (PROTOCOL.md section 8)."""
    why = storable(why)
    declared = activity.definition.return_properties if activity else ()
    keys = [each.key for each in declared if each.key.lower() == "error"]
    return Outcome(dict.fromkeys(keys, why), error=why)
