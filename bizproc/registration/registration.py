"""Keep a portal's activities in step with the definitions of the code."""

import re
from collections.abc import Iterable, Mapping, Sequence

from bizproc.definition.definition import Definition, Kind
from bizproc.definition.portal_rules import CODE_LENGTH
from bizproc.errors import BizprocError
from bizproc.portal.b24 import PortalRefused, PortalToken
from bizproc.portal.connections import hostname
from bizproc.portal.installations import Installation, Installations
from bizproc.registration.applying import Application, Applied, listed
from bizproc.registration.payload import Payload, payload
from bizproc.registration.plan import Plan, plan
from bizproc.registration.registrations import Registrations

PREFIX_LENGTH = 64


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
        """What the portal is to hold. ``prefix`` keeps a developer's codes apart from production's.

        Raises BizprocError for a prefix that makes no codes.
        """
        longest = CODE_LENGTH - max((len(each.code) for each in self._definitions), default=0)
        allowed = min(longest, PREFIX_LENGTH)
        if not re.fullmatch(r"[A-Za-z0-9._-]*", prefix) or len(prefix) > allowed:
            raise BizprocError(
                f"{prefix!r} cannot be put before codes: take at most {allowed} Latin letters, digits, '.', '_' and"
                " '-', such as anna."
            )
        return [
            payload(definition, app_url=self._app_url, edition=installation.edition, prefix=prefix)
            for definition in self._definitions
        ]

    @property
    def hosts(self) -> list[str]:
        """Where the portals' callbacks and settings dialogs go."""
        dialogs = (each.placement_handler for each in self._definitions if each.placement_handler)
        return list(dict.fromkeys(map(hostname, (self._app_url, *dialogs))))

    def check_domain(self, installation: Installation) -> None:
        """A portal takes any address for callbacks, and none come if it is not the one where the app is installed there
        (PROTOCOL.md section 6).

        Raises PortalRefused when it is another one.
        """
        told = {hostname(host) for host in (installation.app_host, installation.confirmed_host) if host}
        wrong = [host for host in self.hosts if host not in told]
        if told and wrong:
            raise PortalRefused(
                f"The app is installed in {installation.domain} under {installation.app_host}, but its own address"
                f" (B24_APP_URL, or a settings dialog's) is on {wrong[0]}. Nothing was sent: the portal would take it,"
                " and its callbacks would never come. Set B24_APP_URL to the address under which the app is"
                " installed. If a proxy hides that this is the same, confirm it: flask portals confirm"
                f" {installation.domain} --host {wrong[0]}"
            )

    def differs(self, installation: Installation) -> bool:
        """Whether the definitions are others than the portal last accepted or refused; asks the store alone."""
        known = self._registrations.known(installation.id, "").values()
        settled = {each.fingerprint for each in known} | self._registrations.refused(installation.id)
        return any(each.fingerprint not in settled for each in self.desired(installation))

    def plan(self, installation: Installation, token: PortalToken, *, prefix: str = "", refresh: bool = False) -> Plan:
        """What an apply would do; changes nothing.

        Raises SdkError when the portal cannot be asked, PortalRefused when it does not tell.
        """
        self.check_domain(installation)
        desired = self.desired(installation, prefix)
        held, _ = listed(token)
        return self._planned(installation, desired, held, prefix, refresh)

    def apply(
        self,
        installation: Installation,
        token: PortalToken,
        *,
        allow_deletes: bool = False,
        prefix: str = "",
        refresh: bool = False,
        repeat_refused: bool = True,
    ) -> Applied:
        """Bind the events and bring the portal in step; what it refuses does not stop the others. Interrupted anywhere,
        the next apply finishes the work.

        repeat_refused: send again what the portal has refused before, as somebody who asks for it wants

        Raises SdkError and PortalUnavailable when the portal cannot take it now, or somebody else is at it;
        PortalRefused when it takes nothing at all; BizprocError as ``desired`` does.
        """
        self.check_domain(installation)
        desired = self.desired(installation, prefix)
        with self._installations.applying(installation) as lease:
            if repeat_refused or refresh:
                self._registrations.forget_refusals(installation.id)
            application = Application(
                self._registrations,
                installation,
                token,
                lease,
                plan=lambda held, again: self._planned(installation, desired, held, prefix, again),
                events_url=f"{self._app_url}/events",
                allow_deletes=allow_deletes,
                prefix=prefix,
            )
            applied = application.run(refresh=refresh)
            if not prefix:
                lease.succeeded()
            return applied

    def _planned(
        self,
        installation: Installation,
        desired: Sequence[Payload],
        held: Mapping[Kind, Sequence[str]],
        prefix: str,
        refresh: bool,
    ) -> Plan:
        others = self._registrations.others(installation.id, prefix)
        taken = sorted(others & {each.code for each in desired})
        if taken:
            raise PortalRefused(
                f"{', '.join(taken)} is registered in {installation.domain} with another prefix than {prefix!r}: choose"
                " another prefix or another code. Nothing was sent."
            )
        own = {kind: [code for code in codes if code not in others] for kind, codes in held.items()}
        known = self._registrations.known(installation.id, prefix)
        return plan(desired, known, own, refresh=refresh)
