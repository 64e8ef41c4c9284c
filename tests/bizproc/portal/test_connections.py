"""Exchanges with servers that answer badly. All servers are real ones, on this host."""

import gzip
import resource
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import requests
import trustme

from bizproc.portal import connections as module
from bizproc.portal import deadline
from bizproc.portal.connections import Connections
from tests.conftest import POLL_SECONDS


@contextmanager
def serving(answer: Callable[[socket.socket], None]) -> Iterator[str]:
    """The address of a server that reads a request's header and then does with the connection what it likes."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                threading.Thread(target=talk, args=(connection,), daemon=True).start()

        def talk(connection: socket.socket) -> None:
            try:
                with connection:
                    connection.recv(65536)
                    answer(connection)
            except OSError:
                pass  # the app has hung up, which is what is wanted

        threading.Thread(target=serve, daemon=True).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/?secret"
        listener.shutdown(socket.SHUT_RDWR)


def send(url: str, body: bytes = b"") -> requests.Response:
    sending = Connections()
    try:
        return sending.send("POST", url, data=body)
    finally:
        sending.close()


OK = b"HTTP/1.1 200 OK\r\n"


def dripping(before: bytes, drop: bytes) -> Callable[[socket.socket], None]:
    def answer(connection: socket.socket) -> None:
        connection.sendall(before)
        while True:
            connection.sendall(drop)
            time.sleep(0.05)

    return answer


def reads_nothing(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    while connection.recv(1024):
        time.sleep(0.05)


@pytest.mark.parametrize(
    ("answer", "body"),
    [
        pytest.param(dripping(b"", b"H"), b"", id="status"),
        pytest.param(dripping(OK + b"X-Long: ", b"x"), b"", id="headers"),
        pytest.param(dripping(b"", b"HTTP/1.1 100 Continue\r\n\r\n"), b"", id="never more than continue"),
        pytest.param(dripping(OK + b"Content-Length: 100000\r\n\r\n", b"x"), b"", id="body"),
        pytest.param(dripping(OK + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"), b"", id="chunks"),
        pytest.param(reads_nothing, b"x" * 16_000_000, id="request not read"),
    ],
)
def test_a_server_that_drips_is_left(
    answer: Callable[[socket.socket], None], body: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deadline, "EXCHANGE_SECONDS", 0.4)
    started = time.monotonic()
    with serving(answer) as url, pytest.raises(requests.Timeout) as raised:
        send(url, body)
    assert str(raised.value) == f"{url[7:].partition('/')[0]} did not answer in time"
    assert 0.3 < time.monotonic() - started < 2


def test_a_kept_connection_has_its_time_anew_with_each_request(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deadline, "EXCHANGE_SECONDS", 0.6)

    def answer(connection: socket.socket) -> None:
        while True:
            time.sleep(0.3)
            connection.sendall(OK + b"Content-Length: 2\r\n\r\n{}")
            connection.recv(65536)

    kept = Connections()
    with serving(answer) as url:
        assert [kept.send("POST", url).text for _ in range(4)] == ["{}"] * 4
        kept.close()


def body(encoding: str, content: bytes, status: bytes = b"200 OK") -> Callable[[socket.socket], None]:
    head = b"HTTP/1.1 %b\r\nContent-Encoding: %b\r\nContent-Length: %d\r\n" % (status, encoding.encode(), len(content))
    return lambda connection: connection.sendall(head + b"Location: https://elsewhere/\r\n\r\n" + content)


@pytest.fixture(scope="module")
def bomb() -> bytes:
    """1 GiB, packed in 64 members, as if it were one."""
    return gzip.compress(b"\0" * 16 * 1024 * 1024) * 64


@pytest.mark.parametrize("status", [b"200 OK", b"302 Found", b"500 Oops"])
def test_a_bomb_is_not_unpacked(bomb: bytes, status: bytes) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with serving(body("gzip", bomb, status)) as url, pytest.raises(requests.ConnectionError) as raised:
        send(url)
    assert str(raised.value).endswith("answered with more than 16 MiB")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 128 * 1024, "KiB"


def test_an_answer_has_so_many_bytes_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LARGEST_ANSWER", 1024 * 1024)
    with serving(body("identity", b"x" * 1024 * 1024)) as url:
        assert len(send(url).content) == 1024 * 1024
    with serving(body("identity", b"x" * (1024 * 1024 + 1))) as url, pytest.raises(requests.ConnectionError):
        send(url)
    endless = OK + b"Transfer-Encoding: chunked\r\n\r\n"

    def chunks(connection: socket.socket) -> None:
        connection.sendall(endless)
        while True:
            connection.sendall(b"10000\r\n" + b"x" * 0x10000 + b"\r\n")

    with serving(chunks) as url, pytest.raises(requests.ConnectionError, match="more than 1 MiB"):
        send(url)


@pytest.mark.parametrize(
    "answer",
    [
        body("gzip", b"no gzip"),
        lambda connection: connection.sendall(OK + b"Content-Length: 9\r\n\r\nx"),
        lambda connection: connection.sendall(OK + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nx"),
        lambda connection: connection.sendall(OK + b"Transfer-Encoding: chunked\r\n\r\nnonsense\r\n"),
        lambda connection: connection.sendall(b"nonsense\r\n\r\n"),
        lambda connection: connection.sendall(OK + b"X: y\r\n" * 200 + b"\r\n"),
        lambda connection: None,
    ],
)
def test_no_answer_of_http_is_told_as_such(answer: Callable[[socket.socket], None]) -> None:
    with serving(answer) as url, pytest.raises(requests.ConnectionError, match=" cannot be reached: ") as raised:
        send(url)
    assert "secret" not in str(raised.value)


def test_where_a_redirect_leads_is_left_to_the_caller() -> None:
    with serving(body("identity", b"moved", b"302 Found")) as url:
        answer = send(url)
    assert (answer.status_code, answer.headers["Location"], answer.text) == (302, "https://elsewhere/", "moved")


class Hello(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@contextmanager
def over_tls(certificate: trustme.LeafCert) -> Iterator[str]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    with ThreadingHTTPServer(("127.0.0.1", 0), Hello) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, args=(POLL_SECONDS,), daemon=True).start()
        yield f"https://127.0.0.1:{server.server_port}/"
        server.shutdown()


def test_a_certificate_of_ones_own_authority_is_trusted_by_setting(authority: trustme.CA, tmp_path: Path) -> None:
    bundle = tmp_path / "authority.pem"
    authority.cert_pem.write_to_path(str(bundle))
    with over_tls(authority.issue_cert("127.0.0.1")) as url:
        with pytest.raises(requests.ConnectionError) as raised:
            send(url)
        told = str(raised.value)
        assert told.startswith(f"the certificate of {url[8:-1]} is not trusted: ")
        assert told.endswith("name a PEM file with that authority in the setting CA_BUNDLE")
        assert Connections(str(bundle)).send("POST", url).json() == {}


def test_a_certificate_for_another_host_is_refused_all_the_same(authority: trustme.CA, tmp_path: Path) -> None:
    bundle = tmp_path / "authority.pem"
    authority.cert_pem.write_to_path(str(bundle))
    with over_tls(authority.issue_cert("portal.example.com")) as url:
        with pytest.raises(requests.ConnectionError, match="is not trusted: IP address mismatch") as raised:
            Connections(str(bundle)).send("POST", url)
        assert "CA_BUNDLE" not in str(raised.value), "it would not help"


def test_public_authorities_stay_trusted(authority: trustme.CA, tmp_path: Path) -> None:
    bundle = tmp_path / "authority.pem"
    authority.cert_pem.write_to_path(str(bundle))
    public = module.trusting("").cert_store_stats()["x509_ca"]
    assert module.trusting(str(bundle)).cert_store_stats()["x509_ca"] == public + 1 > 100
