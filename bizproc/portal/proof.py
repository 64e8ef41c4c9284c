"""Who an installation is, as the OAuth server says. What a request says of itself proves nothing."""

from dataclasses import dataclass
from fnmatch import fnmatch

from bizproc.portal.b24 import PortalApp, PortalRefused, PortalUnavailable, SdkError, described, error_code
from bizproc.portal.connections import host_of, hostname, same_host

_NO_PORTAL = "The OAuth server did not confirm the portal: its answer names no portal, or no user."
_USER_DIGITS = 18
"""More than any id has, and as many as the database keeps."""
_LONGEST_ENDPOINT = 250
_LONGEST_MEMBER_ID = 64


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


def prove(app: PortalApp, access_token: str, *, member_id: str, endpoint: str = "") -> Proof:
    """Ask the OAuth server whose access token this is, and hold it against what the request says of itself.

    member_id, endpoint: what the request says; an endpoint can be an address or a host, and empty where nothing is said

    Raises PortalRefused when the OAuth server does not confirm a token of this application, or another portal's, and
    PortalUnavailable when it cannot be asked now.
    """
    try:
        return check(app, access_token, member_id=member_id, endpoint=endpoint)
    except SdkError as error:
        if not error_code(error):
            raise PortalUnavailable(f"The OAuth server cannot be asked: {described(error)}") from None
        raise PortalRefused(f"The OAuth server did not confirm the portal: {described(error)}") from None


def check(app: PortalApp, access_token: str, *, member_id: str, endpoint: str = "") -> Proof:
    """As ``prove``, but what the OAuth server says of the token is raised as it is.

    Raises SdkError and PortalRefused.
    """
    info = app.app_info(access_token)
    install = info.get("install")
    if info.get("client_id") != app.client_id or not isinstance(install, dict):
        raise PortalRefused("The OAuth server did not confirm the portal: the token is of another application.")
    proven, user_id = install.get("client_endpoint"), str(info.get("user_id") or 0)
    if not isinstance(proven, str) or "://" not in proven or not hostname(proven) or len(proven) > _LONGEST_ENDPOINT:
        raise PortalRefused(_NO_PORTAL)
    if not member_id or len(member_id) > _LONGEST_MEMBER_ID or not user_id.isdecimal() or len(user_id) > _USER_DIGITS:
        raise PortalRefused(_NO_PORTAL)
    if install.get("member_id") != member_id:
        raise PortalRefused("The OAuth server did not confirm the portal: the token is of another portal.")
    if endpoint and not same_host(endpoint, proven):
        named = f"{hostname(proven)}, not as {hostname(endpoint)!r:.100}"
        raise PortalRefused(f"The OAuth server did not confirm the portal: it knows it as {named}.")
    if app.allowed_portals and not any(fnmatch(hostname(proven), each.lower()) for each in app.allowed_portals):
        raise PortalRefused(f"{hostname(proven)} is not among the portals that B24_ALLOWED_PORTALS allows.")
    return Proof(
        member_id=member_id,
        domain=host_of(proven),
        client_endpoint=proven,
        scope=str(info.get("scope") or ""),
        status=str(install.get("status") or "")[:8],
        user_id=int(user_id),
    )
