"""Which calls a batch can carry."""

from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bizproc.php import PhpValue, from_json, to_text
from bizproc.portal.b24 import _variables
from bizproc.registration.sending import BATCH, Call, routes, survives_a_query
from devportal.batch import run

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=6) | st.sampled_from(
    ["a[b]", "[]", "$result[a]", "$results[a]", "$next.[a]", "$time\u00a0[a]", "0", " ", "\n", "\0", "a\0b"]
)
PARAMS = st.dictionaries(
    st.sampled_from(["CODE", "FIELDS", "NAME"]),
    st.recursive(
        TEXTS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3), max_leaves=6
    ),
)


def as_texts(value: PhpValue) -> PhpValue:
    if isinstance(value, dict):
        return {key: as_texts(each) for key, each in value.items()}
    return to_text(value)


@given(PARAMS)
def test_what_is_said_to_survive_does(params: dict[str, Any]) -> None:
    if survives_a_query(params):
        arrived: list[PhpValue] = []
        batch = {"cmd": {"a": f"method?{urlencode(list(_variables(params)))}"}}
        run(from_json(batch), lambda _, got: {"result": arrived.append(got)})  # type: ignore[arg-type, func-returns-value]
        assert arrived == [as_texts(from_json(params))]


@pytest.mark.parametrize(
    "params",
    [
        {"FIELDS": {}},
        {"FIELDS": {"PROPERTIES": {}}},
        {"FIELDS": {"FILTER": {"INCLUDE": []}}},
        {"FIELDS": {"OPTIONS": {"a]b": "x"}}},
        {"FIELDS": {"OPTIONS": {"": "x"}}},
        *({"FIELDS": {"OPTIONS": {key: "x"}}} for key in (" ", "\n", "\0", "a\0b")),
        {"NAME": "$Result[a]"},
        {"NAME": {"en": "take $next[0] here"}},
        *({"NAME": words} for words in ("$results[x]", "$timeout[a] b", "$next.[x]", "$result\u00a0[x]", "$error]x[")),
        {"FIELDS": {str(number): "x" for number in range(901)}},
    ],
)
def test_what_does_not_survive(params: dict[str, Any]) -> None:
    assert not survives_a_query(params)


def test_batches_come_before_what_goes_alone() -> None:
    made = [
        Call("m", {"CODE": str(number)} if number % 10 else {"CODE": []}, "added", str(number), "activity")
        for number in range(120)
    ]
    sizes = [len(route) for route in routes(made)]
    assert sizes == [BATCH, BATCH, 8] + [1] * 12
