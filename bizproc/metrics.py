"""What the app counts, for a Prometheus server; handlers/metrics.py shows it.

No label comes from a stranger: portals are those that are proven, activities those of the code, and of what a portal
answers only the errors that are known by name.
"""

from collections.abc import Container
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Histogram, disable_created_metrics

disable_created_metrics()  # type: ignore[no-untyped-call]
REGISTRY: Final = CollectorRegistry()
OTHER: Final = "other"

CALLBACKS: Final = Counter(
    "b24_callbacks",
    "Callbacks by portal and result: accepted, repeated, spooled, dropped (from the spool), lost.",
    ["portal", "result"],
    registry=REGISTRY,
)
ACCEPT_SECONDS: Final = Histogram(
    "b24_accept_seconds",
    "How long a callback that got 2xx was worked on before.",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
    registry=REGISTRY,
)
REFUSALS: Final = Counter("b24_refusals", "Requests that were refused.", ["way", "reason"], registry=REGISTRY)
FUNCTION_SECONDS: Final = Histogram(
    "b24_function_seconds",
    "How long an activity's function took, each time that it was called.",
    ["activity"],
    buckets=(0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300),
    registry=REGISTRY,
)
OUTCOMES: Final = Counter(
    "b24_outcomes",
    "Outcomes of runs by activity: succeeded, failed, dead.",
    ["activity", "outcome"],
    registry=REGISTRY,
)
RETRIES: Final = Counter(
    "b24_retries", "Functions that failed and are called once more.", ["activity"], registry=REGISTRY
)
ANSWERS: Final = Counter(
    "b24_answers",
    "Answers to processes: taken, again, process_gone, refused, given_up, person_needed.",
    ["result"],
    registry=REGISTRY,
)
for _result in ("taken", "again", "process_gone", "refused", "given_up", "person_needed"):
    ANSWERS.labels(_result)  # from 0 on: what begins with 1 is no increase to Prometheus
ANSWERED_SECONDS: Final = Histogram(
    "b24_answered_seconds",
    "From a callback's arrival until its process had the answer.",
    buckets=(0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600),
    registry=REGISTRY,
)
REST_CALLS: Final = Counter(
    "b24_rest_calls",
    "Calls to portals and to the OAuth server, a batch as one, by method and error; none is an empty one.",
    ["method", "error"],
    registry=REGISTRY,
)


def known(name: str, names: Container[str]) -> str:
    """A label's value, OTHER for a name that is not among these."""
    return name if name in names else OTHER
