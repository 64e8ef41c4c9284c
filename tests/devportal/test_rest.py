from collections.abc import Iterator

import pytest
import requests
from b24pysdk.api.responses import BitrixTimeResponse

from devportal.options import Options
from tests.devportal.driver import Portal

ACT = {"CODE": "act", "HANDLER": "https://app.example.com/x", "NAME": "Act"}


@pytest.fixture(scope="module")
def limited() -> Iterator[Portal]:
    portal = Portal(Options(rate_limit=True, portals=2))
    yield portal
    portal.stop()


@pytest.fixture(scope="module")
def box() -> Iterator[Portal]:
    portal = Portal(Options(rate_limit=True, edition="box", lang="de"))
    yield portal
    portal.stop()


def test_the_ways_to_bring_a_token(portal: Portal) -> None:
    url = f"{portal.url}/rest/user.admin"
    webhook = portal.control("token", application=False)["access_token"]
    ways = [
        requests.get(url, params={"auth": portal.token}),
        requests.post(url, data={"auth": portal.token}),
        requests.post(url + ".json", json={"auth": portal.token}),
        requests.post(url + "/", headers={"Authorization": f"Bearer {portal.token}"}),
        requests.get(f"{portal.url}/rest/1/{webhook}/user.admin.json"),
        requests.get(f"{portal.url}/rest/USER.Admin", params={"auth": portal.token}),
    ]
    assert [way.json().get("result") for way in ways] == [True] * len(ways)


def test_calls_without_a_token_or_method(portal: Portal) -> None:
    assert portal.refused("user.admin", token="nobody") == (401, "invalid_token")
    answer = requests.post(f"{portal.url}/rest/user.admin", json={})
    assert (answer.status_code, answer.json()["error"]) == (401, "NO_AUTH_FOUND")
    assert portal.refused("user.nothing") == (404, "ERROR_METHOD_NOT_FOUND")
    assert requests.get(f"{portal.url}/nothing").status_code == 404


def test_who_may_register(portal: Portal) -> None:
    employee = portal.control("token", admin=False)["access_token"]
    webhook = portal.control("token", application=False)["access_token"]
    assert portal.refused("bizproc.activity.add", ACT, token=employee) == (403, "ACCESS_DENIED")
    assert portal.refused("bizproc.activity.add", ACT, token=webhook) == (403, "ACCESS_DENIED")
    assert portal.refused("event.bind", {}, token=webhook) == (403, "WRONG_AUTH_TYPE")
    assert portal.call("bizproc.activity.add", ACT) is True
    assert portal.call("user.admin", token=employee) is False
    assert portal.call("user.admin", token=webhook) is True


def test_the_person_behind_a_token(portal: Portal) -> None:
    employee = portal.control("token", admin=False, user_id=7)["access_token"]
    assert portal.call("profile", token=employee)["ID"] == "7"
    assert portal.call("profile", token=employee)["ADMIN"] is False
    assert portal.call("user.current")["ID"] == "1"


def test_app_info_tells_the_edition(portal: Portal, box: Portal) -> None:
    assert portal.call("app.info")["LICENSE"] == "en_pro100"
    box.reset()
    info = box.call("app.info")
    assert (info["LICENSE"], info["STATUS"], info["INSTALLED"], info["VERSION"]) == ("de_selfhosted", "L", False, 1)


def test_scope_is_required() -> None:
    portal = Portal(Options())
    other = Portal(Options(seed=type(portal.running.cloud.options.seed)(scope="crm")))
    try:
        other.reset()
        assert other.refused("bizproc.activity.list") == (403, "insufficient_scope")
        assert other.call("scope") == ["crm"]
        assert "bizproc.activity.list" not in other.call("methods")
        assert "bizproc.activity.list" in other.call("methods", {"FULL": True})
        assert "batch" in other.call("methods")
    finally:
        portal.stop()
        other.stop()


def test_time_is_told(portal: Portal, box: Portal) -> None:
    time = portal.post("server.time").json()["time"]
    assert set(time) == {
        *("start", "finish", "duration", "processing", "date_start", "date_finish"),
        *("operating_reset_at", "operating"),
    }
    assert BitrixTimeResponse.from_dict(time).operating is not None
    box.reset()
    assert "operating" not in box.post("server.time").json()["time"]


def test_the_leaky_bucket(limited: Portal) -> None:
    limited.reset()
    answers = [limited.post("server.time") for _ in range(54)]
    assert [answer.status_code for answer in answers[:50]] == [200] * 50
    assert (answers[-1].status_code, answers[-1].json()["error"]) == (503, "QUERY_LIMIT_EXCEEDED")
    assert "time" not in answers[-1].json()
    second = limited.at(2)
    second.reset()
    assert second.post("server.time").status_code == 200


def test_self_hosted_has_no_limits(box: Portal) -> None:
    box.reset()
    assert all(box.post("server.time").status_code == 200 for _ in range(60))
    box.control("faults", rest={"server.time": {"operating": 500}})
    assert [box.post("server.time").status_code for _ in range(3)] == [200] * 3


def test_working_time_runs_out(portal: Portal) -> None:
    portal.control("faults", rest={"server.time": {"operating": 300}})
    first = portal.post("server.time").json()["time"]
    assert 300 <= first["operating"] < 301
    assert 590 < first["operating_reset_at"] - first["start"] <= 601
    second = portal.post("server.time").json()["time"]
    assert 600 <= second["operating"] < 601
    third = portal.post("server.time")
    assert (third.status_code, third.json()["error"]) == (429, "OPERATION_TIME_LIMIT")
    assert "time" not in third.json()
    assert portal.post("scope").status_code == 200
    errors = portal.call("batch", {"cmd": ["server.time", "scope"]})["result_error"]
    assert errors == [{"error": "OPERATION_TIME_LIMIT", "error_description": errors[0]["error_description"]}]


def test_working_time_is_told_before_it_blocks(portal: Portal) -> None:
    portal.control("faults", rest={"server.time": {"operating": 500, "times": 1}, "scope": {"operating": 500}})
    first = portal.post("server.time").json()["time"]
    assert first["operating"] >= 500
    assert first["operating_reset_at"] > first["start"]
    assert portal.refused("server.time") == (429, "OPERATION_TIME_LIMIT")
    portal.control("faults", rest={"scope": {"operating": 500, "error": "X", "status": 500, "times": 1}})
    assert portal.refused("scope") == (500, "X")
    assert portal.refused("scope") == (429, "OPERATION_TIME_LIMIT")


def test_faults(portal: Portal) -> None:
    portal.control("faults", rest={"server.time": {"error": "OVERLOAD_LIMIT", "status": 503, "times": 2}})
    assert [portal.post("server.time").status_code for _ in range(3)] == [503, 503, 200]
    portal.control("faults", rest={"*": {"error": "X", "status": 418}})
    assert portal.refused("scope") == (418, "X")
    portal.control("faults")
    assert portal.post("scope").status_code == 200


def test_an_answer_that_gets_lost(portal: Portal) -> None:
    portal.control("faults", rest={"bizproc.activity.add": {"close": True, "after": True, "times": 1}})
    with pytest.raises(requests.ConnectionError):
        requests.post(f"{portal.url}/rest/bizproc.activity.add", json={**ACT, "auth": portal.token})
    assert portal.call("bizproc.activity.list") == ["act"]
    portal.control("faults", rest={"bizproc.activity.delete": {"close": True, "times": 1}})
    with pytest.raises(requests.ConnectionError):
        requests.post(f"{portal.url}/rest/bizproc.activity.delete", json={"CODE": "act", "auth": portal.token})
    assert portal.call("bizproc.activity.list") == ["act"]


def test_latency(portal: Portal) -> None:
    portal.control("faults", rest={"scope": {"delay_ms": 60}})
    assert portal.post("scope").elapsed.total_seconds() >= 0.06
    slow = Portal(Options(latency_ms=40))
    try:
        slow.reset()
        assert slow.post("scope").elapsed.total_seconds() >= 0.04
    finally:
        slow.stop()


def test_payment_required(portal: Portal) -> None:
    token = portal.control("token")["refresh_token"]
    portal.add()
    portal.control("payment", expired=True)
    assert portal.refused("scope") == (401, "PAYMENT_REQUIRED")
    assert portal.refresh(token).json()["error"] == "PAYMENT_REQUIRED"
    process = portal.process(portal.run())
    assert (process["status"], process["delivery"]) == ("failed", [])
    assert "payment required" in process["error"]
    portal.control("payment", expired=False)
    assert portal.post("scope").status_code == 200
    assert portal.refresh(token).status_code == 200


def test_a_renamed_portal_answers_302(limited: Portal) -> None:
    second = limited.at(2)
    second.reset()
    old = second.ready["portals"][1]["client_endpoint"]
    new = second.control("rename")
    assert new["client_endpoint"] != old
    assert new["member_id"] == second.ready["portals"][1]["member_id"]
    answer = requests.post(f"{old}scope?x=1", json={"auth": second.token}, allow_redirects=False)
    assert (answer.status_code, answer.headers["Location"]) == (302, f"{new['client_endpoint']}scope?x=1")
    assert requests.post(f"{new['client_endpoint']}scope", json={"auth": second.token}).status_code == 200
    info = requests.get(f"{second.ready['oauth_url']}/rest/app.info", params={"auth": second.token}).json()["result"]
    assert info["install"]["client_endpoint"] == new["client_endpoint"]
    assert requests.get(f"{old.removesuffix('rest/')}_dev/log").status_code == 200
    assert second.control("rename", back=True)["client_endpoint"] == old
    assert requests.post(f"{old}scope", json={"auth": second.token}).status_code == 200
    answer = requests.post(f"{new['client_endpoint']}scope", json={"auth": second.token}, allow_redirects=False)
    assert (answer.status_code, answer.headers["Location"]) == (302, f"{old}scope")


def test_portals_answer_on_addresses_of_their_own(limited: Portal) -> None:
    first, second = limited.ready["portals"]
    assert (first["domain"].split(":")[0], second["domain"].split(":")[0]) == ("127.0.0.1", "127.0.0.2")
    assert first["domain"].split(":")[1] == second["domain"].split(":")[1]
    assert first["member_id"] != second["member_id"]
    assert limited.ready["member_id"] == first["member_id"]


def test_a_body_without_length(portal: Portal) -> None:
    answer = requests.post(f"{portal.url}/rest/scope", data=iter([b"a"]))
    assert answer.status_code == 411
