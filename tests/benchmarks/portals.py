"""Development portals in a process of their own."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
import requests

ROOT = Path(__file__).parents[2]
PATIENCE_SECONDS = 60


def end_with_all() -> None:
    """Have this program end all that it started when it is ended as a service is; and whatever proxy there is has
    nothing to do with this machine."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    os.environ |= {"NO_PROXY": "127.0.0.0/8", "no_proxy": "127.0.0.0/8"}


class Portals:
    def __init__(self, ready: dict[str, Any]) -> None:
        self.ready = ready
        self._control = requests.Session()

    def ask(self, control: str, portal: int, **what: Any) -> dict[str, Any]:
        url = f"{self.ready['url']}/_dev/{control}"
        answer = self._control.post(url, json={"portal": portal, **what}, timeout=PATIENCE_SECONDS)
        answer.raise_for_status()
        asked: dict[str, Any] = answer.json()
        return asked

    def log(self) -> list[dict[str, Any]]:
        log: list[dict[str, Any]] = self._get("log")
        return log

    def state(self, portal: int) -> dict[str, Any]:
        state: dict[str, Any] = self._get(f"state?portal={portal}")
        return state

    def calls(self, portal: int) -> list[dict[str, Any]]:
        """The REST calls that this portal got, as its log has them."""
        return [each for each in self.log() if each["direction"] == "to_portal" and each["portal"] == portal]

    def records(self, portal: int) -> list[dict[str, Any]]:
        """What the portal holds."""
        return sorted(self.state(portal)["stored"], key=lambda record: str(record["CODE"]))

    def _get(self, control: str) -> Any:
        answer = self._control.get(f"{self.ready['url']}/_dev/{control}", timeout=PATIENCE_SECONDS)
        answer.raise_for_status()
        return answer.json()


@contextmanager
def serving(portals: int, *, edition: str = "b24", latency_ms: int = 0, rate_limit: bool = False) -> Iterator[Portals]:
    """Until the block ends."""
    options = {"--port": 0, "--portals": portals, "--edition": edition, "--latency": latency_ms}
    arguments = [str(word) for option in options.items() for word in option]
    command = [sys.executable, "-m", "devportal", *arguments, "--rate-limit", "on" if rate_limit else "off"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            line = process.stdout.readline() if process.stdout else ""
            if not line:
                raise click.ClickException("The development portal did not start.")
            yield Portals(json.loads(line))
        finally:
            process.terminate()
