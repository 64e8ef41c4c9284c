"""``flask activities run``, as the author of an activity uses it."""

import json
from typing import Any

import pytest
from click.testing import Result

from tests import shelf
from tests.commands.test_commands import flask
from tests.shelf import behaviours


@pytest.fixture(autouse=True)
def _activities_of_the_shelf(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("commands.activities.package", shelf)
    behaviours.CALLS.clear()


def run(code: str, **given: Any) -> Result:
    return flask("activities", "run", code, "-i", json.dumps(given))


def test_stdout_has_what_the_process_would_get_and_nothing_else() -> None:
    done = run("tell", words="x")
    assert (done.exit_code, done.stderr) == (0, "Log: about to tell x\n")
    told = "x crm.CCrmDocumentDeal.DEAL_1.crm.CCrmDocumentDeal.DEAL 1 en 1"
    assert json.loads(done.stdout) == {"told": told}


def test_values_are_what_json_has_or_what_a_portal_sends() -> None:
    as_json = {
        "flag": True,
        "day": "2026-11-21",
        "moment": "2026-11-21T10:00:00+01:00",
        "hour": "10:30",
        "amount": 1234.567,
        "number": 7.0,
        "CHOICE": "b",
        "line": None,
        "person": 5,
        "numbers": [1, "2"],
        "people": "user_9",
        "days": [],
    }
    done = run("every_type", **as_json)
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout) == {
        "flag_back": "Y",
        "day_back": "2026-11-21",
        "moment_back": "1795251600",
        "amount_back": 1234.567,
        "number_back": 7,
        "choice_back": "b",
        "person_back": "user_5",
        "numbers_back": [1, 2],
        "people_back": ["user_9"],
        "days_back": [],
    }


def test_every_fault_is_told_with_its_property() -> None:
    wrong = {"flag": "maybe", "number": 1.234, "day": [1, 2], "line": {"a": 1}, "other": 1, "choice": "c"}
    done = run("every_type", **wrong)
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.splitlines() == [
        "Error: The properties do not fit:",
        "  flag: 'maybe' is neither Y nor N",
        "  choice: 'c' is no option; options are a, b",
        "  number: 1.234 is no whole number",
        "  day: takes one value, not 2",
        "  line: takes a text, a number, true or false, or a list of these where it is multiple",
        "  other: is none of the properties, which are flag, day, moment, hour, amount, number, choice, line, lines,"
        " person, paper, numbers, people, days",
    ]
    for no_json in ("{", "[1]"):
        refused = flask("activities", "run", "tell", "-i", no_json)
        assert (refused.exit_code, refused.stderr.startswith("Error: --input is no ")) == (2, True)


@pytest.mark.parametrize(
    ("code", "exit_code", "told"),
    [
        ("fail", 1, "Error: cannot fly\n"),
        ("give_up", 1, "Error: It wants to be tried again after 0 s: the other system is away\n"),
        ("hand_on", 0, "It is deferred: its process waits until the run is completed.\n"),
        ("ask_portal", 1, "Error: The function asks for the portal, or for a connection of it, and here is none."),
        ("nothing", 1, "Error: There is no activity 'nothing'."),
    ],
)
def test_what_is_no_result_is_told_on_stderr(code: str, exit_code: int, told: str) -> None:
    done = run(code) if code == "nothing" else run(code, words="fly")
    assert (done.exit_code, done.stdout) == (exit_code, "")
    assert done.stderr.startswith(told)


def test_what_nobody_foresaw_has_the_trace_of_the_own_code() -> None:
    done = run("crash")
    assert (done.exit_code, done.stdout) == (1, "")
    first, place, *_, last = done.stderr.splitlines()
    assert first == "Traceback (most recent call last):"
    assert "behaviours.py" in place
    assert last == "RuntimeError: a secret detail"
    assert run("mistake").stderr.startswith("TypeError: <activity mistake> returned 5, which is no Told")
    assert run("exit").stderr.endswith("SystemExit: 3\n")


def test_what_a_function_does_on_its_way_is_told() -> None:
    for earlier in ("1", "2"):
        behaviours.CALLS.append(earlier)
    stumbled = run("stumble")
    assert "Checkpoint: step: 3\n" in stumbled.stderr
    counted = run("count", words="x")
    assert counted.stderr == "Counter: test gives 1\nCounter: test gives 1\nFile: number.txt, 3 bytes\n"
