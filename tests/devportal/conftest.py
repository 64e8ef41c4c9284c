from collections.abc import Iterator

import pytest

from tests.devportal.driver import App, Portal


@pytest.fixture(scope="module")
def started() -> Iterator[Portal]:
    portal = Portal()
    yield portal
    portal.stop()


@pytest.fixture
def portal(started: Portal) -> Portal:
    """An empty portal with an administrator's token of the application."""
    started.reset()
    return started


@pytest.fixture
def app() -> Iterator[App]:
    app = App()
    yield app
    app.stop()
