"""An inbox without the rest of the app."""

import os
import signal
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from bizproc.portal.b24 import PortalApp
from bizproc.portal.connections import Connections
from bizproc.portal.installations import Installations
from bizproc.portal.pace import Pace
from bizproc.portal.rest_log import RestLog
from bizproc.runs import spool as spool_module
from bizproc.runs.inbox import Inbox
from bizproc.runs.spool import Spool
from bizproc.runs.turns import Turn
from bizproc.secrets import Secrets
from bizproc.storage.data_keys import KeyedHashes
from bizproc.storage.database import Database


def inbox_of(
    database: Database,
    secrets: Secrets,
    folder: Path | None = None,
    send: Callable[[Sequence[Turn]], object] = lambda turns: None,
) -> Inbox:
    hashes = KeyedHashes(database, secrets)
    nobody = PortalApp(
        client_id="local.1",
        client_secret="secret",
        oauth_url="http://127.0.0.1:9",
        connections=Connections(""),
        pace=Pace("memory://"),
        rest_log=RestLog(tempfile.gettempdir()),
    )
    installations = Installations(database, secrets, hashes, nobody)
    spool = Spool(folder or Path(tempfile.gettempdir()) / "no-spool", secrets)
    return Inbox(database, secrets, hashes, installations, spool, send)


def empty(url: str, key: str, folder: Path, killed_at: int | None) -> None:
    """Bring a spool into the database, in a process of its own that is killed with the run of this number."""
    spool_module.BATCH = 10
    sent: list[Turn] = []

    def send(turns: Sequence[Turn]) -> None:
        for turn in turns:
            sent.append(turn)
            if len(sent) == killed_at:
                os.kill(os.getpid(), signal.SIGKILL)

    inbox_of(Database(url), Secrets([key]), folder, send)._drain()
