"""Takes one property of every type and gives all back."""

import datetime as dt

from bizproc import (
    Context,
    Properties,
    ReturnProperties,
    User,
    activity,
    boolean,
    calendar_date,
    double,
    file,
    integer,
    select,
    string,
    text,
    time_of_day,
    timestamp,
    user,
)


class Input(Properties):
    flag: bool | None = boolean("Flag")
    day: dt.date | None = calendar_date("Day")
    moment: dt.datetime | None = timestamp("Moment")
    hour: dt.time | None = time_of_day("Hour")
    amount: float | None = double("Amount")
    number: int | None = integer("Number")
    choice: str | None = select("Choice", options={"a": "A", "b": "B"})
    line: str | None = string("Line")
    lines: str | None = text("Lines")
    person: User | None = user("Person")
    paper: str | None = file("Paper")
    numbers: list[int] = integer("Numbers", multiple=True)
    people: list[User] = user("People", multiple=True)
    days: list[dt.date] = calendar_date("Days", multiple=True)


class Output(ReturnProperties):
    flag_back: bool | None = boolean("Flag", default=None)
    day_back: dt.date | None = calendar_date("Day", default=None)
    moment_back: dt.datetime | None = timestamp("Moment", default=None)
    amount_back: float | None = double("Amount", default=None)
    number_back: int | None = integer("Number", default=None)
    choice_back: str | None = select("Choice", options={"a": "A", "b": "B"}, default=None)
    line_back: str | None = string("Line", default=None)
    lines_back: str | None = text("Lines", default=None)
    person_back: User | None = user("Person", default=None)
    numbers_back: list[int] = integer("Numbers", multiple=True, default=())
    people_back: list[User] = user("People", multiple=True, default=())
    days_back: list[dt.date] = calendar_date("Days", multiple=True, default=())


@activity("every_type", name="Every type", waits=True)
def every_type(given: Input, context: Context) -> Output:
    return Output(
        flag_back=given.flag,
        day_back=given.day,
        moment_back=given.moment,
        amount_back=given.amount,
        number_back=given.number,
        choice_back=given.choice,
        line_back=given.line,
        lines_back=given.lines,
        person_back=given.person,
        numbers_back=given.numbers,
        people_back=given.people,
        days_back=given.days,
    )
