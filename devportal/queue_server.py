"""The queue server: delivers every callback and event once, whatever comes of it (PROTOCOL.md section 7)."""

import itertools
import logging
import queue
import threading
from functools import partial
from typing import Final

from devportal.app_client import AppClient, Pairs, Reply, encoded
from devportal.delivery import Delivery
from devportal.portal import Portal
from devportal.scheduler import Scheduler

WORKERS: Final = 16

logger = logging.getLogger("devportal")


class QueueServer:
    """Workers that deliver. No retry: a delivery that fails is gone, and so is one whose portal was reset meanwhile."""

    def __init__(self, client: AppClient, scheduler: Scheduler) -> None:
        self._client = client
        self._scheduler = scheduler
        self._numbers = itertools.count(1)
        self._waiting: queue.SimpleQueue[tuple[Portal, int, Delivery] | None] = queue.SimpleQueue()
        self._threads = [
            threading.Thread(target=self._work, name=f"devportal-queue-{number}", daemon=True)
            for number in range(WORKERS)
        ]
        for thread in self._threads:
            thread.start()

    def send(self, portal: Portal, kind: str, url: str, pairs: Pairs, process: str | None = None) -> list[Delivery]:
        """Take one message. More than one delivery comes of it only by a fault set in the portal."""
        form = encoded(pairs)
        with portal.lock:
            faults, chance, resets = portal.faults.queue, portal.faults, portal.resets
            dropped = chance.hits(faults.drop)
            deliveries = [
                Delivery(next(self._numbers), kind, url, form, process)
                for _ in range(2 if not dropped and chance.hits(faults.repeat) else 1)
            ]
            delay = faults.delay_seconds if chance.hits(faults.delay) else 0.0
            portal.deliveries.extend(deliveries)
            if dropped:
                deliveries[0].state = "dropped"
                return deliveries
        for delivery in deliveries:
            hand_over = partial(self._waiting.put, (portal, resets, delivery))
            if delay:
                self._scheduler.after(delay, hand_over)
            else:
                hand_over()
        return deliveries

    def stop(self) -> None:
        """Take no more; what is under way is left to itself."""
        for _ in self._threads:
            self._waiting.put(None)

    def _work(self) -> None:
        while (task := self._waiting.get()) is not None:
            portal, resets, delivery = task
            if portal.resets != resets:
                delivery.state = "dropped"
                continue
            try:
                reply = self._client.post(portal.number, delivery.url, delivery.form)
            except Exception as error:
                logger.exception("delivery %s failed", delivery.number)
                reply = Reply(None, 0.0, error=f"{type(error).__name__}: {error}")
            with portal.lock:
                delivery.state = "delivered" if reply.ok else "failed"
                delivery.status, delivery.ms, delivery.error = reply.status, reply.ms, reply.error
                portal.changed.notify_all()
