"""A real Zabbix: Debian's frontend on PHP's own web server, over a database of its own. Actions need no more than that:
the daemon only carries them out."""

import gzip
import itertools
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests
from sqlalchemy import URL, Connection, create_engine, make_url, text
from sqlalchemy.exc import OperationalError

from tests import services
from tests.conftest import eventually

FRONTEND = Path("/usr/share/zabbix")
SCHEMA = Path("/usr/share/zabbix-server-pgsql")
PARTS = ("schema", "images", "data")
STATEMENT = re.compile(rb"\n(?=INSERT INTO )")
WHAT_TEMPLATES_HOLD = re.compile(
    rb"INSERT INTO (items?|triggers?|functions|valuemap|graphs|hostmacro|widget|lld)(_\w+)? "
)
"""Nine of ten rows, and none of them concerns an action."""
NEEDED_OF_FRONTEND = ("conf", "include", "vendor", "api_jsonrpc.php")
CONFIGURATION = "/etc/zabbix/zabbix.conf.php"
"""Where Debian's frontend looks for it. A copy of the frontend looks elsewhere, and leaves the machine's own alone."""


@dataclass(frozen=True)
class Zabbix:
    """url: of the frontend, as a person knows it; token: of Admin, who may do everything; database: its address"""

    url: str
    token: str
    database: str

    def ask(self, method: str, params: Any, token: str | None = None) -> Any:
        return asked(self.url, method, params, token or self.token)

    def token_of(self, username: str, role: str) -> str:
        """Of a new person with this role, who has no rights on any group of hosts."""
        (roleid,) = [each["roleid"] for each in self.ask("role.get", {"filter": {"name": role}})]
        (group,) = self.ask("usergroup.create", {"name": username})["usrgrpids"]
        person = {"username": username, "passwd": uuid.uuid4().hex, "roleid": roleid, "usrgrps": [{"usrgrpid": group}]}
        (userid,) = self.ask("user.create", person)["userids"]
        return made_token(self.url, self.token, userid)

    def rows(self, query: str, **values: Any) -> list[tuple[Any, ...]]:
        """What stands in the database."""
        engine = create_engine(self.database)
        with engine.connect() as connection:
            rows = [tuple(row) for row in connection.execute(text(query), values)]
        engine.dispose()
        return rows


def asked(url: str, method: str, params: Any, token: str | None = None) -> Any:
    call = {"jsonrpc": "2.0", "method": method, "params": params, "id": 1} | ({"auth": token} if token else {})
    answer = requests.post(f"{url}/api_jsonrpc.php", json=call, timeout=60).json()
    assert "error" not in answer, answer
    return answer["result"]


def made_token(url: str, as_whom: str, userid: str) -> str:
    (tokenid,) = asked(url, "token.create", {"name": "tests", "userid": userid}, as_whom)["tokenids"]
    return asked(url, "token.generate", [tokenid], as_whom)[0]["token"]  # type: ignore[no-any-return]


@contextmanager
def running(folder: Path) -> Iterator[Zabbix]:
    """Zabbix as it is after an installation, until the block ends.

    folder: an empty one, for the copy of the frontend
    """
    if not (shutil.which("php") and (FRONTEND / "api_jsonrpc.php").exists() and SCHEMA.exists()):
        services.left_out(
            "there is no Zabbix; install Debian's packages php-cli, php-pgsql, zabbix-frontend-php and"
            " zabbix-server-pgsql"
        )
    with ExitStack() as stack:
        database = stack.enter_context(own_database())
        url = stack.enter_context(serving(frontend(folder, database), folder / "php.log"))
        session = asked(url, "user.login", {"username": "Admin", "password": "zabbix"})
        token = made_token(url, session, "1")
        yield Zabbix(url, token, database.render_as_string(hide_password=False))


@contextmanager
def own_database() -> Iterator[URL]:
    """A copy of the template, which is loaded once and then stays for the next session."""
    server = create_engine(services.POSTGRES_URL, isolation_level="AUTOCOMMIT")
    name = f"b24_test_{uuid.uuid4().hex}"
    try:
        connection = server.connect()
    except OperationalError:
        services.missing("PostgreSQL", "TEST_POSTGRES_URL")
    with connection:
        connection.execute(text(f"CREATE DATABASE {name} TEMPLATE {template(connection)}"))
        try:
            yield make_url(services.POSTGRES_URL).set(database=name)
        finally:
            connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
            server.dispose()


def template(server: Connection) -> str:
    """The name of the database with Zabbix's own data, loaded where it is not there yet."""
    version = dpkg_version("zabbix-server-pgsql")
    name = "zabbix_template_" + re.sub(r"\W", "_", version)
    server.execute(text("SELECT pg_advisory_lock(hashtext(:name))"), {"name": name})
    try:
        if server.scalar(text("SELECT 1 FROM pg_database WHERE datname = :name"), {"name": name}):
            return name
        loading = f"b24_test_{uuid.uuid4().hex}"
        server.execute(text(f"CREATE DATABASE {loading}"))
        load(make_url(services.POSTGRES_URL).set(database=loading))
        server.execute(text(f"ALTER DATABASE {loading} RENAME TO {name}"))
    finally:
        server.execute(text("SELECT pg_advisory_unlock(hashtext(:name))"), {"name": name})
    return name


def load(database: URL) -> None:
    engine = create_engine(database)
    with engine.connect() as connection:
        cursor = connection.connection.cursor()
        # To look up each row's references takes four times as long as to write it.
        cursor.execute("SET session_replication_role = replica")
        for part in PARTS:
            statements = gzip.decompress((SCHEMA / f"{part}.sql.gz").read_bytes())
            cursor.execute(
                b"\n".join(each for each in STATEMENT.split(statements) if not WHAT_TEMPLATES_HOLD.match(each))
            )
        connection.connection.commit()
    engine.dispose()


def dpkg_version(package: str) -> str:
    asked = ["dpkg-query", "--show", "--showformat=${Version}", package]
    return subprocess.run(asked, check=True, capture_output=True, text=True).stdout


def frontend(folder: Path, database: URL) -> Path:
    """A copy of as much of the frontend as the API needs, with a configuration of its own."""
    root = folder / "zabbix"
    root.mkdir()
    for name in NEEDED_OF_FRONTEND:
        source = FRONTEND / name
        shutil.copytree(source, root / name, symlinks=True) if source.is_dir() else shutil.copy(source, root / name)
    configuration = folder / "zabbix.conf.php"
    reader = root / "include" / "classes" / "core" / "CConfigFile.php"
    code = reader.read_text()
    assert CONFIGURATION in code, "Debian's frontend looks elsewhere for its configuration now"
    reader.write_text(code.replace(CONFIGURATION, str(configuration)))
    values = {
        "TYPE": "POSTGRESQL",
        "SERVER": database.host or "127.0.0.1",
        "PORT": str(database.port or 5432),
        "DATABASE": database.database,
        "USER": database.username or "root",
        "PASSWORD": database.password or "",
        "SCHEMA": "",
    }
    configuration.write_text(f"<?php $DB = json_decode({php_text(json.dumps(values))}, true);")
    return root


def php_text(words: str) -> str:
    return "'" + words.replace("\\", "\\\\").replace("'", "\\'") + "'"


@contextmanager
def serving(root: Path, log: Path) -> Iterator[str]:
    """The address of PHP's own web server, until the block ends."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    options = {"opcache.enable_cli": "1", "date.timezone": "UTC"}
    command = ["php", *itertools.chain(*(["-d", f"{name}={value}"] for name, value in options.items()))]
    with log.open("wb") as said:
        server = subprocess.Popen(
            [*command, "-S", f"127.0.0.1:{port}", "-t", str(root)],
            env=os.environ | {"PHP_CLI_SERVER_WORKERS": "3"},
            stdout=said,
            stderr=said,
            start_new_session=True,
        )
        url = f"http://127.0.0.1:{port}"
        try:
            eventually(lambda: server.poll() is None and answers(url))
            yield url
        finally:
            os.killpg(server.pid, signal.SIGTERM)  # its workers would outlive it
            server.wait()


def answers(url: str) -> bool:
    try:
        return bool(asked(url, "apiinfo.version", []))
    except requests.RequestException:
        return False
