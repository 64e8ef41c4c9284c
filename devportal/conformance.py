"""`python -m devportal.conformance FILE...`: play recorded cases over HTTP against a fresh development portal.

A case is a line of JSON: `group`, `name`, `calls` made in order on an empty portal, what comes `out` of each, and what
is `stored` and which `placements` are bound afterwards. Nothing here knows any case.
"""

import http.client
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal
from urllib.parse import quote, urlsplit

from bizproc.php import from_json, to_json
from devportal.options import Options
from devportal.server import start

SHOWN: Final = 400
"""Characters of a value that are printed."""

Way = Literal["direct", "batch"]


class BrokenFile(ValueError):
    """A case file that cannot be read; its text is one line for a person."""


@dataclass(frozen=True, slots=True)
class Case:
    group: str
    name: str
    calls: list[dict[str, Any]]
    out: list[Any]
    expected: dict[str, Any]

    @property
    def ways(self) -> tuple[Way, ...]:
        """A call given by its query string is one of a batch, and means the same when sent as a form."""
        return ("direct", "batch") if any("query" in call for call in self.calls) else ("direct",)


def read_cases(path: Path) -> list[Case]:
    """
    Raises:
        BrokenFile: the file is not there, or a line is no case.
    """
    try:
        # Not splitlines(): a text in a case may have U+2028 and the like in it.
        lines = path.read_text("utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise BrokenFile(f"{path}: {getattr(error, 'strerror', None) or error}") from None
    cases = [_case(f"{path}:{number}", line) for number, line in enumerate(lines, 1) if line.strip()]
    if not cases:
        raise BrokenFile(f"{path}: no cases")
    return cases


def _case(place: str, line: str) -> Case:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise BrokenFile(f"{place}: no JSON: {error}") from None
    if not isinstance(found, dict):
        raise BrokenFile(f"{place}: a case must be an object")
    for key, type_ in (("group", str), ("name", str), ("calls", list), ("out", list)):
        if not isinstance(found.get(key), type_):
            raise BrokenFile(f"{place}: {key} is missing or no {'text' if type_ is str else 'list'}")
    calls, out = found["calls"], found["out"]
    if len(calls) != len(out):
        raise BrokenFile(f"{place}: {len(calls)} calls, but {len(out)} results in out")
    for call in calls:
        if not isinstance(call, dict) or not isinstance(call.get("method"), str):
            raise BrokenFile(f"{place}: a call must be an object with a method")
        if call["method"] != "filter" and not isinstance(call.get("query", ""), str):
            raise BrokenFile(f"{place}: query must be a text")
    return Case(
        found["group"],
        found["name"],
        calls,
        out,
        {key: found[key] for key in ("stored", "placements") if key in found},
    )


class Player:
    """Plays cases on one portal, over one connection."""

    def __init__(self, url: str) -> None:
        address = urlsplit(url)
        self._connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=30)
        self._tokens: dict[tuple[bool, bool], str] = {}

    def close(self) -> None:
        self._connection.close()

    def differences(self, case: Case) -> Iterator[str]:
        """What came otherwise than expected."""
        for way in case.ways:
            suffix = "" if case.ways == ("direct",) else f" ({way})"
            self._control("POST", "reset", {})
            self._tokens.clear()
            for number, (call, expected) in enumerate(zip(case.calls, case.out, strict=True), 1):
                got = self._made(call, way)
                wanted = dict(expected) if isinstance(expected, dict) else expected
                if isinstance(wanted, dict) and isinstance(got, dict):
                    _forget_what_is_open(wanted, got)
                if not same(wanted, got):
                    yield _difference(f"call {number} {call['method']}{suffix}", wanted, got)
            if case.expected:
                state = self._control("GET", "state", None)
                for key, wanted in case.expected.items():
                    if not same(wanted, state.get(key)):
                        yield _difference(f"{key}{suffix}", wanted, state.get(key))

    def _made(self, call: dict[str, Any], way: Way) -> Any:
        if call["method"] == "filter":
            return self._control(
                "POST", "filter", {"filter": call.get("filter"), "document_type": call.get("document_type")}
            )
        token = self._token(bool(call.get("admin", True)), call.get("client_id", "") is not None)
        if "query" not in call:
            body = json.dumps(call.get("params", {})).encode()
            status, answer = self._sent(call["method"], token, body, "application/json")
        elif way == "direct":
            form = call["query"].encode("utf-8", "replace")
            status, answer = self._sent(call["method"], token, form, "application/x-www-form-urlencoded")
        else:
            body = json.dumps({"cmd": {"call": f"{call['method']}?{call['query']}"}, "halt": 0}).encode()
            status, answer = self._sent("batch", token, body, "application/json")
            return _of_batch(answer)
        if "error" in answer:
            return {**answer, "status": status}
        return {"result": answer.get("result")}

    def _token(self, admin: bool, application: bool) -> str:
        key = admin, application
        if key not in self._tokens:
            given = self._control("POST", "token", {"admin": admin, "application": application})
            self._tokens[key] = str(given["access_token"])
        return self._tokens[key]

    def _control(self, verb: str, name: str, body: Any) -> Any:
        content = b"" if body is None else json.dumps(body).encode()
        return self._exchange(verb, f"/_dev/{name}", content, "application/json")[1]

    def _sent(self, method: str, token: str, body: bytes, type_: str) -> tuple[int, Any]:
        # The token goes by the query, so that the body is the case's own, whatever its shape.
        return self._exchange("POST", f"/rest/{quote(method)}?auth={token}", body, type_)

    def _exchange(self, verb: str, target: str, body: bytes, type_: str) -> tuple[int, Any]:
        self._connection.request(verb, target, body, {"Content-Type": type_})
        answer = self._connection.getresponse()
        return answer.status, json.loads(answer.read())


def _of_batch(answer: Any) -> Any:
    """The outcome of a batch's only command. It has no HTTP status of its own."""
    result = answer.get("result", {})
    for key, errors in (("result_error", True), ("result", False)):
        found = result.get(key)
        if isinstance(found, dict) and "call" in found:
            return found["call"] if errors else {"result": found["call"]}
    return answer


def _forget_what_is_open(wanted: dict[str, Any], got: dict[str, Any]) -> None:
    """Leave out what a case leaves open: any description will do, and a batch's command has no status."""
    if wanted.get("error_description", "") is None and isinstance(got.get("error_description"), str):
        del wanted["error_description"], got["error_description"]
    if "error" in got and "status" not in got:
        wanted.pop("status", None)


def same(wanted: Any, got: Any) -> bool:
    """Whether both are the same to a portal, which keeps PHP arrays; types count."""
    return _canonical(wanted) == _canonical(got)


def _canonical(value: Any) -> str:
    return json.dumps(to_json(from_json(value)), sort_keys=True)


def _difference(place: str, wanted: Any, got: Any) -> str:
    return f"{place}\n    expected {_short(wanted)}\n    got      {_short(got)}"


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}... ({len(text)} characters)"


def _printable(text: str) -> str:
    """Without what cannot be written, such as a lone surrogate."""
    encoding = sys.stdout.encoding or "utf-8"
    return text.encode(encoding, "backslashreplace").decode(encoding)


def main(arguments: Sequence[str]) -> int:
    """0 when all cases pass, 1 when one fails, 2 for a file that cannot be used."""
    if not arguments or any(argument.startswith("-") for argument in arguments):
        print("usage: python -m devportal.conformance FILE...", file=sys.stderr)  # noqa: T201
        return 2
    try:
        cases = [case for argument in arguments for case in read_cases(Path(argument))]
    except BrokenFile as error:
        print(f"conformance: {error}", file=sys.stderr)  # noqa: T201
        return 2
    running = start(Options())
    player = Player(running.url)
    failed = 0
    try:
        for case in cases:
            try:
                differences = list(player.differences(case))
            except (ValueError, RecursionError) as error:
                differences = [f"cannot be played: {error}"]
            failed += bool(differences)
            for difference in differences:
                print(_printable(f"{case.group} / {case.name}: {difference}"))  # noqa: T201
    finally:
        player.close()
        running.stop()
    print(f"{len(cases) - failed} passed, {failed} failed")  # noqa: T201
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
