"""The ways in from the command line: one group of ``flask`` each."""

from bizproc.backend import Backend


def backend() -> Backend:
    """The app's backend, made from the environment's settings.

    Raises CannotStart, which click shows as one message with exit code 1.
    """
    from app import create_app
    from handlers import backend_of

    return backend_of(create_app())
