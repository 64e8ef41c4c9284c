import functools
import json
import os
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import requests

from devportal.control import GET_CALLS, POST_CALLS
from devportal.options import MAX_PORTALS, Options, OptionsError, parse, read_seed
from devportal.server import start
from tests.conftest import eventually
from tests.devportal.driver import App, Portal

DOCS = Path(__file__).parents[2] / "docs" / "devportal.md"


def test_reset_empties_one_portal(portal: Portal, app: App) -> None:
    portal.control("install", app_url=app.url)
    portal.add(HANDLER=app.url)
    portal.run()
    token = portal.token
    portal.control("reset")
    state = portal.look("state")
    assert [state[key] for key in ("stored", "placements", "processes", "deliveries", "handlers")] == [[]] * 5
    assert state["installation"]["installed"] is False
    assert portal.refused("user.admin", token=token) == (401, "invalid_token")


def test_filter(portal: Portal) -> None:
    lists = ["lists", "BizprocDocument", "iblock_5"]
    assert portal.control("filter", filter={"EXCLUDE": ["box"]}, document_type=lists) == {"b24": True, "box": False}
    assert portal.control("filter", filter={"INCLUDE": [["crm"]]}, document_type=None) == {"b24": True, "box": True}


def test_state_has_the_shape_of_the_cases(portal: Portal) -> None:
    portal.add(PROPERTIES={}, DESCRIPTION="d")
    (stored,) = portal.look("state")["stored"]
    assert stored["PROPERTIES"] == []
    assert stored["DESCRIPTION"] == {"*": "d"}


def test_the_log_has_every_exchange_in_order(portal: Portal, app: App) -> None:
    last = max((entry["n"] for entry in portal.look("log")), default=0)
    portal.add(HANDLER=f"{app.url}/run", USE_SUBSCRIPTION="N")
    portal.process(portal.run(), wait=20)
    portal.refresh(portal.control("token")["refresh_token"])
    added, called, refreshed = portal.look("log", since=last)
    assert [entry["direction"] for entry in (added, called, refreshed)] == ["to_portal", "to_app", "to_oauth"]
    assert added["url"] == f"{portal.url}/rest/bizproc.activity.add?auth={portal.token}"
    assert added["request"]["parsed"]["CODE"] == "act"
    assert '"CODE": "act"' in added["request"]["raw"]
    assert (added["method"], added["status"], added["portal"]) == ("POST", 200, 1)
    assert added["answer"].startswith('{"result":true')
    assert (called["url"], called["status"]) == (f"{app.url}/run", 200)
    assert called["request"]["parsed"]["code"] == "act"
    assert "App" in called["answer"]
    assert (refreshed["method"], refreshed["portal"]) == ("GET", 1)
    assert refreshed["request"]["parsed"]["grant_type"] == "refresh_token"
    assert all(entry["ms"] > 0 for entry in (added, called, refreshed))
    assert len(portal.look("log", since=last, limit=1)) == 1


def test_the_log_is_bounded(portal: Portal) -> None:
    portal.post("server.time", {"x": "y" * 100_000})
    assert len(portal.look("log")[-1]["request"]["raw"]) == 64 * 1024
    for _ in range(2100):
        portal.running.cloud.log.add(
            "to_app", None, "POST", "http://x", body=b"", parsed={}, status=None, answer=b"", ms=0
        )
    assert len(portal.look("log")) == 2000


@pytest.mark.parametrize(
    ("name", "arguments", "error"),
    [
        ("token", {"portal": 9}, "portal: must be 1 to 1"),
        ("token", {"portal": "1"}, "portal: must be 1 to 1"),
        ("token", {"admin": "yes"}, "admin: must be true or false"),
        ("token", {"admni": False}, "unknown admni; known are admin, application, portal, user_id"),
        ("token", {"user_id": 5}, "user_id: 1 is the administrator, all others are not"),
        ("filter", {"document_type": "crm"}, "document_type: must be a list of texts, or null"),
        ("install", {}, "app_url: must be an http or https URL, not ''"),
        ("install", {"app_url": "ftp://x"}, "app_url: must be an http or https URL, not 'ftp://x'"),
        ("open", {}, "url: needed, as no application was installed by its URL"),
        ("run", {}, "code: needed, of an activity or robot"),
        ("run", {"code": "a", "document_type": ["crm"]}, "document_type: must be a list of module, object and type"),
        ("run", {"code": "a", "properties": []}, "properties: must be an object"),
        ("run", {"code": "a", "count": 0}, "count: must be 1 to 10000"),
        ("run", {"code": "a", "timeout": -1}, "timeout: must be 0 to"),
        ("run", {"code": "a", "lists": "x"}, "lists: must be one of [0], [], plain"),
        ("terminate", {"process": "x"}, "no process 'x' in portal 1"),
        ("faults", {"rest": {"a": {"errror": "x"}}}, "rest.a: unknown 'errror'"),
        ("faults", {"rest": {"a": {"status": "500"}}}, "rest.a.status: wrong type"),
        ("faults", {"rest": {"a": {"status": 9}}}, "rest.a.status: must be 200 to 599"),
        ("faults", {"rest": []}, "rest: must be an object of methods"),
        ("faults", {"queue": {"drop": 2}}, "queue.drop: is a share, 0 to 1"),
        ("faults", {"queue": {"drop": True}}, "queue.drop: must be a number, not negative"),
        ("faults", {"queue": {"lose": 1}}, "queue: unknown 'lose'"),
        ("nothing", {}, "no control call POST /_dev/nothing"),
    ],
)
def test_wrong_control_calls(portal: Portal, name: str, arguments: dict[str, Any], error: str) -> None:
    assert error in portal.refused_control(name, **arguments)


def test_wrong_bodies_and_paths(portal: Portal) -> None:
    for body in (b"{", b"[]", b"[" * 100_000):
        answer = requests.post(f"{portal.url}/_dev/token", data=body)
        assert (answer.status_code, "the body must be" in answer.json()["error"]) == (400, True)
    assert requests.get(f"{portal.url}/_dev/process/none").status_code == 404
    assert requests.get(f"{portal.url}/_dev/log?since=x").status_code == 400


def test_web_pages_cannot_steer_a_portal(portal: Portal) -> None:
    for headers in ({"Host": "evil.example.com"}, {"Origin": "https://evil.example.com"}, {"Origin": "null"}):
        answer = requests.post(f"{portal.url}/_dev/reset", json={}, headers=headers)
        assert answer.status_code == 403, headers
    assert requests.post(f"{portal.url}/_dev/token", json={}, headers={"Origin": portal.url}).status_code == 200


def test_what_a_process_asked_for_can_be_found_in_the_log(portal: Portal, app: App) -> None:
    portal.add(HANDLER=f"{app.url}/run")
    first, second = portal.run(), portal.run()
    for id_ in (first, second):
        (entry,) = eventually(functools.partial(portal.look, "log", about=id_))
        assert f"workflow_id={id_}" in entry["request"]["raw"]
    assert [process["id"] for process in portal.look("processes", limit=2)] == [second, first]
    assert [process["id"] for process in portal.look("processes", limit=1)] == [second]


def test_the_portal_tells_what_is_set(portal: Portal, app: App) -> None:
    portal.control("install", app_url=app.url)
    portal.add()
    faults = {"rest": {"batch": {"error": "X", "status": 503, "times": 2}}, "queue": {"drop": 0.5}}
    portal.control("faults", **faults)
    now = portal.look("portal")
    assert (now["installed"], now["app_url"], now["registered"]) == (True, app.url, ["act"])
    assert now["faults"]["rest"]["batch"].items() >= faults["rest"]["batch"].items()
    assert now["faults"]["queue"]["drop"] == 0.5
    portal.control("faults", **now["faults"])
    assert portal.look("portal")["faults"] == now["faults"]


@pytest.mark.parametrize(
    ("filter_", "edition", "hidden_by"),
    [
        ({}, "b24", None),
        ({"INCLUDE": [["lists"]]}, "b24", "INCLUDE"),
        ({"INCLUDE": [["crm"]], "EXCLUDE": ["box"]}, "b24", None),
        ({"INCLUDE": [["crm"]], "EXCLUDE": ["box"]}, "box", "EXCLUDE"),
    ],
)
def test_the_designer_tells_what_hides_a_step(
    portal: Portal, filter_: dict[str, Any], edition: str, hidden_by: str | None
) -> None:
    portal.add(FILTER=filter_)
    (step,) = portal.control("designer", edition=edition)
    assert (step["shown"], step["hidden_by"]) == (hidden_by is None, hidden_by)


def test_the_designer_speaks_a_persons_language(portal: Portal) -> None:
    choice = {"Name": {"en": "Choice", "de": "Wahl"}, "Type": "select", "Options": {"a": "A"}, "Required": "Y"}
    portal.add(NAME={"en": "Save", "de": "Speichern"}, PROPERTIES={"choice": choice})
    for lang, title, name in (("de", "Speichern", "Wahl"), ("ru", "Save", "Choice")):
        (step,) = portal.control("designer", lang=lang)
        (field,) = step["properties"]
        assert (step["title"], field["title"]) == (title, name)
    assert field | {"title": ""} == {
        "name": "choice",
        "title": "",
        "description": "",
        "type": "select",
        "multiple": False,
        "required": True,
        "options": [{"value": "a", "title": "A"}],
        "default": None,
    }


def test_every_control_call_is_documented() -> None:
    text = DOCS.read_text("utf-8")
    documented = {(verb, name) for verb, name in re.findall(r"^### `(GET|POST) /_dev/([a-z-]+)", text, re.MULTILINE)}
    assert documented == {("GET", name) for name in GET_CALLS} | {("POST", name) for name in POST_CALLS}


def test_every_example_of_the_documentation_runs(app: App) -> None:
    examples = re.findall(r"^curl -s (.+)$", DOCS.read_text("utf-8"), re.MULTILINE)
    assert len(examples) == len(GET_CALLS) + len(POST_CALLS)
    portal = Portal()
    try:
        for example in examples:
            portal.reset()
            portal.control("install", app_url=app.url)
            id_ = portal.run("save_document")
            url, *data = shlex.split(
                example.replace("$P", portal.running.url).replace("http://127.0.0.1:5000", app.url)
            )
            if data:
                answer = requests.post(url, data=data[1].replace('"ID"', f'"{id_}"'))
            else:
                answer = requests.get(url.replace("/ID?", f"/{id_}?"))
            assert answer.status_code == 200, (example, answer.text)
    finally:
        portal.stop()


def command(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "devportal", *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGINT])
def test_the_command_starts_and_stops(tmp_path: Path, end: signal.Signals) -> None:
    seed = tmp_path / "seed.json"
    seed.write_text('{"client_id": "local.x", "client_secret": "s", "portals": [{"member_id": "m1"}]}')
    process = command("--port", "0", "--portals", "2", "--lang", "de", "--seed", str(seed))
    try:
        assert process.stdout is not None
        ready = json.loads(process.stdout.readline())
        assert (ready["client_id"], ready["client_secret"], ready["member_id"]) == ("local.x", "s", "m1")
        assert {"url", "client_endpoint", "oauth_url"} <= set(ready)
        assert [portal["portal"] for portal in ready["portals"]] == [1, 2]
        for portal in ready["portals"]:
            assert requests.get(portal["url"]).status_code == 200
        os.kill(process.pid, end)
        assert process.wait(30) == 0
        assert process.communicate()[1] == ""
    finally:
        process.kill()
        process.communicate()


def test_a_port_that_is_taken(portal: Portal) -> None:
    port = portal.ready["domain"].split(":")[1]
    process = command("--port", port)
    out, error = process.communicate(timeout=30)
    assert (process.returncode, out) == (1, "")
    assert error == f"devportal: port {port} cannot be used: Address already in use\n"


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["--port", "70000"], "--port 70000: must be 0 to 65535"),
        (["--portals", "0"], f"--portals 0: must be 1 to {MAX_PORTALS}"),
        (["--tokens-live", "0"], "--tokens-live 0.0: must be a positive number of seconds"),
        (["--latency", "-1"], "--latency -1.0: must be 0 to 60000 milliseconds"),
        (["--date-format", "x"], "--date-format: date format 'x'"),
        (["--seed", "/nowhere"], "seed file /nowhere: No such file or directory"),
    ],
)
def test_wrong_options(arguments: list[str], error: str) -> None:
    with pytest.raises(OptionsError, match=re.escape(error)):
        parse(arguments)


@pytest.mark.parametrize(
    ("content", "error"),
    [
        ("{", "no JSON"),
        ("[]", "must be a JSON object"),
        ("[" * 100_000, "no JSON"),
        ('{"a": 1}', "unknown key 'a'"),
        ('{"scope": 1}', "scope must be a text"),
        ('{"utc_offset": true}', "utc_offset must be a number"),
        ('{"portals": [1]}', "portals must be a list"),
    ],
)
def test_wrong_seeds(tmp_path: Path, content: str, error: str) -> None:
    path = tmp_path / "seed.json"
    path.write_text(content)
    with pytest.raises(OptionsError, match=error):
        read_seed(path)


def test_all_options() -> None:
    given = parse(["--port", "5", "--edition", "box", "--rate-limit", "on", "--latency", "2", "--tokens-live", "9"])
    assert given == Options(port=5, edition="box", rate_limit=True, latency_ms=2, tokens_live=9)


def test_a_stopped_portal_frees_its_port() -> None:
    running = start()
    port = int(running.url.rsplit(":", 1)[1])
    requests.get(running.url)
    running.stop()
    with pytest.raises(requests.ConnectionError):
        requests.get(running.url)
    again = start(Options(port=port))
    assert again.url == running.url
    again.stop()
