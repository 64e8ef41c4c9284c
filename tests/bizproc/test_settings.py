"""The settings, and everything that can be wrong with them."""

import tempfile
from pathlib import Path

import pytest

from bizproc.settings import Settings, SettingsError

INSTANCE = Path(tempfile.mkdtemp())
RIGHT = {
    "B24_CLIENT_ID": "local.1",
    "B24_CLIENT_SECRET": "secret",
    "B24_APP_URL": "https://app.example.com/",
    "B24_SECRET_KEY": f"{'a' * 32}, {'b' * 32}",
}


def test_defaults() -> None:
    settings = Settings.from_environment(RIGHT, INSTANCE)
    assert settings.app_url == "https://app.example.com"
    assert settings.secret_keys == ("a" * 32, "b" * 32)
    assert settings.database_url == f"sqlite:///{INSTANCE}/b24.sqlite3"
    assert settings.files_url == (INSTANCE / "files").as_uri()
    assert settings.spool_folder == INSTANCE / "spool"
    assert settings.oauth_url == "https://oauth.bitrix24.tech"
    assert settings.js_url == "https://api.bitrix24.com/api/v1/"
    assert settings.embedded
    assert settings.allowed_systems == ()


def test_everything_missing_is_told_together() -> None:
    with pytest.raises(SettingsError) as raised:
        Settings.from_environment({}, INSTANCE)
    for name in RIGHT:
        assert f"{name} is not set: " in str(raised.value)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("B24_APP_URL", "app.example.com", "B24_APP_URL is no address that begins with https:// or http://"),
        ("B24_OAUTH_URL", "oauth", "B24_OAUTH_URL is no address"),
        ("B24_JS_URL", "//api", "B24_JS_URL is no address"),
        ("B24_APP_URL", "https://[", "B24_APP_URL is no address"),
        ("B24_APP_URL", "https://localhost:8000", "B24_APP_URL is no address that a portal calls"),
        ("B24_APP_URL", "https://app.example.com?x=1", "B24_APP_URL is more than an address: leave out what begins"),
        ("B24_APP_URL", "https://app.example.com/#f", "B24_APP_URL is more than an address: leave out what begins"),
        ("B24_APP_URL", "https://user:secret@app.example.com", "leave out what begins with ? or #, and the user"),
        ("B24_APP_URL", "HTTPS://app.example.com", "it needs https:// in lower case"),
        ("B24_APP_URL", "HTTP://app.example.com", "it needs http:// in lower case"),
        ("B24_ALLOWED_SYSTEMS", "zabbix.internal,a/b", "B24_ALLOWED_SYSTEMS has a/b, which is no host such as"),
        ("DATABASE_URL", "nonsense", "DATABASE_URL is no database address"),
        ("DATABASE_URL", "postgresql://u:p@h:abc/x", "DATABASE_URL is no database address"),
        ("FILES_URL", "nothing://x", "FILES_URL cannot be used"),
        ("B24_APP_URL", "https://app.example.com:x", "B24_APP_URL is no address"),
        ("LOG_FORMAT", "yaml", "LOG_FORMAT is neither text nor json"),
        ("WORKER_BIND", "8001", "WORKER_BIND is no address of a port, such as 127.0.0.1:8001"),
        ("WORKER_BIND", "127.0.0.1:66000", "WORKER_BIND is no address of a port"),
        ("B24_SECRET_KEY", ",", "has a key of fewer than 32 characters"),
        ("B24_SECRET_KEY", "short", "has a key of fewer than 32 characters"),
        ("CA_BUNDLE", "/nowhere.pem", "CA_BUNDLE cannot be used: /nowhere.pem: No such file or directory"),
        ("CA_BUNDLE", "/", "CA_BUNDLE cannot be used: /: Is a directory"),
        ("CA_BUNDLE", __file__, f"CA_BUNDLE cannot be used: {__file__}: no certificates in PEM are in it"),
        (
            "SPOOL_FOLDER",
            f"{__file__}/spool",
            f"SPOOL_FOLDER cannot be used: {__file__}/spool: {__file__} is",
        ),
        ("TRUSTED_PROXIES", "-1", "TRUSTED_PROXIES is no number from 0 to 9"),
        ("TRUSTED_PROXIES", "yes", "TRUSTED_PROXIES is no number"),
        ("METRICS_TOKEN", "m" * 15, "METRICS_TOKEN has fewer than 16 characters"),
        ("KEEP_SUCCEEDED_DAYS", "6", "KEEP_SUCCEEDED_DAYS is no number of days from 7, for so long links to"),
        ("KEEP_FAILED_DAYS", "3651", "KEEP_FAILED_DAYS is no number of days from 7"),
        ("KEEP_FAILED_DAYS", "for ever", "KEEP_FAILED_DAYS is no number of days"),
        ("QUEUE_URL", "amqp://x", "QUEUE_URL is no address that begins with redis:// or rediss://"),
    ],
)
def test_what_is_wrong_is_named_without_its_value(name: str, value: str, words: str) -> None:
    with pytest.raises(SettingsError) as raised:
        Settings.from_environment(RIGHT | {name: value}, INSTANCE)
    assert words in str(raised.value)
    assert "secret" not in str(raised.value).replace("B24_SECRET_KEY", "")


def test_a_queue_makes_workers_of_their_own() -> None:
    many = {"QUEUE_URL": "redis://127.0.0.1/0", "DATABASE_URL": "postgresql://u@127.0.0.1/x"}
    assert not Settings.from_environment(RIGHT | many, INSTANCE).embedded


@pytest.mark.parametrize("database", [{}, {"DATABASE_URL": "sqlite:///x.sqlite3"}])
def test_many_processes_need_postgresql(database: dict[str, str]) -> None:
    with pytest.raises(SettingsError, match="these need PostgreSQL: set DATABASE_URL"):
        Settings.from_environment(RIGHT | {"QUEUE_URL": "redis://127.0.0.1/0"} | database, INSTANCE)
