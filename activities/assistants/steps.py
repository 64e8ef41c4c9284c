"""What a step asks for and returns, the same for both systems."""

import json

from activities.assistants import integrations_api
from activities.assistants.requests_checked import ActionUpdate, checked
from bizproc import Connection, Properties, ReturnProperties, integer, string, t, text

CONNECTION = t(en="Connection", de="Verbindung", ru="Подключение")
INTEGRATION_ID = t(en="Integration's ID", de="ID der Integration", ru="ID интеграции")
UUID_HINT = t(
    en="A UUID, such as 550e8400-e29b-41d4-a716-446655440000",
    de="Eine UUID wie 550e8400-e29b-41d4-a716-446655440000",
    ru="UUID, например 550e8400-e29b-41d4-a716-446655440000",
)
ERROR = t(en="Error", de="Fehler", ru="Ошибка")


class ActionInput(Properties):
    connection: str = string(CONNECTION, required=True)
    """Each system's step lists its own connections here."""
    integrationId: str = string(INTEGRATION_ID, description=UUID_HINT, required=True)
    actionId: str = string(
        t(en="Action's ID", de="ID der Aktion", ru="ID действия"), description=UUID_HINT, required=True
    )
    name: str = string(
        t(en="Name", de="Name", ru="Название"),
        description=t(en="At most 100 characters", de="Höchstens 100 Zeichen", ru="Не более 100 символов"),
        required=True,
    )
    description: str | None = text(
        t(en="Description", de="Beschreibung", ru="Описание"),
        description=t(
            en="Tells the assistant when to use the action. At most 1,000 characters; if empty, the action has none"
            " afterwards",
            de="Sagt dem Assistenten, wann er die Aktion nutzt. Höchstens 1.000 Zeichen; wenn leer, hat die Aktion"
            " danach keine",
            ru="Объясняет ассистенту, когда применять действие. Не более 1000 символов; если пусто, описания не будет",
        ),
    )
    code: str | None = text(
        t(en="Code", de="Code", ru="Код"),
        description=t(
            en="JavaScript that the action runs",
            de="JavaScript, das die Aktion ausführt",
            ru="JavaScript, который выполняет действие",
        ),
    )
    inputFields: str | None = text(
        t(en="Input fields", de="Eingabefelder", ru="Поля ввода"),
        description=t(
            en='A JSON list that replaces all fields, such as [{"label": "User", "type": "TEXT", "required": true}]',
            de='Eine JSON-Liste, die alle Felder ersetzt, etwa [{"label": "User", "type": "TEXT", "required": true}]',
            ru='Список JSON, заменяющий все поля, например [{"label": "User", "type": "TEXT", "required": true}]',
        ),
        format="json",
    )


class ActionOutput(ReturnProperties):
    id: str | None = string(t(en="Action's ID", de="ID der Aktion", ru="ID действия"), default=None)
    slug: str | None = string(t(en="Short name", de="Kurzname", ru="Краткое имя"), default=None)
    order: int | None = integer(t(en="Position", de="Position", ru="Позиция"), default=None)
    fields: str | None = text(
        t(en="Input fields (JSON)", de="Eingabefelder (JSON)", ru="Поля ввода (JSON)"), default=None
    )
    error: str | None = string(ERROR, default=None)


def update_action(given: ActionInput, connection: Connection) -> ActionOutput:
    """Replace an action's configuration. Raises ActivityFailed and Retry."""
    settings = ("integrationId", "actionId", "name", "description", "code", "inputFields")
    update = checked(ActionUpdate, **{name: getattr(given, name) for name in settings})
    action = integrations_api.update_action(connection, update)
    return ActionOutput(
        id=action.id,
        slug=action.slug,
        order=action.order,
        fields=json.dumps(action.inputFields, ensure_ascii=False),
    )
