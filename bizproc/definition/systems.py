"""Other systems, to which a portal has connections."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from bizproc.context import Connection, DialogContext
from bizproc.definition.text import Text, localized


class System:
    """A system that activities work with. A module that declares one, or imports it, makes it known to the app.

    code: under which its connections are stored, such as ``zabbix``
    name: what people call it
    secret: what people call its secret, such as "API token"
    check: makes a harmless call over a connection and says in one line what is there, such as "Zabbix 6.0.9, user b24".
        Raises ActivityFailed with what is wrong and what to do
    base_url: for connections that are given none, such as ``https://api.example.com``; empty where each has its own
    """

    def __init__(
        self, code: str, *, name: Text, secret: Text, check: Callable[[Connection], str], base_url: str = ""
    ) -> None:
        self.code = code
        self.name = localized(name)
        self.secret = localized(secret)
        self.check = check
        self.base_url = base_url

    def __repr__(self) -> str:
        return f"<system {self.code}>"


@dataclass(frozen=True)
class ConnectionNames:
    """Lists, for a settings dialog, the portal's connections to a system."""

    system: System

    def __call__(self, context: DialogContext) -> Mapping[str, str]:
        return {name: name for name in context.connections(self.system)}
