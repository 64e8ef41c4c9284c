"""How lists are printed."""

from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.table import Table

WIDE = 200
"""Columns where the output is no terminal: scripts and logs want whole lines."""


def show(columns: Sequence[str], rows: Iterable[Sequence[str]], *, nothing: str) -> None:
    """Print a table, or the sentence ``nothing`` when it has no rows."""
    table = Table(box=None, pad_edge=False)
    for number, column in enumerate(columns):
        table.add_column(column, no_wrap=number == 0, overflow="fold")
    for row in rows:
        table.add_row(*row)
    console = Console()
    if not console.is_terminal:
        console = Console(width=WIDE)
    console.print(table if table.row_count else nothing, markup=False, highlight=False)


def show_one(fields: dict[str, str]) -> None:
    """Print names and values, one a line."""
    width = max(map(len, fields))
    Console(width=None if Console().is_terminal else WIDE).print(
        "\n".join(f"{name:<{width}}  {value}".rstrip() for name, value in fields.items()),
        markup=False,
        highlight=False,
        soft_wrap=True,
    )
