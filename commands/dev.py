"""``flask dev``: the app against a development portal, on this machine alone."""

import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import click
import requests

from bizproc.storage.database import hold
from commands import Command

ROOT = Path(__file__).parent.parent
ACTIVITIES = ROOT / "activities"
LOOK_EVERY_SECONDS = 0.5
CODE = "save_document"
DOCUMENT_TYPE = ["crm", "CCrmDocumentDeal", "DEAL"]
PROPERTIES = {"docType": "pdf", "saveDoc": "Y", "Parameters": ["customer=Иван Müller", "subject=Deal 1188"]}
PATIENCE_SECONDS = 30
SHOWN_CHARACTERS = 140
UNSHOWN = frozenset(("auth", "auth_id", "refresh_id", "application_token", "client_secret", "event_token", "time"))

Found = TypeVar("Found")


class StepFailed(click.ClickException):
    """Which step failed, and why."""


@click.command(cls=Command)
@click.option("--once", is_flag=True, help="Stop after one process; the exit code tells whether all went well.")
@click.option("--port", default=0, help="The development portal's port; any free one otherwise.")
def dev(once: bool, port: int) -> None:
    """Start a development portal and the app, install it there, and run one process."""
    folder = Path.cwd() / "instance" / "dev"
    folder.parent.mkdir(exist_ok=True)
    if not hold(folder.with_suffix(".lock")):
        raise click.ClickException(
            f"Another 'flask dev' already uses {folder}. Stop it first. The app itself can be more processes, with"
            " PostgreSQL in DATABASE_URL and Redis in QUEUE_URL."
        )
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    # Ended as a service is, it still ends what it started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    with ExitStack() as running:
        portal = running.enter_context(_portal(port, folder))
        _step(1, "Development portal", portal["url"])
        app = running.enter_context(_app(portal, folder))
        _step(2, "App", app.url)
        wire = Wire(portal["url"])

        page = _ask(portal, "install", {"app_url": app.url})
        if page["status"] != 200:
            raise StepFailed(f"Step 3, install: the app answers {page['status']}.\n{_last(folder / 'app.log')}")
        _wait(3, "install", lambda: CODE in _registered(portal) or None, folder)
        _step(3, "Installed, activities registered", ", ".join(_registered(portal)))
        wire.show()

        started = {"code": CODE, "document_type": DOCUMENT_TYPE, "properties": PROPERTIES, "wait": True}
        process = _ask(portal, "run", started)["processes"][0]
        _step(4, "Process started", f"{process}: {CODE} on a deal")
        finished = _wait(5, "process", lambda: _finished(portal, process), folder)
        wire.show()
        returned = {name: taken["value"] for name, taken in finished["returned"].items()}
        if returned.get("error") or not returned.get("link"):
            why = returned.get("error") or f"status {finished['status']}, returned {returned}"
            raise StepFailed(f"Step 5, process: it goes on without a document. {why}")
        _step(5, "Process answered", ", ".join(f"{name}={value}" for name, value in returned.items()))
        document = _document(returned, folder)
        _step(6, "Document made", f"{returned['link']}\n     {document}")
        if not once:
            click.echo("\nPortal and app stay up, and follow what you change in activities/. Ctrl+C stops them.")
            click.echo(f"Open {portal['url']}/")
            _stay(portal, app)


class Wire:
    """Prints what went over the wire since it was last asked."""

    def __init__(self, portal_url: str) -> None:
        self._url = portal_url
        self._shown = 0

    def show(self) -> None:
        for exchange in _get(f"{self._url}/_dev/log?since={self._shown}"):
            self._shown = exchange["n"]
            click.echo(click.style(f"    {_line(exchange)}", dim=True))


def _line(exchange: dict[str, Any]) -> str:
    ends = {"to_portal": "app → portal", "to_oauth": "app → OAuth ", "to_app": "portal → app"}
    path = urlsplit(exchange["url"]).path
    asked, answered = _short(exchange["request"]["parsed"]), _short(_read(exchange["answer"]))
    took = f"{exchange['status'] or 'no answer'} in {exchange['ms']:.0f} ms"
    return f"{ends[exchange['direction']]}  {exchange['method']} {path} {asked} ⇒ {took} {answered}".rstrip()


def _read(answer: str) -> Any:
    try:
        return json.loads(answer)
    except ValueError:
        return answer


def _short(body: Any) -> str:
    """A body in one line, without the tokens, which would fill it."""
    if isinstance(body, dict):
        body = {name: value for name, value in body.items() if name.lower() not in UNSHOWN}
        body = json.dumps(body, ensure_ascii=False) if body else ""
    words = str(body or "").strip()
    if words.startswith("<"):
        return "<page>"
    return words if len(words) <= SHOWN_CHARACTERS else f"{words[:SHOWN_CHARACTERS]}…"


@contextmanager
def _portal(port: int, folder: Path) -> Iterator[dict[str, Any]]:
    command = [sys.executable, "-m", "devportal", "--port", str(port)]
    environment = os.environ | {"NO_PROXY": "127.0.0.1"}
    with _process(command, folder / "portal.log", stdout=subprocess.PIPE, env=environment) as process:
        line = process.stdout.readline() if process.stdout else ""
        if not line:
            raise StepFailed(f"Step 1, development portal: it did not start.\n{_last(folder / 'portal.log')}")
        ready: dict[str, Any] = json.loads(line)
        yield ready


class App:
    """The app's process. It can be started anew: the address and all that it has stored stay."""

    def __init__(self, portal: dict[str, Any], folder: Path, server: socket.socket) -> None:
        self.url = f"http://127.0.0.1:{server.getsockname()[1]}"
        self._folder = folder
        self._server = server.fileno()
        self._running = ExitStack()
        self._settings = {
            "B24_CLIENT_ID": portal["client_id"],
            "B24_CLIENT_SECRET": portal["client_secret"],
            "B24_APP_URL": self.url,
            "B24_SECRET_KEY": secrets.token_urlsafe(32),
            "B24_OAUTH_URL": portal["oauth_url"],
            "B24_JS_URL": f"{portal['url']}/api/v1/",
            "DATABASE_URL": f"sqlite:///{folder / 'b24.sqlite3'}",
            "FILES_URL": (folder / "files").as_uri(),
            "REST_LOG_FOLDER": str(folder / "rest-log"),
            "SPOOL_FOLDER": str(folder / "spool"),
            "QUEUE_URL": "embedded",
            "NO_PROXY": "127.0.0.1",
        }

    def start(self) -> None:
        log = self._folder / "app.log"
        bind = f"fd://{self._server}"
        command = [sys.executable, "-m", "gunicorn", "--config", str(ROOT / "gunicorn.conf.py"), "--bind", bind]
        process = self._running.enter_context(
            _process(command, log, env=os.environ | self._settings, pass_fds=[self._server])
        )

        def ready() -> bool | None:
            if process.poll() is not None:
                raise StepFailed(f"Step 2, app: it did not start.\n{_last(log)}")
            try:
                return _here().get(f"{self.url}/readyz", timeout=5).ok or None
            except requests.RequestException:
                return None

        _wait(2, "app", ready, self._folder)

    def stop(self) -> None:
        self._running.close()


@contextmanager
def _app(portal: dict[str, Any], folder: Path) -> Iterator[App]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        app = App(portal, folder, server)
        try:
            app.start()
            yield app
        finally:
            app.stop()


@contextmanager
def _process(command: list[str], log: Path, **how: Any) -> Iterator[subprocess.Popen[str]]:
    """A process that ends with the block; its messages go to a file."""
    with log.open("w") as messages:
        process = subprocess.Popen(  # noqa: S603 - the commands are ours
            command, cwd=ROOT, stderr=messages, text=True, **({"stdout": messages} | how)
        )
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            if process.stdout is not None:
                process.stdout.close()


def _registered(portal: dict[str, Any]) -> list[str]:
    return [record["CODE"] for record in _get(f"{portal['url']}/_dev/state")["stored"]]


def _finished(portal: dict[str, Any], process: str) -> dict[str, Any] | None:
    state: dict[str, Any] = _get(f"{portal['url']}/_dev/process/{process}?wait=1")
    return state if state["status"] != "waiting" else None


def _document(returned: dict[str, Any], folder: Path) -> Path:
    """Load the document by its link, as a person would, and find where it is kept."""
    answer = _called("GET", returned["link"])
    kept = [path for path in (folder / "files").rglob(returned["name"]) if path.read_bytes() == answer.content]
    if not answer.ok or not kept:
        raise StepFailed(f"Step 6, document: its link answers {answer.status_code}.")
    return kept[0].relative_to(Path.cwd())


def _ask(portal: dict[str, Any], control: str, what: dict[str, Any]) -> dict[str, Any]:
    answer = _called("POST", f"{portal['url']}/_dev/{control}", json=what)
    if not answer.ok:
        raise StepFailed(f"The development portal refused {control}: {answer.text}")
    parsed: dict[str, Any] = answer.json()
    return parsed


def _get(url: str) -> Any:
    return _called("GET", url).json()


def _called(method: str, url: str, **how: Any) -> requests.Response:
    try:
        return _here().request(method, url, timeout=PATIENCE_SECONDS, **how)
    except requests.RequestException as error:
        raise StepFailed(f"{urlsplit(url).netloc} has gone away: {type(error).__name__}") from None


def _here() -> requests.Session:
    """A session for addresses on this machine, whatever proxy the environment names."""
    session = requests.Session()
    session.trust_env = False
    return session


def _wait(number: int, step: str, found: Callable[[], Found | None], folder: Path) -> Found:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        if (result := found()) is not None:
            return result
        time.sleep(0.05)
    raise StepFailed(
        f"Step {number}, {step}: nothing came of it within {PATIENCE_SECONDS} s.\n{_last(folder / 'app.log')}"
    )


def _last(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-20:]) if log.exists() else ""


def _step(number: int, what: str, result: str) -> None:
    click.echo(f"{number}.  {click.style(what, bold=True)}  {result}")


def _stay(portal: dict[str, Any], app: App) -> None:
    """Until Ctrl+C. An activity that is changed meanwhile is registered again."""
    taken = before = _modules()
    try:
        while True:
            time.sleep(LOOK_EVERY_SECONDS)
            now = _modules()
            # An editor may write a file in several goes.
            if now == before and now != taken:
                taken = now
                _take_over(portal, app)
            before = now
    except KeyboardInterrupt:
        click.echo()


def _modules() -> dict[Path, int]:
    """The files of activities/ and when they were last changed."""
    found = {}
    for path in ACTIVITIES.rglob("*"):
        with suppress(FileNotFoundError):
            if path.is_file() and "__pycache__" not in path.parts:
                found[path] = path.stat().st_mtime_ns
    return found


def _take_over(portal: dict[str, Any], app: App) -> None:
    """Start the app anew with what has been changed. With faults in it, the app stays as it is."""
    validate = [sys.executable, "-m", "flask", "activities", "validate"]
    checked = subprocess.run(validate, cwd=ROOT, capture_output=True, text=True)  # noqa: S603 - ours
    if checked.returncode:
        click.echo(f"\nChanged, and wrong; the app runs on as it was.\n{checked.stderr.strip()}")
        return
    app.stop()
    try:
        app.start()
        if _get(f"{portal['url']}/_dev/portal")["installed"]:
            _ask(portal, "install", {"app_url": app.url})
    except StepFailed as failed:
        click.echo(f"\nChanged. {failed.message}")
    else:
        click.echo("Changed: the app is started anew, its activities are registered again.")
