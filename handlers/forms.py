"""Read a request's form as a portal writes it. The query string never mixes with it."""

from flask import request

from bizproc.php import PhpArray, parse_str


class UnreadableForm(ValueError):
    """The form has too many fields, or too deep ones."""


def form() -> PhpArray:
    """Raises UnreadableForm."""
    try:
        return parse_str(request.get_data(cache=True))
    except ValueError as error:
        raise UnreadableForm(str(error)) from None
