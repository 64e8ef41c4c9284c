"""The settings of the app, read from the environment once, at start."""

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from ssl import SSLError
from urllib.parse import urlsplit

from bizproc.definition.portal_rules import Refused, check_handler
from bizproc.errors import BizprocError
from bizproc.files import LINK_DAYS, FileStore
from bizproc.log import FORMATS
from bizproc.portal.connections import trusting
from bizproc.secrets import MINIMUM_LENGTH
from bizproc.storage.database import Database
from bizproc.systems.addresses import faults_of

EMBEDDED = "embedded"
OAUTH_URL = "https://oauth.bitrix24.tech"
MOST_DAYS = 3650
_PROXIES = tuple("0123456789")
_SHORTEST_METRICS_TOKEN = 16
JS_URL = "https://api.bitrix24.com/api/v1/"


class SettingsError(BizprocError):
    """Names every setting that is missing or wrong."""


@dataclass(frozen=True)
class Settings:
    """One attribute a setting; docs/settings.md tells each."""

    client_id: str
    client_secret: str
    app_url: str
    secret_keys: tuple[str, ...]
    database_url: str
    files_url: str
    rest_log_folder: str
    spool_folder: Path
    allowed_portals: tuple[str, ...] = ()
    allowed_systems: tuple[str, ...] = ()
    queue_url: str = EMBEDDED
    oauth_url: str = OAUTH_URL
    js_url: str = JS_URL
    ca_bundle: str = ""
    trusted_proxies: int = 0
    metrics_token: str = ""
    worker_bind: str = ""
    keep_succeeded_days: int = 30
    keep_failed_days: int = 90

    @property
    def embedded(self) -> bool:
        """The worker runs inside the one process of the app."""
        return self.queue_url == EMBEDDED

    @classmethod
    def from_environment(cls, environment: Mapping[str, str], instance_path: Path) -> "Settings":
        """Read the settings; defaults that are files lie in ``instance_path``.

        Raises SettingsError that names all faults together.
        """
        faults: list[str] = []

        def required(name: str, hint: str) -> str:
            value = environment.get(name, "").strip()
            if not value:
                faults.append(f"{name} is not set: {hint}")
            return value

        def url(name: str, value: str, *, schemes: tuple[str, ...] = ("https", "http")) -> str:
            if value and not _is_url(value, schemes):
                faults.append(f"{name} is no address that begins with {' or '.join(f'{each}://' for each in schemes)}")
            return value.rstrip("/")

        def chosen(name: str, default: str) -> str:
            return environment.get(name, "").strip() or default

        def listed(name: str) -> tuple[str, ...]:
            return tuple(each.strip() for each in environment.get(name, "").split(",") if each.strip())

        def days(name: str, default: int) -> int:
            value = chosen(name, str(default))
            if value.isascii() and value.isdecimal() and len(value) < 5 and LINK_DAYS <= int(value) <= MOST_DAYS:
                return int(value)
            faults.append(
                f"{name} is no number of days from {LINK_DAYS}, for so long links to documents live, to {MOST_DAYS}"
            )
            return default

        key_hint = f"at least {MINIMUM_LENGTH} random characters, such as  openssl rand -base64 32  prints"
        given_keys = required("B24_SECRET_KEY", key_hint)
        keys = tuple(key.strip() for key in given_keys.split(",") if key.strip())
        if given_keys and (not keys or any(len(key) < MINIMUM_LENGTH for key in keys)):
            faults.append(f"B24_SECRET_KEY has a key of fewer than {MINIMUM_LENGTH} characters")
        queue_url = chosen("QUEUE_URL", EMBEDDED)
        proxies = chosen("TRUSTED_PROXIES", "0")
        if proxies not in _PROXIES:
            faults.append("TRUSTED_PROXIES is no number from 0 to 9: how many proxies of yours are in front of the app")
        metrics_token = chosen("METRICS_TOKEN", "")
        if 0 < len(metrics_token) < _SHORTEST_METRICS_TOKEN:
            faults.append(f"METRICS_TOKEN has fewer than {_SHORTEST_METRICS_TOKEN} characters")
        if chosen("LOG_FORMAT", FORMATS[0]) not in FORMATS:
            faults.append(f"LOG_FORMAT is neither {' nor '.join(FORMATS)}")
        worker_bind = chosen("WORKER_BIND", "")
        host, _, port = worker_bind.rpartition(":")
        if worker_bind and not (host and port.isascii() and port.isdecimal() and 0 < int(port[:6]) < 65536):
            faults.append("WORKER_BIND is no address of a port, such as 127.0.0.1:8001")
        settings = cls(
            client_id=required("B24_CLIENT_ID", "the application's client_id (local.… or app.…)"),
            client_secret=required("B24_CLIENT_SECRET", "the application's client_secret"),
            app_url=url("B24_APP_URL", required("B24_APP_URL", "the public base address of this app, https://…")),
            secret_keys=keys,
            database_url=chosen("DATABASE_URL", f"sqlite:///{instance_path / 'b24.sqlite3'}"),
            allowed_portals=listed("B24_ALLOWED_PORTALS"),
            allowed_systems=listed("B24_ALLOWED_SYSTEMS"),
            files_url=chosen("FILES_URL", (instance_path / "files").as_uri()),
            rest_log_folder=chosen("REST_LOG_FOLDER", str(instance_path / "rest-log")),
            spool_folder=Path(chosen("SPOOL_FOLDER", str(instance_path / "spool"))),
            queue_url=queue_url if queue_url == EMBEDDED else url("QUEUE_URL", queue_url, schemes=("redis", "rediss")),
            oauth_url=url("B24_OAUTH_URL", chosen("B24_OAUTH_URL", OAUTH_URL)),
            js_url=chosen("B24_JS_URL", JS_URL),
            ca_bundle=chosen("CA_BUNDLE", ""),
            trusted_proxies=int(proxies) if proxies in _PROXIES else 0,
            metrics_token=metrics_token,
            worker_bind=worker_bind,
            keep_succeeded_days=days("KEEP_SUCCEEDED_DAYS", cls.keep_succeeded_days),
            keep_failed_days=days("KEEP_FAILED_DAYS", cls.keep_failed_days),
        )
        url("B24_JS_URL", settings.js_url)
        faults += faults_of(settings.allowed_systems)
        faults += _faults_of_what_is_opened(settings)
        if faults:
            raise SettingsError("The settings are not complete:\n" + "\n".join(f"  {fault}" for fault in faults))
        return settings


def _faults_of_what_is_opened(settings: Settings) -> Iterator[str]:
    """What is only known when it is tried, though nothing is connected to yet."""
    for open_ in (
        lambda: Database(settings.database_url).close(),
        lambda: FileStore(settings.files_url, [b""], settings.app_url),
    ):
        try:
            open_()
        except BizprocError as error:
            yield str(error)
    if not settings.embedded and settings.database_url.startswith("sqlite"):
        yield (
            "QUEUE_URL is for an app of many processes, and these need PostgreSQL: set DATABASE_URL to postgresql://…,"
            " or leave QUEUE_URL out"
        )
    there = next(each for each in (settings.spool_folder, *settings.spool_folder.absolute().parents) if each.exists())
    if not (there.is_dir() and os.access(there, os.W_OK | os.X_OK)):
        yield f"SPOOL_FOLDER cannot be used: {settings.spool_folder}: {there} is no folder that can be written"
    try:
        trusting(settings.ca_bundle)
    except OSError as error:
        why = "no certificates in PEM are in it" if isinstance(error, SSLError) else error.strerror
        yield f"CA_BUNDLE cannot be used: {settings.ca_bundle}: {why}"
    if settings.app_url and _is_url(settings.app_url, ("https", "http")):
        if re.search(r"[?#@]", settings.app_url):
            yield "B24_APP_URL is more than an address: leave out what begins with ? or #, and the user before @"
        try:
            check_handler(f"{settings.app_url}/activities/x")
        except Refused as refused:
            lacks = "https:// in lower case" if settings.app_url[:5].lower() == "https" else "http:// in lower case"
            if refused.code == "ERROR_WRONG_HANDLER_URL":
                lacks = "a host with a dot"
            yield f"B24_APP_URL is no address that a portal calls ({refused.description}): it needs {lacks}"


def _is_url(value: str, schemes: tuple[str, ...]) -> bool:
    try:
        parts = urlsplit(value)
        return parts.scheme in schemes and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
