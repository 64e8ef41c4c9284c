"""``flask callbacks receive``: a callback that was recorded is played beside the running app."""

from pathlib import Path

import pytest
from click.testing import Result
from sqlalchemy import func, select, update

from bizproc.storage.tables import CounterRow, InstallationRow, RunRow, now
from tests import shelf
from tests.commands.test_commands import environment, flask
from tests.conftest import Portal, RunningApp, values
from tests.shelf import behaviours

__all__ = ["environment"]


@pytest.fixture(autouse=True)
def _activities_of_the_shelf(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.activities", shelf)
    behaviours.CALLS.clear()


class Recorder:
    """Callbacks that never reached the app, and what the command makes of them."""

    def __init__(self, environment: dict[str, str], app: RunningApp, portal: Portal, folder: Path) -> None:
        self._environment, self._app, self._portal = environment, app, portal
        self._file = folder / "callback.txt"
        portal.ask("faults", queue={"drop": 1})

    def lost(self, code: str, **properties: str) -> tuple[str, str]:
        """A process that waits for ever, and its callback."""
        process = self._portal.run(code, properties)
        (form,) = (each["form"] for each in self._portal.state()["deliveries"] if process in str(each.get("form")))
        return process, form

    def receive(self, form: str, *options: str) -> Result:
        self._file.write_text(form + "\n")
        calls = self._calls
        runs = self.runs
        done = flask("callbacks", "receive", str(self._file), *options, environment=self._environment)
        if "--send" not in options:
            assert self._calls == calls
            assert self.runs == runs
        for field in form.split("&"):
            name, _, secret = field.partition("=")
            if any(word in name for word in ("access_token", "refresh_token", "application_token", "event_token")):
                assert not secret or secret not in done.output
        return done

    @property
    def _calls(self) -> int:
        """Those of runs; the app registers its activities when it likes."""
        return sum(
            len(self._portal.log(each)) for each in ("bizproc.event.send", "bizproc.activity.log", "/rest/profile")
        )

    @property
    def runs(self) -> int:
        with self._app.backend.database.reading() as session:
            return session.scalar(select(func.count()).select_from(RunRow)) or 0


@pytest.fixture
def recorder(environment: dict[str, str], installed: RunningApp, portal: Portal, tmp_path: Path) -> Recorder:
    return Recorder(environment, installed, portal, tmp_path)


def test_a_rehearsal_shows_the_answer_and_sends_nothing(recorder: Recorder) -> None:
    process, form = recorder.lost("tell", words="x")
    done = recorder.receive(form)
    assert done.exit_code == 0, done.output
    for line in ("Property    words = 'x'", "Log         about to tell x", "Outcome     succeeded"):
        assert line in done.stdout
    answer = done.stdout[done.stdout.index("Answer      bizproc.event.send {") :]
    assert '"EVENT_TOKEN": "[redacted]"' in answer
    assert '"told": "x crm.CCrmDocumentDeal.DEAL' in answer
    assert process in answer
    assert behaviours.CALLS == ["x"]


def test_a_rehearsal_counts_nothing(recorder: Recorder, installed: RunningApp) -> None:
    _, form = recorder.lost("count")
    with installed.backend.database.writing() as session:
        session.add(CounterRow(installation_id=1, name="test", last=41))
    assert '"number": 42' in recorder.receive(form).stdout
    assert '"number": 42' in recorder.receive(form).stdout


@pytest.mark.parametrize(
    ("code", "exit_code", "told"),
    [
        ("fail", 1, '"LOG_MESSAGE": "The step has failed: cannot fly"'),
        ("crash", 1, "RuntimeError: a secret detail"),
        ("give_up", 1, "after 0 s. When no try of 2 helps:\n"),
        ("hand_on", 0, "Outcome     deferred: "),
        ("silent", 0, "Answer      none, nobody waits"),
        ("ask_portal", 9, "Error: The function asks for the portal, "),
    ],
)
def test_each_end_of_a_rehearsal(recorder: Recorder, code: str, exit_code: int, told: str) -> None:
    done = recorder.receive(recorder.lost(code, words="fly")[1])
    assert (done.exit_code, told in done.output) == (exit_code, True), done.output


def test_what_is_sent_is_a_run_and_answers_its_process(recorder: Recorder, portal: Portal) -> None:
    process, form = recorder.lost("fail", words="fly")
    done = recorder.receive(form, "--send")
    assert (done.exit_code, "Why             cannot fly" in done.stdout) == (1, True), done.output
    assert values(portal.finished(process)) == {"error": "cannot fly"}
    again = recorder.receive(form, "--send")
    assert again.exit_code == 8
    assert again.stderr.startswith(
        "Error: This callback came before, as run 1: nothing is stored, and nothing is sent."
    )
    assert recorder.runs == 1


def test_what_no_worker_takes_is_told(
    recorder: Recorder, environment: dict[str, str], installed: RunningApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, form = recorder.lost("tell")
    installed.backend.stop()
    monkeypatch.setattr("commands.callbacks.PATIENCE_SECONDS", 0.1)
    done = recorder.receive(form, "--send")
    assert (done.exit_code, "It is stored and is not lost" in done.stderr) == (1, True)


def test_each_fault_has_its_message_and_exit_code(recorder: Recorder, installed: RunningApp, portal: Portal) -> None:
    _, form = recorder.lost("every_type", number="x", flag="maybe")
    member_id = portal.ready["member_id"]
    wrong_token = form.replace("application_token%5D=", "application_token%5D=x")
    assert wrong_token != form
    for sent, exit_code, told in (
        (
            form.replace(member_id, "nobody"),
            3,
            "The callback has the member id 'nobody', and no portal",
        ),
        ("", 3, "The callback has no member id"),
        (wrong_token, 4, "The callback's application token is not the one of 127.0.0.1"),
        (form.replace("workflow_id=", "x="), 5, "The callback's form has no usable workflow_id."),
        (form.replace("code=every_type", "code=nothing"), 6, "The app has no activity 'nothing'."),
        (form, 7, "The properties do not fit:\n  flag: 'maybe' is neither Y nor N\n  number: 'x' is no whole number\n"),
    ):
        done = recorder.receive(sent)
        assert (done.exit_code, done.stderr.startswith(f"Error: {told}")) == (exit_code, True), done.output
    with installed.backend.database.writing() as session:
        session.execute(update(InstallationRow).values(uninstalled_at=now()))
    gone = recorder.receive(form, "--send")
    assert (gone.exit_code, "The app has been removed from" in gone.stderr) == (3, True)
    assert recorder.runs == 0


def test_a_developers_prefix_is_no_part_of_the_code(
    recorder: Recorder, environment: dict[str, str], portal: Portal
) -> None:
    assert flask("activities", "apply", "--all", "--dev-prefix", "anna.", environment=environment).exit_code == 0
    done = recorder.receive(recorder.lost("anna.tell")[1])
    assert (done.exit_code, "Code        tell\n" in done.stdout) == (0, True), done.output
