"""What the tests use beside their own servers: PostgreSQL, Redis and Chromium."""

import os
from typing import NoReturn

import pytest

POSTGRES_URL = os.environ.get("TEST_POSTGRES_URL", "postgresql+psycopg://root@127.0.0.1:5432/postgres")
REDIS_URL = os.environ.get("TEST_REDIS_URL", "redis://127.0.0.1:6379")


def missing(server: str, setting: str) -> NoReturn:
    """Leave the test out; where TEST_SERVICES_NEEDED is set, as in CI, it fails."""
    left_out(f"no {server} answers; set {setting}")


def left_out(reason: str) -> NoReturn:
    if os.environ.get("TEST_SERVICES_NEEDED"):
        pytest.fail(reason)
    pytest.skip(reason)
