"""The REST methods a portal has, apart from `batch`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from bizproc.definition import portal_rules
from bizproc.php import PhpArray, is_empty, to_int, to_text, upper, upper_keys
from devportal import lifecycle, steps
from devportal.cloud import Cloud
from devportal.errors import RestError, access_denied
from devportal.portal import EMPLOYEE, EventHandler, Portal
from devportal.tokens import Grant


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a method by somebody who is known."""

    cloud: Cloud
    portal: Portal
    grant: Grant
    params: PhpArray

    @property
    def admin(self) -> bool:
        return self.cloud.is_admin(self.grant.user_id)

    @property
    def application(self) -> bool:
        """Whether the call comes in application context; an incoming webhook's does not."""
        return self.grant.client_id is not None

    def require_admin_application(self) -> None:
        if not self.application:
            raise access_denied("Application context required")
        if not self.admin:
            raise access_denied()

    def require_oauth(self) -> None:
        if not self.application:
            raise RestError("WRONG_AUTH_TYPE", "Current authorization type is denied for this method", 403)


@dataclass(frozen=True, slots=True)
class Method:
    """`scope` None is for methods that every application may call."""

    scope: str | None
    call: Callable[[Call], Any]


def _records(action: str, robot: bool) -> Callable[[Call], Any]:
    def change(call: Call) -> bool:
        call.require_admin_application()
        with call.portal.lock:
            getattr(call.portal.records, action)(call.params, robot=robot)
        return True

    return change


def _codes(robot: bool) -> Callable[[Call], list[str]]:
    def codes(call: Call) -> list[str]:
        call.require_admin_application()
        with call.portal.lock:
            return call.portal.records.codes(robot=robot)

    return codes


def _event_send(call: Call) -> bool:
    params = upper_keys(call.params)
    steps.answer(call.portal, params.get("EVENT_TOKEN"), params.get("RETURN_VALUES"), params.get("LOG_MESSAGE"))
    return True


def _activity_log(call: Call) -> bool:
    params = upper_keys(call.params)
    steps.write_log(call.portal, params.get("EVENT_TOKEN"), params.get("LOG_MESSAGE"))
    return True


def _event_bind(call: Call) -> bool:
    call.require_oauth()
    params = upper_keys(call.params)
    event, url, user_id = _bound(call, params)
    if event not in lifecycle.EVENTS:
        raise RestError("ERROR_EVENT_NOT_FOUND", "Event not found")
    with call.portal.lock:
        handlers = call.portal.installation.handlers
        if any((handler.event, handler.url, handler.user_id) == (event, url, user_id) for handler in handlers):
            raise RestError("ERROR_CORE", "Unable to set event handler: Handler already binded")
        number = max((handler.number for handler in handlers), default=0) + 1
        handlers.append(EventHandler(number, event, url, user_id))
    return True


def _event_unbind(call: Call) -> dict[str, int]:
    call.require_oauth()
    params = upper_keys(call.params)
    event, url, user_id = _bound(call, params)
    every_user = call.admin and "AUTH_TYPE" not in params
    with call.portal.lock:
        handlers = call.portal.installation.handlers
        kept = [
            handler
            for handler in handlers
            if (handler.event, handler.url) != (event, url) or not (every_user or handler.user_id == user_id)
        ]
        count = len(handlers) - len(kept)
        handlers[:] = kept
    return {"count": count}


def _bound(call: Call, params: PhpArray) -> tuple[str, str, int]:
    """(event, handler, user) of `event.bind` and `event.unbind`. Only an administrator binds for others."""
    event, url = upper(to_text(params.get("EVENT"))), to_text(params.get("HANDLER"))
    user_id = to_int(params.get("AUTH_TYPE"))
    if not call.admin:
        if user_id not in (0, call.grant.user_id):
            raise access_denied("Event binding with AUTH_TYPE requires administrator access rights")
        user_id = call.grant.user_id
    for name, value in (("EVENT", event), ("HANDLER", url)):
        if not value:
            raise RestError("ERROR_ARGUMENT", f"Argument '{name}' is null or empty")
    portal_rules.check_handler(url)
    return event, url, user_id


def _event_get(call: Call) -> list[dict[str, Any]]:
    call.require_oauth()
    with call.portal.lock:
        return [
            {"event": handler.event, "handler": handler.url, "auth_type": str(handler.user_id), "offline": 0}
            for handler in call.portal.installation.handlers
            if call.admin or handler.user_id == call.grant.user_id
        ]


def _event_test(call: Call) -> int:
    call.require_oauth()
    lifecycle.send_test(call.cloud, call.portal, call.params, call.grant.user_id)
    return 1


def _app_info(call: Call) -> dict[str, Any]:
    cloud_edition = call.portal.edition == "b24"
    license_ = f"{call.portal.lang}_{'pro100' if cloud_edition else 'selfhosted'}"
    if not call.application:
        return {"SCOPE": sorted(call.cloud.application.scopes), "LICENSE": license_}
    installation = call.portal.installation
    info = {
        "ID": 1,
        "CODE": call.cloud.application.code,
        "VERSION": installation.version,
        "STATUS": call.cloud.application.status,
        "INSTALLED": installation.installed,
        "PAYMENT_EXPIRED": "Y" if installation.payment_expired else "N",
        "DAYS": None,
        "LANGUAGE_ID": call.portal.lang,
        "LICENSE": license_,
    }
    return info | ({"LICENSE_TYPE": "pro100", "LICENSE_FAMILY": "pro"} if cloud_edition else {})


def _profile(call: Call) -> dict[str, Any]:
    return {
        "ID": str(call.grant.user_id),
        "ADMIN": call.admin,
        "NAME": "Erika" if call.grant.user_id == EMPLOYEE else "Ada",
        "LAST_NAME": f"User {call.grant.user_id}",
        "PERSONAL_GENDER": "",
        "TIME_ZONE": "",
        "TIME_ZONE_OFFSET": call.portal.dates.utc_offset,
    }


def _user_current(call: Call) -> dict[str, Any]:
    profile = _profile(call)
    return {
        "ID": profile["ID"],
        "ACTIVE": True,
        "NAME": profile["NAME"],
        "LAST_NAME": profile["LAST_NAME"],
        "EMAIL": f"user{profile['ID']}@example.com",
        "TIME_ZONE": profile["TIME_ZONE"],
        "TIME_ZONE_OFFSET": str(profile["TIME_ZONE_OFFSET"]),
        "USER_TYPE": "employee",
    }


def _server_time(call: Call) -> str:
    return call.portal.dates.now().isoformat(timespec="seconds")


def _scope(call: Call) -> list[str]:
    return sorted(call.cloud.application.scopes)


def _methods(call: Call) -> list[str]:
    """Those of one SCOPE, of all scopes (FULL), or those this application may call."""
    params = upper_keys(call.params)
    wanted = to_text(params.get("SCOPE"))
    permitted = {None, *call.cloud.application.scopes}
    if wanted:
        return [name for name, method in METHODS.items() if method.scope == wanted]
    full = not is_empty(params.get("FULL"))
    return ["batch", *(name for name, method in METHODS.items() if full or method.scope in permitted)]


METHODS: Final[Mapping[str, Method]] = {
    "bizproc.activity.add": Method("bizproc", _records("add", robot=False)),
    "bizproc.activity.update": Method("bizproc", _records("update", robot=False)),
    "bizproc.activity.delete": Method("bizproc", _records("delete", robot=False)),
    "bizproc.activity.list": Method("bizproc", _codes(robot=False)),
    "bizproc.activity.log": Method("bizproc", _activity_log),
    "bizproc.robot.add": Method("bizproc", _records("add", robot=True)),
    "bizproc.robot.update": Method("bizproc", _records("update", robot=True)),
    "bizproc.robot.delete": Method("bizproc", _records("delete", robot=True)),
    "bizproc.robot.list": Method("bizproc", _codes(robot=True)),
    "bizproc.event.send": Method("bizproc", _event_send),
    "event.bind": Method(None, _event_bind),
    "event.unbind": Method(None, _event_unbind),
    "event.get": Method(None, _event_get),
    "event.test": Method(None, _event_test),
    "app.info": Method(None, _app_info),
    "profile": Method(None, _profile),
    "user.admin": Method(None, lambda call: call.admin),
    "user.current": Method("user_brief", _user_current),
    "server.time": Method(None, _server_time),
    "scope": Method(None, _scope),
    "methods": Method(None, _methods),
}
