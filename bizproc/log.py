"""Where the app's log goes, in which form, and what never gets into it.

Whoever writes a line uses Python's logging. What it is about, such as the run, is bound beside it with
``structlog.contextvars``, by the thread that works on it; lines in JSON have that.
"""

import json
import logging
import os
import sys
import threading
from types import TracebackType
from typing import Any

from structlog import contextvars, processors, stdlib
from structlog.typing import EventDict

from bizproc.redaction import redact

FORMATS = ("text", "json")
LINE = "%(asctime)s %(levelname)s %(name)s: %(message)s"
ROOMS = ("bizproc", "handlers")

logger = logging.getLogger(__name__)


class Redacting(logging.Formatter):
    """Hides the secrets in the whole line: message, arguments, stack trace."""

    def format(self, record: logging.LogRecord) -> str:
        try:
            return redact(super().format(record))
        except Exception as error:  # logging itself would print the arguments as they are
            return _unloggable(record, error)


class Json(stdlib.ProcessorFormatter):
    """One object a line: what is bound, and ``at`` (UTC), ``level``, ``logger``, ``message``, ``exception``. Hides the
    secrets in each of these."""

    def __init__(self) -> None:
        super().__init__(
            foreign_pre_chain=[
                contextvars.merge_contextvars,
                stdlib.add_log_level,
                stdlib.add_logger_name,
                processors.TimeStamper(fmt="iso", utc=True, key="at"),
            ],
            processors=[
                self.remove_processors_meta,
                processors.format_exc_info,
                processors.EventRenamer("message"),
                _redacted,
                processors.JSONRenderer(),
            ],
        )

    def format(self, record: logging.LogRecord) -> str:
        try:
            return super().format(record)
        except Exception as error:  # as above
            return json.dumps({"message": _unloggable(record, error)})


def _redacted(_logger: object, _method: str, told: EventDict) -> EventDict:
    return {name: redact(value) if isinstance(value, str) else value for name, value in told.items()}


def _unloggable(record: logging.LogRecord, error: Exception) -> str:
    return f"{record.pathname}:{record.lineno}: this line cannot be logged: {type(error).__name__}"


def formatter(line: str = LINE, date: str | None = None) -> logging.Formatter:
    """As LOG_FORMAT says, which is read here and not with the other settings: what is wrong with those is logged too.
    ``line`` and ``date`` are those of a text."""
    return Json() if os.environ.get("LOG_FORMAT", "").strip() == "json" else Redacting(line, date)


def to_stderr() -> None:
    """What this app has to say, and the warnings of all libraries. Nothing else may write to stderr by itself: they
    may name addresses and values with secrets in them, and so may errors that nobody caught."""
    root = logging.getLogger()
    if not any(isinstance(handler.formatter, (Redacting, Json)) for handler in root.handlers):
        handler = logging.StreamHandler()
        handler.setFormatter(formatter())
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
