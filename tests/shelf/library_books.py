"""An activity that works in another system."""

from bizproc import Connection, Context, Properties, ReturnProperties, System, activity, connection, integer, string, t


def check(library: Connection) -> str:
    return f"{books(library)} books"


def books(library: Connection) -> int:
    answer = library.http.get(f"{library.base_url}/books", headers={"Authorization": f"Bearer {library.secret}"})
    number: int = library.json(answer)["books"]
    return number


LIBRARY = System(
    "library",
    name=t(en="Library", de="Bibliothek", ru="Библиотека"),
    secret=t(en="Reader's key", de="Leseschlüssel", ru="Ключ читателя"),
    check=check,
)


class Input(Properties):
    library: str = connection(LIBRARY, t(en="Library", de="Bibliothek", ru="Библиотека"), required=True)


class Output(ReturnProperties):
    books: int | None = integer("Books", default=None)
    error: str | None = string("Error", default=None)


@activity("count_books", name=t(en="Count books", de="Bücher zählen", ru="Посчитать книги"), waits=True, placement=True)
def count_books(given: Input, context: Context) -> Output:
    return Output(books=books(context.connection(LIBRARY, given.library)))
