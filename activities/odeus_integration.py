"""Change an Odeus integration: its name, description, icon and color."""

from activities.assistants import integrations_api
from activities.assistants.integrations_api import TRIES
from activities.assistants.requests_checked import IntegrationUpdate, checked
from activities.assistants.steps import CONNECTION, ERROR, INTEGRATION_ID, UUID_HINT
from activities.assistants.systems import ODEUS
from bizproc import Context, Filter, Properties, ReturnProperties, connection, robot, string, t
from bizproc.document_types import CRM, LISTS


class Input(Properties):
    connection: str = connection(ODEUS, CONNECTION, required=True)
    integrationId: str = string(INTEGRATION_ID, description=UUID_HINT, required=True)
    name: str | None = string(
        t(en="New name", de="Neuer Name", ru="Новое название"),
        description=t(
            en="At most 40 characters; if empty, it stays",
            de="Höchstens 40 Zeichen; wenn leer, bleibt er",
            ru="Не более 40 символов; если пусто, не изменится",
        ),
    )
    description: str | None = string(
        t(en="New description", de="Neue Beschreibung", ru="Новое описание"),
        description=t(
            en="At most 90 characters; if empty, it stays",
            de="Höchstens 90 Zeichen; wenn leer, bleibt sie",
            ru="Не более 90 символов; если пусто, не изменится",
        ),
    )
    iconUrl: str | None = string(
        t(en="Icon's address", de="Adresse des Symbols", ru="Адрес значка"),
        description=t(
            en="Such as https://example.com/icon.png; if empty, it stays",
            de="Etwa https://example.com/icon.png; wenn leer, bleibt es",
            ru="Например, https://example.com/icon.png; если пусто, не изменится",
        ),
    )
    color: str | None = string(
        t(en="Color", de="Farbe", ru="Цвет"),
        description=t(
            en="A hex code, such as #1A73E8; if empty, it stays",
            de="Ein Hex-Code wie #1A73E8; wenn leer, bleibt sie",
            ru="Шестнадцатеричный код, например #1A73E8; если пусто, не изменится",
        ),
    )


class Output(ReturnProperties):
    id: str | None = string(INTEGRATION_ID, default=None)
    currentName: str | None = string(t(en="Name", de="Name", ru="Название"), default=None)
    currentDescription: str | None = string(t(en="Description", de="Beschreibung", ru="Описание"), default=None)
    error: str | None = string(ERROR, default=None)


@robot(
    "odeus_integration",
    name=t(en="Update Odeus integration", de="Odeus-Integration aktualisieren", ru="Обновить интеграцию Odeus"),
    description=t(
        en="Changes name, description, icon or color of an integration; what is left empty stays",
        de="Ändert Name, Beschreibung, Symbol oder Farbe einer Integration; was leer ist, bleibt",
        ru="Меняет название, описание, значок или цвет интеграции; незаполненное не изменится",
    ),
    filter=Filter(include=[LISTS, CRM]),
    waits=True,
    tries=TRIES,
    placement=True,
)
def odeus_integration(given: Input, context: Context) -> Output:
    settings = ("integrationId", "name", "description", "iconUrl", "color")
    update = checked(IntegrationUpdate, **{name: getattr(given, name) for name in settings})
    changed = integrations_api.update_integration(context.connection(ODEUS, given.connection), update)
    return Output(id=changed.id, currentName=changed.name, currentDescription=changed.description)
