"""b24pysdk, carried over this app's own connections.

What is changed, as measured on 1.3.2: addresses come from the proven endpoints with their scheme, connections are
kept, redirects are not followed, a refresh goes through whoever keeps the tokens, and no error holds an address with a
secret.
"""

import datetime as dt
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit

import requests
from b24pysdk import BitrixApp, BitrixToken
from b24pysdk.api.requesters import BitrixAPIRequester, BitrixOAuthRequester
from b24pysdk.api.requesters._base_requester import BaseRequester
from b24pysdk.client import BaseClient
from b24pysdk.errors import BitrixAPIError, BitrixRequestError, BitrixResponseError, BitrixSDKException

from bizproc.errors import BizprocError
from bizproc.portal.answers import UnusableAnswer, by_name, object_of, require_result, with_usable_time
from bizproc.portal.connections import ANSWER_SECONDS, Connections, host_of
from bizproc.portal.pace import Pace
from bizproc.portal.rest_log import RestLog

TRIES = 4
"""With pauses of 1, 2 and 4 s between, as PROTOCOL.md section 5 asks."""

SdkError = BitrixSDKException
Client = BaseClient


@dataclass(frozen=True)
class Tokens:
    """An access token and, unless the portal gave none, its refresh token."""

    access: str
    refresh: str | None
    expires_at: dt.datetime


class PortalRefused(BizprocError):
    """The OAuth server or a portal said no, and will say so again until a person changes something."""


class AdministratorNeeded(PortalRefused):
    """Whoever asks is no administrator of the portal, as far as it says."""


class PersonNeeded(PortalRefused):
    """The stored tokens of an installation never work again. Whatever needs them waits until an administrator has
    opened the app in the portal."""

    def __init__(self, why: str) -> None:
        super().__init__(f"The portal cannot be called: {why} An administrator has to open the app there once.")


class PortalUnavailable(BizprocError):
    """A portal could not do it now. ``retry_in``: seconds after which it may, where that is known."""

    def __init__(self, message: str, retry_in: float | None = None) -> None:
        super().__init__(message)
        self.retry_in = retry_in


def error_code(error: SdkError) -> str:
    """The portal's error code, in upper case; empty when there was no answer. Sources disagree on texts and status
    (PROTOCOL.md section 5), so only this decides."""
    if not isinstance(error, BitrixAPIError):
        return ""
    return str(error.json_response.get("error", "")).upper()


def described(error: SdkError | BizprocError) -> str:
    """The error for a person."""
    if isinstance(error, BizprocError):
        return str(error)
    if isinstance(error, BitrixAPIError):
        words = error.json_response.get("error_description") or ""
        return f"{error_code(error)}: {words}" if words else error_code(error)
    if isinstance(error, UnusableAnswer):
        return str(error)
    if isinstance(error, BitrixRequestError):
        return str(error.__cause__ or type(error).__name__)
    if isinstance(error, BitrixResponseError):
        return f"an answer with status {error.response.status_code} that is no JSON"
    return type(error).__name__


class _Moved(Exception):
    """A portal's address leads elsewhere now."""

    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.address = address


class _Bounded(BaseRequester):
    """The pauses of PROTOCOL.md section 5, and answers of which nothing is believed that was not looked at."""

    @property
    def _retry_timeout(self) -> float:
        return float(2 ** (self._used_retries - 1))

    @classmethod
    def _parse_response(cls, response: requests.Response) -> dict[str, Any]:
        answer = object_of(response)
        if "error" not in answer:
            return answer
        return super()._parse_response(response)


class _Requester(_Bounded, BitrixAPIRequester):
    def __init__(
        self, connections: Connections, rest_log: RestLog, url: str, params: Mapping[str, Any], seconds: float
    ) -> None:
        super().__init__(url, params=dict(params), max_retries=TRIES, initial_retry_delay=1)
        self.connections = connections
        self.seconds = seconds
        self.rest_log = rest_log
        self.method = url.rpartition("/")[2].removesuffix(".json")

    def _request(self) -> requests.Response:
        answer = self.rest_log.exchange(
            lambda: self.connections.send(
                "POST", self._url, json=self._params, headers=self._headers, seconds=self.seconds
            ),
            portal=host_of(self._url),
            method=self.method,
            params=self._params or {},
        )
        if answer.is_redirect:
            raise _Moved(answer.headers["Location"])
        return answer

    def call(self) -> dict[str, Any]:
        answer: dict[str, Any] = super().call()
        require_result(answer, method=self.method)
        return answer


class _OAuthRequester(_Bounded, BitrixOAuthRequester):
    def __init__(self, app: "PortalApp") -> None:
        super().__init__(app, max_retries=TRIES, initial_retry_delay=1)
        self.app = app

    def _request(self, url: str, params: Mapping[str, Any]) -> requests.Response:
        # The SDK names its own server: only the path is taken.
        address = self.app.oauth_url + urlsplit(url).path
        return self.app.rest_log.exchange(
            lambda: self.app.connections.send("GET", address, params=params, headers=self._headers),
            portal=host_of(address),
            method=urlsplit(address).path,
            params=params,
        )

    def refresh_oauth_token(self, refresh_token: str) -> dict[str, Any]:
        answer: dict[str, Any] = super().refresh_oauth_token(refresh_token)
        tokens = ("access_token", "refresh_token")
        return {name: value for name, value in answer.items() if name not in tokens or (value and type(value) is str)}

    def get_app_info(self, auth_token: str) -> Any:
        answer = super().get_app_info(auth_token)
        if not isinstance(answer.get("result"), dict):
            raise UnusableAnswer("an answer without a result")
        return answer


class PortalApp(BitrixApp):
    """This application at the operator's OAuth server, whatever server a request names.

    allowed_portals: patterns such as ``*.bitrix24.de``, of which a portal's host matches one; none allow every portal
    """

    def __init__(
        self,
        *,
        client_id: str,
        client_secret: str,
        oauth_url: str,
        connections: Connections,
        pace: Pace,
        rest_log: RestLog,
        allowed_portals: Sequence[str] = (),
    ) -> None:
        super().__init__(client_id=client_id, client_secret=client_secret)
        self.oauth_url = oauth_url
        self.connections = connections
        self.pace = pace
        self.rest_log = rest_log
        self.allowed_portals = tuple(allowed_portals)

    def refreshed(self, refresh_token: str) -> Tokens:
        """Both new tokens; the old ones no longer work.

        Raises SdkError, and PortalRefused when the answer has no tokens in it.
        """
        # The SDK's own reading refuses an answer whose status it does not know; statuses come and go (PROTOCOL.md 1).
        answer = _OAuthRequester(self).refresh_oauth_token(refresh_token)
        try:
            return Tokens(
                access=str(answer["access_token"]),
                refresh=str(answer["refresh_token"]),
                expires_at=dt.datetime.now(dt.UTC) + dt.timedelta(seconds=int(answer["expires_in"])),
            )
        except (KeyError, TypeError, ValueError, OverflowError):
            raise PortalRefused("The OAuth server's answer to a refresh has no tokens in it.") from None

    def app_info(self, access_token: str) -> dict[str, Any]:
        """The raw ``result`` of ``app.info``, whose shape nobody could confirm (PROTOCOL.md section 3).

        Raises SdkError.
        """
        result = _OAuthRequester(self).get_app_info(access_token).get("result")
        return dict(result) if isinstance(result, dict) else {}


@dataclass(frozen=True)
class BatchAnswer:
    """What each command of a batch gave, by the command's name; one that failed is in ``errors`` alone, as an object
    with ``error`` and ``error_description``."""

    results: dict[str, Any]
    errors: dict[str, dict[str, Any]]


class PortalToken(BitrixToken):
    """The token with which one portal is called.

    endpoint: the proven ``client_endpoint``
    renew: gives tokens that work in the place of this access token; may raise SdkError and BizprocError
    follow: gives the proven endpoint of a portal whose old one leads to another address; takes the access token and
        that address, and raises SdkError and BizprocError
    seconds: how long an answer is waited for
    """

    _AUTO_CHANGED_DOMAIN = False

    def __init__(
        self,
        *,
        endpoint: str,
        tokens: Tokens,
        app: PortalApp,
        renew: Callable[[str], Tokens],
        follow: Callable[[str, str], str],
        seconds: float = ANSWER_SECONDS,
    ) -> None:
        super().__init__(
            domain=host_of(endpoint),
            auth_token=tokens.access,
            refresh_token=tokens.refresh or "",  # never None: whether it can be renewed is renew's to say
            expires=tokens.expires_at,
            bitrix_app=app,
        )
        self._endpoint = endpoint
        self._follow = follow
        self._seconds = seconds
        self._connections = app.connections
        self._pace = app.pace
        self._rest_log = app.rest_log
        self._renew = renew
        self.operating_resets_at: dict[str, dt.datetime] = {}
        """When a working time that is used up begins anew, by method, as far as the portal's answers have told."""

    def call_method(self, api_method: str, params: dict[str, Any] | None = None, *_: Any, **__: Any) -> dict[str, Any]:
        """One REST call, the batch included; an expired token is renewed once, and a portal that has moved is called
        again where it is proven to be now. Raises SdkError, PortalRefused and PortalUnavailable."""

        def call() -> dict[str, Any]:
            url = f"{self._endpoint.rstrip('/')}/{api_method}.json"
            self._pace.wait(self.domain)
            answer = _Requester(
                self._connections, self._rest_log, url, {**(params or {}), "auth": self.auth_token}, self._seconds
            ).call()
            self._pace.note(self.domain, answer)
            self._note_working_time(api_method, params or {}, answer)
            return with_usable_time(answer)

        def call_where_it_is() -> dict[str, Any]:
            try:
                return call()
            except _Moved as moved:
                self._endpoint = self._follow(self.auth_token, moved.address)
                self.domain = host_of(self._endpoint)
            try:
                return call()
            except _Moved as moved:
                where = host_of(moved.address)
                raise PortalUnavailable(f"{self.domain} leads on to {where}, which is one move too many") from None

        return self._execute_with_retries(call_where_it_is)

    def batch(self, commands: Mapping[str, tuple[str, dict[str, Any]]]) -> BatchAnswer:
        """At most 50 calls in one, under names that are no numbers: PHP would make lists of the answers.

        Raises SdkError when the batch as a whole fails.
        """
        # The SDK's own way to write a query takes a third of the time of a registration.
        cmd = {name: f"{method}?{urlencode(list(_variables(params)))}" for name, (method, params) in commands.items()}
        answer: Any = self.call_method("batch", {"cmd": cmd, "halt": 0})["result"]
        return BatchAnswer(results=by_name(answer["result"]), errors=by_name(answer["result_error"]))

    def _note_working_time(self, api_method: str, params: Mapping[str, Any], answer: dict[str, Any]) -> None:
        times = {api_method: answer.get("time")}
        result = answer.get("result")
        if isinstance(result, dict) and isinstance(result.get("result_time"), dict):
            told = result["result_time"]
            times |= {command.partition("?")[0]: told.get(name) for name, command in params.get("cmd", {}).items()}
        for method, time in times.items():
            resets = str(time.get("operating_reset_at", "")) if isinstance(time, dict) else ""
            if resets.isdecimal() and len(resets) < 11:
                self.operating_resets_at[method] = dt.datetime.fromtimestamp(int(resets), dt.UTC)

    def refresh_and_set_oauth_token(self, **_: Any) -> None:
        tokens = self._renew(self.auth_token)
        self.auth_token, self.expires = tokens.access, tokens.expires_at


def _variables(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """The variables of a query string in which PHP finds this value, such as ``FIELDS[NAME][en]``."""
    if isinstance(value, Mapping):
        items: Iterable[tuple[Any, Any]] = value.items()
    elif isinstance(value, (list, tuple)):
        items = enumerate(value)
    else:
        yield name, "" if value is None else str(value)
        return
    for key, each in items:
        yield from _variables(each, f"{name}[{key}]" if name else str(key))
