"""The commands, as somebody types them."""

import datetime as dt
import json
import os
import pty
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import entry_points
from pathlib import Path

import psutil
import pytest
import requests
from click.testing import CliRunner, Result
from sqlalchemy import select, text, update

import activities
from bizproc.definition.registry import discover
from bizproc.settings import Settings
from bizproc.storage.tables import InstallationRow, PayloadRow, RegistrationRow, now
from tests.conftest import Portal, RunningApp, environment_of, eventually

FLASK = Path(sys.executable).parent / "flask"
ROOT = Path(__file__).parents[2]
SHIPPED = {each.definition.code for each in discover(activities)}


def flask(*arguments: str, environment: Mapping[str, str] | None = None) -> Result:
    """What a command of ``flask`` does, in this process: to start another one takes many times as long."""
    name, *rest = arguments
    (command,) = entry_points(group="flask.commands", name=name)
    clean: dict[str, str | None] = {each: None for each in os.environ if each.startswith(("B24_", "FLASK_"))}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("bizproc.log.to_stderr", lambda: None)  # this process logs elsewhere
        return CliRunner(catch_exceptions=False).invoke(command.load(), rest, env=clean | dict(environment or {}))


def flask_process(
    *arguments: str, environment: Mapping[str, str] | None = None, cwd: Path = ROOT
) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("B24_", "FLASK_"))}
    return subprocess.run(
        [FLASK, *arguments], capture_output=True, text=True, cwd=cwd, env=clean | dict(environment or {}), timeout=90
    )


@pytest.fixture
def environment(installed: RunningApp, settings: Settings) -> dict[str, str]:
    """The settings of the installed app, as its operator has them."""
    return environment_of(settings, installed.url)


def test_what_needs_no_portal_needs_no_setting() -> None:
    assert flask("activities", "validate").stdout.startswith(f"{len(SHIPPED)} activit")
    listed = flask("activities", "list").stdout.splitlines()
    assert {line.split()[0] for line in listed[1:] if not line.startswith(" ")} == SHIPPED
    (told,) = [line.split() for line in listed if line.startswith("save_document")]
    assert told == [
        *("save_document", "activity", "Save", "document", "template,", "docType,", "saveDoc,", "Parameters"),
        *("number,", "name,", "link,", "error", "activities.save_document"),
    ]


def test_show_tells_where_an_activity_appears() -> None:
    shown = flask("activities", "show", "save_document").stdout
    assert "Name         Save document (en), Dokument speichern (de), Сохранить документ (ru)\n" in shown
    rows = [line.split() for line in shown.splitlines() if line]
    assert ["docType", "select", "yes", "pdf", "pdf,", "docx"] in rows
    assert ["Deal", "yes", "yes"] in rows
    assert ["Drive", "(STORAGE_1)", "no", "no"] in rows
    unknown = flask("activities", "show", "nothing")
    assert unknown.stderr.startswith("Error: There is no activity 'nothing'.")


def test_a_wrong_definition_is_told_with_its_path(tmp_path: Path) -> None:
    """Copies the app's own module and breaks it, as somebody who edits it would."""
    package = tmp_path / "activities"
    package.mkdir()
    source = (ROOT / "activities" / "save_document.py").read_text()
    (package / "save_document.py").write_text(source.replace('default="pdf"', 'default="PDF"'))
    (package / "__init__.py").touch()
    (package / "documents").symlink_to(ROOT / "activities" / "documents")
    done = flask_process("activities", "validate", environment={"PYTHONPATH": str(tmp_path)}, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "Error: 1 fault in the definitions:\n"
        "activities.save_document.properties.docType.default: 'PDF' is no option; options are pdf, docx\n"
    )


INCOMPLETE = "Error: The settings are not complete:\n  B24_SECRET_KEY is not set: "


@pytest.mark.parametrize(
    "command",
    [("portals", "list"), ("runs", "list"), ("activities", "apply", "--all"), ("db", "upgrade")],
)
def test_missing_settings_are_one_message(command: tuple[str, ...]) -> None:
    done = flask(*command)
    assert done.exit_code == 1
    assert done.stderr.startswith(INCOMPLETE)


@pytest.mark.parametrize("command", ["worker", "run"])
def test_a_process_without_settings_ends_with_the_same_message(command: str) -> None:
    done = flask_process(command)
    assert done.returncode == 1
    assert done.stderr.startswith(INCOMPLETE)
    assert "Traceback" not in done.stderr


def test_gunicorn_tells_the_same_and_ends() -> None:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("B24_")}
    done = subprocess.run(
        [sys.executable, "-m", "gunicorn"], capture_output=True, text=True, cwd=ROOT, env=clean, timeout=30
    )
    assert done.returncode == 1
    assert done.stderr.startswith("Error: The settings are not complete:\n")
    assert "Traceback" not in done.stderr


def test_portals_and_runs_are_listed(environment: dict[str, str], portal: Portal, installed: RunningApp) -> None:
    portal.finished(portal.run("tell", {"words": "x"}))
    portal.finished(portal.run("fail", {"words": "fly"}))
    eventually(lambda: len(installed.backend.runs.list(state="closed")) == 2)
    (_, row) = flask_process("portals", "list", environment=environment).stdout.splitlines()
    shown = flask("portals", "show", portal.description["domain"], environment=environment).stdout
    assert portal.description["client_endpoint"] in shown
    assert re.search(r"Dates with slashes +m/d/Y, by its language", shown), shown
    assert re.search(r"installed +127\.0\.0\.1:\d+ +1", shown), shown
    assert row.split()[:5] == [portal.description["domain"], portal.description["member_id"], "box", "L", "en"]
    assert row.endswith("registered")

    listed = flask("runs", "list", environment=environment).stdout.splitlines()
    assert [line.split()[2:5] for line in listed[1:]] == [["fail", "closed", "failed"], ["tell", "closed", "succeeded"]]
    (_, only) = flask("runs", "list", "--state", "failed", environment=environment).stdout.splitlines()
    assert only.endswith("cannot fly")
    assert flask("runs", "list", "--code", "x", environment=environment).stdout == "There are no such runs.\n"
    tomorrow = (now() + dt.timedelta(days=1)).date().isoformat()
    for since, until, number in (
        ("1h", tomorrow, 2),
        ("2020-01-01T10:00", "1h", 0),
        (tomorrow, f"{tomorrow}T23:00", 0),
    ):
        chosen = flask("runs", "list", "--since", since, "--until", until, environment=environment)
        assert len(chosen.stdout.splitlines()[1:]) == number, chosen.output
    for wrong in ("yesterday", "3w", "999999d", "2026-13-01"):
        refused = flask("runs", "list", "--since", wrong)
        assert (refused.exit_code, f"{wrong!r} is no moment. Write 2026-11-01," in refused.stderr) == (2, True)

    shown = flask("runs", "show", listed[1].split()[0], environment=environment).stdout
    assert "Why             cannot fly" in shown
    assert "Returned error  cannot fly" in shown
    missing = flask("runs", "show", "99", environment=environment)
    assert (missing.exit_code, missing.stderr) == (
        1,
        "Error: There is no run 99. 'flask runs list' tells which there are.\n",
    )


def test_apply_registers_and_one_bad_portal_does_not_stop_the_others(
    environment: dict[str, str], portal: Portal, other_portal: Portal, installed: RunningApp
) -> None:
    other_portal.ask("install", app_url=installed.url)
    eventually(lambda: "tell" in other_portal.stored())
    done = flask("activities", "apply", "--all", environment=environment)
    assert done.exit_code == 0, done.stderr
    own = [line.split()[1:3] for line in done.stdout.splitlines()[1:] if "save_document" in line]
    assert own == [["save_document", "added"]] * 2
    # What the tests' app registered is not in the code of this one; it is left as long as nobody allows more.
    assert "tell  left" in " ".join(done.stdout.split()).replace(" left", "  left")

    other_portal.ask("faults", rest={"batch": {"error": "ACCESS_DENIED", "status": 403, "times": 9}})
    done = flask("activities", "apply", "--all", "--json", environment=environment)
    assert done.exit_code == 1
    results = {(row["portal"], row["code"]): row["result"] for row in json.loads(done.stdout)}
    assert results[portal.description["domain"], "save_document"] == "unchanged"
    assert results[other_portal.description["domain"], ""] == "failed"

    nowhere = flask("activities", "apply", "--portal", "x.example.com", environment=environment)
    assert nowhere.stderr.startswith("Error: The app is not installed in x.example.com.")
    neither = flask("activities", "apply", environment=environment)
    assert "Say which portals: --all, or --portal DOMAIN" in neither.stderr


def test_plan_drift_and_their_exit_codes(environment: dict[str, str], portal: Portal) -> None:
    domain = portal.description["domain"]
    held = len(portal.stored())
    planned = flask("activities", "plan", "--portal", domain, environment=environment)
    assert planned.exit_code == 0
    assert "  +  add save_document (activity)\n" in planned.stdout
    assert "  -  delete tell (activity)  (only with --allow-deletes)\n" in planned.stdout
    assert f"{len(SHIPPED)} to add, 0 to update, 0 to replace, {held} to delete, 0 unchanged\n" in planned.stdout
    assert "save_document" not in portal.stored(), "a plan changes nothing"
    detailed = flask_process("activities", "plan", "--all", "--detailed-exitcode", "--json", environment=environment)
    assert detailed.returncode == 3
    (told,) = json.loads(detailed.stdout)
    assert {change["action"] for change in told["changes"]} == {"add", "delete"}

    assert flask("activities", "apply", "--all", "--allow-deletes", environment=environment).exit_code == 0
    assert set(portal.stored()) == SHIPPED
    assert flask("activities", "plan", "--all", "--detailed-exitcode", environment=environment).exit_code == 0
    assert flask("activities", "drift", "--all", environment=environment).exit_code == 0

    token = portal.ask("token")["access_token"]
    rest = f"{portal.url}/rest/bizproc.activity"
    requests.post(f"{rest}.delete", json={"CODE": "save_document", "auth": token}, timeout=9)
    foreign = {"CODE": "foreign", "NAME": "F", "HANDLER": "http://127.0.0.1:9/x", "auth": token}
    requests.post(f"{rest}.add", json=foreign, timeout=9)
    drifted = flask("activities", "drift", "--all", environment=environment)
    assert drifted.exit_code == 3
    assert [line.split()[1:3] for line in drifted.stdout.splitlines()[1:]] == [
        ["save_document", "missing"],
        ["foreign", "foreign"],
    ]
    mine = flask("activities", "apply", "--all", "--dev-prefix", "anna.", environment=environment)
    assert mine.exit_code == 0
    assert set(portal.stored()) == {f"anna.{code}" for code in SHIPPED} | SHIPPED - {"save_document"} | {"foreign"}
    answered = portal.finished(portal.run("anna.save_document"))
    assert answered["delivery"][0]["status"] == 200


def test_nothing_is_sent_under_another_domain(environment: dict[str, str], portal: Portal) -> None:
    domain = portal.description["domain"]
    moved = environment | {"B24_APP_URL": "https://app.example.com"}
    done = flask("activities", "apply", "--all", environment=moved)
    assert done.exit_code == 1
    assert "under 127.0.0.1" in done.stdout
    assert "flask portals confirm" in done.stdout
    confirmed = flask("portals", "confirm", domain, "--host", "https://App.example.com:443/", environment=moved)
    assert confirmed.stdout.startswith(f"{domain} calls this app under app.example.com.")
    assert flask("activities", "apply", "--all", environment=moved).exit_code == 0
    assert portal.stored()["save_document"]["HANDLER"] == "https://app.example.com/activities/save_document"
    for wrong in ("other.example.com", " ", "https://"):
        refused = flask("portals", "confirm", domain, "--host", wrong, environment=moved)
        assert (refused.exit_code, refused.stdout) == (1, "")
        assert f"{wrong!r} is not where this app's own address is, app.example.com." in refused.stderr
    unknown = flask("portals", "confirm", "x.example.com", "--host", "y.example.com", environment=moved)
    assert unknown.stderr.startswith("Error: The app is not installed in x.example.com.")


def test_an_unreachable_portal_is_one_line(environment: dict[str, str], installed: RunningApp) -> None:
    with installed.backend.database.writing() as session:
        session.execute(update(InstallationRow).values(client_endpoint="http://127.0.0.1:1/rest/"))
    done = flask("activities", "plan", "--all", environment=environment)
    assert done.exit_code == 1
    assert "failed: 127.0.0.1:1 cannot be reached: NewConnectionError" in done.stdout


@contextmanager
def answering(answer: bytes) -> Iterator[str]:
    """An endpoint that answers this to everything, with status 200."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/rest/"
        server.shutdown()


ODD = (
    *(
        b"[]",
        b"null",
        b'"x"',
        b"{}",
        b'{"result": []}',
        b'{"result": true}',
        b'{"result":{"result":[],"result_error":[]}}',
    ),
    b'{"result":{"result":{"activity":null,"robot":null},"result_error":[]}}',
)


def copies(installed: RunningApp, *different: dict[str, str]) -> None:
    """More installations, each like the one that is there but for some columns."""
    with installed.backend.database.writing() as session:
        row = session.scalars(select(InstallationRow)).one()
        columns = {each.key: getattr(row, each.key) for each in InstallationRow.__table__.columns if each.key != "id"}
        session.add_all(InstallationRow(**columns | {"member_id": f"m{n}"} | each) for n, each in enumerate(different))


def test_odd_answers_of_portals_do_not_stop_the_others(
    environment: dict[str, str], portal: Portal, installed: RunningApp
) -> None:
    domain = portal.description["domain"]
    with ExitStack() as servers:
        odd = [servers.enter_context(answering(answer)) for answer in ODD]
        copies(installed, *({"domain": f"p{n}.example.com", "client_endpoint": each} for n, each in enumerate(odd)))
        done = flask("activities", "apply", "--all", "--json", environment=environment)
        assert (done.exit_code, "Traceback" in done.stderr) == (1, False)
        results = {(row["portal"], row["code"]): row for row in json.loads(done.stdout)}
        assert results[domain, "save_document"]["result"] == "added"
        whys = [results[f"p{number}.example.com", ""]["why"] for number in range(len(ODD))]
        assert all(whys)
        assert all("Traceback" not in why for why in whys)

        with installed.backend.database.writing() as session:
            session.execute(
                update(InstallationRow)
                .where(InstallationRow.domain.like("p%.example.com"))
                .values(register_due_at=now())
            )
        eventually(
            lambda: all(
                each.register_error
                for each in installed.backend.installations.all()
                if each.domain.endswith(".example.com")
            )
        )
        with installed.backend.database.writing() as session:  # nothing is tried again once the servers are gone
            gone = update(InstallationRow).where(InstallationRow.domain.like("p%.example.com"))
            session.execute(gone.values(uninstalled_at=now(), register_due_at=None))


def test_each_portal_comes_once(environment: dict[str, str], portal: Portal, installed: RunningApp) -> None:
    domain = portal.description["domain"]
    twice = flask("activities", "plan", "--portal", domain, "--portal", domain, "--json", environment=environment)
    assert len(json.loads(twice.stdout)) == 1
    copies(installed, {"client_endpoint": "http://127.0.0.1:1/rest/"})
    both = flask("activities", "plan", "--all", "--json", environment=environment)
    assert sorted("error" in each for each in json.loads(both.stdout)) == [False, True]


def test_no_installation_is_nothing_to_do(environment: dict[str, str], installed: RunningApp) -> None:
    with installed.backend.database.writing() as session:
        session.execute(update(InstallationRow).values(uninstalled_at=now()))
    done = flask("activities", "apply", "--all", "--json", environment=environment)
    assert (done.exit_code, json.loads(done.stdout)) == (0, [])
    for command in ("plan", "apply", "drift"):
        done = flask("activities", command, "--all", environment=environment)
        assert (done.exit_code, done.stderr) == (0, "The app is not installed in any portal yet.\n")


def test_apply_warns_of_what_vanishes(environment: dict[str, str], installed: RunningApp) -> None:
    assert flask("activities", "apply", "--all", environment=environment).exit_code == 0
    with installed.backend.database.writing() as session:
        row = session.scalars(select(RegistrationRow).where(RegistrationRow.code == "save_document")).one()
        before = json.loads(session.get_one(PayloadRow, row.fingerprint).fields)
        before["PROPERTIES"]["copies"] = {"Name": "Copies"}
        session.add(PayloadRow(fingerprint="before", fields=json.dumps(before)))
        session.flush()
        row.fingerprint = "before"
    done = flask("activities", "apply", "--all", "--json", environment=environment)
    (told,) = [row for row in json.loads(done.stdout) if row["code"] == "save_document"]
    assert told["result"] == "updated"
    assert told["why"] == "the property copies vanishes: process templates that use it refer to nothing"


def running(environment: Mapping[str, str], *arguments: str, stderr: int = subprocess.PIPE) -> "subprocess.Popen[str]":
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("B24_", "FLASK_"))}
    return subprocess.Popen(
        [FLASK, *arguments], stdout=subprocess.PIPE, stderr=stderr, text=True, cwd=ROOT, env=clean | environment
    )


def apply_at_work(environment: Mapping[str, str], portal: Portal, installed: RunningApp) -> "subprocess.Popen[str]":
    """An apply that waits for the answer to its second call."""
    portal.ask("faults", rest={"bizproc.activity.add": {"delay_ms": 1500}})
    process = running(environment, "activities", "apply", "--all")
    eventually(lambda: installed.backend.registrations.last(1).get("save_document"))
    return process


def test_an_apply_that_is_terminated_leaves_nothing_behind(
    environment: dict[str, str], portal: Portal, installed: RunningApp
) -> None:
    process = apply_at_work(environment, portal, installed)
    process.terminate()
    out, error = process.communicate(timeout=20)
    assert "Stopping once the portals at work are done" in error
    assert " added" in out
    portal.ask("faults")
    assert flask("activities", "apply", "--all", environment=environment).exit_code == 0


def test_an_apply_that_was_killed_gives_way(environment: dict[str, str], portal: Portal, installed: RunningApp) -> None:
    process = apply_at_work(environment, portal, installed)
    process.kill()
    process.communicate()
    portal.ask("faults")
    done = flask("activities", "apply", "--all", environment=environment)
    assert "one that was killed gives way after 20 seconds" in done.stdout
    with installed.backend.database.writing() as session:
        row = session.get_one(InstallationRow, 1)
        assert row.apply_until
        assert (row.apply_until - now()).total_seconds() < 20
        row.apply_until = now()
    assert flask("activities", "apply", "--all", environment=environment).exit_code == 0


def test_an_interrupt_leaves_out_what_has_not_begun(
    environment: dict[str, str], portal: Portal, installed: RunningApp
) -> None:
    copies(installed, *({"domain": f"p{number}.example.com"} for number in range(9)))
    portal.ask("faults", rest={"batch": {"delay_ms": 800}})
    before = len(portal.log("/rest/batch"))
    process = running(environment, "activities", "plan", "--all", "--parallel", "1", "--json")
    eventually(lambda: len(portal.log("/rest/batch")) > before)
    process.send_signal(signal.SIGINT)
    out, error = process.communicate(timeout=20)
    assert (process.returncode, "Traceback" in error) == (1, False)
    results = json.loads(out)
    assert len(results) == 10
    left_out = [each for each in results if each.get("error") == "interrupted before its turn: nothing was sent"]
    assert 7 <= len(left_out) <= 9


def test_a_person_sees_how_far_it_is(environment: dict[str, str], portal: Portal, installed: RunningApp) -> None:
    copies(installed, {"domain": "p.example.com"})
    portal.ask("faults", rest={"batch": {"delay_ms": 300}})
    terminal, inner = pty.openpty()
    process = running(environment | {"TERM": "xterm"}, "activities", "plan", "--all", "--json", stderr=inner)
    out, _ = process.communicate(timeout=20)
    os.close(inner)
    seen = os.read(terminal, 100_000).decode()
    os.close(terminal)
    assert "Portals" in seen
    assert "%" in seen
    assert len(json.loads(out)) == 2


def test_db_upgrade(environment: dict[str, str]) -> None:
    assert flask("db", "upgrade", environment=environment).stdout == "The database is up to date.\n"
    wrong = flask("db", "upgrade", environment=environment | {"DATABASE_URL": "postgresql://u:pw@127.0.0.1:1/x"})
    assert wrong.exit_code == 1
    assert wrong.stderr.startswith("Error: The database cannot be used: OperationalError.")
    assert "pw" not in wrong.stderr


@pytest.mark.parametrize("command", [("portals", "list"), ("runs", "list"), ("activities", "apply", "--all")])
def test_a_database_that_cannot_be_used_is_one_message(environment: dict[str, str], command: tuple[str, ...]) -> None:
    redis = {"QUEUE_URL": "redis://127.0.0.1:1"}  # embedded, the app itself would not start
    done = flask(*command, environment=environment | redis | {"DATABASE_URL": "postgresql://u:pw@127.0.0.1:1/x"})
    assert done.exit_code == 1
    assert done.stderr.startswith("Error: The database cannot be used: OperationalError.")


def test_another_key_is_one_message(environment: dict[str, str], portal: Portal, installed: RunningApp) -> None:
    portal.finished(portal.run("tell"))
    other = environment | {"B24_SECRET_KEY": "x" * 32}
    for command in (("runs", "list"), ("activities", "apply", "--all")):
        done = flask(*command, environment=other)
        assert done.exit_code == 1
        assert "B24_SECRET_KEY lacks the key" in done.stdout + done.stderr


def test_a_newer_database_is_one_message(environment: dict[str, str], installed: RunningApp) -> None:
    with installed.backend.database.writing() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    done = flask("db", "upgrade", environment=environment)
    assert done.exit_code == 1
    assert "upgraded by a newer version" in done.stderr


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_worker_without_redis_is_one_message(environment: dict[str, str], database_url: str) -> None:
    environment |= {"QUEUE_URL": "redis://127.0.0.1:1", "DATABASE_URL": database_url}
    assert flask("db", "upgrade", environment=environment).exit_code == 0
    done = flask("worker", environment=environment)
    assert done.exit_code == 1
    assert done.stderr == (
        "Error: The queue cannot be reached: ConnectionError. Check QUEUE_URL, and that Redis is running.\n"
    )


def test_a_worker_beside_an_embedded_one_is_refused(environment: dict[str, str]) -> None:
    done = flask("worker", environment=environment)
    assert done.exit_code == 1
    assert done.stderr.startswith("Error: QUEUE_URL is not set")


def test_dev_goes_the_whole_way_also_behind_a_proxy(tmp_path: Path) -> None:
    proxy = dict.fromkeys(("HTTP_PROXY", "http_proxy"), "http://127.0.0.1:1")
    done = flask_process("dev", "--once", cwd=tmp_path, environment=proxy)
    assert done.returncode == 0, done.stdout + done.stderr
    for step in ("1.  Development portal", "3.  Installed", "5.  Process answered", "6.  Document made"):
        assert step in done.stdout
    for wire in ("POST /install", ".add", "POST /activities/save_document", "bizproc.event.send"):
        assert wire in done.stdout
    (document,) = (tmp_path / "instance" / "dev" / "files").rglob("*.pdf")
    assert document.read_bytes().startswith(b"%PDF")


def test_dev_ends_what_it_started_however_it_is_ended(tmp_path: Path) -> None:
    with subprocess.Popen([FLASK, "dev"], cwd=tmp_path, stdout=subprocess.PIPE, text=True) as dev:
        assert dev.stdout
        while "stay up" not in dev.stdout.readline():
            assert dev.poll() is None
        children = psutil.Process(dev.pid).children(recursive=True)
        assert len(children) >= 2
        dev.send_signal(signal.SIGTERM)
        dev.wait(20)
    assert not [child for child in children if child.is_running()]


def test_dev_names_the_step_that_failed(tmp_path: Path) -> None:
    """With templates that cannot be rendered the process is answered, but there is no document."""
    (tmp_path / "broken.md").write_text("# {{ missing }}")
    done = flask_process("dev", "--once", cwd=tmp_path, environment={"TEMPLATES_FOLDER": str(tmp_path)})
    assert done.returncode == 1
    assert (
        "Error: Step 5, process: it goes on without a document. broken.md, line 1: 'missing' is undefined."
        in done.stderr
    )
