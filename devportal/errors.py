"""The errors a portal answers with."""

from bizproc.definition.portal_rules import Refused


class RestError(Refused):
    """A refused call: `{"error": code, "error_description": description}` with an HTTP status.

    Codes and texts: PROTOCOL.md sections 4 to 8 and the conformance cases.
    """

    def __init__(self, code: str | int, description: str, status: int = 400) -> None:
        super().__init__(code, description)
        self.status = status


def access_denied(reason: str = "") -> RestError:
    return RestError("ACCESS_DENIED", f"Access denied! {reason}".rstrip(), 403)
