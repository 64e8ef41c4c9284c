"""Figures of several rounds, as a benchmark prints them."""

import statistics
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

Result = TypeVar("Result")


def timed(work: Callable[..., Result], *arguments: object) -> tuple[float, Result]:
    """The seconds that it took, and what came of it."""
    started = time.perf_counter()
    result = work(*arguments)
    return time.perf_counter() - started, result


def spread(values: Sequence[float]) -> dict[str, float]:
    """The median of the rounds with the least and the most."""
    return {name: round(of(values), 3) for name, of in (("median", statistics.median), ("least", min), ("most", max))}


def told(values: dict[str, float], unit: str) -> str:
    return f"{values['median']:.2f}{unit} ({values['least']:.2f} to {values['most']:.2f})"
