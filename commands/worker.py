"""``flask worker``: a process that works on runs, beside those that accept them."""

import click

from commands import Command, backend


@click.command(cls=Command)
def worker() -> None:
    """Work on runs until stopped. Needs a QUEUE_URL: embedded, the app works on them itself."""
    app = backend()
    if app.settings.embedded:
        raise click.ClickException(
            "QUEUE_URL is not set, so the app's own process works on the runs. To work in processes of their own, set"
            " QUEUE_URL to a Redis server (redis://…) and DATABASE_URL to PostgreSQL, for the app and for the workers."
        )
    app.hashes.load()
    app.queue.work()
