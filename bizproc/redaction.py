"""Hides secrets in a text: what is written to a log may hold anything, whoever wrote it.

Secrets are found by the names that stand before them, in each way in which such a pair is written (forms with brackets,
however often percent-encoded, JSON, also inside JSON, Python's reprs, headers), and by their shapes, wherever they
stand. In doubt more is hidden than has to be. All patterns are linear in the text: none can begin twice in what another
attempt has already read, and repetitions give nothing back.
"""

import re

HIDDEN = "[redacted]"

_PERCENT = r"%(?:25)*+"
_OPENS = rf"(?:\[|{_PERCENT}5B)"
_CLOSES = rf"(?:\]|{_PERCENT}5D)"
_QUOTE = rf"(?:\\*+[\"']|(?:{_PERCENT}5C)*+{_PERCENT}2[27]|&quot;|&\#(?:34|39|x27);)"

_NAMED = re.compile(
    rf"""
    (?=[aceprst])  # with these the names begin, and most letters are passed over faster
    (?P<name>
        (?P<in_prose> (?:access|refresh|application|event|auth|page)[_ -]?token | (?:auth|refresh)[_-]?id
            | return[_ -]?values | client[_ -]?secret | secret(?:[_-]?keys?)? | pass(?:word|wd|phrase) | authorization
            | (?:api|private)[_ -]?key )
        # Words of ordinary sentences too: these count only where they are clearly a name.
        | token
        | (?: (?<![0-9a-z_]) | (?<=%[0-9a-f]{{2}}) | (?<=%25[0-9a-f]{{2}}) | (?<=%2525[0-9a-f]{{2}}) ) (?P<auth>auth)
    )
    (?P<quote>{_QUOTE})?+ {_CLOSES}?+
    (?P<path> (?: {_OPENS} (?:(?!{_PERCENT}5[BD])[^\[\]=&\s])*+ {_CLOSES} )*+ )
    [ \t]*+ (?P<separator> => | == | := | [:=,] | {_PERCENT}3[AD] ) (?:[ \t]|\+|%20)*+
    """,
    re.VERBOSE | re.IGNORECASE,
)
_NOTHING = re.compile(rf"(?:none|null|true|false)(?!\w)|(?=[\s&;,)}}\]<]|$)|{re.escape(HIDDEN)}", re.IGNORECASE)
_STRING = re.compile(rf"[bru]{{0,2}}(?P<quote>{_QUOTE})", re.IGNORECASE)
_OPENING = re.compile(rf"[\[({{]|{_PERCENT}[57]B", re.IGNORECASE)
_CALL = re.compile(r"[\w.]*+[\[({]")
_STRUCTURE = re.compile(r"(?<!\\)(?P<escapes>\\*+)(?P<mark>[\"'])|(?P<opens>[\[({]++)|(?P<closes>[\])}]++)")

_SCHEME = r"(?:(?:Bearer|Basic|Digest|Token)(?:[ \t]++|\++|%20))?+"
_PLAIN = re.compile(rf"{_SCHEME}[^\s&\"'<>]*+", re.IGNORECASE)
_ENCODED = re.compile(rf"{_SCHEME}(?:(?!{_PERCENT}26)[^\s&\"'<>])*+", re.IGNORECASE)
_MEMBER = re.compile(rf"{_SCHEME}[^\s,}}\])&\"'<>]*+", re.IGNORECASE)

_SHAPES = [
    # An event token, WORKFLOW|ACTIVITY|EVENT.SIGNATURE; its workflow may be told.
    (re.compile(rf"(\||{_PERCENT}7C)[\w-]{{1,128}}+\1[0-9A-Za-z]{{16,64}}+\.[\w=+/%-]{{8,}}+", re.I), rf"\1{HIDDEN}"),
    # Access and refresh tokens.
    (re.compile(r"(?<![0-9a-f])[0-9a-f]{60,}+", re.IGNORECASE), HIDDEN),
    # What was encrypted for storing.
    (re.compile(r"gAAAA[\w-]{16,}+=*+"), HIDDEN),
    # Links to files and page tokens, CONTENT.TIME.SIGNATURE.
    (re.compile(r"(?<![\w-])[\w-]++\.[\w-]{6}+\.(?=[\w-]{0,26}[A-Z])[\w-]{27,}+"), HIDDEN),
    # A password in an address. A port is none.
    (
        re.compile(
            r"(://[^\s:/@]*+:)(?!\d{1,5}(?:[/?#\"'\s,;)\]}&]|$))(?:[^\s/\"<>]|/(?!/))+@",
        ),
        rf"\1{HIDDEN}@",
    ),
    # An incoming webhook of a portal.
    (re.compile(r"(/rest/\d{1,19}/)[0-9A-Za-z]{8,64}+(?=/)"), rf"\1{HIDDEN}"),
    (re.compile(r"\b(Bearer|Basic)[ \t]++[\w.~+/=-]{20,}+"), rf"\1 {HIDDEN}"),
]


def redact(text: str) -> str:
    """The text with HIDDEN in the place of each secret; the rest as it was."""
    text = _without_named(text)
    for shape, left in _SHAPES:
        text = shape.sub(left, text)
    return text


def _without_named(text: str) -> str:
    kept: list[str] = []
    done = position = 0
    while found := _NAMED.search(text, position):
        value = _value(text, found)
        if value is None:
            position = found.end("name")
            continue
        start, end = value
        if start < end:
            kept += text[done:start], HIDDEN
            done = end
        position = max(end, found.end())
    kept.append(text[done:])
    return "".join(kept)


def _value(text: str, found: re.Match[str]) -> tuple[int, int] | None:
    """From where to where the value of a name goes; None when it is no name of a value, or holds more names."""
    start = found.end()
    separator = found["separator"]
    assigned = "=" in separator or separator[-1] in "dD"
    if separator == "," and not _is_pair(text, found):
        return None
    if not (found["in_prose"] or assigned or found["quote"]):
        return None
    if found["auth"] and (found["path"] or (text[start : start + 1] != "(" and _OPENING.match(text, start))):
        return None
    if string := _STRING.match(text, start):
        return string.end(), _string_end(text, string.end(), string["quote"])
    if _NOTHING.match(text, start):
        return start, start
    unquoted = _ENCODED if separator[0] == "%" else _PLAIN if assigned or not found["quote"] else _MEMBER
    end = _end(unquoted, text, start)
    if called := _CALL.match(text, start):
        balanced = _structure_end(text, called.end() - 1)
        rest = _ENCODED if separator[0] == "%" else _MEMBER
        end = max(end, _end(rest, text, balanced)) if assigned else balanced
    return start, end


def _is_pair(text: str, found: re.Match[str]) -> bool:
    """``('name', 'value')``: what a list of pairs is made of. In other lists names are followed by names."""
    if not found["quote"]:
        return False
    opening = text.rfind(found["quote"], max(0, found.start() - 64), found.start())
    return opening > 0 and text[opening - 1] == "("


def _end(pattern: re.Pattern[str], text: str, start: int) -> int:
    found = pattern.match(text, start)
    return found.end() if found else start


def _string_end(text: str, start: int, quote: str) -> int:
    """Where the string ends whose opening quote ends at start."""
    if quote[-1] == ";":
        end = text.find(quote, start)
        return end if end >= 0 else len(text)
    for mark in _MARKS[quote[-1]].finditer(text, start):
        # With fewer backslashes it ends a string around this one. With more it may be a quote in the string: how often
        # the text around was escaped is not known.
        if len(_BACKSLASH.findall(mark["escapes"] or "")) <= len(_BACKSLASH.findall(quote)):
            return mark.start()
    return len(text)


_BACKSLASH = re.compile(r"\\|5C", re.IGNORECASE)
_MARKS = {mark: re.compile(rf"(?<!\\)(?P<escapes>\\*+){mark}") for mark in "\"'"} | {
    # The end of an encoded form's field is the end of whatever is in it.
    mark: re.compile(rf"(?<!5C)(?P<escapes>(?:{_PERCENT}5C)*+){_PERCENT}2{mark}|[&\s\"]", re.IGNORECASE)
    for mark in "27"
}


def _structure_end(text: str, start: int) -> int:
    """Where the bracket at start is closed."""
    depth, position = 0, start
    while found := _STRUCTURE.search(text, position):
        position = found.end()
        if found["opens"]:
            depth += len(found["opens"])
        elif found["closes"]:
            if len(found["closes"]) >= depth:
                return found.start() + depth
            depth -= len(found["closes"])
        elif found["mark"] == '"' or not text[found.start() - 1].isalnum():  # else an apostrophe
            position = _string_end(text, position, found[0])
            position = min(len(text), position + len(found[0]))
    return len(text)
