"""The form on the app's own page by which administrators of a portal manage its connections to other systems."""

import json
from collections.abc import Callable
from typing import Any

from flask import Blueprint
from werkzeug.exceptions import BadRequest

from bizproc.definition.text import t
from bizproc.portal.installations import Installation
from bizproc.systems.addresses import UnusableAddress
from bizproc.systems.connections import ConnectionRefused
from handlers import backend
from handlers.forms import asked_language, body
from handlers.pages import administrator

blueprint = Blueprint("connections", __name__)

TEXTS = {
    "connections": t(en="Connections", de="Verbindungen", ru="Подключения"),
    "connections_about": t(
        en="Some activities work in other systems. Steps name the connection over which they do. Its secret is stored"
        " encrypted and is never shown again.",
        de="Manche Aktivitäten arbeiten in anderen Systemen. Im Schritt wählt man die Verbindung dorthin. Ihr Geheimnis"
        " wird verschlüsselt gespeichert und nie wieder gezeigt.",
        ru="Некоторые действия работают в других системах. В шаге выбирают подключение. Его секрет хранится в"
        " зашифрованном виде и больше не показывается.",
    ),
    "no_connection": t(
        en="There is no connection yet.", de="Es gibt noch keine Verbindung.", ru="Подключений пока нет."
    ),
    "add_connection": t(en="Add a connection", de="Verbindung hinzufügen", ru="Добавить подключение"),
    "change_connection": t(en="Change the connection", de="Verbindung ändern", ru="Изменить подключение"),
    "system": t(en="System", de="System", ru="Система"),
    "connection_name": t(en="Name", de="Name", ru="Название"),
    "base_url": t(en="Base URL", de="Basisadresse", ru="Базовый адрес"),
    "check_first": t(
        en="Store it only if it works", de="Nur speichern, wenn sie funktioniert", ru="Сохранить, только если работает"
    ),
    "store": t(en="Store", de="Speichern", ru="Сохранить"),
    "cancel": t(en="Cancel", de="Abbrechen", ru="Отмена"),
    "check": t(en="Check", de="Prüfen", ru="Проверить"),
    "change": t(en="Change", de="Ändern", ru="Изменить"),
    "remove": t(en="Remove", de="Entfernen", ru="Удалить"),
    "remove_really": t(
        en="Remove this connection? Steps that name it fail from then on.",
        de="Diese Verbindung entfernen? Schritte, die sie nennen, scheitern dann.",
        ru="Удалить это подключение? Шаги, в которых оно выбрано, будут завершаться ошибкой.",
    ),
    "checking": t(en="Checking …", de="Wird geprüft …", ru="Проверка…"),
    "storing": t(en="Storing …", de="Wird gespeichert …", ru="Сохранение…"),
    "stored": t(en="Stored.", de="Gespeichert.", ru="Сохранено."),
    "removed": t(en="Removed.", de="Entfernt.", ru="Удалено."),
    "works": t(en="It works:", de="Sie funktioniert:", ru="Работает:"),
    "page_too_old": t(
        en="This page is too old. Reload it.",
        de="Diese Seite ist zu alt. Laden Sie sie neu.",
        ru="Страница устарела. Обновите её.",
    ),
}


@blueprint.post("/connections")
def add() -> dict[str, Any]:
    """Store a connection, checked before unless the page says ``"check": false``; see ``_answered``."""
    installation, given = _given()
    replace, check = given.get("replace") is True, given.get("check") is not False
    texts = [_text(given, name) for name in ("system", "name", "base_url", "secret")]
    return _answered(
        installation, lambda: backend().connections.add(installation, *texts, replace=replace, check=check)
    )


@blueprint.post("/connections/check")
def check() -> dict[str, Any]:
    installation, given = _given()
    system, name = _text(given, "system"), _text(given, "name")
    return _answered(installation, lambda: backend().connections.check(installation, system, name))


@blueprint.post("/connections/remove")
def remove() -> dict[str, Any]:
    installation, given = _given()
    system, name = _text(given, "system"), _text(given, "name")
    return _answered(installation, lambda: backend().connections.remove(installation, system, name))


def shown(installation: Installation, language: str) -> dict[str, Any]:
    """``systems``: code, name, what its secret is called, and the base URL for those that are given none;
    ``connections``: system, its name, name and base URL.
    No secret."""
    systems = {code: system.name.shown_in(language) for code, system in backend().registry.systems.items()}
    return {
        "systems": [
            {
                "code": each.code,
                "name": systems[each.code],
                "secret": each.secret.shown_in(language),
                "base_url": each.base_url,
            }
            for each in backend().registry.systems.values()
        ],
        "connections": [
            {
                "system": each.system,
                "system_name": systems.get(each.system, each.system),
                "known": each.system in systems,
                "name": each.name,
                "base_url": each.base_url,
            }
            for each in backend().connections.all(installation)
        ],
    }


def _answered(installation: Installation, do: Callable[[], str | None]) -> dict[str, Any]:
    """``told``: what the system has said, and ``connections`` as they are then; or an ``error`` for people."""
    try:
        told = do()
    except (ConnectionRefused, UnusableAddress) as error:
        return {"error": str(error)}
    return {"told": told or "", **shown(installation, asked_language() or installation.language)}


def _given() -> tuple[Installation, dict[str, Any]]:
    """Raises Forbidden for whoever is no administrator, BadRequest for what is no JSON object."""
    installation = administrator()
    try:
        given = json.loads(body() or b"{}")
    except (ValueError, RecursionError):
        raise BadRequest from None
    if not isinstance(given, dict):
        raise BadRequest
    return installation, given


def _text(given: dict[str, Any], name: str) -> str:
    value = given.get(name, "")
    if not isinstance(value, str):
        raise BadRequest
    return value
