"""Who opened a page of the app, or whose tokens an event brought."""

from dataclasses import dataclass
from typing import NoReturn

from bizproc.errors import BizprocError
from bizproc.portal.b24 import PortalApp, PortalRefused, PortalToken, SdkError, Tokens
from bizproc.portal.proof import Proof, prove

PATIENCE_SECONDS = 5
"""A person waits for the page, and a thread of the server with them."""


@dataclass(frozen=True)
class Visitor:
    """A proven user of a portal, with tokens.

    administrator: what the portal says; None where it could not be asked
    """

    proof: Proof
    tokens: Tokens
    administrator: bool | None


def visitor(app: PortalApp, tokens: Tokens, *, member_id: str, endpoint: str = "") -> Visitor:
    """Whose tokens these are. Raises as ``prove`` does."""
    proof = prove(app, tokens.access, member_id=member_id, endpoint=endpoint)
    token = PortalToken(
        endpoint=proof.client_endpoint,
        tokens=tokens,
        app=app,
        renew=_never,
        follow=lambda *_: _never(""),
        seconds=PATIENCE_SECONDS,
    )
    try:
        administrator = token.call_method("user.admin").get("result")
    except (SdkError, BizprocError):
        administrator = None
    return Visitor(proof, tokens, administrator if isinstance(administrator, bool) else None)


def _never(_stale: str) -> NoReturn:
    raise PortalRefused("A visitor's tokens are used as they are.")
