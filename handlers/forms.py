"""Read a request's form as a portal writes it. The query string never mixes with it."""

import datetime as dt
from urllib.parse import parse_qsl

from flask import request
from werkzeug.exceptions import LengthRequired

from bizproc.php import PhpArray, parse_str
from bizproc.portal.b24 import Tokens

TOKENS_LIVE_SECONDS = 3600
LONGEST_LIFE_SECONDS = 7 * 24 * 3600


class UnreadableForm(ValueError):
    """The form has too many fields, or too deep ones."""


def body() -> bytes:
    """The request's body. One without a length is refused: it would be cut off at the limit without a word."""
    if request.content_length is None:
        raise LengthRequired
    return request.get_data()


def form() -> PhpArray:
    """Raises UnreadableForm."""
    try:
        return parse_str(body())
    except ValueError as error:
        raise UnreadableForm(str(error)) from None


def asked(name: str) -> str:
    """What the query says. Not by request.args: that fails on one that is no UTF-8."""
    return dict(parse_qsl(request.query_string.decode("utf-8", "replace"))).get(name, "")


def asked_language() -> str:
    """The language in which the portal opened a page, such as ``de``; empty where it does not say."""
    language = asked("LANG").lower()
    return language if language.isalpha() and len(language) == 2 else ""


def tokens(access: str, refresh: str, lives: int) -> Tokens:
    """The tokens of a form. ``lives``: seconds, 0 where the form does not say."""
    seconds = min(lives or TOKENS_LIVE_SECONDS, LONGEST_LIFE_SECONDS)
    return Tokens(access, refresh or None, dt.datetime.now(dt.UTC) + dt.timedelta(seconds=seconds))
