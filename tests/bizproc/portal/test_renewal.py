"""Tokens are renewed once, by whoever comes first, and a portal whose tokens are dead waits for a person."""

import datetime as dt
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace

import pytest
from sqlalchemy import update

from bizproc.backend import Backend
from bizproc.definition.registry import Registry
from bizproc.portal import renewal
from bizproc.portal.b24 import PersonNeeded, PortalUnavailable, SdkError, Tokens
from bizproc.portal.installations import Installation
from bizproc.settings import Settings
from bizproc.storage.tables import InstallationRow, now
from tests.bizproc.registration.conftest import installed as install
from tests.conftest import Portal, RunningApp, eventually, values
from tests.crowd import in_processes
from tests.whole_way.test_acceptance import cut_off

PROCESSES, THREADS = 8, 50


@pytest.fixture
def backend(portal: Portal, settings: Settings, database_url: str) -> Iterator[Backend]:
    backend = Backend(replace(settings, database_url=database_url), Registry([]))
    backend.database.upgrade()
    install(backend, portal)
    yield backend
    backend.close()


def of(backend: Backend, portal: Portal) -> Installation:
    installation = backend.installations.find(portal.description["member_id"])
    assert installation
    return installation


def refreshes(portal: Portal) -> int:
    return len(portal.log("/oauth/token"))


def renew_in_threads(backend: Backend, member_id: str, stale: Tokens) -> list[str]:
    installation = backend.installations.find(member_id)
    assert installation
    start = threading.Barrier(THREADS)

    def call(number: int) -> str:
        token = backend.installations.token(installation, stale)
        start.wait()
        token.refresh_and_set_oauth_token()
        return str(token.get_client().profile().result["ID"]) if number == 0 else token.auth_token

    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(call, range(THREADS)))


def test_many_processes_and_threads_renew_one_expired_token_once(backend: Backend, portal: Portal) -> None:
    portal.ask("expire-tokens")
    stale = Tokens(backend.installations.token(of(backend, portal)).auth_token, None, now() + dt.timedelta(hours=1))
    answers = in_processes(PROCESSES, backend.settings, renew_in_threads, portal.description["member_id"], stale)
    assert [len(each) for each in answers] == [THREADS] * PROCESSES
    users, tokens = {each[0] for each in answers}, {token for each in answers for token in each[1:]}
    assert users == {"1"}
    assert tokens == {backend.installations.token(of(backend, portal)).auth_token}
    assert refreshes(portal) == 1


def test_a_renewal_whose_process_died_is_taken_over(
    backend: Backend, portal: Portal, monkeypatch: pytest.MonkeyPatch
) -> None:
    portal.ask("expire-tokens")
    with backend.database.writing() as session:
        session.execute(update(InstallationRow).values(refresh_until=now(), refresh_claim=7))
    token = backend.installations.token(of(backend, portal))
    assert token.get_client().profile().result["ID"] == "1"
    assert refreshes(portal) == 1


def test_a_renewal_lasts_as_long_as_its_process(
    backend: Backend, portal: Portal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However slow the OAuth server is: whoever took over would ask with tokens that have ended meanwhile."""
    monkeypatch.setattr("bizproc.portal.renewal.LEASE", dt.timedelta(seconds=0.4))
    portal.ask("expire-tokens")
    portal.ask("faults", rest={"oauth/token": {"delay_ms": 1500, "times": 1}})
    other = Backend(backend.settings, Registry([]))

    def renewed(by: Backend) -> str:
        return str(by.installations.token(of(by, portal)).get_client().profile().result["ID"])

    with closing(other), ThreadPoolExecutor(2) as pool:
        assert list(pool.map(renewed, (backend, other))) == ["1", "1"]
    assert refreshes(portal) == 1


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_new_tokens_wait_for_the_database(backend: Backend, portal: Portal, database_url: str) -> None:
    """The old ones have ended: if the new ones were lost, a person would be needed."""
    portal.ask("expire-tokens")
    portal.ask("faults", rest={"oauth/token": {"delay_ms": 1000, "times": 1}})
    token = backend.installations.token(of(backend, portal))
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(lambda: token.get_client().profile().result["ID"])
        eventually(lambda: _claimed(backend))
        with cut_off(database_url):
            eventually(lambda: refreshes(portal))
            time.sleep(1)
        assert asked.result(timeout=20) == "1"
    assert refreshes(portal) == 1
    assert of(backend, portal).person_needed_since is None


def test_who_waits_outlasts_a_renewal_that_was_killed() -> None:
    assert renewal.LEASE.total_seconds() < renewal.PATIENCE_SECONDS


def test_who_waits_too_long_for_another_process_tries_again_later(
    backend: Backend, portal: Portal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bizproc.portal.renewal.PATIENCE_SECONDS", 0.2)
    portal.ask("expire-tokens")
    with backend.database.writing() as session:
        session.execute(update(InstallationRow).values(refresh_until=now().replace(year=2100)))
    with pytest.raises(PortalUnavailable, match="another process"):
        backend.installations.token(of(backend, portal)).get_client().profile().result  # noqa: B018
    assert refreshes(portal) == 0


def test_an_oauth_server_that_is_away_breaks_nothing(backend: Backend, portal: Portal) -> None:
    portal.ask("expire-tokens")
    portal.ask("faults", rest={"oauth/token": {"close": True, "times": 1}})
    token = backend.installations.token(of(backend, portal))
    with pytest.raises(SdkError):
        token.get_client().profile().result  # noqa: B018
    assert of(backend, portal).person_needed_since is None
    assert token.get_client().profile().result["ID"] == "1"


@pytest.mark.parametrize("code", ["invalid_client", "PAYMENT_REQUIRED", "invalid_request"])
def test_what_is_not_the_tokens_fault_needs_no_person_in_the_portal(
    backend: Backend, portal: Portal, code: str
) -> None:
    portal.ask("expire-tokens")
    portal.ask("faults", rest={"oauth/token": {"error": code, "status": 401, "times": 1}})
    with pytest.raises(SdkError):
        backend.installations.token(of(backend, portal)).get_client().profile().result  # noqa: B018
    assert of(backend, portal).person_needed_since is None


def dead(portal: Portal, *, times: int | None = 1) -> None:
    portal.ask("expire-tokens")
    portal.ask("faults", rest={"oauth/token": {"error": "invalid_grant", "status": 400, "times": times}})


def test_dead_tokens_need_a_person_and_are_not_tried_again(backend: Backend, portal: Portal) -> None:
    dead(portal, times=None)
    token = backend.installations.token(of(backend, portal))
    for _ in range(3):
        with pytest.raises(PersonNeeded, match="An administrator has to open the app there once"):
            token.get_client().profile().result  # noqa: B018
    with pytest.raises(PersonNeeded, match="cannot be renewed"):
        backend.installations.token(of(backend, portal))
    assert refreshes(portal) == 1
    history = backend.installations.history(of(backend, portal))
    assert [event.what for event in history] == ["installed", "person needed"]


def test_tokens_that_a_person_brought_meanwhile_are_used(backend: Backend, portal: Portal) -> None:
    """Another process's refresh, or an administrator who opens the app, makes the refresh token under way useless."""
    portal.ask("expire-tokens")
    fault = {"error": "invalid_grant", "status": 400, "delay_ms": 500, "times": 1}
    portal.ask("faults", rest={"oauth/token": fault})
    token = backend.installations.token(of(backend, portal))
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(lambda: token.get_client().profile().result["ID"])
        eventually(lambda: refreshes(portal) or _claimed(backend))
        install(backend, portal)
        assert asked.result(timeout=20) == "1"
    assert of(backend, portal).person_needed_since is None


def _claimed(backend: Backend) -> bool:
    with backend.database.reading() as session:
        row = session.query(InstallationRow).one()
        return row.refresh_until is not None


def test_runs_wait_for_a_person_and_go_on_when_the_app_is_opened(installed: RunningApp, portal: Portal) -> None:
    """With AUTH_USER_ID 0 a callback has no tokens of its own."""
    dead(portal)
    process = portal.run("tell", {"words": "later"}, user_id=0)
    runs = installed.backend.runs
    eventually(lambda: [run for run in runs.list(state="waiting") if run.code == "tell"])
    assert portal.process(process)["status"] == "waiting"
    portal.ask("open", url=f"{installed.url}/")
    assert values(portal.finished(process))["told"].startswith("later")
    assert of(installed.backend, portal).person_needed_since is None


def test_an_outcome_that_waits_for_a_person_is_not_computed_again(installed: RunningApp, portal: Portal) -> None:
    from tests.shelf import behaviours

    behaviours.RELEASED.clear()
    behaviours.CALLS.clear()
    process = portal.run("held", {"words": "once"})
    eventually(lambda: behaviours.CALLS)
    dead(portal)
    behaviours.RELEASED.set()
    eventually(lambda: [run for run in installed.backend.runs.list(state="waiting") if run.outcome == "succeeded"])
    portal.ask("open", url=f"{installed.url}/")
    assert values(portal.finished(process)) == {"told": "once"}
    assert behaviours.CALLS == ["once"]


def test_an_employee_who_opens_the_app_learns_that_an_administrator_is_needed(
    installed: RunningApp, portal: Portal
) -> None:
    dead(portal)
    portal.run("tell", user_id=0)
    eventually(lambda: of(installed.backend, portal).person_needed_since)
    warning = '<p class="warning" role="alert">The app cannot reach this portal any more'
    assert warning in portal.ask("open", url=f"{installed.url}/", user_id=2)["body"]
    assert of(installed.backend, portal).person_needed_since
    assert warning not in portal.ask("open", url=f"{installed.url}/")["body"]
