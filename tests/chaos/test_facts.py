"""Each broken promise shows in the facts. Every case changes one fact of a run in which all went well."""

from dataclasses import replace
from typing import Any

import pytest

from tests.chaos.facts import Answer, Facts, StoredRun, faults


def record(what: str, at: float = 1.0, name: str = "", value: str = "", **other: str) -> dict[str, Any]:
    same = {"run": "key", "process": "p", "call": "c1", "pid": 1}
    return {**same, "what": what, "at": at, "name": name, "value": value} | other


VALUES = {"said": "word", "call": "c1", "steps": "one"}
RECORDS = [record("call"), record("checkpoint", name="first"), record("kept", name="first", value="one")]
RETURNED = [*RECORDS, record("return", at=1.5)]
RUN = StoredRun(1, "key", "closed", "succeeded", claims=1, sending=False, outcomes=[2.0])
WELL = Facts(
    words={"p": "word"},
    processes=[
        {
            "id": "p",
            "code": "slow",
            "use_subscription": "Y",
            "status": "completed",
            "returned": {name: {"value": value} for name, value in VALUES.items()},
        }
    ],
    deliveries=[{"process": "p", "state": "delivered"}],
    answers=[Answer("p", VALUES), Answer("p", VALUES)],
    records=RETURNED,
    runs=[RUN],
    spooled=0,
    met={"503": 1},
)


def test_nothing_is_wrong_when_all_went_well() -> None:
    assert faults(WELL) == []


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"deliveries": [*WELL.deliveries, {"process": "p", "state": "failed"}]}, "proves nothing"),
        ({"words": {"p": "word", "q": "word"}}, "proves nothing"),
        ({"met": {"503": 0}}, "proves nothing"),
        ({"records": RECORDS}, "never came to its end"),
        ({"processes": [WELL.processes[0] | {"status": "waiting"}]}, "is still waiting"),
        ({"words": {"p": "another"}}, "instead of"),
        (
            {"records": [*(each | {"process": "q"} for each in RETURNED), record("return", call="c2")]},
            "instead of",
        ),
        ({"processes": [WELL.processes[0] | {"use_subscription": "N"}]}, "did not wait"),
        (
            {"records": [*RETURNED, record("call", at=2.5, call="c2")], "runs": [replace(RUN, claims=2)]},
            "0.500 s after",
        ),
        ({"records": [*RETURNED, record("call", at=1.6, call="c2")]}, "2 calls of its function, and 1 claims"),
        ({"runs": [replace(RUN, outcomes=[2.0, 2.1])]}, "2 outcomes were stored"),
        ({"records": [*RETURNED, record("call", run="other")]}, "became 2 runs"),
        ({"runs": []}, "not stored"),
        (
            {
                "records": [record("call", call="c0"), *RETURNED, record("return", call="c0")],
                "runs": [replace(RUN, claims=2)],
            },
            "two calls of its function at once",
        ),
        ({"records": [*RETURNED, record("checkpoint", name="first")]}, "called again after it was kept"),
        ({"records": [*RETURNED, record("kept", name="first", value="two", call="c2")]}, "has changed its value"),
        ({"answers": [Answer("p", VALUES), Answer("p", VALUES | {"call": "c2"})]}, "which differ"),
        ({"runs": [replace(RUN, state="answering")]}, "1 runs are still answering"),
        ({"runs": [replace(RUN, sending=True)]}, "on their way"),
        ({"runs": [replace(RUN, outcome="dead")]}, "closed as dead"),
        ({"spooled": 1}, "left in the spool"),
    ],
)
def test_what_is_wrong_is_told(changed: dict[str, Any], told: str) -> None:
    found = faults(replace(WELL, **changed))
    assert any(told in fault for fault in found), found
