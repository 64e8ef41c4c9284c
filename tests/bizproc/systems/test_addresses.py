"""Where connections may lead."""

import socket
from typing import Any

import pytest

from bizproc.systems.addresses import Addresses, UnusableAddress, faults_of

PUBLIC = "93.184.215.14"


def names(monkeypatch: pytest.MonkeyPatch, known: dict[str, list[str]]) -> None:
    """What names mean now; only numbers have a meaning without it."""
    real = socket.getaddrinfo

    def looked_up(host: str, *more: Any, **how: Any) -> list[Any]:
        return [each for address in known.get(host, [host]) for each in real(address, *more, **how)]

    monkeypatch.setattr("bizproc.systems.addresses.socket.getaddrinfo", looked_up)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://93.184.215.14", "begins with https://"),
        ("ftp://93.184.215.14", "begins with https://"),
        ("https://user:pass@93.184.215.14", "has no user and no password"),
        ("https://93.184.215.14?a", "ends before the ? or #"),
        ("https://93.184.215.14/#a", "ends before the ? or #"),
        ("https://93.184.215.14/a b", "without spaces"),
        ("https://93.184.215.14/" + "a" * 1000, "at most 1000 characters"),
        ("https://93.184.215.14:0", "is an address such as"),
        ("https://93.184.215.14:x", "is an address such as"),
        ("https://", "is an address such as"),
        ("https://[::1", "is an address such as"),
        ("zabbix", "is an address such as"),
        ("https://127.0.0.1", "127.0.0.1 is no public address"),
        ("https://2130706433", "leads to 127.0.0.1, which is no public"),
        ("https://0x7f.1", "leads to 127.0.0.1, which is no public"),
        ("https://0", "leads to 0.0.0.0, which is no public"),
        ("https://10.1.2.3", "no public"),
        ("https://172.16.0.1", "no public"),
        ("https://192.168.0.1", "no public"),
        ("https://100.100.100.200", "no public"),
        ("https://169.254.169.254/latest/meta-data", "no public"),
        ("https://168.63.129.16", "no public"),
        ("https://224.0.0.1", "no public"),
        ("https://255.255.255.255", "no public"),
        ("https://[::1]", "no public"),
        ("https://[fe80::1]", "no public"),
        ("https://[fd00:ec2::254]", "no public"),
        ("https://[::ffff:10.0.0.1]", "no public"),
        ("https://[64:ff9b::10.0.0.1]", "no public"),
        ("https://[2002:a00:1::]", "no public"),
        ("https://mixed.example.com", "mixed.example.com leads to 10.0.0.1"),
    ],
)
def test_what_no_connection_may_lead_to(url: str, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    names(monkeypatch, {"mixed.example.com": [PUBLIC, "10.0.0.1"]})
    with pytest.raises(UnusableAddress) as raised:
        Addresses().base_url(url)
    assert words in str(raised.value)
    assert "pass" not in str(raised.value).replace("password", "")


def test_a_public_address_is_kept_as_it_was_given_without_the_last_slash(monkeypatch: pytest.MonkeyPatch) -> None:
    names(monkeypatch, {"zabbix.example.com": [PUBLIC, PUBLIC, "2606:4700::1111"]})
    addresses = Addresses()
    assert addresses.base_url(" https://zabbix.example.com:8443/zabbix/ ") == "https://zabbix.example.com:8443/zabbix"
    assert addresses.resolved("zabbix.example.com", 443) == [PUBLIC, "2606:4700::1111"]


def test_a_name_that_is_not_known_now_can_be_stored() -> None:
    assert Addresses().base_url("https://nothing.invalid") == "https://nothing.invalid"


@pytest.mark.parametrize(
    ("pattern", "allowed", "refused"),
    [
        ("zabbix.internal", ["https://zabbix.internal", "https://ZABBIX.internal:8443/x"], ["http://zabbix.internal"]),
        ("*.corp:8443", ["https://a.b.corp:8443"], ["https://a.b.corp", "https://corp:8443"]),
        ("http://127.0.0.1:8080", ["http://127.0.0.1:8080", "https://127.0.0.1:8080"], ["http://127.0.0.1:8081"]),
        ("http://local", ["http://local"], ["https://local", "http://local:81", "ftp://local:80"]),
        ("[::1]:8443", ["https://[::1]:8443"], ["https://[::1]"]),
    ],
)
def test_what_the_operator_allows(
    pattern: str, allowed: list[str], refused: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    private = ("zabbix.internal", "ZABBIX.internal", "a.b.corp", "corp", "local")
    names(monkeypatch, {each: ["10.0.0.1"] for each in private})
    addresses = Addresses([pattern, "another"])
    assert [addresses.base_url(each) for each in allowed] == allowed
    for each in refused:
        with pytest.raises(UnusableAddress):
            addresses.base_url(each)


def test_patterns_that_are_none_are_told() -> None:
    wrong = ["ftp://a", "https://", "a/b", "a:b", "https://u@a"]
    assert [fault.split()[2].rstrip(",") for fault in faults_of(["a", "*.b:1", *wrong])] == wrong
