"""With what a development portal starts: the command line and the seed file."""

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, get_args

from bizproc.definition.filters import Edition
from devportal.dates import PortalDates

MAX_PORTALS: Final = 200


class OptionsError(ValueError):
    """An option or a seed that cannot be used; its text is one line for a person."""


@dataclass(frozen=True, slots=True)
class Seed:
    """What is random in every start unless a seed file gives it.

    Attributes:
        scope: the application's permissions, separated by commas.
        status: the application's status in every portal: L, F, D, T, P or S.
        utc_offset: the zone of all portals and their users, seconds east of UTC.
        portals: the member id of each portal, in order.
    """

    client_id: str = ""
    client_secret: str = ""
    scope: str = "bizproc,crm,user_brief"
    status: str = "L"
    utc_offset: int = 0
    member_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Options:
    """See `python -m devportal --help`. `tokens_live` is in seconds, `latency_ms` in milliseconds; port 0 is any."""

    port: int = 0
    portals: int = 1
    edition: Edition = "b24"
    lang: str = "en"
    date_format: str = "d.m.Y"
    tokens_live: float = 3600
    rate_limit: bool = False
    latency_ms: float = 0
    seed: Seed = field(default_factory=Seed)

    def __post_init__(self) -> None:
        if not 0 <= self.port <= 65_535:
            raise OptionsError(f"--port {self.port}: must be 0 to 65535")
        if not 1 <= self.portals <= MAX_PORTALS:
            raise OptionsError(f"--portals {self.portals}: must be 1 to {MAX_PORTALS}")
        if self.edition not in get_args(Edition):
            raise OptionsError(f"--edition {self.edition}: must be b24 or box")
        if not 0 < self.tokens_live <= 10**9:
            raise OptionsError(f"--tokens-live {self.tokens_live}: must be a positive number of seconds")
        if not 0 <= self.latency_ms <= 60_000:
            raise OptionsError(f"--latency {self.latency_ms}: must be 0 to 60000 milliseconds")
        if not -86_400 < self.seed.utc_offset < 86_400:
            raise OptionsError(f"utc_offset {self.seed.utc_offset}: must be less than a day, in seconds")
        try:
            PortalDates(self.date_format)
        except ValueError as error:
            raise OptionsError(f"--date-format: {error}") from None


def read_seed(path: Path) -> Seed:
    """A seed file: a JSON object with any of Seed's names, and `portals`, a list of `{"member_id": ...}`."""
    try:
        content = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise OptionsError(f"seed file {path}: {error.strerror or error}") from None
    except (ValueError, RecursionError) as error:
        raise OptionsError(f"seed file {path}: no JSON: {error}") from None
    if not isinstance(content, dict):
        raise OptionsError(f"seed file {path}: must be a JSON object")
    types: dict[str, type] = {"client_id": str, "client_secret": str, "scope": str, "status": str, "utc_offset": int}
    given: dict[str, Any] = {}
    for key, value in content.items():
        if key == "portals":
            given["member_ids"] = _member_ids(path, value)
        elif key not in types:
            raise OptionsError(f"seed file {path}: unknown key {key!r}; known are {', '.join([*types, 'portals'])}")
        elif not isinstance(value, types[key]) or isinstance(value, bool):
            raise OptionsError(f"seed file {path}: {key} must be {'a number' if types[key] is int else 'a text'}")
        else:
            given[key] = value
    return Seed(**given)


def _member_ids(path: Path, portals: Any) -> tuple[str, ...]:
    if not isinstance(portals, list) or not all(
        isinstance(portal, dict) and isinstance(portal.get("member_id"), str) for portal in portals
    ):
        raise OptionsError(f'seed file {path}: portals must be a list of {{"member_id": text}}')
    return tuple(portal["member_id"] for portal in portals)


def parse(arguments: Sequence[str]) -> Options:
    """The options of a command line. Unknown ones end the program with a usage line, as argparse does."""
    parser = argparse.ArgumentParser(
        prog="python -m devportal", description="An emulated Bitrix24: portals, OAuth server and queue server."
    )
    parser.add_argument("--port", type=int, default=0, help="port of the portals; 0 is any free one")
    parser.add_argument("--portals", type=int, default=1, help="how many; portal k answers on 127.0.0.k")
    parser.add_argument("--edition", choices=get_args(Edition), default="b24", help="cloud or self-hosted")
    parser.add_argument("--lang", default="en", help="the portals' language")
    parser.add_argument("--date-format", default="d.m.Y", help="d.m.Y, m/d/Y, Y-m-d; may name a time: 'm/d/Y h:i:s a'")
    parser.add_argument("--tokens-live", type=float, default=3600, help="seconds an access token lives")
    parser.add_argument("--rate-limit", choices=("on", "off"), default="off", help="2 calls a second, burst 50 (b24)")
    parser.add_argument("--latency", type=float, default=0, metavar="MS", help="milliseconds added to every answer")
    parser.add_argument("--seed", type=Path, metavar="FILE", help="JSON file with credentials and member ids")
    given = parser.parse_args(arguments)
    return Options(
        port=given.port,
        portals=given.portals,
        edition=given.edition,
        lang=given.lang,
        date_format=given.date_format,
        tokens_live=given.tokens_live,
        rate_limit=given.rate_limit == "on",
        latency_ms=given.latency,
        seed=read_seed(given.seed) if given.seed else Seed(),
    )
