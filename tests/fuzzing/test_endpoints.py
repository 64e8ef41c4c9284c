"""Every endpoint of the app as it is served, under gunicorn, installed in a development portal.

Whatever comes in: no answer is a 5xx, none takes long, nothing stands in the log as an error or with a stack trace,
every accepted callback is closed in the end, and the memory stays where it was.
"""

import os
import re
import secrets
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import create_engine, text

from devportal.options import Options
from devportal.server import start
from tests.conftest import Portal, eventually, tries, values
from tests.fuzzing.endpoints import ENDPOINTS, Endpoint
from tests.fuzzing.requests_sent import Answered, in_paths, near, posted, queries, raw_requests, request, send

pytestmark = pytest.mark.xdist_group("fuzzing")

ROOT = Path(__file__).parents[2]
SLOWEST_SECONDS = 15
"""Of one answer, on a machine that is busy with other tests; what hangs takes for ever."""
OF_GUNICORN = {501, 505}
"""What it answers itself to transfer encodings and versions of HTTP that it does not know."""
MOST_MEMORY = 400 * 1024 * 1024
CODES = ["tell", "fail", "crash", "exit", "unsayable", "mistake", "count", "every_type", "ask_portal", "save_document"]
HOSTS = [b"127.0.0.1", b"x", b"[::1", b"a:99999", b"\xff", b"h" * 3000, b"a b", b""]


@dataclass
class Real:
    """The app in a process of its own."""

    process: subprocess.Popen[bytes]
    address: tuple[str, int]
    portal: Portal
    database_url: str
    log: Path
    accepted: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.address[1]}"

    def send(self, raw: bytes) -> Answered:
        answered = send(self.address, raw)
        assert all(status < 500 or status in OF_GUNICORN for status in answered.statuses), (answered, raw[:500])
        assert answered.seconds < SLOWEST_SECONDS, (answered, raw[:500])
        return answered

    def install(self) -> dict[str, Any]:
        """Whatever the tests have left behind: installed as it should be."""
        opened = self.portal.ask("install", app_url=self.url)
        assert opened["status"] == 200, opened
        return opened  # type: ignore[no-any-return]

    def open_runs(self) -> list[Any]:
        engine = create_engine(self.database_url)
        with engine.connect() as connection:
            found = connection.execute(text("SELECT code, state, error FROM runs WHERE state != 'closed'")).all()
        engine.dispose()
        return list(found)

    def memory(self) -> int:
        """Bytes, of the server and its worker."""
        processes = [psutil.Process(self.process.pid), *psutil.Process(self.process.pid).children(recursive=True)]
        return max(int(each.memory_info().rss) for each in processes)

    def settled(self) -> None:
        """What must be true whatever was sent."""
        assert requests.get(f"{self.url}/readyz", timeout=30).status_code == 200
        eventually(lambda: not self.open_runs())
        eventually(lambda: all(self.portal.process(process)["status"] != "waiting" for process in self.accepted))
        self.accepted.clear()
        written = self.log.read_text("utf-8", "replace")
        assert re.findall(r".*(?:ERROR|CRITICAL|Traceback|Exception in).*", written) == []
        assert self.memory() < MOST_MEMORY


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Real]:
    folder = tmp_path_factory.mktemp("real")
    running_portal = start(Options())
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = free.getsockname()[:2]
    portal = Portal(running_portal.url, running_portal.ready)
    environment = {
        "B24_CLIENT_ID": portal.ready["client_id"],
        "B24_CLIENT_SECRET": portal.ready["client_secret"],
        "B24_APP_URL": f"http://127.0.0.1:{address[1]}",
        "B24_SECRET_KEY": secrets.token_urlsafe(32),
        "B24_OAUTH_URL": portal.ready["oauth_url"],
        "DATABASE_URL": f"sqlite:///{folder / 'b24.sqlite3'}",
        "FILES_URL": (folder / "files").as_uri(),
        "SPOOL_FOLDER": str(folder / "spool"),
        "BIND": f"127.0.0.1:{address[1]}",
    }
    log = folder / "log"
    command = [sys.executable, "-m", "gunicorn", "tests.fuzzing.served:serve()"]
    with log.open("wb") as stderr:
        process = subprocess.Popen(command, cwd=ROOT, env=os.environ | environment, stderr=stderr)
    real = Real(process, address, portal, environment["DATABASE_URL"], log)
    try:
        eventually(lambda: process.poll() is None and _answers(address))
        yield real
    finally:
        # At once: how it stops is tested elsewhere, and takes seconds.
        for each in [process, *psutil.Process(process.pid).children(recursive=True)]:
            each.kill()
        process.wait(20)
        running_portal.stop()


def _answers(address: tuple[str, int]) -> bool:
    try:
        return 200 in send(address, request(b"GET", b"/readyz")).statuses
    except OSError:
        return False


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda endpoint: endpoint.name)
def test_anything_at_every_endpoint(real: Real, endpoint: Endpoint) -> None:
    @tries(25)
    @given(raw=raw_requests(endpoint.path))
    def anything(raw: bytes) -> None:
        real.send(raw)

    anything()
    real.settled()


def test_callbacks(real: Real) -> None:
    """Each for a process that waits for it: whatever the form, the process gets an answer."""
    real.install()
    real.portal.ask("faults", queue={"drop": 1})
    token = real.portal.ask("token")
    auth = {
        "auth[member_id]": real.portal.description["member_id"],
        "auth[application_token]": real.portal.state()["installation"]["application_token"],
        "auth[access_token]": token["access_token"],
        "auth[refresh_token]": token["refresh_token"],
    }
    every = {
        "flag": "Y",
        "day": "31.12.2026",
        "moment": "01.08.2026 12:30:00 [7200]",
        "hour": "12:30",
        "amount": "1 000,5",
    }
    every |= {"number": "1 000", "choice": "b", "person": "user_1", "numbers][0": "1", "days][": "01.01.2026"}
    every |= {"words": "x", "docType": "pdf", "saveDoc": "Y", "Parameters][0": "customer=a"}
    form = {
        "code": "x",
        "workflow_id": "1",
        "document_id[]": ["crm", "CCrmDocumentDeal", "DEAL_1"],
        "document_type[]": ["crm", "CCrmDocumentDeal", "DEAL"],
        "use_subscription": "Y",
        "ts": "1746700621",
        "timeout_duration": "0",
        "auth[user_id]": "1",
        "auth[expires]": "4102444800",
        "auth[domain]": "evil.example.com",
        "auth[client_endpoint]": "https://evil.example.com/rest/",
        **{f"properties[{name}]": value for name, value in every.items()},
    }
    kept = ("event_token", "use_subscription", *auth)

    @tries(25)
    @given(code=st.sampled_from(CODES), changed=near(form, kept), path=in_paths, own_path=st.booleans(), query=queries)
    def callback(code: str, changed: dict[str, Any], path: bytes, own_path: bool, query: bytes) -> None:
        process = real.portal.run(code)
        fields = changed | auth | {"event_token": real.portal.process(process)["event_token"]}
        target = b"/activities/" + (code.encode() if own_path else path) + query
        if 200 in real.send(posted(target, fields)).statuses:
            real.accepted.append(process)

    callback()
    assert real.accepted
    real.portal.ask("faults")
    real.settled()


def test_events(real: Real) -> None:
    real.install()
    token = real.portal.ask("token")
    auth = {
        "auth[member_id]": real.portal.description["member_id"],
        "auth[application_token]": real.portal.state()["installation"]["application_token"],
    }
    form = {
        "event": "ONAPPINSTALL",
        "data[LANGUAGE_ID]": "de",
        "data[CLEAN]": "1",
        "data[STATUS]": "P",
        "data[PAYMENT_EXPIRED]": "Y",
        "data[VERSION]": "1",
        "auth[access_token]": token["access_token"],
        "auth[refresh_token]": token["refresh_token"],
        "auth[expires_in]": "3600",
        "ts": "1",
    }
    names = st.sampled_from(["ONAPPINSTALL", "ONAPPUPDATE", "ONAPPPAYMENT", "ONAPPTEST", "onappunInstall", "", "\0"])

    @tries(20)
    @given(event=names, changed=near(form, ("event",)), proven=st.booleans(), host=st.sampled_from(HOSTS))
    def event(event: str, changed: dict[str, Any], proven: bool, host: bytes) -> None:
        raw = posted(b"/events", changed | {"event": event} | (auth if proven else {}))
        real.send(raw.replace(b"Host: 127.0.0.1", b"Host: " + host, 1))

    event()
    real.install()
    real.settled()


@pytest.mark.parametrize("path", [b"/install", b"/"])
def test_installs(real: Real, path: bytes) -> None:
    token = real.portal.ask("token")
    form = {
        "AUTH_ID": token["access_token"],
        "REFRESH_ID": token["refresh_token"],
        "AUTH_EXPIRES": "3600",
        "APPLICATION_TOKEN": "application-token",
        "member_id": real.portal.description["member_id"],
        "status": "L",
        "PLACEMENT": "DEFAULT",
        "PLACEMENT_OPTIONS": "{}",
        "SERVER_ENDPOINT": "https://evil.example.com/rest/",
    }

    @tries(25)
    @given(changed=near(form), query=queries, host=st.sampled_from(HOSTS))
    def install(changed: dict[str, Any], query: bytes, host: bytes) -> None:
        real.send(posted(path + query, changed).replace(b"Host: 127.0.0.1", b"Host: " + host, 1))

    install()
    real.install()
    real.settled()


def test_signed_links_and_page_tokens(real: Real) -> None:
    page_token = re.search(r'"Bearer " \+ "([^"]+)"', real.install()["body"])
    assert page_token
    eventually(lambda: "count" in real.portal.stored())  # the page does not wait for its registration
    link = values(real.portal.finished(real.portal.run("count")))["link"].rpartition("/")[2]

    def changed(signed: str) -> st.SearchStrategy[bytes]:
        raw = signed.encode()
        cut = st.integers(0, len(raw)).map(lambda at: raw[:at])
        flipped = st.integers(0, len(raw) - 1).map(lambda at: raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :])
        return (
            st.just(raw) | cut | flipped | st.sampled_from([raw * 10, raw + b"=", b"." + raw, raw.replace(b".", b"")])
        )

    @tries(25)
    @given(signed=changed(link), bearer=changed(page_token[1]), query=queries)
    def opened(signed: bytes, bearer: bytes, query: bytes) -> None:
        real.send(request(b"GET", b"/files/" + signed + query))
        real.send(request(b"GET", b"/install/progress" + query, b"", b"Authorization: Bearer " + bearer))

    opened()
    real.settled()
