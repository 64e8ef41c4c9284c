"""The pages that a portal opens: the install page and the app's own (PROTOCOL.md section 2)."""

import logging
from typing import Any

from flask import Blueprint, Response, request, url_for

from bizproc.definition.text import LocalizedText, t
from bizproc.php import PhpArray
from bizproc.portal.b24 import AdministratorNeeded, PortalRefused, PortalUnavailable
from bizproc.portal.installations import Installation
from bizproc.portal.visitor import Visitor, visitor
from bizproc.runs.callback import number, text
from handlers import backend, connections
from handlers.forms import UnreadableForm, asked, asked_language, form, tokens
from handlers.pages import administrator, asking, origin, page
from handlers.refusals import refusal
from handlers.senders import refused

logger = logging.getLogger(__name__)
blueprint = Blueprint("install", __name__, template_folder="templates")

TEXTS = {
    "title": t(en="Activities", de="Aktivitäten", ru="Действия"),
    "installing": t(
        en="The activities are being registered in your portal.",
        de="Die Aktivitäten werden in Ihrem Portal angemeldet.",
        ru="Действия регистрируются на вашем портале.",
    ),
    "installed": t(
        en="Done. You find the activities in the designer of your business processes.",
        de="Fertig. Sie finden die Aktivitäten im Designer Ihrer Geschäftsprozesse.",
        ru="Готово. Действия доступны в дизайнере бизнес-процессов.",
    ),
    "partly": t(
        en="Done, but the portal refused some activities.",
        de="Fertig, aber das Portal hat einige Aktivitäten abgelehnt.",
        ru="Готово, но портал отклонил некоторые действия.",
    ),
    "failed": t(
        en="The activities could not be registered.",
        de="Die Aktivitäten konnten nicht angemeldet werden.",
        ru="Не удалось зарегистрировать действия.",
    ),
    "lost": t(
        en="The app does not answer. Reload the page in a moment.",
        de="Die App antwortet nicht. Laden Sie die Seite gleich noch einmal.",
        ru="Приложение не отвечает. Обновите страницу через минуту.",
    ),
    "introduction": t(
        en="This app adds steps to the designer of your business processes.",
        de="Diese App ergänzt den Designer Ihrer Geschäftsprozesse um Schritte.",
        ru="Приложение добавляет шаги в дизайнер бизнес-процессов.",
    ),
    "waiting": t(en="waiting", de="wartet", ru="ожидает"),
    "sending": t(en="being sent", de="wird gesendet", ru="отправляется"),
    "added": t(en="added", de="hinzugefügt", ru="добавлено"),
    "updated": t(en="up to date", de="aktuell", ru="обновлено"),
    "replaced": t(en="replaced", de="ersetzt", ru="заменено"),
    "refused": t(en="refused", de="abgelehnt", ru="отклонено"),
    "register": t(en="Register again", de="Noch einmal anmelden", ru="Зарегистрировать снова"),
    "person_needed": t(
        en="The app cannot reach this portal any more: an administrator has to open this page once. Until then running"
        " processes wait.",
        de="Die App erreicht dieses Portal nicht mehr: ein Administrator muss diese Seite einmal öffnen. Bis dahin"
        " warten die laufenden Prozesse.",
        ru="Приложение больше не может обращаться к порталу: администратор должен один раз открыть эту страницу. До"
        " этого запущенные процессы ждут.",
    ),
    "activity": t(en="Activity", de="Aktivität", ru="Действие"),
    "robot": t(en="Automation rule", de="Automatisierungsregel", ru="Робот"),
}
NOT_PROVEN = t(
    en="The portal could not be confirmed, so nothing was installed. Open the app from your portal once more.",
    de="Das Portal konnte nicht bestätigt werden, es wurde nichts installiert. Öffnen Sie die App noch einmal aus Ihrem"
    " Portal.",
    ru="Не удалось подтвердить портал, установка не выполнена. Откройте приложение на портале ещё раз.",
)
NO_ADMINISTRATOR = t(
    en="Only an administrator of your portal can install this app. Ask one of them to open it.",
    de="Nur ein Administrator Ihres Portals kann diese App installieren. Bitten Sie einen von ihnen, sie zu öffnen.",
    ru="Установить приложение может только администратор портала. Попросите его открыть приложение.",
)


@blueprint.get("/install")
@blueprint.get("/")
def visited() -> Response:
    """For people and for the publisher console, which asks with HEAD whether the address is there."""
    return refusal(200, "This is an app for Bitrix24. It is opened from a portal.")


@blueprint.post("/install")
def install() -> Response:
    """Install or install again, whatever is already there: the portal may have wiped everything."""
    fields: PhpArray = {}
    try:
        fields = form()
        return _installed(fields)
    except (PortalRefused, PortalUnavailable, UnreadableForm) as error:
        return _refused(error, fields)


@blueprint.post("/")
def main() -> Response:
    """The app's own page, which also installs in a portal that is not known yet."""
    fields: PhpArray = {}
    try:
        fields = form()
        installation = backend().installations.find(text(fields, "member_id"))
        known = installation is not None and installation.active
        if installation is None or not known or not _has_token(installation, fields):
            return _installed(fields)
        who = _visitor(fields)
    except (PortalRefused, PortalUnavailable, UnreadableForm) as error:
        return _refused(error, fields)
    backend().installations.opened(installation, who, app_host=request.host)
    if backend().registration.differs(installation):
        backend().register(installation)
    return _page(installation, who, "main.html")


@blueprint.post("/register")
def register() -> Response:
    """Register the activities again, whatever was accepted before; asked for by an administrator on the app's page."""
    installation = administrator()
    backend().registrations.forget_refusals(installation.id)
    backend().register(installation)
    return Response(status=204)


@blueprint.get("/install/progress")
def progress() -> dict[str, Any]:
    """``state`` of the registration (``running``, ``done``, ``partly``, ``failed``), ``activities``, ``error``."""
    _, installation = asking()
    activities = _activities(installation)
    if installation.register_due_at is not None:
        state = "running"
    elif installation.register_error:
        state = "failed"
    else:
        state = "partly" if any(each["action"] == "refused" for each in activities) else "done"
    return {"state": state, "activities": activities, "error": installation.register_error}


def _installed(fields: PhpArray) -> Response:
    """Raises as ``_visitor`` does."""
    who = _visitor(fields)
    installation = backend().install(
        who, application_token=text(fields, "APPLICATION_TOKEN"), language=asked_language(), app_host=request.host
    )
    return _page(installation, who, "install.html")


def _visitor(fields: PhpArray) -> Visitor:
    """Raises PortalRefused for a form that the OAuth server does not confirm, PortalUnavailable when it cannot be
    asked."""
    given = tokens(text(fields, "AUTH_ID"), text(fields, "REFRESH_ID"), number(fields, "AUTH_EXPIRES"))
    if not given.access or not text(fields, "APPLICATION_TOKEN"):
        raise PortalRefused("the form is not the one with which a portal opens an app")
    return visitor(backend().app, given, member_id=text(fields, "member_id"), endpoint=asked("DOMAIN"))


def _has_token(installation: Installation, fields: PhpArray) -> bool:
    return backend().installations.proves(installation, text(fields, "APPLICATION_TOKEN"))


def _refused(error: Exception, fields: PhpArray) -> Response:
    refused("page", error, "install", text(fields, "member_id"))
    # Shown inside the portal's iframe, and nobody has said yet which portal that is; the page has nothing to click.
    words = NO_ADMINISTRATOR if isinstance(error, AdministratorNeeded) else NOT_PROVEN
    return refusal(403, words.shown_in(asked_language()), portal="*", language=asked_language())


def _page(installation: Installation, who: Visitor, template: str) -> Response:
    language = asked_language() or installation.language
    return page(
        template,
        portal=origin(who.proof.client_endpoint),
        language=language,
        texts={name: words.shown_in(language) for name, words in (TEXTS | connections.TEXTS).items()},
        activities=_activities(installation),
        administrator=who.administrator is True,
        person_needed=installation.person_needed_since is not None and who.administrator is not True,
        page_token=backend().page_token(installation, who),
        connected=connections.shown(installation, language) if who.administrator is True else {},
        connections_url=url_for("connections.add"),
        progress_url=url_for("install.progress"),
        register_url=url_for("install.register"),
    )


def _activities(installation: Installation) -> list[dict[str, str]]:
    """The app's activities, with what the portal holds of each."""
    language = asked_language() or installation.language
    last = backend().registrations.last(installation.id)
    shown = []
    for activity in backend().registry:
        definition = activity.definition
        sent = last.get(definition.code)
        shown.append(
            {
                "code": definition.code,
                "kind": definition.kind,
                "name": definition.name.shown_in(language),
                "description": _words(definition.description, language),
                "action": sent.action if sent else "waiting",
                "error": (sent.error or "") if sent else "",
            }
        )
    return shown


def _words(localized: LocalizedText | None, language: str) -> str:
    return localized.shown_in(language) if localized else ""
