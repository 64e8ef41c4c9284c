"""Change actions of Zabbix, such as to silence them during maintenance, and put them back as they were."""

import json
from collections.abc import Mapping
from typing import Any

from activities.zabbix import actions
from activities.zabbix.actions import CHANGEABLE, Row
from activities.zabbix.changes import changes, replacing, restored, said
from activities.zabbix.client import Client, check
from bizproc import (
    ActivityFailed,
    Context,
    Filter,
    Properties,
    ReturnProperties,
    System,
    boolean,
    connection,
    robot,
    string,
    t,
    text,
)
from bizproc.document_types import CRM, LISTS

ZABBIX = System("zabbix", name="Zabbix", secret=t(en="API token", de="API-Token", ru="API-токен"), check=check)


class Input(Properties):
    connection: str = connection(
        ZABBIX,
        t(en="Connection", de="Verbindung", ru="Подключение"),
        required=True,
    )
    actions: list[str] = string(
        t(en="Actions", de="Aktionen", ru="Действия"),
        description=t(
            en="Id or exact name, one per row",
            de="ID oder genauer Name, je Zeile einer",
            ru="ID или точное имя, по одному в строке",
        ),
        multiple=True,
        default=(),
    )
    enabled: bool | None = boolean(t(en="Enabled", de="Aktiviert", ru="Включено"), default=None)
    name: str | None = string(
        t(en="New name", de="Neuer Name", ru="Новое имя"),
        description=t(en="For one action", de="Für eine Aktion", ru="Для одного действия"),
        default=None,
    )
    esc_period: str | None = string(
        t(en="Step duration", de="Schrittdauer", ru="Длительность шага"),
        description=t(
            en="60 seconds to a week, such as 30m or {$PERIOD}",
            de="60 Sekunden bis eine Woche, etwa 30m oder {$PERIOD}",
            ru="От 60 секунд до недели, например 30m или {$PERIOD}",
        ),
        default=None,
    )
    pause_suppressed: bool | None = boolean(
        t(
            en="Pause for suppressed problems",
            de="Bei unterdrückten Problemen pausieren",
            ru="Приостанавливать для подавленных проблем",
        ),
        default=None,
    )
    pause_symptoms: bool | None = boolean(
        t(
            en="Pause for symptoms (Zabbix 6.4 and newer)",
            de="Bei Symptomen pausieren (ab Zabbix 6.4)",
            ru="Приостанавливать для симптомов (с Zabbix 6.4)",
        ),
        default=None,
    )
    notify_if_canceled: bool | None = boolean(
        t(
            en="Notify about cancelled escalations",
            de="Über abgebrochene Eskalationen benachrichtigen",
            ru="Уведомлять об отменённых эскалациях",
        ),
        default=None,
    )
    filter: str | None = text(
        t(en="Conditions (filter)", de="Bedingungen (filter)", ru="Условия (filter)"),
        description=t(
            en="An object of Zabbix's API, which replaces the present one",
            de="Ein Objekt der Zabbix-API, das das jetzige ersetzt",
            ru="Объект API Zabbix, который заменит нынешний",
        ),
        format="json",
        default=None,
    )
    operations: str | None = text(
        t(en="Operations", de="Operationen", ru="Операции"),
        description=t(
            en="A list of objects of Zabbix's API, which replaces the present one",
            de="Eine Liste von Objekten der Zabbix-API, die die jetzige ersetzt",
            ru="Список объектов API Zabbix, который заменит нынешний",
        ),
        format="json",
        default=None,
    )
    recovery_operations: str | None = text(
        t(en="Recovery operations", de="Wiederherstellungsoperationen", ru="Операции восстановления"),
        description=t(
            en="As above; only for trigger, internal and service actions",
            de="Wie oben; nur für Auslöser-, interne und Dienst-Aktionen",
            ru="Как выше; только для действий триггеров, внутренних и услуг",
        ),
        format="json",
        default=None,
    )
    update_operations: str | None = text(
        t(en="Update operations", de="Aktualisierungsoperationen", ru="Операции обновления"),
        description=t(
            en="As above; only for trigger and service actions",
            de="Wie oben; nur für Auslöser- und Dienst-Aktionen",
            ru="Как выше; только для действий триггеров и услуг",
        ),
        format="json",
        default=None,
    )
    restore: str | None = text(
        t(en="Restore", de="Wiederherstellen", ru="Восстановить"),
        description=t(
            en="The previous values that an earlier step has returned, instead of all above but the connection",
            de="Die vorherigen Werte, die ein früherer Schritt geliefert hat, statt allem oben außer der Verbindung",
            ru="Прежние значения, которые вернул более ранний шаг, вместо всего выше, кроме подключения",
        ),
        format="json",
        default=None,
    )
    dry_run: bool = boolean(
        t(en="Only tell what would change", de="Nur sagen, was sich ändern würde", ru="Только показать изменения"),
        default=False,
    )


class Output(ReturnProperties):
    actionids: list[str] = string(t(en="Action ids", de="Aktions-IDs", ru="ID действий"), multiple=True, default=())
    previous: str | None = text(
        t(en="Previous values", de="Vorherige Werte", ru="Прежние значения"),
        description=t(
            en="For the property Restore of a later step",
            de="Für die Eigenschaft „Wiederherstellen“ eines späteren Schritts",
            ru="Для свойства «Восстановить» более позднего шага",
        ),
        default=None,
    )
    changes: str | None = text(
        t(en="Changes", de="Änderungen", ru="Изменения"),
        description=t(en="Old and new, as JSON", de="Alt und neu, als JSON", ru="Старое и новое, в JSON"),
        default=None,
    )
    error: str | None = string(t(en="Error", de="Fehler", ru="Ошибка"), default=None)


# A robot is offered in the designer too (PROTOCOL.md section 1). What happens has nothing to do with the document:
# approvals run on the requests of the feed and on the items of CRM, robots on the latter.
@robot(
    "zabbix_action",
    name=t(en="Change Zabbix actions", de="Zabbix-Aktionen ändern", ru="Изменить действия Zabbix"),
    description=t(
        en="Enables, disables or changes actions in Zabbix, and can put them back as they were",
        de="Aktiviert, deaktiviert oder ändert Aktionen in Zabbix und kann sie wieder herstellen, wie sie waren",
        ru="Включает, отключает или изменяет действия в Zabbix и может вернуть их в прежнее состояние",
    ),
    filter=Filter(include=[LISTS, CRM]),
    waits=True,
    placement=True,
)
def zabbix_action(given: Input, context: Context) -> Output:
    updates = restored(given.restore) if given.restore else {}
    named = list(updates) or list(dict.fromkeys(each.strip() for each in given.actions))
    properties = wanted(given)
    if given.restore and (given.actions or properties):
        raise ActivityFailed("Restore says itself what becomes of which actions: leave the other properties empty.")
    if not named:
        raise ActivityFailed("Say which actions: by their ids or names, or by what an earlier step has returned.")
    if not given.restore and not properties:
        raise ActivityFailed("Say what is to change: all properties are empty.")
    if "name" in properties and len(named) > 1:
        raise ActivityFailed(f"{len(named)} actions cannot get one name: rename them one by one.")

    client = Client(context.connection(ZABBIX, given.connection))
    concerned = {name for update in updates.values() for name in update} or set(properties)

    def found() -> list[Row]:
        properties_read = [name for name in CHANGEABLE if name in concerned]
        return actions.find(client, named, properties_read, by_name=not updates)

    # What a run that is repeated would find is what its first try has left.
    before = context.checkpoint("before", found)
    updates = updates or {row["actionid"]: properties for row in before}
    for row in before:
        actions.check(client, row, updates[row["actionid"]])
    if given.dry_run:
        actionids = [row["actionid"] for row in before]
    else:
        # All or none: Zabbix changes them in one transaction. The same values again change nothing.
        sent = [{"actionid": actionid, **update} for actionid, update in updates.items()]
        actionids = client.action.update(sent)["actionids"]
    changing = changes(before, updates)
    context.log("A dry run, nothing was changed:" if given.dry_run else "Changed in Zabbix:")
    for line in said(changing, before):
        context.log(line)
    previous = [previous_of(row, updates[row["actionid"]]) for row in before]
    return Output(actionids=actionids, previous=as_json(previous), changes=as_json(changing))


def wanted(given: Input) -> Row:
    """The properties that a step gives, as ``action.update`` takes them; in Zabbix 0 means an enabled action."""
    properties = {
        "status": flag(given.enabled, yes="0", no="1"),
        "name": given.name and given.name.strip(),
        "esc_period": given.esc_period and given.esc_period.strip(),
        "pause_suppressed": flag(given.pause_suppressed),
        "pause_symptoms": flag(given.pause_symptoms),
        "notify_if_canceled": flag(given.notify_if_canceled),
        "filter": replacing("filter", given.filter),
        "operations": replacing("operations", given.operations),
        "recovery_operations": replacing("recovery_operations", given.recovery_operations),
        "update_operations": replacing("update_operations", given.update_operations),
    }
    return {name: value for name, value in properties.items() if value is not None}


def flag(value: bool | None, yes: str = "1", no: str = "0") -> str | None:
    return None if value is None else yes if value else no


def previous_of(row: Row, update: Mapping[str, Any]) -> Row:
    return {"actionid": row["actionid"]} | {name: row[name] for name in update}


def as_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
