"""Something that is done again and again while other things happen."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager


@contextmanager
def meanwhile(work: Callable[[], object], every_seconds: float) -> Iterator[None]:
    """In a thread of its own until the block ends. Raises then what ``work`` raised."""
    ended = threading.Event()

    def again() -> None:
        while not ended.wait(every_seconds):
            work()

    with ThreadPoolExecutor(1) as thread:
        worked = thread.submit(again)
        try:
            yield
        finally:
            ended.set()
        worked.result()
