"""Steps with a settings dialog of their own: a form of every type, and a template."""

import datetime as dt
import threading
from collections.abc import Mapping

from bizproc import (
    Context,
    DialogContext,
    Properties,
    User,
    activity,
    boolean,
    calendar_date,
    double,
    email,
    file,
    integer,
    internalselect,
    phone,
    select,
    string,
    t,
    text,
    time_of_day,
    timestamp,
    user,
    userfield,
    web,
)

ANSWERS = threading.Event()
"""Set while ``slow`` is to answer."""


def people(context: DialogContext) -> Mapping[str, str]:
    """Asks the portal in the name of whoever has opened the dialog."""
    who = context.portal.user.current().result
    return {f"user_{who['ID']}": f"{who['NAME']} {context.domain} {context.member_id} {context.language}"}


def broken(context: DialogContext) -> Mapping[str, str]:
    raise RuntimeError("a secret detail")


def slow(context: DialogContext) -> Mapping[str, str]:
    ANSWERS.wait(60)
    return {"a": "A"}


class EveryField(Properties):
    line: str = string(t(en="Line", de="Zeile", ru="Строка"), required=True, description=t(en="Any words", de="Text"))
    lines: str | None = text(t(en="Lines", de="Zeilen", ru="Строки"))
    body: str | None = text(t(en="Body", de="Inhalt", ru="Тело"), format="json")
    flag: bool | None = boolean(t(en="Flag", de="Schalter", ru="Флажок"))
    number: int = integer(t(en="Number", de="Zahl", ru="Число"), default=7)
    amount: float | None = double(t(en="Amount", de="Betrag", ru="Сумма"))
    choice: str = select(t(en="Choice", de="Auswahl", ru="Выбор"), options={"a": "A", "b": "B"}, default="b")
    day: dt.date | None = calendar_date(t(en="Day", de="Tag", ru="День"))
    moment: dt.datetime | None = timestamp(t(en="Moment", de="Zeitpunkt", ru="Момент"))
    hour: dt.time | None = time_of_day(t(en="Hour", de="Uhrzeit", ru="Время"))
    person: User | None = user(t(en="Person", de="Person", ru="Сотрудник"))
    paper: str | None = file(t(en="Paper", de="Papier", ru="Файл"))
    mail: str | None = email(t(en="E-mail", de="E-Mail", ru="Почта"))
    telephone: str | None = phone(t(en="Phone", de="Telefon", ru="Телефон"))
    site: str | None = web(t(en="Site", de="Seite", ru="Сайт"))
    stage: str | None = internalselect(t(en="Stage", de="Phase", ru="Стадия"))
    money: str | None = userfield(t(en="Money", de="Geld", ru="Деньги"), type="UF:money")
    numbers: list[int] = integer(t(en="Numbers", de="Zahlen", ru="Числа"), multiple=True)
    days: list[dt.date] = calendar_date(t(en="Days", de="Tage", ru="Дни"), multiple=True)
    choices: list[str] = select(
        t(en="Choices", de="Auswahlen", ru="Варианты"), options={"a": "A", "b": "B"}, multiple=True, required=True
    )
    flags: list[bool] = boolean(t(en="Flags", de="Schalter", ru="Флажки"), multiple=True)
    texts: list[str] = text(t(en="Texts", de="Texte", ru="Тексты"), multiple=True, default=("one", "two"))


class Listed(Properties):
    who: str | None = select("Who", options=people)
    broken: str = select("Broken", options=broken, required=True)
    slow: list[str] = select("Slow", options=slow, multiple=True)


class Own(Properties):
    words: str = string("Words", default="hello")
    mood: str = string("Mood", default="calm")


@activity("every_field", name=t(en="Every field", de="Jedes Feld", ru="Все поля"), placement=True)
def every_field(given: EveryField, context: Context) -> None: ...


@activity("listed", name="Listed", placement=True)
def listed(given: Listed, context: Context) -> None: ...


@activity("own_dialog", name="Own dialog", placement="my_dialog.html")
def own_dialog(given: Own, context: Context) -> None: ...
