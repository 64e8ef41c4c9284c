"""What the app has counted, and what waits in its database, for a Prometheus server.

What several processes of gunicorn count is summed: gunicorn.conf.py makes the folder that they share. A worker process
shows its own counters (handlers/worker_port.py).
"""

import hmac
import logging
import os
from collections.abc import Iterator
from typing import Literal

from flask import Blueprint, Response, request
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.metrics_core import GaugeMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector
from sqlalchemy.exc import SQLAlchemyError
from werkzeug.exceptions import NotFound

from bizproc.backend import Backend
from bizproc.metrics import REFUSALS, REGISTRY
from bizproc.runs.backlog import backlog
from handlers import backend

Way = Literal["callback", "event", "page"]
Reason = Literal[
    "unknown_member_id",
    "uninstalled",
    "wrong_application_token",
    "unproven",
    "no_administrator",
    "unavailable",
    "unreadable",
]

logger = logging.getLogger(__name__)
blueprint = Blueprint("metrics", __name__)


def count_refusal(way: Way, reason: Reason) -> None:
    REFUSALS.labels(way, reason).inc()


@blueprint.get("/metrics")
def metrics() -> Response:
    """For who sends METRICS_TOKEN as a bearer token. For everybody else, and without that setting, there is no such
    address."""
    token = backend().settings.metrics_token
    scheme, _, given = request.headers.get("Authorization", "").partition(" ")
    # A header comes as latin-1.
    if not token or scheme != "Bearer" or not hmac.compare_digest(given.encode("latin-1", "replace"), token.encode()):
        raise NotFound
    return Response(generate_latest(_counted()) + generate_latest(_asked()), content_type=CONTENT_TYPE_LATEST)


def _counted() -> CollectorRegistry:
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return REGISTRY
    of_all_processes = CollectorRegistry()
    MultiProcessCollector(of_all_processes)  # type: ignore[no-untyped-call]
    return of_all_processes


def _asked() -> CollectorRegistry:
    now = CollectorRegistry()
    now.register(_Asked(backend()))
    return now


class _Asked(Collector):
    """What is not counted but looked up: the same for all processes of the app, the spool for those of a machine."""

    def __init__(self, asked: Backend) -> None:
        self._backend = asked

    def collect(self) -> Iterator[GaugeMetricFamily]:
        spooled = self._backend.inbox.spooled_bytes()
        yield GaugeMetricFamily("b24_spool_bytes", "Bytes of this machine's spool.", value=spooled)
        try:
            found = backlog(self._backend.database)
        except SQLAlchemyError as error:
            logger.warning("the database cannot be asked what waits: %s", type(error).__name__)
            yield GaugeMetricFamily("b24_database_up", "Whether the database answers.", value=0)
            return
        yield GaugeMetricFamily("b24_database_up", "Whether the database answers.", value=1)
        yield _by_state("b24_runs", "Open runs by state, counted up to 100,000 each.", found.runs)
        yield GaugeMetricFamily("b24_runs_due", "Runs that a worker could begin with, up to 100,000.", value=found.due)
        yield GaugeMetricFamily(
            "b24_oldest_due_seconds", "How long the first of these has been due.", value=found.oldest_due_seconds
        )
        portals = {
            "installed": found.installed,
            "person_needed": found.person_needed,
            "not_registered": found.not_registered,
        }
        yield _by_state("b24_portals", "Portals that have the app; two kinds of them need a look.", portals)


def _by_state(name: str, what: str, numbers: dict[str, int]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, what, labels=["state"])
    for state, number in numbers.items():
        family.add_metric([state], number)
    return family
