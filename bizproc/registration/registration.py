"""Keep a portal's activities in step with the definitions of the code."""

from collections.abc import Iterable, Mapping, Sequence
from urllib.parse import urlsplit

from bizproc.definition.definition import Definition, Kind
from bizproc.portal.b24 import PortalRefused, PortalToken
from bizproc.portal.installations import Installation, Installations
from bizproc.registration.applying import Application, Applied, listed
from bizproc.registration.payload import Payload, payload
from bizproc.registration.plan import Plan, plan
from bizproc.registration.registrations import Registrations


class Registration:
    """Plans and applies. ``app_url`` is where the portals' callbacks go."""

    def __init__(
        self,
        registrations: Registrations,
        installations: Installations,
        definitions: Iterable[Definition],
        app_url: str,
    ) -> None:
        self._registrations = registrations
        self._installations = installations
        self._definitions = tuple(definitions)
        self._app_url = app_url

    def desired(self, installation: Installation, prefix: str = "") -> list[Payload]:
        """What the portal is to hold. ``prefix`` keeps a developer's codes apart from production's."""
        return [
            payload(definition, app_url=self._app_url, edition=installation.edition, prefix=prefix)
            for definition in self._definitions
        ]

    def check_domain(self, installation: Installation) -> None:
        """A portal takes any address for callbacks, and none come if it is not the one where the app is installed there
        (PROTOCOL.md section 6).

        Raises PortalRefused when it is another one.
        """
        told = {_host(f"//{host}") for host in (installation.app_host, installation.confirmed_host) if host}
        dialogs = (each.placement_handler for each in self._definitions if each.placement_handler)
        wrong = [host for host in map(_host, (self._app_url, *dialogs)) if host not in told]
        if told and wrong:
            raise PortalRefused(
                f"The app is installed in {installation.domain} under {installation.app_host}, but its own address"
                f" (B24_APP_URL, or a settings dialog's) is on {wrong[0]}. Nothing was sent: the portal would take it,"
                " and its callbacks would never come. Set B24_APP_URL to the address under which the app is"
                " installed. If a proxy hides that this is the same, confirm it: flask portals confirm"
                f" {installation.domain} --host {wrong[0]}"
            )

    def differs(self, installation: Installation) -> bool:
        """Whether the definitions are others than the portal last accepted; asks the store alone."""
        accepted = {code: each.fingerprint for code, each in self._registrations.known(installation.id, "").items()}
        return any(accepted.get(each.code) != each.fingerprint for each in self.desired(installation))

    def plan(self, installation: Installation, token: PortalToken, *, prefix: str = "", refresh: bool = False) -> Plan:
        """What an apply would do; changes nothing.

        Raises SdkError when the portal cannot be asked, PortalRefused when it does not tell.
        """
        self.check_domain(installation)
        return self._planned(installation, listed(token), prefix, refresh)

    def apply(
        self,
        installation: Installation,
        token: PortalToken,
        *,
        allow_deletes: bool = False,
        prefix: str = "",
        refresh: bool = False,
    ) -> Applied:
        """Bind the events and bring the portal in step; what it refuses does not stop the others. Interrupted anywhere,
        the next apply finishes the work.

        Raises SdkError and PortalUnavailable when the portal cannot take it now, or somebody else is at it;
        PortalRefused when it takes nothing at all.
        """
        self.check_domain(installation)
        with self._installations.applying(installation) as lease:
            application = Application(
                self._registrations,
                installation,
                token,
                lease,
                plan=lambda held, again: self._planned(installation, held, prefix, again),
                events_url=f"{self._app_url}/events",
                allow_deletes=allow_deletes,
                prefix=prefix,
            )
            return application.run(refresh=refresh)

    def _planned(
        self, installation: Installation, held: Mapping[Kind, Sequence[str]], prefix: str, refresh: bool
    ) -> Plan:
        others = self._registrations.others(installation.id, prefix)
        own = {kind: [code for code in codes if code not in others] for kind, codes in held.items()}
        known = self._registrations.known(installation.id, prefix)
        return plan(self.desired(installation, prefix), known, own, refresh=refresh)


def _host(address: str) -> str:
    return (urlsplit(address).hostname or "").lower()
