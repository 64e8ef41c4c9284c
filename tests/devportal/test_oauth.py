from collections.abc import Iterator

import pytest
from b24pysdk.api.responses import BitrixAppInfoResponse

from tests.devportal.driver import Portal, seeded


@pytest.fixture(scope="module")
def two() -> Iterator[Portal]:
    portal = Portal(seeded(portals=2, client_id="local.app", client_secret="hush", scope="bizproc", tokens_live=1800))
    yield portal
    portal.stop()


def test_a_refresh_replaces_both_tokens(portal: Portal) -> None:
    old = portal.control("token")
    new = portal.refresh(old["refresh_token"]).json()
    assert {new["access_token"], new["refresh_token"]}.isdisjoint({old["access_token"], old["refresh_token"]})
    assert portal.call("user.admin", token=new["access_token"]) is True
    assert portal.refused("user.admin", token=old["access_token"]) == (401, "expired_token")
    again = portal.refresh(old["refresh_token"])
    assert (again.status_code, again.json()["error"]) == (400, "invalid_grant")
    assert portal.refresh(new["refresh_token"]).status_code == 200


def test_grants_are_independent(portal: Portal) -> None:
    first, second = portal.control("token"), portal.control("token")
    portal.refresh(first["refresh_token"])
    assert portal.call("user.admin", token=second["access_token"]) is True


def test_what_a_refresh_answers(two: Portal) -> None:
    token = two.at(2).control("token", admin=False)
    answer = two.refresh(token["refresh_token"]).json()
    second = two.ready["portals"][1]
    assert answer["client_endpoint"] == second["client_endpoint"]
    assert answer["member_id"] == second["member_id"]
    assert answer["server_endpoint"] == f"{two.ready['oauth_url']}/rest/"
    assert answer["domain"] == two.ready["oauth_url"].partition("//")[2]
    assert (answer["scope"], answer["status"], answer["user_id"], answer["expires_in"]) == ("bizproc", "L", 2, 1800)
    assert answer["expires"] > 1_700_000_000


def test_a_refresh_by_form(portal: Portal) -> None:
    form = {
        "grant_type": "refresh_token",
        "client_id": portal.ready["client_id"],
        "client_secret": portal.ready["client_secret"],
        "refresh_token": portal.control("token")["refresh_token"],
    }
    assert portal.session.post(f"{portal.ready['oauth_url']}/oauth/token/", data=form).status_code == 200


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"client_id": "local.other"}, "invalid_client"),
        ({"client_secret": "wrong"}, "invalid_client"),
        ({"grant_type": "password"}, "invalid_request"),
        ({"refresh_token": ""}, "invalid_request"),
        ({"refresh_token": "0" * 70}, "invalid_grant"),
    ],
)
def test_wrong_refreshes(portal: Portal, changed: dict[str, str], error: str) -> None:
    token = portal.control("token")["refresh_token"]
    answer = portal.refresh(token, **changed)
    assert (answer.status_code, answer.json()["error"]) == (400, error)
    assert portal.refresh(token).status_code == 200


def test_app_info_tells_whose_token_it_is(two: Portal) -> None:
    token = two.at(2).control("token", admin=False)["access_token"]
    answer = two.session.get(f"{two.ready['oauth_url']}/rest/app.info/", params={"auth": token})
    info = BitrixAppInfoResponse.from_dict(answer.json()).result
    second = two.ready["portals"][1]
    assert (info.client_id, info.scope, info.user_id) == ("local.app", ["bizproc"], 2)
    assert info.install.member_id == second["member_id"]
    assert info.install.domain == second["domain"]
    assert info.install.client_endpoint == second["client_endpoint"]
    assert info.install.status.value == "L"


def test_app_info_of_no_application(portal: Portal) -> None:
    url = f"{portal.ready['oauth_url']}/rest/app.info"
    for token in ("", "x", portal.control("token", application=False)["access_token"]):
        answer = portal.session.post(url, data={"auth": token})
        assert (answer.status_code, answer.json()["error"]) == (401, "invalid_token")
    ended = portal.control("token")["access_token"]
    portal.control("expire-tokens")
    assert portal.session.get(url, params={"auth": ended}).json()["error"] == "expired_token"


def test_tokens_expire() -> None:
    portal = Portal(seeded(tokens_live=0.05))
    try:
        token = portal.control("token")
        portal.session.get(f"{portal.url}/")
        answer = portal.post("user.admin", token=token["access_token"])
        while answer.status_code == 200:
            answer = portal.post("user.admin", token=token["access_token"])
        assert (answer.status_code, answer.json()["error"]) == (401, "expired_token")
        assert portal.refresh(token["refresh_token"]).status_code == 200
    finally:
        portal.stop()


def test_a_token_is_one_portals(two: Portal) -> None:
    token = two.control("token")["access_token"]
    assert two.call("user.admin", token=token) is True
    assert two.at(2).refused("user.admin", token=token) == (401, "invalid_token")


def test_the_oauth_server_is_no_portal(portal: Portal) -> None:
    answer = portal.session.post(f"{portal.ready['oauth_url']}/rest/user.admin", params={"auth": portal.token})
    assert answer.status_code == 404
    assert portal.session.post(f"{portal.url}/oauth/token/").status_code == 404


def test_faults_of_the_oauth_server(portal: Portal) -> None:
    portal.control("faults", rest={"oauth/token": {"error": "INTERNAL", "status": 502, "times": 1}})
    token = portal.control("token")["refresh_token"]
    assert portal.refresh(token).status_code == 502
    assert portal.refresh(token).status_code == 200
