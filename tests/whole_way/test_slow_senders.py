"""Senders that keep gunicorn's threads waiting: for a request that never ends, or for nobody who reads the answer."""

import socket
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from http.client import HTTPConnection
from itertools import cycle
from pathlib import Path

import pytest
import requests

from bizproc.files import FileStore
from bizproc.secrets import Secrets
from bizproc.settings import Settings
from tests.commands.test_commands import ROOT
from tests.conftest import eventually
from tests.whole_way.test_processes import _ready, environment, process

__all__ = ["environment"]  # the fixture

THREADS = 16
SIZE = 64 * 2**20
"""More than sockets hold."""
UNFINISHED = (
    b"",
    b"POST /events HTTP/1.1\r\nHost: app\r\n",
    b"POST /events HTTP/1.1\r\nHost: app\r\nContent-Length: 100\r\n\r\n",
    b"POST /events HTTP/1.1\r\nHost: app\r\nContent-Length: 100\r\n\r\nevent=",
    b"POST /events HTTP/1.1\r\nHost: app\r\nTransfer-Encoding: chunked\r\n\r\n5\r\neve",
)


@pytest.fixture
def impatient(environment: dict[str, str], tmp_path: Path) -> Iterator[str]:
    """The app, with two seconds for a request, and two for its answer. The file has what gunicorn logs."""
    conf = tmp_path / "impatient.conf.py"
    conf.write_text(
        f"exec(open({str(ROOT / 'gunicorn.conf.py')!r}).read())\nWorker.request_seconds = Worker.answer_seconds = 2\n"
        "from gunicorn.workers import gthread\ngthread.DEFAULT_WORKER_DATA_TIMEOUT = 1\n"
    )
    url = environment["B24_APP_URL"]
    command = (sys.executable, "-m", "gunicorn", "--config", conf, "--bind", url.removeprefix("http://"))
    with (tmp_path / "log").open("wb") as log, process(*command, environment=environment, stderr=log) as running:
        eventually(lambda: running.poll() is None and _ready(url))
        yield url


def test_nobody_keeps_a_thread_for_ever(impatient: str, settings: Settings, tmp_path: Path) -> None:
    files = FileStore(settings.files_url, Secrets(settings.secret_keys).link_keys, impatient)
    link = files.store("member", 1, "large.bin", bytes(SIZE)).link
    unread = f"GET {link.removeprefix(impatient)} HTTP/1.1\r\nHost: app\r\n\r\n".encode()
    with ExitStack() as stack:
        senders = [stack.enter_context(connection(impatient)) for _ in range(THREADS)]
        *unfinished, reader = senders
        for sender, sent in zip(unfinished, cycle(UNFINISHED), strict=False):
            sender.sendall(sent)
        reader.sendall(unread)
        assert requests.get(f"{impatient}/healthz", timeout=20).ok
        for sender in unfinished:
            received(sender)
        # Cut off at the same time as the others. What had been sent until then still arrives.
        assert received(reader) < SIZE
    assert "Traceback" not in (tmp_path / "log").read_text()


def test_a_connection_is_kept_longer_than_proxies_keep_it(impatient: str) -> None:
    kept = HTTPConnection(impatient.removeprefix("http://"), timeout=20)
    kept.connect()
    with closing(kept), kept.sock as at_first:
        for pause in (0, 2.5):  # gunicorn's own limit is 2
            time.sleep(pause)
            kept.request("GET", "/healthz")
            assert kept.getresponse().read()
        assert kept.sock is at_first


def received(connection: socket.socket) -> int:
    """The number of bytes that come until the app closes the connection."""
    connection.settimeout(20)
    number = 0
    with suppress(ConnectionResetError):
        while piece := connection.recv(2**20):
            number += len(piece)
    return number


def connection(url: str) -> socket.socket:
    host, port = url.removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)))
