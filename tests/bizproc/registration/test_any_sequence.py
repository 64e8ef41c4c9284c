"""Whatever happened before: after one clean apply the portal holds exactly the definitions, and a second asks once."""

import datetime as dt
from dataclasses import dataclass, replace
from typing import Any

import pytest
import requests
from hypothesis import example, given
from hypothesis import strategies as st
from sqlalchemy import update

from bizproc.definition.definition import Definition, Filter
from bizproc.definition.text import t
from bizproc.document_types import DEAL, LEAD
from bizproc.errors import BizprocError
from bizproc.portal.b24 import SdkError
from bizproc.storage.tables import InstallationRow
from tests.bizproc.registration.conftest import Bench, prop
from tests.conftest import tries

CODES = ["a", "b", "c", "d"]


def variants(code: str, dialog: str, reverse: bool) -> list[tuple[Definition, ...]]:
    """So few that a definition often becomes again what it was before: then a lost answer shows."""
    options = [("x", "X"), ("1", "one"), ("0", "none")]
    properties = [prop("p"), prop("q", multiple=True, default=["x"], options=dict(options[:: -1 if reverse else 1]))]
    full: dict[str, Any] = {
        "description": t(en="English", de="Deutsch"),
        "properties": tuple(properties[:: -1 if reverse else 1]),
        "return_properties": (prop("r"),),
        "document_type": DEAL,
        "filter": Filter(include=["box", ("crm",)]),
        "waits": True,
        "auth_user_id": 1,
    }
    address = {"placement_handler": f"http://127.0.0.1:9/settings/{dialog}"}
    before = f"{code}_before"
    renamed = replace(Definition(code, "activity", t(en="$results[x]"), **address), previous_code=before)
    return [
        (Definition(code, "activity", t("Bare")),),
        (Definition(code, "activity", t("Full"), **full),),
        (Definition(code, "activity", t("Full"), **full, **address),),
        (Definition(code, "robot", t(en="50 % & = #"), filter=Filter(include=[]), document_type=LEAD, waits=False),),
        (renamed,),
        (renamed, Definition(before, "activity", t("Before"), **full)),
        (Definition(before, "activity", t("Before"), **full, **address),),
    ]


@dataclass(frozen=True)
class Wanted:
    """Definitions. chosen: a variant by code, None for the same as before; shift: whether a dialog's address is that of
    the next code; reverse: the order of properties and options."""

    chosen: dict[str, int] | None
    shift: int
    reverse: bool


WANTED = st.builds(
    Wanted,
    chosen=st.none() | st.dictionaries(st.sampled_from(CODES), st.integers(0, 6)),
    shift=st.integers(0, 1),
    reverse=st.booleans(),
)
FAULTY = ["bizproc.activity.add", "bizproc.robot.update", "bizproc.activity.list", "event.bind", "batch"]
WHERE = st.integers(0, 6)
STEPS = st.one_of(
    st.tuples(st.just("apply"), WANTED),
    st.tuples(st.just("wipe"), st.lists(st.sampled_from(CODES), unique=True)),
    st.tuples(st.just("lost before"), WANTED, WHERE),
    st.tuples(st.just("lost after"), WANTED, WHERE),
    st.tuples(st.just("killed"), WANTED, WHERE),
    st.tuples(st.just("faulty"), WANTED, st.sampled_from(FAULTY)),
)


class Killed(BaseException):
    """The process ends here."""


@given(steps=st.lists(STEPS, max_size=6), last=WANTED)
@example(steps=[], last=Wanted({"a": 2, "b": 2, "c": 5}, shift=0, reverse=False))
@tries(20)
def test_after_anything_one_clean_apply_is_enough(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, steps: list[Any], last: Wanted
) -> None:
    monkeypatch.setattr("bizproc.registration.applying.time.sleep", lambda _: None)
    monkeypatch.setattr(bench.backend.app.pace, "wait", lambda _: None)
    monkeypatch.setattr("bizproc.portal.b24._Requester._retry_timeout", 0)
    chosen: dict[str, int] = {}
    for what, how, *where in steps:
        if isinstance(how, Wanted):
            chosen = chosen if how.chosen is None else how.chosen
            happen(bench, what, definitions(replace(how, chosen=chosen)), *where)
        else:
            happen(bench, what, how)
    last = replace(last, chosen=chosen if last.chosen is None else last.chosen)
    # Nothing but order and addresses differ in the second: what is easily overlooked.
    for wanted in (last, replace(last, shift=1 - last.shift, reverse=not last.reverse)):
        one_clean_apply(bench, definitions(wanted))


def one_clean_apply(bench: Bench, wanted: list[Definition]) -> None:
    bench.apply(*wanted, allow_deletes=True)
    assert bench.held() == bench.wanted()
    bound = {each["CODE"]: each["PLACEMENT_HANDLER"] for each in bench.placements()}
    assert bound == {each.code: each.placement_handler for each in wanted if each.placement_handler}
    before = bench.calls()
    bench.apply(*wanted, allow_deletes=True)
    assert bench.calls() - before == 1


def definitions(wanted: Wanted) -> list[Definition]:
    dialogs = dict(zip(CODES, CODES[wanted.shift :] + CODES[: wanted.shift], strict=True))
    chosen = (wanted.chosen or {}).items()
    return [each for code, number in chosen for each in variants(code, dialogs[code], wanted.reverse)[number]]


def happen(bench: Bench, what: str, how: Any, where: Any = None) -> None:
    if what == "wipe":
        token = bench.portal.ask("token")["access_token"]
        for code in how:
            for kind in ("activity", "robot"):
                gone = {"CODE": code, "auth": token}
                requests.post(f"{bench.portal.url}/rest/bizproc.{kind}.delete", json=gone, timeout=9)
        return
    if what == "faulty":
        bench.portal.ask("faults", rest={where: {"error": "INTERNAL_SERVER_ERROR", "status": 500, "times": 2}})
    with pytest.MonkeyPatch.context() as patch:
        if what in ("lost before", "lost after", "killed"):
            patch.setattr(bench.backend.app.connections, "send", failing(bench, what, where))
        try:
            bench.apply(*how, allow_deletes=True)
        except (BizprocError, SdkError, Killed):
            # A killed process releases nothing; its lease ends by itself.
            with bench.backend.database.writing() as session:
                past = dt.datetime.now(dt.UTC) - dt.timedelta(seconds=1)
                session.execute(update(InstallationRow).values(apply_until=past))
    bench.portal.ask("faults")


def failing(bench: Bench, what: str, where: int) -> Any:
    """The connections, of which the call number ``where`` is lost, before or after the portal has worked on it."""
    send, number = bench.backend.app.connections.send, iter(range(10**6))

    def sent(*args: Any, **how: Any) -> Any:
        here = next(number) == where
        if here and what == "lost before":
            raise requests.ConnectionError("lost")
        answer = send(*args, **how)
        if here and what == "lost after":
            raise requests.ConnectionError("lost")
        if here and what == "killed":
            raise Killed
        return answer

    return sent
