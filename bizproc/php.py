"""The few pieces of PHP that a Bitrix24 portal shows on the wire.

A portal is a PHP program: it reads forms with `parse_str`, keeps everything in PHP arrays and answers with
`json_encode`. This module repeats those functions exactly, so that both ends of a call mean the same.

A PHP array is a `dict` here, in insertion order, with `int` and `str` keys under PHP's rule that a key in canonical
decimal form (`"7"`, not `"07"`) is the integer. A PHP list is the dict `{0: a, 1: b}`.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from math import fmod, isfinite
from string import ascii_lowercase, ascii_uppercase
from typing import Any, Final, TypeAlias
from urllib.parse import unquote_to_bytes

PhpKey: TypeAlias = int | str
PhpArray: TypeAlias = dict[PhpKey, "PhpValue"]
PhpValue: TypeAlias = bool | int | float | str | dict[PhpKey, "PhpValue"] | None

INT_MIN: Final = -(2**63)
INT_MAX: Final = 2**63 - 1
_INT_DIGITS: Final = 19

MOST_FIELDS: Final = 10_000
"""Of one form; a portal sends a few dozen."""
_SHORT_NAME: Final = 128
_FIELD: Final = re.compile(rb"[^&]+")
_CANONICAL_INT: Final = re.compile(r"(?:0|-?[1-9][0-9]{0,18})\Z", re.ASCII)
_NUMBER: Final = re.compile(r"[ \t\n\r\v\f]*([+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)")
_INT_STARTS: Final = frozenset("-0123456789")
_UPPER: Final = str.maketrans(ascii_lowercase, ascii_uppercase)
_TRIMMED: Final = " \n\r\t\v\0"
_CONTROL: Final = dict.fromkeys((*range(32), 127), "_")


class TooManyFields(ValueError):
    """A form has more fields than the caller allows."""


class TooDeep(ValueError):
    """A form or a JSON value nests deeper than the caller allows."""


def array_key(key: str) -> PhpKey:
    """The key under which PHP stores `key`: an `int` where it is a canonical decimal integer of 64 bits."""
    if key[:1] in _INT_STARTS and _CANONICAL_INT.match(key) and INT_MIN <= int(key) <= INT_MAX:
        return int(key)
    return key


def parse_str(query: str | bytes, *, max_fields: int = MOST_FIELDS, max_depth: int = 64) -> PhpArray:
    """Decode a query string or a form body as PHP's `parse_str` does.

    Later fields win, also over the array an earlier one made. Fields with an empty name are dropped. Text that is no
    UTF-8 gets replacement characters.

    Raises:
        TooManyFields: more than `max_fields` fields, or as many arrays in them. (PHP would drop the rest in silence.)
        TooDeep: a name with more than `max_depth` brackets. (PHP would drop that field in silence.)
    """
    raw = query.encode("utf-8", "replace") if isinstance(query, str) else query
    # PHP works on C strings here: whatever follows a NUL does not exist.
    raw = raw.split(b"\0", 1)[0]
    # Counted first, and no further than needed: 1 MB can be 500,000 fields.
    if any(True for _ in islice(_FIELD.finditer(raw), max_fields, None)):
        raise TooManyFields(f"more than {max_fields} fields")
    form = _Form(max_arrays=max_fields)
    for field in _FIELD.finditer(raw):
        name, _, value = field[0].partition(b"=")
        path = _known_path(name, max_depth) if len(name) <= _SHORT_NAME else _path(name, max_depth)
        if path:
            form.register(path, _url_decoded(value).decode("utf-8", "replace"))
    return form.root


def _url_decoded(raw: bytes) -> bytes:
    return unquote_to_bytes(raw.replace(b"+", b" ")) if b"%" in raw or b"+" in raw else raw


def _path(name: bytes, max_depth: int) -> tuple[PhpKey | None, ...]:
    """The keys that a field's encoded name leads through, None for `[]`; empty for a name that is dropped."""
    name = _url_decoded(name).split(b"\0", 1)[0].lstrip(b" ")
    top, bracket, rest = name.partition(b"[")
    top = top.replace(b" ", b"_").replace(b".", b"_")
    if not top:
        return ()
    keys, unclosed = _brackets(rest, max_depth) if bracket else ([], b"")
    if bracket and not keys:
        # `a[b` names no element: the bracket becomes a `_` like any other character a variable cannot have.
        top += b"_" + unclosed.replace(b" ", b"_").replace(b".", b"_").replace(b"[", b"_")
    return tuple(None if key is None else array_key(key.decode("utf-8", "replace")) for key in (top, *keys))


_known_path = lru_cache(maxsize=4096)(_path)
"""The fields of one activity come again with every callback."""


def _brackets(rest: bytes, max_depth: int) -> tuple[list[bytes | None], bytes]:
    """The keys in `b][c]...` (None for `[]`), and what followed a first bracket that is never closed."""
    path: list[bytes | None] = []
    while True:
        if len(path) >= max_depth:
            raise TooDeep(f"a field name with more than {max_depth} brackets")
        if rest[:1] == b"]" or (rest[:1].isspace() and rest[1:2] == b"]"):
            path.append(None)
            rest = rest[rest.index(b"]") + 1 :]
        else:
            # The search for `]` starts behind one leading blank, but the blank stays part of the key.
            end = rest.find(b"]", 1 if rest[:1].isspace() else 0)
            if end < 0:
                return path, rest
            path.append(rest[:end])
            rest = rest[end + 1 :]
        if rest[:1] != b"[":
            return path, b""
        rest = rest[1:]


class _Form:
    """The arrays under construction, with the next free index of each (as in `php_register_variable_ex`)."""

    def __init__(self, max_arrays: int) -> None:
        self.root: PhpArray = {}
        self._max_arrays = max_arrays
        self._next_index: dict[int, int | None] = {id(self.root): None}

    def register(self, path: Sequence[PhpKey | None], value: str) -> None:
        array = self.root
        for key in path[:-1]:
            array = self._descend(array, key)
        self._put(array, self._key(array, path[-1]), value)

    def _descend(self, array: PhpArray, named: PhpKey | None) -> PhpArray:
        key = self._key(array, named)
        inner = array.get(key)
        if not isinstance(inner, dict):
            # 8,000 fields of 63 brackets each are 1 MB on the wire, and were 150 MB here.
            if len(self._next_index) > self._max_arrays:
                raise TooManyFields(f"more than {self._max_arrays} arrays in its fields")
            inner = {}
            self._next_index[id(inner)] = None
            self._put(array, key, inner)
        return inner

    def _key(self, array: PhpArray, named: PhpKey | None) -> PhpKey:
        return (self._next_index[id(array)] or 0) if named is None else named

    def _put(self, array: PhpArray, key: PhpKey, value: PhpValue) -> None:
        if isinstance(key, int):
            if key > INT_MAX:
                return  # no index is left: PHP drops the element
            # The first index counts also where it is negative: `a[-5]=1&a[]=2` are -5 and -4.
            following = self._next_index[id(array)]
            self._next_index[id(array)] = key + 1 if following is None else max(following, key + 1)
        array[key] = value


def from_json(value: Any, *, max_depth: int = 512) -> PhpValue:
    """A decoded JSON value as PHP's `json_decode(..., true)` has it: lists and objects become arrays.

    Integers beyond 64 bits become floats, and keys follow `array_key`.

    Raises:
        TooDeep: nested deeper than `max_depth`.
        ValueError: text with a lone surrogate, which is no Unicode.
        TypeError: no JSON value.
    """
    if value is None or isinstance(value, (bool, float)):
        return value
    if isinstance(value, str):
        _require_unicode(value)
        return value
    if isinstance(value, int):
        return value if INT_MIN <= value <= INT_MAX else _float(value)
    if max_depth <= 0:
        raise TooDeep("the value nests too deep")
    array: PhpArray = {}
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if isinstance(key, str):
                _require_unicode(key)
                key = array_key(key)
            array[key] = from_json(inner, max_depth=max_depth - 1)
        return array
    if isinstance(value, (list, tuple)):
        for index, inner in enumerate(value):
            array[index] = from_json(inner, max_depth=max_depth - 1)
        return array
    raise TypeError(f"{type(value).__name__} is no JSON value")


def _require_unicode(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("text with a lone surrogate") from None


def _float(value: int) -> float:
    try:
        return float(value)
    except OverflowError:
        return float("inf") if value > 0 else float("-inf")


def is_list(array: PhpArray) -> bool:
    """True where the keys are 0, 1, 2, ... in this order, which is what `json_encode` writes as a list."""
    return all(key == index and isinstance(key, int) for index, key in enumerate(array))


def to_json(value: PhpValue) -> Any:
    """A PHP value as `json_encode` writes it: `[]` for an empty array, a list for keys 0, 1, 2, ..., else an object.

    A float without fraction is written as an integer, and one that is no number as 0.
    """
    if isinstance(value, dict):
        if is_list(value):
            return [to_json(inner) for inner in value.values()]
        return {str(key): to_json(inner) for key, inner in value.items()}
    if isinstance(value, float):
        if not isfinite(value):
            return 0
        return int(value) if value.is_integer() and abs(value) < 1e15 else value
    return value


def serialized_size(value: PhpValue) -> int:
    """How many bytes PHP's `serialize(value)` has. The portal's limits of stored definitions count these."""
    if value is None:
        return len("N;")
    if isinstance(value, bool):
        return len("b:1;")
    if isinstance(value, int):
        return len(f"i:{value};")
    if isinstance(value, float):
        return len(f"d:{to_text(value)};")
    if isinstance(value, str):
        length = len(value.encode("utf-8", "replace"))
        return len(f's:{length}:"";') + length
    size = len(f"a:{len(value)}:{{}}")
    for key, inner in value.items():
        size += serialized_size(key) + serialized_size(inner)
    return size


def is_empty(value: PhpValue) -> bool:
    """PHP's `empty()`: null, false, 0, 0.0, `""`, `"0"` and the array without elements."""
    return value in ("", "0") if isinstance(value, str) else not value


def to_text(value: PhpValue) -> str:
    """PHP's `(string)`."""
    if isinstance(value, str):
        return value
    if value is None or value is False:
        return ""
    if value is True:
        return "1"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return _float_text(value)
    return "Array"


def _float_text(value: float) -> str:
    if not isfinite(value):
        return "NAN" if value != value else "INF" if value > 0 else "-INF"
    if value.is_integer() and abs(value) < 1e15:
        return "-0" if str(value) == "-0.0" else str(int(value))
    mantissa, exponential, exponent = repr(value).partition("e")
    if not exponential:
        return mantissa
    sign = exponent[0] if exponent[0] in "+-" else "+"
    return f"{mantissa if '.' in mantissa else mantissa + '.0'}E{sign}{exponent.lstrip('+-').lstrip('0')}"


def to_int(value: PhpValue) -> int:
    """PHP's `(int)`: the number a text begins with, else 0; 1 for a filled array; fractions are cut off."""
    if isinstance(value, dict):
        return int(bool(value))
    if value is None or isinstance(value, (bool, int)):
        return int(value or 0)
    if isinstance(value, float):
        return _int_of_float(value)
    number = _NUMBER.match(value)
    if not number:
        return 0
    digits = number[1]
    # Out of range, a text stops at the limit where a float wraps around.
    whole = _whole(digits)
    return max(INT_MIN, min(INT_MAX, _int_of_float(float(digits), wraps=False) if whole is None else whole))


def _int_of_float(value: float, *, wraps: bool = True) -> int:
    if not isfinite(value):
        return 0 if wraps or value != value else INT_MAX if value > 0 else INT_MIN
    if not wraps or INT_MIN <= value <= INT_MAX:
        return max(INT_MIN, min(INT_MAX, int(value)))
    wrapped = int(fmod(value, 2.0**64)) % 2**64
    return wrapped - 2**64 if wrapped > INT_MAX else wrapped


def loosely_equal(left: PhpValue, right: PhpValue) -> bool:
    """PHP 8's `==` between a scalar and a scalar or array; two texts that are numbers are compared as numbers."""
    if isinstance(left, dict) or isinstance(right, dict):
        if isinstance(left, bool) or isinstance(right, bool) or left is None or right is None:
            return is_empty(left) == is_empty(right)
        return isinstance(left, dict) and isinstance(right, dict) and left == right
    if isinstance(left, bool) or isinstance(right, bool):
        return is_empty(left) == is_empty(right)
    if left is None or right is None:
        other = right if left is None else left
        return other is None or (other == "" if isinstance(other, str) else is_empty(other))
    numbers = _number(left), _number(right)
    if numbers[0] is not None and numbers[1] is not None:
        return numbers[0] == numbers[1]
    return to_text(left) == to_text(right)


def _number(value: int | float | str) -> int | float | None:
    if not isinstance(value, str):
        return value
    number = _NUMBER.match(value)
    if not number or value[number.end() :].strip(" \t\n\r\v\f"):
        return None
    digits = number[1]
    whole = _whole(digits)
    return float(digits) if whole is None else whole


def _whole(digits: str) -> int | None:
    """A whole number; None for one with a fraction, or longer than PHP can hold and Python is willing to read."""
    significant = digits.lstrip("+-0")
    if not digits.lstrip("+-").isdigit() or len(significant) > _INT_DIGITS:
        return None
    return int(significant or "0") * (-1 if digits.startswith("-") else 1)


def trim(text: str) -> str:
    """PHP's `trim`."""
    return text.strip(_TRIMMED)


def upper(text: str) -> str:
    """PHP 8's `strtoupper`: ASCII letters only."""
    return text.upper() if text.isascii() else text.translate(_UPPER)


def upper_keys(array: PhpArray) -> PhpArray:
    """PHP's `array_change_key_case($array, CASE_UPPER)`: of keys that become the same, the last value stays."""
    return {upper(key) if isinstance(key, str) else key: value for key, value in array.items()}


@dataclass(frozen=True, slots=True)
class Url:
    """What PHP's `parse_url` finds in a URL. A part that is not there is None; an empty one is `""`."""

    scheme: str | None = None
    host: str | None = None
    port: int | None = None
    user: str | None = None
    password: str | None = None
    path: str | None = None
    query: str | None = None
    fragment: str | None = None


def parse_url(url: str) -> Url | None:
    """PHP 8's `parse_url`, which is no validator; None where PHP gives false."""
    scheme, rest, with_host, port = _split_scheme(url)
    if with_host is None:
        return None
    if not with_host:
        if scheme is not None and not rest:
            return Url(scheme=scheme)
        return _with_path(Url(scheme=scheme), rest)
    end = _first(rest, "/?#")
    authority, rest = rest[:end], rest[end:]
    user = password = None
    if "@" in authority:
        login, authority = authority.rsplit("@", 1)
        user, colon, secret = login.partition(":")
        password = secret if colon else None
    host = authority
    if not (authority.startswith("[") and authority.endswith("]")) and ":" in authority:
        host, port_text = authority.rsplit(":", 1)
        if not port and port_text:
            found = re.match(r"\s*[+-]?[0-9]+", port_text, re.ASCII)
            if len(port_text.encode()) > 5 or not found or not 0 <= int(found[0]) <= 65535:
                return None
            port = int(found[0])
    if not host:
        return None
    found_url = Url(scheme=scheme, host=host.translate(_CONTROL), port=port, user=user, password=password)
    return _with_path(found_url, rest) if rest else found_url


def _split_scheme(url: str) -> tuple[str | None, str, bool | None, int | None]:
    """(scheme, rest, whether a host comes next or None for no URL at all, port of `host:port/...`)."""
    slashes = url.startswith("//")
    colon = url.find(":")
    if colon < 0:
        return None, url[2:] if slashes else url, slashes, None
    if colon > 0:
        if re.fullmatch(r"[A-Za-z0-9+.\-]+", url[:colon]):
            return _after_scheme(url, colon)
        if not (colon + 1 < len(url) and colon < _first(url, "?#")):
            return None, url[2:] if slashes else url, slashes, None
    return _port_first(url, colon)


def _after_scheme(url: str, colon: int) -> tuple[str | None, str, bool | None, int | None]:
    scheme, rest = url[:colon].translate(_CONTROL), url[colon + 1 :]
    if not rest:
        return scheme, "", False, None
    if not rest.startswith("/"):
        # `a.com:80` and `a.com:80/x` are a host with a port, `mailto:x` is a scheme with a path.
        if re.match(r"[0-9]{0,5}(?:\Z|/)", rest):
            return _port_first(url, colon)
        return scheme, rest, False, None
    if not rest.startswith("//"):
        return scheme, rest, False, None
    rest = rest[2:]
    if scheme.lower() == "file" and rest.startswith("/"):
        return scheme, rest[1:] if rest[2:3] == ":" else rest, False, None
    return scheme, rest, True, None


def _port_first(url: str, colon: int) -> tuple[str | None, str, bool | None, int | None]:
    slashes = url.startswith("//")
    rest = url[2:] if slashes else url
    digits = re.match(r"([0-9]{1,5})(?:\Z|/)", url[colon + 1 :])
    if digits:
        port = int(digits[1])
        return None, rest, True if port <= 65535 else None, port
    if colon + 1 == len(url):
        return None, rest, None, None
    return None, rest, slashes, None


def _first(text: str, characters: str) -> int:
    """Where the first of `characters` stands, else the length."""
    return min((at for at in map(text.find, characters) if at >= 0), default=len(text))


def _with_path(url: Url, rest: str) -> Url:
    head, hash_, fragment = rest.partition("#")
    path, mark, query = head.partition("?")
    return Url(
        url.scheme,
        url.host,
        url.port,
        url.user,
        url.password,
        path=path.translate(_CONTROL) if path or not rest else None,
        query=query.translate(_CONTROL) if mark else None,
        fragment=fragment.translate(_CONTROL) if hash_ else None,
    )
