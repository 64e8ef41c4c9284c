"""Every endpoint of the app, taken from its URL map, so that a new one is fuzzed without being asked for."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from flask import Flask

from handlers import open_ways_in


@dataclass(frozen=True)
class Endpoint:
    """One address of the app.

    methods: those it answers
    path: the address, with a text in the place of each variable
    """

    name: str
    methods: tuple[str, ...]
    path: Callable[[str], str]


def _endpoints() -> list[Endpoint]:
    app = Flask("fuzzed", static_folder=None)
    open_ways_in(app)
    return [
        Endpoint(f"{rule.endpoint} {rule.rule}", tuple(sorted(rule.methods or ())), _path(rule))
        for rule in sorted(app.url_map.iter_rules(), key=lambda rule: rule.rule)
    ]


def _path(rule: Any) -> Callable[[str], str]:
    # werkzeug's own parts of a rule: what is a variable and what is not.
    parts = [(is_variable, part) for is_variable, part in rule._trace if part != "|"]
    return lambda text: "".join(text if is_variable else part for is_variable, part in parts)


ENDPOINTS: Final = _endpoints()


def allowed(endpoint: Endpoint) -> tuple[str, ...]:
    """Its methods, and one that it does not know."""
    return (*endpoint.methods, "DELETE")
