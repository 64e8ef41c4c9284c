"""Who an installation is, as the OAuth server says. What a request says of itself proves nothing."""

from dataclasses import dataclass
from urllib.parse import urlsplit

from bizproc.portal.b24 import PortalApp, PortalRefused, SdkError, described


@dataclass(frozen=True)
class Proof:
    """Of which portal and which user an access token is (PROTOCOL.md section 3)."""

    member_id: str
    domain: str
    client_endpoint: str
    scope: str
    status: str
    user_id: int

    @property
    def edition(self) -> str:
        """``b24`` (cloud) or ``box`` (self-hosted), by the domain: all cloud portals are called NAME.bitrix24.ZONE."""
        host = self.domain.partition(":")[0]
        return "b24" if "bitrix24" in host.split(".")[1:] else "box"


def prove(app: PortalApp, access_token: str) -> Proof:
    """Ask the OAuth server whose access token this is.

    Raises PortalRefused when it does not confirm a token of this application, or cannot be asked.
    """
    try:
        info = app.app_info(access_token)
    except SdkError as error:
        raise PortalRefused(f"The OAuth server did not confirm the portal: {described(error)}") from None
    install = info.get("install")
    if info.get("client_id") != app.client_id or not isinstance(install, dict):
        raise PortalRefused("The OAuth server did not confirm the portal: the token is of another application.")
    endpoint = str(install.get("client_endpoint") or "")
    address = urlsplit(endpoint)
    member_id = str(install.get("member_id") or "")
    if not member_id or address.scheme not in ("http", "https") or not address.netloc:
        raise PortalRefused("The OAuth server did not confirm the portal: its answer names no portal.")
    return Proof(
        member_id=member_id,
        domain=address.netloc,
        client_endpoint=endpoint,
        scope=str(info.get("scope") or ""),
        status=str(install.get("status") or ""),
        user_id=int(info.get("user_id") or 0),
    )
