"""Replace the configuration of an action of a Langdock integration."""

from activities.assistants.integrations_api import TRIES
from activities.assistants.steps import CONNECTION, ActionInput, ActionOutput, update_action
from activities.assistants.systems import LANGDOCK
from bizproc import Context, Filter, connection, robot, t
from bizproc.document_types import CRM, LISTS


class Input(ActionInput):
    connection: str = connection(LANGDOCK, CONNECTION, required=True)


@robot(
    "langdock_action",
    name=t(en="Update Langdock action", de="Langdock-Aktion aktualisieren", ru="Обновить действие Langdock"),
    description=t(
        en="Replaces name, description, code and input fields of an action that assistants use",
        de="Ersetzt Name, Beschreibung, Code und Eingabefelder einer Aktion, die Assistenten nutzen",
        ru="Заменяет название, описание, код и поля ввода действия, которым пользуются ассистенты",
    ),
    filter=Filter(include=[LISTS, CRM]),
    waits=True,
    tries=TRIES,
    placement=True,
)
def langdock_action(given: Input, context: Context) -> ActionOutput:
    return update_action(given, context.connection(LANGDOCK, given.connection))
