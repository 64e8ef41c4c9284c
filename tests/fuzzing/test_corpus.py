"""What atheris has found worth keeping, played again without it."""

import time
from pathlib import Path

import pytest

from tests.fuzzing.targets import TARGETS

CORPUS = Path(__file__).parent / "corpus"
SLOWEST_SECONDS = 5
MOST_BYTES = 400_000


@pytest.mark.xdist_group("fuzzing")
@pytest.mark.parametrize("target", TARGETS)
def test_what_is_kept(target: str) -> None:
    kept = sorted((CORPUS / target).iterdir())
    assert kept
    for file in kept:
        started = time.monotonic()
        try:
            TARGETS[target](file.read_bytes())
        except Exception as error:
            raise AssertionError(f"corpus/{target}/{file.name} makes {target} fail") from error
        assert time.monotonic() - started < SLOWEST_SECONDS, file


def test_no_more_is_kept_than_anybody_wants_to_clone() -> None:
    assert sum(file.stat().st_size for file in CORPUS.rglob("*") if file.is_file()) < MOST_BYTES
