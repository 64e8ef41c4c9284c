"""The database goes away while runs are worked on, and nothing is done twice or late for it."""

import time
from collections.abc import Iterator
from dataclasses import replace

import pytest

from bizproc.runs.turns import Turn
from bizproc.settings import Settings
from bizproc.storage.tables import now
from tests.conftest import Portal, RunningApp, eventually, values
from tests.shelf import behaviours
from tests.whole_way.test_acceptance import cut_off, form

pytestmark = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
LONGER_THAN_A_TRY = 1.2


@pytest.fixture
def settings(settings: Settings, database_url: str) -> Settings:
    return replace(settings, database_url=database_url)


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    behaviours.CALLS.clear()
    behaviours.RELEASED.clear()
    yield
    behaviours.RELEASED.set()


def test_an_outcome_waits_for_the_database(installed: RunningApp, portal: Portal, database_url: str) -> None:
    process = portal.run("held", {"words": "once"})
    eventually(lambda: behaviours.CALLS == ["once"])
    with cut_off(database_url):
        behaviours.RELEASED.set()
        time.sleep(LONGER_THAN_A_TRY)
        assert portal.process(process)["status"] == "waiting", "nobody is told what is not stored"
    assert values(portal.finished(process)) == {"told": "once"}
    assert behaviours.CALLS == ["once"]


def test_a_message_that_was_taken_waits_for_the_database(
    installed: RunningApp, portal: Portal, database_url: str
) -> None:
    """Nobody else would hand the run over for half a minute."""
    found = installed.backend.installations.of_domain(portal.description["domain"])
    assert found
    fields = "&".join(
        f"{name}={value}"
        for name, given in form(portal).items()
        for value in (given if isinstance(given, list) else [given])
    )
    inbox = installed.backend.inbox
    (run_id,) = inbox._together([inbox._row(found.id, "silent", "1|A1|x.y", fields.encode(), now())])
    assert run_id
    with cut_off(database_url):
        installed.backend.queue.send_runs([Turn(run_id, found.id, "silent")])
        time.sleep(LONGER_THAN_A_TRY)
    eventually(lambda: behaviours.CALLS == ["x"])
