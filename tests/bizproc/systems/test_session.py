"""What a client meets of its transport, over real connections."""

import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import trustme

from bizproc import ActivityFailed, NoAnswer, Retry
from bizproc.portal import connections as limits
from bizproc.portal import deadline
from bizproc.portal.connections import trusting
from bizproc.systems.addresses import Addresses
from bizproc.systems.session import SystemSession
from bizproc.testing import connected
from tests.bizproc.portal.test_connections import body, dripping, serving
from tests.bizproc.systems.test_addresses import names
from tests.library import SECRET, Library, library, page


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def there() -> Iterator[Library]:
    with library() as there:
        yield there


def failure(call: Callable[[], object]) -> tuple[type[BaseException], str]:
    with pytest.raises((ActivityFailed, Retry)) as raised:
        call()
    assert SECRET not in str(raised.value)
    return raised.type, str(raised.value)


def test_an_answer(there: Library) -> None:
    connection = connected(f"{there.url}/", SECRET)
    for _ in range(2):
        answer = connection.http.get(f"{connection.base_url}/books", headers={"Authorization": f"Bearer {SECRET}"})
        assert connection.json(answer) == {"books": 3}
        assert "Cookie" not in answer.request.headers
    assert SECRET not in repr(connection)


def test_a_name_is_connected_to_where_it_led_when_it_was_looked_at(
    there: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = int(there.url.rpartition(":")[2])
    known = {"changing.internal": ["127.0.0.1"]}
    names(monkeypatch, known)
    looked_at = Addresses.resolved

    def changing(addresses: Addresses, host: str, port: int) -> list[str]:
        found = looked_at(addresses, host, port)
        known["changing.internal"] = ["127.0.0.2"]
        return found

    monkeypatch.setattr(Addresses, "resolved", changing)
    url = f"http://changing.internal:{port}"
    session = SystemSession(Addresses([url]), trusting(""))
    assert session.get(url, headers={"Authorization": f"Bearer {SECRET}"}).ok


def test_a_name_that_means_a_private_address_since_it_was_stored(
    there: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever owns a name can let it mean a public address at first, and a private one when it is connected to."""
    port = int(there.url.rpartition(":")[2])
    addresses = Addresses()
    session = SystemSession(addresses, trusting(""))
    names(monkeypatch, {"rebound.example.com": ["93.184.215.14"]})
    assert addresses.base_url(f"https://rebound.example.com:{port}")
    names(monkeypatch, {"rebound.example.com": ["127.0.0.1"]})
    kind, words = failure(lambda: session.get(f"https://rebound.example.com:{port}/"))
    assert (kind, "rebound.example.com leads to 127.0.0.1" in words) == (ActivityFailed, True)
    assert there.asked == 0


def test_the_address_that_was_looked_at_is_connected_to_and_the_certificate_is_the_names(
    authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = tmp_path / "authority.pem"
    authority.cert_pem.write_to_path(str(bundle))
    with library(authority.issue_cert("library.internal")) as there:
        port = int(there.url.rpartition(":")[2])
        # The first of its addresses does not answer at that port.
        names(monkeypatch, {"library.internal": ["127.0.0.2", "127.0.0.1"], "other.internal": ["127.0.0.1"]})
        session = SystemSession(Addresses(["*.internal"]), trusting(str(bundle)))
        answer = session.get(f"https://library.internal:{port}/", headers={"Authorization": f"Bearer {SECRET}"})
        assert answer.json() == {"books": 3}
        assert there.asked == 1
        wrong = failure(lambda: session.get(f"https://other.internal:{port}/"))
        assert wrong[0] is ActivityFailed
        assert f"The certificate of other.internal:{port} is not trusted: Hostname mismatch" in wrong[1]
        strange = failure(lambda: connected(there.url, SECRET).http.get(there.url, verify=False))
        assert strange[0] is ActivityFailed
        assert strange[1].endswith("name a PEM file with that authority in the setting CA_BUNDLE.")


def test_where_nothing_was_sent_it_can_be_tried_again() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    kind, words = failure(lambda: connected(f"http://127.0.0.1:{port}", "").http.get(f"http://127.0.0.1:{port}/?x"))
    assert (kind, words) == (
        Retry,
        f"127.0.0.1:{port} takes no connections: nothing listens there, or nothing leads there.",
    )
    kind, words = failure(lambda: SystemSession(Addresses(), trusting("")).get("https://nothing.invalid/?secret"))
    assert (kind, words) == (Retry, "nothing.invalid: there is no such host, or its name cannot be looked up now.")


def test_a_host_that_takes_no_connection_in_time() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        address = full.getsockname()
        waiting = []
        while not waiting or not waiting[-1].connect_ex(address):
            waiting.append(socket.socket())
            waiting[-1].settimeout(0.2)
        url = f"http://127.0.0.1:{address[1]}"
        kind, words = failure(lambda: connected(url, "").http.get(url, timeout=0.2))
        for each in waiting:
            each.close()
    assert (kind, words.partition(" ")[2]) == (Retry, "took no connection in time.")


def test_before_tls_is_spoken_nothing_was_sent() -> None:
    for answer, words in (
        (lambda connection: None, "broke off before the connection was there."),
        (lambda connection: connection.recv(1), "took no connection in time."),
    ):
        with serving(answer) as address:
            url = address.partition("/?")[0].replace("http:", "https:")
            kind, told = failure(lambda url=url: connected(url, "").http.get(url, timeout=0.5))
        assert (kind, told.partition(" ")[2]) == (Retry, words)


def test_where_something_was_sent_nobody_knows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deadline, "EXCHANGE_SECONDS", 0.4)
    for answer, words in (
        (dripping(b"", b"H"), "did not answer in time."),
        (lambda connection: None, "broke off without an answer."),
        (lambda connection: connection.sendall(b"nonsense\r\n\r\n"), "broke off without an answer."),
    ):
        with serving(answer) as url:
            kind, told = failure(lambda url=url: connected(url.partition("/?")[0], "").http.post(url))
        unknown = "Whether it has done what it was asked is not known."
        assert (kind, told.partition(" ")[2]) == (NoAnswer, f"{words} {unknown}")


def test_an_answer_that_is_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "LARGEST_ANSWER", 1024 * 1024)
    with serving(body("identity", b"x" * (1024 * 1024 + 1))) as url:
        kind, told = failure(lambda: connected(url.partition("/?")[0], "").http.get(url))
    assert (kind, told.partition(" ")[2]) == (ActivityFailed, "answered with more than 1 MiB.")


@pytest.mark.parametrize(
    ("location", "where"),
    [
        ("https://elsewhere.example.com/login?token=a", "https://elsewhere.example.com/login"),
        ("https://user:password@elsewhere.example.com/", "https://elsewhere.example.com/"),
        ("/login?a", "/login"),
        ("https://[elsewhere", "no address"),
    ],
)
def test_a_redirect_is_named_and_not_followed(there: Library, location: str, where: str) -> None:
    there.answers["/books"] = lambda: (302, "text/plain", b"", {"Location": location})
    kind, told = failure(lambda: connected(there.url, SECRET).http.get(f"{there.url}/books", allow_redirects=True))
    host = there.url.removeprefix("http://")
    assert (kind, there.asked) == (ActivityFailed, 1)
    assert told == f"{host} leads on to {where} (302), which is not followed: is that the right base URL?"


def test_no_tls_where_there_should_be() -> None:
    with library() as there:
        url = there.url.replace("http:", "https:")
        kind, told = failure(lambda: connected(url, SECRET).http.get(url))
    assert (kind, "does not speak TLS as https needs it" in told) == (ActivityFailed, True)


def test_a_client_cannot_be_led_elsewhere_than_its_connection_may(there: Library) -> None:
    http = connected(there.url, SECRET).http
    for url in ("http://localhost:1/", "https://169.254.169.254/", "https://[::1/"):
        assert failure(lambda url=url: http.get(url))[0] is ActivityFailed
    over_tls_alone = SystemSession(Addresses([there.url.removeprefix("http://")]), trusting(""))
    prepared = requests.Request("GET", there.url).prepare()
    assert "begins with https://" in failure(lambda: over_tls_alone.send(prepared))[1]
    assert there.asked == 0


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        ((401, "application/json", b"{}", {}), ActivityFailed, "it does not take the secret of the connection main"),
        ((403, "application/json", b"{}", {}), ActivityFailed, "the secret of the connection main does not allow this"),
        (page(), ActivityFailed, "answered with 200 OK and a web page. Is that the right base URL?"),
        (page(404), ActivityFailed, "answered with 404 Not Found and a web page"),
        ((200, "text/plain", b"hello", {}), ActivityFailed, "something that is no JSON"),
        ((200, "application/json", b"[" * 100_000, {}), ActivityFailed, "something that is no JSON"),
        (page(502), NoAnswer, "answered with 502 Bad Gateway. Whether it has done"),
    ],
)
def test_an_answer_that_is_not_the_apis(there: Library, answer: object, kind: type[Exception], words: str) -> None:
    there.answers["/books"] = lambda: answer  # type: ignore[return-value, assignment]
    connection = connected(there.url, SECRET, name="main")
    told = failure(lambda: connection.json(connection.http.get(f"{there.url}/books")))
    assert told[0] is kind
    assert words in told[1]


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ({"headers": {"Authorization": "Ключ"}}, "a header has characters that HTTP does not carry. Has the secret?"),
        ({"headers": {"Authorization": f" {SECRET}"}}, "InvalidHeader."),
        ({"json": {"amount": float("nan")}}, "InvalidJSONError."),
    ],
)
def test_what_cannot_be_sent(there: Library, how: dict[str, Any], words: str) -> None:
    kind, told = failure(lambda: connected(there.url, SECRET).http.get(there.url, **how))
    assert (kind, told) == (ActivityFailed, f"{there.url.removeprefix('http://')} cannot be asked: {words}")
    assert there.asked == 0


def test_the_operators_netrc_is_not_sent(there: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("default login operator password hidden\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    answer = connected(there.url, SECRET).http.get(there.url)
    assert "Authorization" not in answer.request.headers


def test_the_operators_proxy_looks_names_up(there: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", there.url)
    session = SystemSession(Addresses(["http://zabbix.invalid"]), trusting(""))
    assert session.get("http://zabbix.invalid/", headers={"Authorization": f"Bearer {SECRET}"}).json() == {"books": 3}
    assert failure(lambda: session.get("http://10.0.0.1/"))[0] is ActivityFailed
    assert there.asked == 1
