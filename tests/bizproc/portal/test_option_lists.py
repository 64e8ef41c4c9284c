"""Lists from functions: whatever those do, the dialog opens in time."""

import threading
import time
from collections.abc import Mapping
from typing import Any

import pytest

from bizproc import DialogContext
from bizproc.portal import option_lists
from bizproc.portal.b24 import PortalUnavailable
from bizproc.portal.option_lists import AT_ONCE, MOST_OPTIONS, OptionLists
from bizproc.testing import Dialog


def exits(context: DialogContext) -> Mapping[str, str]:
    raise SystemExit(3)


def asks(context: DialogContext) -> Mapping[str, str]:
    raise PortalUnavailable(f"{context.domain} is away")


def one(context: DialogContext) -> Mapping[str, str]:
    return {"a": "A"}


def numbers(context: DialogContext) -> Any:
    return {1: "A"}


def nothing(context: DialogContext) -> Any:
    return None


def many(context: DialogContext) -> Mapping[str, str]:
    return {str(each): "A" for each in range(MOST_OPTIONS + 1)}


def test_one_that_fails_takes_no_other_with_it(caplog: pytest.LogCaptureFixture) -> None:
    functions = (exits, asks, one, numbers, nothing, many)
    assert OptionLists().listed(functions, Dialog()) == dict.fromkeys(functions) | {one: {"a": "A"}}
    here = f"acme.bitrix24.com: the options of {__name__}"
    assert [record.getMessage() for record in caplog.records] == [
        f"{here}.exits were not listed: SystemExit",
        f"{here}.asks were not listed: acme.bitrix24.com is away",
        f"{here}.numbers were not listed: they are no mapping of texts to texts",
        f"{here}.nothing were not listed: they are no mapping of texts to texts",
        f"{here}.many were not listed: they are 2001, more than 2000",
    ]


def test_those_that_hang_are_few_and_nobody_waits_for_them(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(option_lists, "PATIENCE_SECONDS", 0.2)
    go_on, lists = threading.Event(), OptionLists()
    hanging = [lambda _, each=each: {str(go_on.wait(60)): str(each)} for each in range(AT_ONCE)]
    began = time.monotonic()
    assert set(lists.listed(hanging, Dialog()).values()) == {None}
    assert lists.listed([one], Dialog()) == {one: None}
    assert time.monotonic() - began < 30
    assert "test_option_lists.one were not listed: 8 others are at work" in caplog.text
    go_on.set()
    while lists.listed([one], Dialog()) == {one: None}:
        assert time.monotonic() - began < 30
        time.sleep(0.01)
