"""Zabbix, once for all tests that use it: they share an xdist group."""

from collections.abc import Iterator

import pytest

from tests import zabbix as server
from tests.zabbix import Zabbix


@pytest.fixture(scope="session")
def zabbix(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Zabbix]:
    with server.running(tmp_path_factory.mktemp("zabbix")) as running:
        yield running
