"""Odd values, and right ones that were spoiled in one place."""

import copy
import json
from typing import Any

from hypothesis import strategies as st

ODD_TEXTS = [
    "",
    "0",
    "-1",
    "9" * 30,
    "1e999",
    "\0",
    "\ud800",
    "\U0001f600",
    "a" * 5000,
    "[",
    "http://[::1",
    "../..",
    "\r\nX: y",
    "NaN",
]
odd_values: st.SearchStrategy[Any] = (
    st.none()
    | st.booleans()
    | st.sampled_from([0, -1, 2**31, 2**63, 2**64, 10**400, 1.5, 1e308, [], {}, [[]], [{}], {"0": 1}, [1] * 100])
    | st.sampled_from(ODD_TEXTS)
    | st.text(max_size=20)
    | st.dictionaries(st.text(max_size=5), st.none() | st.integers() | st.text(max_size=5), max_size=3)
)
ODD_BODIES = [
    b"", b"<html>", b"null", b"[]", b"1", b'"x"', b"\xff\xfe", b"[" * 100_000, b'{"a":' * 5_000, b"9" * 5_000, b"{",
    b'{"result": NaN}', b'{"error": "\\ud800"}', b'{"error": {"code": []}}', b'{"error": [], "error_description": {}}',
    b'{"a": 1, "a": 2}', b'{"result": "' + b"x" * 1_000_000 + b'"}',
]  # fmt: skip


@st.composite
def spoiled(draw: st.DrawFn, value: Any) -> Any:
    """The value with one part of it replaced, or gone."""
    root = [copy.deepcopy(value)]
    at: Any = root
    key: Any = 0
    while isinstance(at[key], (dict, list)) and at[key] and draw(st.integers(0, 4)):
        at = at[key]
        key = draw(st.sampled_from(sorted(at) if isinstance(at, dict) else range(len(at))))
    if isinstance(at, dict) and draw(st.booleans()):
        del at[key]
    else:
        at[key] = draw(odd_values)
    return root[0]


def spoiled_json(value: Any) -> st.SearchStrategy[bytes]:
    return spoiled(value).map(lambda it: json.dumps(it).encode()) | st.sampled_from(ODD_BODIES)
