"""A callback of the queue server, read from its form (PROTOCOL.md section 7)."""

import datetime as dt
import re
from dataclasses import dataclass
from itertools import islice
from typing import Final

from bizproc.context import DocumentId
from bizproc.document_types import DocumentType
from bizproc.errors import BizprocError
from bizproc.php import MOST_FIELDS, PhpArray, PhpValue, parse_str
from bizproc.portal.b24 import Tokens

LONGEST_TIMEOUT = 10 * 365 * 24 * 3600


def _encoded(name: str) -> str:
    """A pattern of the name in a form, where each letter can be percent-encoded."""
    return "".join(f"(?:{letter}|%{ord(letter):02x}|%{ord(letter):02X})" for letter in name)


# All fields that `parse_str` puts under these names: it skips blanks before a name, and makes `event_token` of
# `event.token`, `event token` and `event[token` too.
_ESSENTIAL: Final = re.compile(
    rf"""
    & (
        (?:[ +]|%20)*+
        (?:{_encoded("auth")} | {_encoded("event")} (?:[_.+\[ ]|%(?:5[FfBb]|2[Ee]|20)) {_encoded("token")})
        (?:(?:[\[=]|%5[Bb]|%00) [^&]*+)?
    ) (?=&|\Z)
    """.encode(),
    re.VERBOSE,
)


class MalformedCallback(BizprocError):
    """The form lacks what a run needs; the text names all of it."""


@dataclass(frozen=True)
class Sender:
    """Who a request says it is from. Empty texts where it does not say; an empty text proves nothing."""

    member_id: str
    application_token: str


def sender(form: PhpArray) -> Sender:
    auth = form.get("auth")
    return Sender(member_id=text(auth, "member_id"), application_token=text(auth, "application_token"))


@dataclass(frozen=True)
class Callback:
    """One call of an activity.

    code: with a developer's prefix where it was registered with one
    properties: as the form carries them, undecoded
    waits: whether the process waits for an answer
    tokens: of the user for whom the step runs, None where the queue server gave none
    endpoint: the portal's address, or its host, as the callback names it; proves nothing
    timeout: seconds after which the step closes by itself, 0 for never
    """

    code: str
    event_token: str
    workflow_id: str
    document_id: DocumentId
    document_type: DocumentType
    properties: PhpArray
    waits: bool
    user_id: int
    tokens: Tokens | None
    endpoint: str
    timeout: int


def read(raw: bytes) -> Callback:
    """Read a stored form.

    Raises MalformedCallback.
    """
    try:
        form = parse_str(raw)
    except ValueError as error:
        raise MalformedCallback(f"The callback's form cannot be read: {error}.") from None
    properties = form.get("properties", {})
    document_id, document_type = _three(form, "document_id"), _three(form, "document_type")
    faults = [name for name in ("code", "event_token", "workflow_id") if not text(form, name)]
    faults += [name for name, value in (("document_id", document_id), ("document_type", document_type)) if not value]
    if not isinstance(properties, dict):
        faults.append("properties")
    if faults or document_id is None or document_type is None or not isinstance(properties, dict):
        raise MalformedCallback(f"The callback's form has no usable {', '.join(faults)}.")
    auth = form.get("auth")
    return Callback(
        code=text(form, "code"),
        event_token=text(form, "event_token"),
        workflow_id=text(form, "workflow_id"),
        document_id=DocumentId(*document_id),
        document_type=DocumentType(*document_type),
        properties=properties,
        waits=text(form, "use_subscription") == "Y",
        user_id=number(auth, "user_id"),
        tokens=_tokens(auth),
        endpoint=text(auth, "client_endpoint") or text(auth, "domain"),
        timeout=min(number(form, "timeout_duration"), LONGEST_TIMEOUT),
    )


def essentials(raw: bytes) -> PhpArray:
    """The fields by which a form is stored: who sends it, and its event token.

    They are the same that all of the form has, and known also where the rest of it is too much to read. Empty where
    these alone are too many, or too deep.
    """
    fields = islice(_ESSENTIAL.finditer(b"&" + raw.split(b"\0", 1)[0]), MOST_FIELDS + 1)
    try:
        return parse_str(b"&".join(field[1] for field in fields))
    except ValueError:
        return {}


def event_token(raw: bytes) -> str:
    """The event token of a form that may be malformed otherwise, empty where there is none."""
    return text(essentials(raw), "event_token")


def text(form: PhpValue, name: str) -> str:
    """The field's text; empty when it is missing or no text. A NUL, which no database keeps in a text, is replaced."""
    value = form.get(name) if isinstance(form, dict) else None
    return value.replace("\0", "\ufffd") if isinstance(value, str) else ""


def number(form: PhpValue, name: str) -> int:
    """The field as a whole number; 0 when it is missing or none."""
    value = text(form, name)
    return int(value) if value.isascii() and value.isdigit() and len(value) < 19 else 0


def _three(form: PhpArray, name: str) -> tuple[str, str, str] | None:
    value = form.get(name)
    parts = list(value.values()) if isinstance(value, dict) else []
    match parts:
        case [str() as module, str() as entity, str() as id_] if entity and id_:
            return module, entity, id_
        case _:
            return None


def _tokens(auth: PhpValue) -> Tokens | None:
    access, expires = text(auth, "access_token"), number(auth, "expires")
    if not access or not 0 < expires < 1e11:
        return None
    return Tokens(access, text(auth, "refresh_token") or None, dt.datetime.fromtimestamp(expires, dt.UTC))
