"""What proxies say of a request."""

from dataclasses import replace

import pytest
import requests

from bizproc.settings import Settings
from tests.conftest import Portal, app_of_shelf, serving
from tests.handlers.test_install import install_form

FORWARDED = {"X-Forwarded-For": "1.2.3.4", "X-Forwarded-Proto": "https", "X-Forwarded-Host": "forged.com, app.acme.com"}


@pytest.mark.parametrize(("trusted", "host"), [(0, None), (1, "app.acme.com"), (2, "forged.com"), (3, None)])
def test_the_host_is_what_the_trusted_proxies_say(
    settings: Settings, portal: Portal, trusted: int, host: str | None
) -> None:
    """None: the address that was called. The proxy nearest to the app writes last."""
    with serving(replace(settings, trusted_proxies=trusted), app_of_shelf) as app:
        sent = requests.post(f"{app.url}/install", data=install_form(portal), headers=FORWARDED, timeout=9)
        assert sent.status_code == 200
        installation = app.backend.installations.find(portal.description["member_id"])
        assert installation is not None
        assert installation.app_host == (host or app.url.removeprefix("http://"))
