"""`batch`: up to 50 calls in one, later ones using results of earlier ones (PROTOCOL.md section 5)."""

import re
from collections.abc import Callable
from typing import Any, Final

from bizproc.php import (
    PhpArray,
    PhpKey,
    PhpValue,
    array_key,
    from_json,
    is_empty,
    parse_str,
    parse_url,
    to_text,
    upper_keys,
)

MAX_COMMANDS: Final = 50

_PATH_KEY: Final = re.compile(r"\[([^\]]+)\]")


def run(fields: PhpArray, call: Callable[[str, PhpArray], dict[str, Any]]) -> PhpArray:
    """The result of a batch.

    Args:
        fields: `cmd`, an array of `method?query`, and `halt`, which stops at the first error unless PHP takes it as
            false (the text `false` is true).
        call: makes one call and gives its answer, `{"result", "time"}` or `{"error", "error_description"}`.
    """
    given = upper_keys(fields)
    halt = not is_empty(given.get("HALT"))
    commands = given.get("CMD")
    # What has come out so far, by kind and by the command's key; a reference in a later command looks here.
    out: dict[str, PhpArray] = {"result": {}, "next": {}, "total": {}, "time": {}, "error": {}}
    for number, (key, command) in enumerate(commands.items() if isinstance(commands, dict) else ()):
        if number >= MAX_COMMANDS:
            answer = _error("ERROR_BATCH_LENGTH_EXCEEDED", "Max batch length exceeded")
        elif isinstance(command, str):
            answer = _answer(command, out, call)
        else:
            continue  # no text: it counts, and nothing comes of it
        if "error" in answer:
            answer = {"error": answer}
        for kind, value in answer.items():
            out.setdefault(kind, {})[key] = from_json(value)
        if halt and "error" in answer:
            break
    return {
        "result": out["result"],
        "result_error": out["error"],
        "result_total": out["total"],
        "result_next": out["next"],
        "result_time": out["time"],
    }


def _error(code: str, description: str) -> dict[str, Any]:
    return {"error": code, "error_description": description}


def _answer(command: str, out: dict[str, PhpArray], call: Callable[[str, PhpArray], dict[str, Any]]) -> dict[str, Any]:
    url = parse_url(command)
    method = (url.path or "" if url else "").lower()
    if method == "batch":
        return _error("ERROR_BATCH_METHOD_NOT_ALLOWED", "Method is not allowed for batch usage")
    try:
        params = parse_str(url.query or "" if url else "")
    except ValueError as error:
        return _error("INVALID_REQUEST", str(error))
    return call(method, _with_references(params, out))


def _with_references(params: PhpArray, out: dict[str, PhpArray]) -> PhpArray:
    references = re.compile(rf"\$({'|'.join(map(re.escape, out))})([^ \t\n\r\v\f]*)", re.IGNORECASE | re.ASCII)
    return {key: _resolved(value, references, out) for key, value in params.items()}


def _resolved(value: PhpValue, references: re.Pattern[str], out: dict[str, PhpArray]) -> PhpValue:
    """`value` with every `$result[a][b]` in it replaced; one that is all of the value keeps its type.

    Any case counts as a reference, but only `$result` in lower case finds something: the others become nothing.
    """
    if isinstance(value, dict):
        return {key: _resolved(inner, references, out) for key, inner in value.items()}
    if not isinstance(value, str):
        return value
    text = value
    for match in references.finditer(value):
        keys = _PATH_KEY.findall(match[2])
        if not keys:
            continue
        found = _looked_up(out.get(match[1]), keys)
        if match[0] == text:
            return found
        if not isinstance(found, dict):
            text = text.replace(match[0], to_text(found))
    return text


def _looked_up(value: PhpValue, keys: list[str]) -> PhpValue:
    """As far as the keys lead: the portal stops at the first one that is not there, with what it has by then."""
    for key in keys:
        inner = _element(value, array_key(key))
        if inner is None:
            break
        value = inner
    return value


def _element(value: PhpValue, key: PhpKey) -> PhpValue:
    """`$value[$key]`, of a text too; None where PHP's isset() says no."""
    if isinstance(value, dict):
        return value.get(key)
    if isinstance(value, str) and isinstance(key, int) and -len(value) <= key < len(value):
        return value[key]
    return None
