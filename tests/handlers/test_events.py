"""The portal's events about the app, as the development portal sends them."""

import pytest
import requests

from tests.conftest import Portal, RunningApp, eventually, values
from tests.handlers.test_install import install_form
from tests.shelf import behaviours


def event(portal: Portal, name: str, **changed: str) -> dict[str, str]:
    state = portal.state()
    form = {
        "event": name,
        "auth[domain]": portal.description["domain"],
        "auth[member_id]": portal.description["member_id"],
        "auth[application_token]": state["installation"]["application_token"],
    }
    return form | changed


def send(app: RunningApp, form: dict[str, str]) -> int:
    return requests.post(f"{app.url}/events", data=form, timeout=9).status_code


def test_an_app_without_a_page_is_installed_by_its_event(app: RunningApp, portal: Portal) -> None:
    portal.ask("install", event_url=f"{app.url}/events")
    eventually(lambda: len(portal.stored()) == len(app.backend.registry))
    installation = app.backend.installations.find(portal.description["member_id"])
    assert installation is not None
    assert installation.language == "en"


def test_after_an_update_everything_is_registered_again(installed: RunningApp, portal: Portal) -> None:
    """The portal wipes the activities, and may give a new application token."""
    portal.ask("update-app", new_token=True)
    eventually(lambda: len(portal.stored()) == len(installed.backend.registry))
    assert values(portal.finished(portal.run("tell", {"words": "again"})))["told"].startswith("again")


def test_an_uninstall_ends_all_work_for_the_portal(installed: RunningApp, portal: Portal) -> None:
    portal.finished(portal.run("count"))
    portal.ask("uninstall", clean=False)
    eventually(lambda: not installed.backend.installations.find(portal.description["member_id"]).active)  # type: ignore[union-attr]
    assert send(installed, event(portal, "ONAPPTEST")) == 403
    assert len(installed.backend.runs.list()) == 1


def test_an_uninstall_with_clean_erases_the_portals_data(
    installed: RunningApp, portal: Portal, other_portal: Portal
) -> None:
    other_portal.ask("install", app_url=installed.url)
    eventually(lambda: "count" in other_portal.stored())
    link, other_link = (values(each.finished(each.run("count")))["link"] for each in (portal, other_portal))
    portal.ask("uninstall", clean=True)
    eventually(lambda: len(installed.backend.runs.list()) == 1)
    eventually(lambda: requests.get(link, timeout=9).status_code == 404)
    assert requests.get(link, timeout=9).text.count("This document has been removed.") == 1
    assert requests.get(other_link, timeout=9).status_code == 200


def test_a_reinstall_starts_clean(installed: RunningApp, portal: Portal) -> None:
    assert values(portal.finished(portal.run("count")))["number"] == 1
    portal.ask("uninstall", clean=True)
    eventually(lambda: not installed.backend.installations.find(portal.description["member_id"]).active)  # type: ignore[union-attr]
    portal.ask("install", app_url=installed.url)
    eventually(lambda: len(portal.stored()) == len(installed.backend.registry))
    assert values(portal.finished(portal.run("count")))["number"] == 1


def test_an_uninstall_that_comes_after_the_reinstall_changes_nothing(installed: RunningApp, portal: Portal) -> None:
    """Should the portal have given the same application token again."""
    installed_at = installed.backend.installations.find(portal.description["member_id"]).installed_at.timestamp()  # type: ignore[union-attr]
    for earlier in (3600, 61):
        late = event(portal, "ONAPPUNINSTALL", ts=str(int(installed_at) - earlier), **{"data[CLEAN]": "1"})
        assert send(installed, late) == 200
        assert installed.backend.installations.find(portal.description["member_id"]).active  # type: ignore[union-attr]
    clocks_differ = event(portal, "ONAPPUNINSTALL", ts=str(int(installed_at) - 30))
    assert send(installed, clocks_differ) == 200
    assert not installed.backend.installations.find(portal.description["member_id"]).active  # type: ignore[union-attr]
    assert send(installed, clocks_differ) == 403, "a second one changes nothing"


def test_an_uninstall_ends_what_is_running_and_a_reinstall_does_not_revive_it(
    installed: RunningApp, portal: Portal
) -> None:
    behaviours.RELEASED.clear()
    portal.run("held", {"words": "late"})
    eventually(lambda: installed.backend.runs.list(state="running"))
    portal.ask("uninstall", clean=False)
    eventually(lambda: not installed.backend.installations.find(portal.description["member_id"]).active)  # type: ignore[union-attr]
    (run,) = installed.backend.runs.list()
    assert (run.state, run.outcome, run.error) == ("closed", "failed", "The app has been removed from the portal.")
    portal.ask("install", app_url=installed.url)
    eventually(lambda: len(portal.stored()) == len(installed.backend.registry))
    behaviours.RELEASED.set()
    assert values(portal.finished(portal.run("tell", {"words": "new"})))["told"].startswith("new")
    closed = eventually(lambda: len(runs := installed.backend.runs.list(state="closed")) == 2 and runs)
    assert [run.outcome for run in closed] == ["succeeded", "failed"]
    assert len(portal.log("bizproc.event.send")) == 1, "only the new one is answered"


def test_what_happened_to_an_installation_outlives_its_data(installed: RunningApp, portal: Portal) -> None:
    portal.ask("uninstall", clean=True)
    installation = installed.backend.installations.find(portal.description["member_id"])
    assert installation is not None
    eventually(lambda: len(installed.backend.installations.history(installation)) == 2)
    portal.ask("install", app_url=installed.url)
    events = [(each.what, each.detail) for each in installed.backend.installations.history(installation)]
    assert events == [("installed", None), ("uninstalled", "data erased"), ("installed", None)]


def test_an_employees_token_brings_no_new_application_token(installed: RunningApp, portal: Portal) -> None:
    form = event(
        portal,
        "ONAPPUPDATE",
        **{
            "auth[access_token]": portal.ask("token", admin=False)["access_token"],
            "auth[application_token]": "of-the-employee",
        },
    )
    assert send(installed, form) == 403
    assert send(installed, event(portal, "ONAPPTEST")) == 200, "the known token still counts"


def test_an_install_that_names_another_address_is_refused(app: RunningApp, portal: Portal) -> None:
    token = portal.ask("token")["access_token"]
    form = {
        "event": "ONAPPINSTALL",
        "auth[access_token]": token,
        "auth[application_token]": "x",
        "auth[member_id]": portal.description["member_id"],
        "auth[client_endpoint]": "https://evil.example.com/rest/",
    }
    assert send(app, form) == 403
    assert send(app, form | {"auth[client_endpoint]": portal.description["client_endpoint"]}) == 200


def test_an_install_that_cannot_be_proven_now_is_not_refused_for_good(app: RunningApp, portal: Portal) -> None:
    portal.ask("faults", rest={"oauth/app.info": {"close": True, "times": 1}})
    form = {
        "event": "ONAPPINSTALL",
        "auth[access_token]": portal.ask("token")["access_token"],
        "auth[application_token]": "x",
        "auth[member_id]": portal.description["member_id"],
    }
    assert send(app, form) == 503
    assert send(app, form) == 200


def test_payment_is_kept(installed: RunningApp, portal: Portal) -> None:
    data = {"data[STATUS]": "S", "data[PAYMENT_EXPIRED]": "Y"}
    assert send(installed, event(portal, "ONAPPPAYMENT") | data) == 200
    installation = installed.backend.installations.find(portal.description["member_id"])
    assert installation is not None
    assert (installation.status, installation.payment_expired) == ("S", True)


@pytest.mark.parametrize("name", ["ONAPPTEST", "ONAPPUNINSTALL", "ONAPPPAYMENT", "ONCRMDEALADD", ""])
def test_an_event_of_somebody_else_is_refused(installed: RunningApp, portal: Portal, name: str) -> None:
    for changed in ({"auth[application_token]": "wrong"}, {"auth[application_token]": ""}, {"auth[member_id]": "x"}):
        assert send(installed, event(portal, name, **changed)) == 403
    assert installed.backend.installations.find(portal.description["member_id"]).active  # type: ignore[union-attr]


def test_an_event_that_means_nothing_here_is_taken(installed: RunningApp, portal: Portal) -> None:
    assert send(installed, event(portal, "ONAPPTEST")) == 200
    assert send(installed, event(portal, "ONCRMDEALADD")) == 200


@pytest.mark.parametrize("name", ["ONAPPINSTALL", "ONAPPUPDATE"])
def test_an_install_event_is_believed_by_its_access_token_alone(
    installed: RunningApp, portal: Portal, other_portal: Portal, name: str
) -> None:
    """The application token of a known portal proves nothing: only the OAuth server does."""
    forged = event(portal, name, **{"auth[access_token]": "forged"})
    assert send(installed, forged) == 403
    others = event(portal, name, **{"auth[access_token]": install_form(other_portal)["AUTH_ID"]})
    assert send(installed, others) == 403


def test_a_form_that_is_too_large_is_refused(installed: RunningApp) -> None:
    assert send(installed, {"event": "x" * 1024 * 1024}) == 413
    assert requests.post(f"{installed.url}/activities/tell", data="x" * 1024 * 1025, timeout=9).status_code == 413
