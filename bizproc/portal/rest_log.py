"""The log of REST calls: each request and its answer, without secrets, for at least KEPT_DAYS (PROTOCOL.md section 10).

Each process writes a file of its own an hour, ``2026-11-21T16-HOST-PID.jsonl``, one JSON object a line. When there is
too much, the texts of requests and answers give way first, then the oldest files.
"""

import datetime as dt
import json
import logging
import os
import re
import socket
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import requests

from bizproc.metrics import OTHER, REST_CALLS, known
from bizproc.redaction import HIDDEN, redact

logger = logging.getLogger(__name__)

KEPT_DAYS = 3
LARGEST_FOLDER = 1024 * 1024 * 1024
"""Bytes. From half of it on only calls that failed have their texts; beyond it the oldest hours go."""
LARGEST_TEXT = 2000
"""Characters of a request, and of an answer. Looking for secrets takes up to 0.4 µs for each."""
MEASURED_EVERY_SECONDS = 60

_CUT_WORD = re.compile(r"[^\s\"'&\\]*$")
_SECRETS = frozenset(("auth", "client_secret", "refresh_token"))
_NO_METHOD = re.compile(r"[^a-z0-9._/-]", re.ASCII | re.IGNORECASE)
_NAMED = frozenset(
    (
        *("QUERY_LIMIT_EXCEEDED", "OPERATION_TIME_LIMIT", "OVERLOAD_LIMIT", "INTERNAL_SERVER_ERROR"),
        *(
            "EXPIRED_TOKEN",
            "INVALID_TOKEN",
            "NO_AUTH_FOUND",
            "AUTHORIZATION_ERROR",
            "ACCESS_DENIED",
            "PAYMENT_REQUIRED",
        ),
        *("INVALID_GRANT", "INVALID_CLIENT", "INVALID_REQUEST", "INSUFFICIENT_SCOPE", "INVALID_SCOPE"),
        *("ERROR_METHOD_NOT_FOUND", "ERROR_ACTIVITY_NOT_FOUND", "ERROR_EMPTY_LOG_MESSAGE", "404", "423"),
    )
)
"""Of PROTOCOL.md sections 4 to 8; a portal can answer with any text."""
_NAME = re.compile(r"\d{4}-\d\d-\d\dT\d\d-.+\.jsonl")

Answer = requests.Response | requests.RequestException


class RestLog:
    """Safe to use from many threads, and after a fork. Never fails a call: what cannot be written is left out, and told
    once an hour."""

    def __init__(self, folder: str) -> None:
        self._folder = Path(folder)
        self._lock = threading.Lock()
        self._of = (0, "")
        self._file = -1
        self._measured_at = float("-inf")
        self._crowded = self._full = False
        self._told = -1

    def exchange(
        self, send: Callable[[], requests.Response], *, portal: str, method: str, params: Mapping[str, Any]
    ) -> requests.Response:
        """What ``send`` gives or raises, logged."""
        began = time.monotonic()
        try:
            answer = send()
        except requests.RequestException as error:
            self._note(began, portal, method, params, error)
            raise
        self._note(began, portal, method, params, answer)
        return answer

    def close(self) -> None:
        with self._lock:
            self._close()

    def _note(self, began: float, portal: str, method: str, params: Mapping[str, Any], answer: Answer) -> None:
        took = time.monotonic() - began
        try:
            error = _error(answer)
            REST_CALLS.labels(_NO_METHOD.sub("", method)[:64], _kind(answer, error)).inc()
            self._write(_line(took, portal, method, params, answer, error, with_texts=not self._crowded))
        except Exception as error:  # a log must never stop what it tells of
            self._tell(error)

    def _write(self, line: bytes) -> None:
        hour = dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H")
        with self._lock:
            if self._of != (os.getpid(), hour):
                self._close()
                self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                path = self._folder / f"{hour}-{socket.gethostname()}-{os.getpid()}.jsonl"
                self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
                self._of = (os.getpid(), hour)
            if time.monotonic() - self._measured_at > MEASURED_EVERY_SECONDS:
                self._measured_at = time.monotonic()
                self._make_room(hour)
            if not self._full:
                os.write(self._file, line)

    def _close(self) -> None:
        if self._file >= 0:
            os.close(self._file)
        self._file, self._of = -1, (0, "")

    def _make_room(self, hour: str) -> None:
        """Other processes do the same in this folder at any time, and write the files of this hour."""
        oldest = time.time() - KEPT_DAYS * 24 * 3600
        kept, size = [], 0
        for entry in sorted(os.scandir(self._folder), key=lambda entry: entry.name):
            try:
                status = entry.stat()
                if not _NAME.fullmatch(entry.name):
                    continue
                if status.st_mtime < oldest:
                    os.unlink(entry.path)
                else:
                    kept.append((Path(entry.path), status.st_size))
                    size += status.st_size
            except FileNotFoundError:
                continue
        past = [each for each in kept if each[0].name < hour]
        while size > LARGEST_FOLDER and past:
            file, bytes_ = past.pop(0)
            size -= bytes_
            logger.warning("the log of REST calls is full: %s is deleted before its %d days", file, KEPT_DAYS)
            file.unlink(missing_ok=True)
        if size > LARGEST_FOLDER and not self._full:
            logger.warning("the log of REST calls is full: nothing more is written to it in this hour")
        self._crowded, self._full = size > LARGEST_FOLDER // 2, size > LARGEST_FOLDER

    def _tell(self, error: Exception) -> None:
        hour = int(time.monotonic() // 3600)
        if hour != self._told:
            self._told = hour
            logger.warning("REST calls cannot be logged in REST_LOG_FOLDER: %s", type(error).__name__)


def _line(
    took: float,
    portal: str,
    method: str,
    params: Mapping[str, Any],
    answer: Answer,
    error: str | None,
    *,
    with_texts: bool,
) -> bytes:
    call: dict[str, Any] = {
        "at": dt.datetime.now(dt.UTC).isoformat(timespec="milliseconds"),
        "portal": portal,
        "method": method,
        "ms": round(took * 1000, 1),
    }
    commands = params.get("cmd")
    if method == "batch" and isinstance(commands, Mapping):
        call["commands"] = len(commands)
    token = params.get("EVENT_TOKEN")
    if isinstance(token, str) and "|" in token:
        call["process"] = token.partition("|")[0]  # the token says which was answered, and is a secret
    call["status"] = answer.status_code if isinstance(answer, requests.Response) else None
    call["error"] = error
    if with_texts or call["status"] != 200 or error:
        # These are secrets by their place, whatever they look like.
        told = {name: HIDDEN if name in _SECRETS else value for name, value in params.items()}
        call["request"] = _shortened(json.dumps(told, ensure_ascii=False, default=str)[: LARGEST_TEXT + 1])
        if isinstance(answer, requests.Response):
            call["answer"] = _shortened(answer.content[: LARGEST_TEXT + 1].decode(errors="replace"))
    return json.dumps(call, ensure_ascii=False).encode(errors="replace") + b"\n"


def _shortened(text: str) -> str:
    """Without secrets, and without the last word of what was cut: half a secret may not look like one any more."""
    if len(text) <= LARGEST_TEXT:
        return redact(text)
    return redact(_CUT_WORD.sub("", text)) + "…"


def _error(answer: Answer) -> str | None:
    """The portal's error code, or why there was no answer. A long answer is not read for it a second time."""
    if not isinstance(answer, requests.Response):
        return redact(str(answer))
    if answer.status_code == 200 and not answer.content.startswith(b'{"error"'):
        return None
    try:
        error = answer.json()["error"]
    except (ValueError, TypeError, KeyError):
        return None
    return redact(error)[:100] if isinstance(error, str) else None


def _kind(answer: Answer, error: str | None) -> str:
    """The error as a label, empty when there is none."""
    if not isinstance(answer, requests.Response):
        return "no answer"
    if answer.ok and not answer.is_redirect:
        return known(error.upper(), _NAMED) if error else ""
    named = known((error or "").upper(), _NAMED)
    return named if named != OTHER else f"{answer.status_code // 100}xx"
