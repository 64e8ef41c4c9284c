"""The ways in from the command line: one group of ``flask`` each."""

from typing import Any

import click
from sqlalchemy.exc import SQLAlchemyError

from bizproc.backend import Backend
from bizproc.errors import BizprocError
from bizproc.storage.database import unreachable


class Command(click.Command):
    """A command that tells what is wrong in one message, with exit code 1."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except SQLAlchemyError as error:
            raise click.ClickException(str(unreachable(error))) from None
        except BizprocError as error:
            raise click.ClickException(str(error)) from None


class Group(click.Group):
    """A group of such commands."""

    command_class = Command


def backend() -> Backend:
    """The app's backend, made from the environment's settings.

    Raises CannotStart, which click shows as one message with exit code 1.
    """
    from app import create_app
    from handlers import backend_of

    return backend_of(create_app())
