"""Where the app's log goes, and what never gets into it."""

import logging
import sys
import threading
from types import TracebackType
from typing import Any

from bizproc.redaction import redact

LINE = "%(asctime)s %(levelname)s %(name)s: %(message)s"
ROOMS = ("bizproc", "handlers")

logger = logging.getLogger(__name__)


class Redacting(logging.Formatter):
    """Hides the secrets in the whole line: message, arguments, stack trace."""

    def format(self, record: logging.LogRecord) -> str:
        try:
            return redact(super().format(record))
        except Exception as error:  # logging itself would print the arguments as they are
            return f"{record.pathname}:{record.lineno}: this line cannot be logged: {type(error).__name__}"


def to_stderr() -> None:
    """What this app has to say, and the warnings of all libraries. Nothing else may write to stderr by itself: they
    may name addresses and values with secrets in them, and so may errors that nobody caught."""
    root = logging.getLogger()
    if not any(isinstance(handler.formatter, Redacting) for handler in root.handlers):
        handler = logging.StreamHandler()
        handler.setFormatter(Redacting(LINE))
        root.addHandler(handler)
    root.setLevel(logging.WARNING)
    for room in ROOMS:
        logging.getLogger(room).setLevel(logging.INFO)
    logging.captureWarnings(capture=True)
    sys.excepthook = _uncaught
    threading.excepthook = _uncaught_in_thread


def _uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> Any:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
    else:
        logger.critical("nobody caught this error", exc_info=(kind, error, trace))


def _uncaught_in_thread(raised: threading.ExceptHookArgs) -> None:
    if raised.exc_value is not None and not issubclass(raised.exc_type, SystemExit):
        name = raised.thread.name if raised.thread else "a thread"
        trace = (raised.exc_type, raised.exc_value, raised.exc_traceback)
        logger.critical("%s ended by an error", name, exc_info=trace)
