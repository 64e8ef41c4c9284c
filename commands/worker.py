"""``flask worker``: a process that works on runs, beside those that accept them."""

import os
import signal
import sys

import click

from commands import Command, backend
from handlers import worker_port


@click.command(cls=Command)
def worker() -> None:
    """Work on runs until stopped. Needs a QUEUE_URL: embedded, the app works on them itself.

    SIGTERM lets it finish what it has begun. SIGHUP too, and then it starts anew, as the same process.
    """
    app = backend()
    if app.settings.embedded:
        raise click.ClickException(
            "QUEUE_URL is not set, so the app's own process works on the runs. To work in processes of their own, set"
            " QUEUE_URL to a Redis server (redis://…) and DATABASE_URL to PostgreSQL, for the app and for the workers."
        )
    app.hashes.load()
    if app.settings.worker_bind:
        try:
            worker_port.listen(app, app.settings.worker_bind)
        except OSError as error:
            raise click.ClickException(
                f"WORKER_BIND cannot be used: {app.settings.worker_bind}: {error.strerror}"
            ) from None
    app.worker.replace = lambda: os.kill(os.getpid(), signal.SIGHUP)
    if app.queue.work():
        # In the place of this process, so that no service manager has to be there, or to wait.
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606 - the command that is running
