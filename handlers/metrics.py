"""What the app counts, for a Prometheus server.

A further metric is one more object beside REFUSALS, with ``registry=REGISTRY``. What several processes of gunicorn
count is summed: gunicorn.conf.py makes the folder that they share.
"""

import hmac
import os
from typing import Final, Literal

from flask import Blueprint, Response, request
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector
from werkzeug.exceptions import NotFound

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

disable_created_metrics()  # type: ignore[no-untyped-call]
REGISTRY: Final = CollectorRegistry()
REFUSALS: Final = Counter("b24_refusals", "Requests that were refused.", ["way", "reason"], registry=REGISTRY)

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
    return Response(generate_latest(_counted()), content_type=CONTENT_TYPE_LATEST)


def _counted() -> CollectorRegistry:
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return REGISTRY
    of_all_processes = CollectorRegistry()
    MultiProcessCollector(of_all_processes)  # type: ignore[no-untyped-call]
    return of_all_processes
