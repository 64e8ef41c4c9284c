"""The same work in several processes at once, each with the app of its own."""

import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from typing import Any, TypeVar

from bizproc.backend import Backend
from bizproc.definition.registry import Registry
from bizproc.settings import Settings

Result = TypeVar("Result")


def in_processes(number: int, settings: Settings, work: Callable[..., Result], *args: Any) -> list[Result]:
    """What ``work(backend, *args)`` gave in each of the processes, which begin together."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.crowd"])
    barrier = context.Manager().Barrier(number)
    with ProcessPoolExecutor(number, mp_context=context) as pool:
        futures = [pool.submit(_one, barrier, settings, work, args) for _ in range(number)]
        return [future.result(timeout=60) for future in futures]


def _one(barrier: Any, settings: Settings, work: Callable[..., Result], args: tuple[Any, ...]) -> Result:
    backend = Backend(settings, Registry([]))
    try:
        barrier.wait(timeout=60)
        return work(backend, *args)
    finally:
        backend.close()
