"""The official client of Zabbix, over the HTTP of a portal's connection."""

import uuid
from typing import Any

from zabbix_utils import ZabbixAPI

from bizproc import ActivityFailed, Connection, NoAnswer, Retry

OLDEST = 6.0
"""Before it, an action's ``update_operations`` were ``acknowledge_operations``."""
TOKEN_IN_HEADER = 6.4
STARTUP_FAILED = 1
"""The error code with which the frontend says, for one, that its database does not answer."""


class Client(ZabbixAPI):
    """``client.action.get(output=["name"])`` calls the method ``action.get``.

    username: of whose token it is

    Every method raises ActivityFailed for what Zabbix refuses, and Retry where it does not answer: only methods that
    can be repeated may be called.
    """

    action: Any
    user: Any

    def __init__(self, connection: Connection) -> None:
        """Raises ActivityFailed for what is no Zabbix, for one older than 6.0, and for a token that is not taken."""
        self._connection = connection
        try:
            # Newer ones than the library knows are let in: what they do not take, they refuse.
            super().__init__(url=connection.base_url, skip_version_check=True)
        except ValueError as error:
            raise ActivityFailed(f"{connection.base_url} has no version that can be read: {error}") from None
        if self.version < OLDEST:
            raise ActivityFailed(f"{connection.base_url} is Zabbix {self.version}; {OLDEST} or newer is needed.")
        self.username = self._owner_of_token()

    def login(self, *_: Any, **__: Any) -> None:
        """Nothing: every call carries the connection's token. The library would read one from the environment."""

    def send_api_request(self, method: str, params: Any = None, need_auth: bool = True) -> dict[str, Any]:
        # What the library itself sends with urllib, which knows nothing of the connection's rules.
        call = {"jsonrpc": "2.0", "method": method, "params": params or {}, "id": str(uuid.uuid4())}
        headers = {"Content-Type": "application/json-rpc"}
        if need_auth and self.version < TOKEN_IN_HEADER:
            call["auth"] = self._connection.secret
        elif need_auth:
            headers["Authorization"] = f"Bearer {self._connection.secret}"
        try:
            answer = self._connection.json(self._connection.http.post(self.url, json=call, headers=headers))
        except NoAnswer as silence:
            raise Retry(str(silence)) from None
        if isinstance(answer, dict) and "result" in answer:
            return answer
        error = answer.get("error") if isinstance(answer, dict) else None
        if not isinstance(error, dict):
            raise ActivityFailed(f"{self.url} answers, but not as Zabbix does. Is that the right base URL?")
        raise self._failure(method, error)

    def _failure(self, method: str, error: dict[str, Any]) -> Exception:
        # An error of its database may quote what was asked.
        words = str(error.get("data") or error.get("message")).replace(self._connection.secret, "[token]")
        if error.get("code") == STARTUP_FAILED:
            return Retry(f"Zabbix is not ready: {words}")
        return ActivityFailed(f"Zabbix refuses {method}: {words}")

    def _owner_of_token(self) -> str:
        # Every other method words a wrong token in its user's language, and some as a lack of permissions.
        try:
            user = self.user.checkAuthentication(token=self._connection.secret)
        except ActivityFailed as refused:
            raise ActivityFailed(
                f"Zabbix does not take the API token of the connection {self._connection.name}: it is wrong, disabled"
                f" or expired, or its user may not sign in. Store another one in the connection. ({refused})"
            ) from None
        return str(user["username"])


def check(connection: Connection) -> str:
    """What is there, and for whom: ``Zabbix 6.0.14, user b24``. Raises as ``Client`` does."""
    client = Client(connection)
    return f"Zabbix {client.version}, user {client.username}"
