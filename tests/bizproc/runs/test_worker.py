"""What a worker process takes over from others, and when."""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from sqlalchemy import text, update

from bizproc.backend import Backend
from bizproc.definition.registry import Registry
from bizproc.runs import worker
from bizproc.settings import Settings
from bizproc.storage.tables import RunRow, now
from tests.bizproc.runs.test_runs import KEY, accepted, database
from tests.conftest import eventually

__all__ = ["database"]  # the fixture

pytestmark = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)


@pytest.fixture
def backend(settings: Settings, database: object, database_url: str, redis_url: str) -> Iterator[Backend]:
    """A worker process's, on a database with two installations; its messages are only counted."""
    backend = Backend(
        replace(settings, database_url=database_url, queue_url=redis_url, secret_keys=(KEY,)), Registry([])
    )
    yield backend
    backend.worker.stop()
    backend.queue.messages.clear()
    backend.close()


@pytest.fixture
def handed(backend: Backend) -> Callable[[], int]:
    return lambda: len(backend.queue.messages)


def test_what_was_in_a_dead_workers_hands_is_handed_over_by_the_next(
    backend: Backend, handed: Callable[[], int]
) -> None:
    accepted(backend.runs)
    assert backend.runs.due() == []
    backend.worker.start()
    eventually(handed)


def test_all_workers_renew_their_leases_before_any_takes_over_when_the_database_was_away(
    backend: Backend, handed: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "SWEEP_SECONDS", 0.05)
    monkeypatch.setattr(worker, "CALM_SECONDS", 1.5)
    backend.worker.start()
    with backend.database.writing() as session:
        session.execute(text("ALTER TABLE runs RENAME TO away"))
    eventually(lambda: backend.worker._calm_at)
    began = time.monotonic()
    with backend.database.writing() as session:
        session.execute(text("ALTER TABLE away RENAME TO runs"))
    claim = backend.runs.claim(accepted(backend.runs))
    assert claim
    with backend.database.writing() as session:
        session.execute(update(RunRow).values(due_at=now()))
    eventually(handed)
    assert time.monotonic() - began > 1, "the worker that has it is not dead because nobody could renew"
