"""That the tests of a group run in one worker, and make what is costly once."""

import pytest


@pytest.mark.xdist_group("alone")
def test_workers_are_told_of_groups(request: pytest.FixtureRequest) -> None:
    if not request.config.getoption("loadgroup", default=False):
        pytest.skip("no workers share the tests")
    # By this end pytest-xdist knows a group, and silently knows none where pytest keeps it back.
    assert request.node.nodeid.endswith("@alone")
