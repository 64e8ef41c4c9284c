"""The ten holes that stand open in published backends.

Each attack or accident is written once and made on both apps: on the naive one it does its damage, which shows that the
test can fail, and on the real one it does not.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from secrets import token_hex
from urllib.parse import parse_qsl

import psutil
import pytest
import requests
from click.testing import CliRunner

from bizproc.settings import Settings
from commands.portals import portals
from commands.runs import runs
from tests.commands.test_commands import ROOT
from tests.conftest import Portal, RunningApp, app_of_shelf, eventually, serving, values
from tests.trust.conftest import Neighbours, neighbours_of, serving_naive
from tests.trust.hosts import Host, application_token, callback_form, event_form, install, install_form, post
from tests.whole_way.test_processes import environment, web

__all__ = ["environment"]

SOON = 0.7
"""Seconds after which the naive app does nothing more of its own."""
LATEST = 60
"""Seconds until the real app has to have done it, on the slowest machine."""


def takes_over(app: str, victim: Portal, attacker: Host) -> bool:
    """Whether a portal's answers go to the attacker after he has sent an install POST in its name."""
    forged = install_form(victim, AUTH_ID="forged", REFRESH_ID="forged", APPLICATION_TOKEN="forged")
    named = {"client_endpoint": f"{attacker.url}/rest/", "DOMAIN": f"{attacker.host}:{attacker.port}"}
    post(f"{app}/install", forged | named, query=f"DOMAIN={attacker.host}:{attacker.port}&PROTOCOL=0")
    process = victim.run("tell", {"words": "confidential"})
    eventually(lambda: "confidential" in attacker.heard or victim.process(process)["status"] != "waiting")
    return "confidential" in attacker.heard


def test_hole_1_takeover_by_an_install_naive(naive: str, portal: Portal, attacker: Host) -> None:
    assert takes_over(naive, portal, attacker)


def test_hole_1_takeover_by_an_install_real(real: str, portal: Portal, attacker: Host) -> None:
    assert not takes_over(real, portal, attacker)
    assert attacker.requests == []


def listens_in(app: str, portal: Portal, attacker: Host, server_endpoint: str) -> dict[str, bool]:
    """Which secrets reach a host that an install and a callback name as their OAuth server, though all else in them is
    genuine."""
    form = install_form(portal, SERVER_ENDPOINT=server_endpoint)
    assert install(app, portal, form).status_code == 200
    eventually(lambda: "tell" in portal.stored())
    portal.ask("faults", queue={"drop": 1})
    process = portal.run("tell", user_id=0)  # without tokens of its own
    portal.ask("faults")
    portal.ask("expire-tokens")
    assert post(f"{app}/activities/tell", f"{_delivered(portal)}&auth[server_endpoint]={server_endpoint}").ok
    eventually(lambda: attacker.requests or portal.process(process)["status"] != "waiting")
    return {
        "client secret": portal.ready["client_secret"] in attacker.heard,
        "refresh token": form["REFRESH_ID"] in attacker.heard,
    }


def _delivered(portal: Portal) -> str:
    """The latest callback of the queue server, also one that it dropped."""
    return str([each for each in portal.state()["deliveries"] if each["kind"] == "callback"][-1]["form"])


def test_hole_2_secrets_for_a_named_host_naive(empty_naive: str, portal: Portal, attacker: Host) -> None:
    assert listens_in(empty_naive, portal, attacker, f"{attacker.url}/rest/") == {
        "client secret": True,
        "refresh token": True,
    }


def test_hole_2_secrets_for_a_named_host_real(app: RunningApp, portal: Portal, attacker: Host) -> None:
    assert listens_in(app.url, portal, attacker, f"{attacker.url}/rest/") == {
        "client secret": False,
        "refresh token": False,
    }
    assert attacker.requests == []
    assert portal.log("/oauth/token/"), "nothing was renewed, so nothing was shown"


def is_believed(app: str, victim: Portal) -> bool:
    """Whether a callback runs that knows nothing but the portal's member id."""
    words = f"forged {token_hex()}"
    forged = callback_form(victim, **{"auth[application_token]": "guessed", "properties[words]": words})
    answer = post(f"{app}/activities/tell", forged)
    victim.finished(victim.run("tell", {"words": "genuine"}))

    def ran() -> bool:
        return any(words in entry["request"]["raw"] for entry in victim.log("bizproc."))

    return eventually(ran) if answer.ok else ran()


def test_hole_3_callback_by_member_id_naive(naive: str, portal: Portal) -> None:
    assert is_believed(naive, portal)


def test_hole_3_callback_by_member_id_real(real: str, portal: Portal, installed: RunningApp) -> None:
    assert not is_believed(real, portal)
    assert len(installed.backend.runs.list()) == 1, "the genuine one alone"


def removes_another(app: str, victim: Portal, attacking: Portal) -> bool:
    """Whether one portal's uninstall event, with its own application token, ends the work for another."""
    secret = application_token(attacking)
    post(f"{app}/events", event_form(victim, "ONAPPUNINSTALL", **{"auth[application_token]": secret}))
    process = victim.run("tell", {"words": "still here"})
    taken = eventually(lambda: (d := victim.process(process)["delivery"][0])["state"] != "queued" and d)
    return taken["status"] != 200 or "told" not in values(victim.finished(process))


def test_hole_4_uninstall_of_another_naive(naive: str, portal: Portal, other_portal: Portal) -> None:
    assert removes_another(naive, portal, other_portal)


def test_hole_4_uninstall_of_another_real(real: str, portal: Portal, other_portal: Portal) -> None:
    assert not removes_another(real, portal, other_portal)


Life = Callable[[], AbstractContextManager[subprocess.Popen[bytes]]]


def forgets(life: Life, app: str, portal: Portal, code: str, *, within: float) -> bool:
    """Whether a process waits for ever whose callback got 200 just before the app was killed."""
    with life() as first:
        portal.ask("install", app_url=app)
        eventually(lambda: code in portal.stored())
        # The answer cannot be given in this life.
        late = {"error": "INTERNAL_SERVER_ERROR", "status": 500, "delay_ms": 5000, "times": 1}
        portal.ask("faults", rest={"bizproc.event.send": late})
        process = portal.run(code)
        accepted = eventually(lambda: (d := portal.process(process)["delivery"][0])["status"] and d)
        assert accepted["status"] == 200
        _kill(first)
    portal.ask("faults")
    with life() as second:
        portal.finished(portal.run(code))
        told = _comes(lambda: portal.process(process)["status"] == "completed", within)
        _kill(second)
    return not told


def _kill(life: subprocess.Popen[bytes]) -> None:
    for each in [*psutil.Process(life.pid).children(recursive=True), life]:
        os.kill(each.pid, signal.SIGKILL)
    life.wait()


def _comes(found: Callable[[], bool], within: float) -> bool:
    """Whether it comes to this; ``within``: seconds."""
    with suppress(pytest.fail.Exception):
        eventually(found, patience=within)
    return found()


@contextmanager
def naive_process(environment: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", "tests.trust.naive"]
    with subprocess.Popen(command, cwd=ROOT, env=os.environ | environment, stderr=subprocess.DEVNULL) as running:
        try:
            eventually(lambda: _answers(f"{environment['B24_APP_URL']}/readyz"))
            yield running
        finally:
            running.kill()


def _answers(url: str) -> bool:
    with suppress(requests.ConnectionError):
        return requests.get(url, timeout=5).ok
    return False


def test_hole_5_lost_behind_the_queue_naive(portal: Portal, environment: dict[str, str]) -> None:
    assert forgets(lambda: naive_process(environment), environment["B24_APP_URL"], portal, "tell", within=SOON)


def test_hole_5_lost_behind_the_queue_real(portal: Portal, environment: dict[str, str]) -> None:
    assert not forgets(lambda: web(environment), environment["B24_APP_URL"], portal, "save_document", within=LATEST)


def leaves_waiting(portal: Portal, *, within: float) -> bool:
    """Whether a process is told nothing when its function fails every time."""
    process = portal.run("crash")
    return not _comes(lambda: portal.process(process)["status"] != "waiting", within)


def test_hole_6_silent_after_the_last_retry_naive(naive: str, portal: Portal) -> None:
    assert leaves_waiting(portal, within=SOON)


def test_hole_6_silent_after_the_last_retry_real(real: str, portal: Portal) -> None:
    assert not leaves_waiting(portal, within=LATEST)
    (process,) = portal.state()["processes"]
    assert "an unexpected error in the app" in process["log"][-1]["message"]


def missing_after_update(portal: Portal, *, within: float) -> set[str]:
    """The codes that a portal lacks after an update of the app, which wipes all of them."""
    before = set(portal.stored())
    portal.ask("update-app")
    assert portal.stored() == {}
    eventually(lambda: [entry for entry in portal.log("/events") if "ONAPPUPDATE" in entry["request"]["raw"]])
    _comes(lambda: set(portal.stored()) == before, within)
    return before - set(portal.stored())


def test_hole_7_gone_after_an_update_naive(naive: str, portal: Portal) -> None:
    assert missing_after_update(portal, within=SOON) == {"tell", "crash", "every_type"}


def test_hole_7_gone_after_an_update_real(real: str, portal: Portal) -> None:
    assert missing_after_update(portal, within=LATEST) == set()
    assert "again" in values(portal.finished(portal.run("tell", {"words": "again"})))["told"]


@pytest.fixture(params=["unreachable", "garbage", "hanging"])
def neighbours(request: pytest.FixtureRequest, settings: Settings) -> Iterator[Neighbours]:
    with neighbours_of(request.param, settings) as together:
        yield together


def stops_the_others(app: str, bad: Portal, good: Portal, *, within: float) -> bool:
    """Whether a portal gets neither activities nor answers because another was there first."""
    for each in (bad, good):
        with suppress(requests.Timeout):
            install(app, each, install_form(each), timeout=within)
    if not _comes(lambda: "tell" in good.stored(), within):
        return True
    assert post(f"{app}/activities/tell", callback_form(bad)).status_code == 200
    return "told" not in values(good.finished(good.run("tell", {"words": "here"})))


def test_hole_8_one_bad_portal_naive(neighbours: Neighbours, tmp_path: Path) -> None:
    with serving_naive(neighbours.settings, tmp_path / "naive.sqlite3") as app:
        assert stops_the_others(app, neighbours.bad, neighbours.good, within=SOON)


def test_hole_8_one_bad_portal_real(neighbours: Neighbours) -> None:
    with serving(neighbours.settings, app_of_shelf) as app:
        assert not stops_the_others(app.url, neighbours.bad, neighbours.good, within=LATEST)
        neighbours.relent()


def dropped_fields(app: str, portal: Portal) -> set[str]:
    """The nested fields of callbacks of which nothing arrives at the function."""
    numbers = values(portal.finished(portal.run("every_type", {"numbers": ["1", "2"]})))["numbers_back"]
    portal.ask("faults", queue={"drop": 1})
    process = portal.run("tell", {"words": "w"}, document_id="DEAL_7")
    portal.ask("faults")
    form = _delivered(portal)
    for name in ("document_id", "document_type"):
        for index in range(3):
            form = form.replace(f"{name}%5B%5D", f"{name}%5B{index}%5D", 1)
    assert post(f"{app}/activities/tell", form).status_code == 200
    told = values(portal.finished(process))["told"]
    arrived = {"properties[numbers][0]": numbers == [1, 2], "document_id[0]": "DEAL_7" in told}
    return {name for name, whole in arrived.items() if not whole}


def test_hole_9_nested_fields_naive(naive: str, portal: Portal) -> None:
    assert dropped_fields(naive, portal) == {"properties[numbers][0]", "document_id[0]"}


def test_hole_9_nested_fields_real(real: str, portal: Portal) -> None:
    assert dropped_fields(real, portal) == set()


class Secrets:
    """What must not be read anywhere, and where an app can be read."""

    def __init__(self, app: str, portal: Portal, log: pytest.LogCaptureFixture, folder: Path) -> None:
        self.app, self.portal, self.log, self.folder = app, portal, log, folder
        self.secrets: dict[str, str] = {"client secret": portal.ready["client_secret"]}
        self.answers: list[str] = []
        self.commands: list[str] = []

    def provoke(self) -> None:
        """An install that cannot be finished, one that can, a run, a run that cannot be answered, and a stranger."""
        self._install("first install", expired=True)
        self._install("second install", expired=False)
        eventually(lambda: "tell" in self.portal.stored())
        self._run("answered", user_id=1)
        self.portal.ask("expire-tokens")
        self.portal.ask("faults", rest={"oauth/token": {"error": "invalid_grant", "status": 400}})
        self._run("unanswered", user_id=0)
        stranger = callback_form(self.portal, **{"auth[member_id]": "stranger"})
        self.secrets["application token"] = stranger["auth[application_token]"]
        self.answers.append(post(f"{self.app}/activities/tell", stranger).text)

    def _install(self, name: str, *, expired: bool) -> None:
        form = install_form(self.portal)
        self.secrets |= {f"access token of {name}": form["AUTH_ID"], f"refresh token of {name}": form["REFRESH_ID"]}
        if expired:
            self.portal.ask("expire-tokens")
            self.portal.ask("faults", rest={"oauth/token": {"error": "invalid_grant", "status": 400}})
        self.answers.append(install(self.app, self.portal, form).text)
        self.portal.ask("faults")

    def _run(self, name: str, user_id: int) -> None:
        process = self.portal.run("tell", {"words": f"confidential {name}"}, user_id=user_id)
        if user_id:
            self.portal.finished(process)
        state = next(each for each in self.portal.state()["deliveries"] if each["process"] == process)
        self.secrets[f"event token, {name}"] = self.portal.process(process)["event_token"]
        self.secrets[f"words, {name}"] = f"confidential {name}"
        fields = dict(parse_qsl(state["form"]))
        for kind in ("access_token", "refresh_token"):
            if fields.get(f"auth[{kind}]"):
                self.secrets[f"{kind} of {name}"] = fields[f"auth[{kind}]"]

    def leaks(self) -> set[tuple[str, str]]:
        """(place, secret). What a process was given back is shown to the operator, who asked for it, and what an
        activity wrote to the log of its process stands in the log of calls."""
        calls = "".join(path.read_text() for path in self.folder.rglob("rest-log/*"))
        kept = [path for path in self.folder.rglob("*") if path.is_file() and path.parent.name != "rest-log"]
        database = b"".join(path.read_bytes() for path in kept)
        places = {
            "log": self.log.text,
            "answers": "\n".join(self.answers),
            "commands": "\n".join(self.commands),
            "calls": calls,
            "database": database.decode("latin-1"),
        }
        return {
            (place, name)
            for place, text in places.items()
            for name, secret in self.secrets.items()
            if secret in text and not (place in ("commands", "calls") and name.startswith("words"))
        }


def test_hole_10_secrets_in_the_open_naive(
    empty_naive: str, portal: Portal, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    caplog.set_level("INFO")
    secrets = Secrets(empty_naive, portal, caplog, tmp_path)
    secrets.provoke()
    for expected in (
        ("log", "client secret"),
        ("log", "event token, answered"),
        ("log", "application token"),
        ("answers", "client secret"),
        ("answers", "refresh token of first install"),
        ("database", "refresh token of second install"),
    ):
        eventually(lambda expected=expected: expected in secrets.leaks())  # type: ignore[misc]


def test_hole_10_secrets_in_the_open_real(
    app: RunningApp,
    portal: Portal,
    environment: dict[str, str],
    caplog: pytest.LogCaptureFixture,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    caplog.set_level("INFO")
    secrets = Secrets(app.url, portal, caplog, tmp_path)
    secrets.provoke()
    for provoked in ("install refused", "callback refused", "INVALID_GRANT"):
        eventually(lambda provoked=provoked: provoked in caplog.text)  # type: ignore[misc]
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    secrets.secrets["secret key"] = environment["B24_SECRET_KEY"]
    shown = [CliRunner().invoke(portals, ["list"])]
    shown += [CliRunner().invoke(runs, ["list"]), *(CliRunner().invoke(runs, ["show", run]) for run in "12")]
    assert [each.exit_code for each in shown] == [0, 0, 0, 0]
    secrets.commands = [each.output for each in shown]
    assert portal.description["domain"] in secrets.commands[0]
    assert "confidential answered" in secrets.commands[2]
    assert secrets.leaks() == set()
