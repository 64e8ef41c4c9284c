"""Where the app's log goes."""

import logging


def to_stderr() -> None:
    """One line an event, from this app alone: libraries may name addresses with secrets in them."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    for room in ("bizproc", "handlers"):
        logger = logging.getLogger(room)
        logger.setLevel(logging.INFO)
        logger.handlers = [handler]
        logger.propagate = False
