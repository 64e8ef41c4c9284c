"""What a portal or the OAuth server answered, read before anything relies on its shape."""

import json
import re
from typing import Any

import requests
from b24pysdk.api.responses import BitrixTimeResponse
from b24pysdk.errors import BitrixResponse302JSONDecodeError, BitrixResponseJSONDecodeError, BitrixSDKException

_NO_TIME = {
    **dict.fromkeys(("start", "finish", "duration", "processing"), 0.0),
    **dict.fromkeys(("date_start", "date_finish"), "1970-01-01T00:00:00+00:00"),
}
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")


class UnusableAnswer(BitrixSDKException):
    """An answer that no portal gives. Its text is for a person."""


def object_of(response: requests.Response) -> dict[str, Any]:
    """The object that an answer is. Its ``error``, where there is one, is a text or a whole number.

    Raises UnusableAnswer, and BitrixResponseJSONDecodeError for what is no JSON at all.
    """
    if response.status_code == 302:
        raise BitrixResponse302JSONDecodeError(response=response)  # whatever it says beside
    try:
        answer = json.loads(response.content)
        if _SURROGATE.search(response.content):
            json.dumps(answer, ensure_ascii=False).encode()  # half a pair is no text, and could not be stored
    except RecursionError:
        raise UnusableAnswer("an answer that nests too deep") from None
    except ValueError:
        raise BitrixResponseJSONDecodeError(response=response) from None
    if not isinstance(answer, dict):
        raise UnusableAnswer(f"an answer with status {response.status_code} that is no JSON object")
    if "error" not in answer and not response.ok:
        # The SDK would make the whole answer, with what secrets it has, the text of its error.
        raise UnusableAnswer(f"an answer with status {response.status_code} that names no error")
    if "error" in answer:
        _require_readable_error(answer)
    return answer


def require_result(answer: dict[str, Any], method: str) -> None:
    """A REST method's answer has a ``result``, and a batch's result has its parts by name.

    Raises UnusableAnswer.
    """
    if "result" not in answer:
        raise UnusableAnswer("an answer without a result")
    if method == "batch":
        _require_parts(answer["result"])


def with_usable_time(answer: dict[str, Any]) -> dict[str, Any]:
    """The answer as the SDK can read it: it needs a ``time``, of which nothing depends."""
    try:
        BitrixTimeResponse.from_dict(answer["time"])
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError, OSError):
        return answer | {"time": _NO_TIME}
    return answer


def by_name(part: Any) -> dict[str, Any]:
    """A part of a batch's result. PHP encodes an empty array as a list (PROTOCOL.md section 5).

    Raises UnusableAnswer for a list that is not empty: the commands had names.
    """
    if isinstance(part, dict):
        return part
    if part:
        raise UnusableAnswer("a batch's answer without the names of its commands")
    return {}


def _require_parts(result: Any) -> None:
    for name in ("result", "result_error"):
        if not isinstance(result, dict) or not isinstance(result.get(name), (dict, list)):
            raise UnusableAnswer(f"a batch's answer without {name}")
    failed = result["result_error"]
    if not all(isinstance(each, dict) for each in (failed.values() if isinstance(failed, dict) else failed)):
        raise UnusableAnswer("a batch's answer with an error that is no object")


def _require_readable_error(answer: dict[str, Any]) -> None:
    error = answer["error"]  # a portal tells some by a number (PROTOCOL.md section 8)
    if not isinstance(error, (str, int)) or isinstance(error, bool):
        raise UnusableAnswer("an answer with an error that is no text")
    if not isinstance(answer.get("error_description", ""), str):
        raise UnusableAnswer(f"an answer with the error {str(error)[:80]!r}, described by no text")
