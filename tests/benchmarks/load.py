"""Sends requests over kept connections, in a process of its own. It takes about 40 µs of a processor for each, so that
what it costs is the server's."""

import multiprocessing
import selectors
import socket
import statistics
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True)
class Loaded:
    """seconds: from the first request to the last answer; latencies: seconds of each request"""

    seconds: float
    latencies: list[float]

    @property
    def per_second(self) -> float:
        return len(self.latencies) / self.seconds

    @property
    def p99(self) -> float:
        return statistics.quantiles(self.latencies, n=100)[-1]


class Load:
    """A process that sends."""

    def __init__(self, pool: ProcessPoolExecutor) -> None:
        self._pool = pool

    def __call__(self, url: str, requests: Sequence[bytes], connections: int) -> Loaded:
        """Every request once, each connection with one after another.

        Raises RuntimeError when one is not answered with 2xx.
        """
        return self._pool.submit(_send, url, requests, connections).result()


@contextmanager
def loading() -> Iterator[Load]:
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        yield Load(pool)


def _send(url: str, requests: Sequence[bytes], connections: int) -> Loaded:
    host, _, port = url.removeprefix("http://").partition(":")
    latencies: list[float] = []
    left = iter(requests)
    with selectors.DefaultSelector() as selector:
        sent_at: dict[socket.socket, float] = {}
        started = time.perf_counter()
        for _, request in zip(range(connections), left, strict=False):
            connection = socket.create_connection((host, int(port)))
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            selector.register(connection, selectors.EVENT_READ)
            sent_at[connection] = time.perf_counter()
            connection.sendall(request)
        while sent_at:
            for key, _ in selector.select():
                connection = key.fileobj  # type: ignore[assignment] # it is what was registered
                answer = connection.recv(65536)
                # Without a body the answer is its head, which is never longer than what is sent at once.
                if not (answer.startswith(b"HTTP/1.1 2") and answer.endswith(b"\r\n\r\n")):
                    raise RuntimeError(f"an answer is not 2xx without a body: {answer[:200]!r}")
                now = time.perf_counter()
                latencies.append(now - sent_at[connection])
                following = next(left, None)
                if following is None:
                    del sent_at[connection]
                    selector.unregister(connection)
                    connection.close()
                else:
                    sent_at[connection] = now
                    connection.sendall(following)
        return Loaded(time.perf_counter() - started, latencies)
