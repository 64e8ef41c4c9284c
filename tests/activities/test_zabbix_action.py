"""The activity against a real Zabbix, as a function."""

import functools
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import responses

from activities.zabbix.client import check
from activities.zabbix_action import Input, Output, zabbix_action
from bizproc import ActivityFailed, Retry, testing
from bizproc.testing import Process
from tests.zabbix import Zabbix

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("zabbix")]

connected = functools.cache(testing.connected)
"""Every one reads all public authorities, which takes longer than all else."""
ADMINISTRATORS = "7"
"""The group of users that Zabbix comes with."""
MESSAGE = {
    "operationtype": "0",
    "esc_period": "0",
    "esc_step_from": "1",
    "esc_step_to": "2",
    "evaltype": "0",
    "opmessage": {"default_msg": "0", "subject": "Problem", "message": "{EVENT.NAME}", "mediatypeid": "0"},
    "opmessage_grp": [{"usrgrpid": ADMINISTRATORS}],
    "opmessage_usr": [],
    "opconditions": [{"conditiontype": "14", "operator": "0", "value": "0"}],
}
TO_ALL = {"operationtype": "11", "opmessage": {"default_msg": "1"}}
TO_ALL_OF_UPDATE = {"operationtype": "12", "opmessage": {"default_msg": "1", "mediatypeid": "0"}}
CUSTOM = {
    "evaltype": "3",
    "formula": "A and (B or C)",
    "conditions": [
        {"conditiontype": "16", "operator": "11", "formulaid": "A"},
        {"conditiontype": "26", "operator": "0", "value": "web", "value2": "service", "formulaid": "B"},
        {"conditiontype": "4", "operator": "5", "value": "3", "formulaid": "C"},
    ],
}
SIMPLE = {"evaltype": 1, "conditions": [{"conditiontype": 4, "operator": 5, "value": 4}]}

ELSEWHERE = "https://zabbix.example.com"


@dataclass(frozen=True)
class Silencing:
    """Two actions for trigger events, one of them with all that an action can have."""

    zabbix: Zabbix
    first: str
    second: str

    def run(self, process: Process | None = None, **given: Any) -> Output:
        return zabbix_action(Input(connection="main", **given), process or self.process())

    def process(self, token: str | None = None, **more: Any) -> Process:
        return Process(connections={"main": connected(self.zabbix.url, token or self.zabbix.token)}, **more)

    def row(self, actionid: str, *columns: str) -> tuple[Any, ...]:
        (row,) = self.zabbix.rows(f"SELECT {', '.join(columns)} FROM actions WHERE actionid = :id", id=int(actionid))
        return row

    def whole(self) -> list[dict[str, Any]]:
        """Both, as Zabbix tells them, without the ids that it gives anew to what replaces something."""
        selected = ("selectFilter", "selectOperations", "selectRecoveryOperations", "selectUpdateOperations")
        asked = {"actionids": [self.first, self.second], "output": "extend", "sortfield": "actionid"}
        told = self.zabbix.ask("action.get", asked | dict.fromkeys(selected, "extend"))
        return json.loads(re.sub(r'"(operation|opcondition)id": "\d+"', r'"\1id": ""', json.dumps(told)))  # type: ignore[no-any-return]


@pytest.fixture
def silencing(zabbix: Zabbix) -> Iterator[Silencing]:
    rich = {
        "name": "Pager: web, 'quoted' & Ünïcode",
        "eventsource": 0,
        "esc_period": "10m",
        "filter": CUSTOM,
        "operations": [MESSAGE],
        "recovery_operations": [TO_ALL],
        "update_operations": [TO_ALL_OF_UPDATE],
    }
    plain = {"name": "Pager: mail", "eventsource": 0, "operations": [MESSAGE]}
    first, second = zabbix.ask("action.create", [rich, plain])["actionids"]
    yield Silencing(zabbix, first, second)
    zabbix.ask("action.delete", [first, second])


def test_several_actions_are_silenced_and_restored(silencing: Silencing) -> None:
    whole = silencing.whole()
    process = silencing.process()
    silenced = silencing.run(process, actions=[silencing.first, "Pager: mail"], enabled=False)
    assert silenced.actionids == [silencing.first, silencing.second]
    assert [silencing.row(each, "status") for each in silenced.actionids] == [(1,), (1,)]
    assert process.said[1:] == [
        f"\"Pager: web, 'quoted' & Ünïcode\" ({silencing.first}): status: enabled → disabled",
        f'"Pager: mail" ({silencing.second}): status: enabled → disabled',
    ]
    restored = silencing.run(restore=silenced.previous)
    assert silencing.whole() == whole
    assert json.loads(restored.previous or "") == [
        {"actionid": silencing.first, "status": "1"},
        {"actionid": silencing.second, "status": "1"},
    ], "to be undone itself"


def test_all_of_an_action_is_replaced_and_restored(silencing: Silencing) -> None:
    whole = silencing.whole()
    replaced = silencing.run(
        actions=[silencing.first],
        enabled=False,
        name="Pager: off",
        esc_period="2h",
        pause_suppressed=False,
        notify_if_canceled=False,
        filter=json.dumps(SIMPLE),
        operations=json.dumps([MESSAGE | {"opmessage": {"default_msg": 1}, "esc_step_to": 0}]),
        recovery_operations="[]",
        update_operations="[]",
    )
    columns = ("status", "name", "esc_period", "pause_suppressed", "notify_if_canceled", "evaltype")
    assert silencing.row(silencing.first, *columns) == (1, "Pager: off", "2h", 0, 0, 1)
    changed, untouched = silencing.whole()
    assert [each["value"] for each in changed["filter"]["conditions"]] == ["4"]
    assert [each["esc_step_to"] for each in changed["operations"]] == ["0"]
    assert (changed["recovery_operations"], changed["update_operations"]) == ([], [])
    assert untouched == whole[1]
    silencing.run(restore=replaced.previous)
    assert silencing.whole() == whole


def test_only_what_is_given_changes(silencing: Silencing) -> None:
    (before, _), changed = silencing.whole(), silencing.run(actions=[silencing.first], esc_period="1h")
    after, _ = silencing.whole()
    assert after == before | {"esc_period": "1h"}
    assert json.loads(changed.previous or "") == [{"actionid": silencing.first, "esc_period": "10m"}]


def test_what_is_read_of_any_action_can_be_written(silencing: Silencing) -> None:
    """Each event source has rules of its own, by which Zabbix refuses some of what it tells itself."""
    zabbix = silencing.zabbix
    script = {"name": "Restart", "command": "true", "type": 0, "scope": 1, "execute_on": 2}
    (scriptid,) = zabbix.ask("script.create", script)["scriptids"]
    command = {"operationtype": 1, "opcommand": {"scriptid": scriptid}}
    on_host = command | {"opcommand_hst": [{"hostid": 0}]}
    in_inventory = {"operationtype": 10, "opinventory": {"inventory_mode": 1}}
    made = [
        {"name": "Scripts", "eventsource": 0, "operations": [on_host], "update_operations": [on_host]},
        {"name": "New hosts", "eventsource": 2, "operations": [in_inventory, {"operationtype": 2}]},
        {"name": "Services", "eventsource": 4, "operations": [command], "update_operations": [TO_ALL_OF_UPDATE]},
    ]
    created = zabbix.ask("action.create", made)["actionids"]
    of_all = {"enabled": True, "filter": '{"evaltype": 0, "conditions": []}', "operations": json.dumps([MESSAGE])}
    of_source = {
        0: {"recovery_operations": "[]", "update_operations": "[]", "esc_period": "2h"},
        3: {"recovery_operations": "[]", "esc_period": "2h"},
        4: {"recovery_operations": "[]", "update_operations": "[]", "esc_period": "2h"},
    }
    tables = ("actions", "conditions", "operations", "opmessage", "opcommand", "opcommand_hst", "opgroup", "optemplate")
    everything = {table: zabbix.rows(f"SELECT * FROM {table} ORDER BY 1") for table in tables}
    rows = zabbix.rows("SELECT eventsource, actionid FROM actions")
    for source in range(5):
        of_this = [str(actionid) for of, actionid in rows if of == source]
        told = silencing.run(actions=of_this, dry_run=True, **of_all, **of_source.get(source, {}))
        assert silencing.run(restore=told.previous).actionids == of_this
    assert {table: zabbix.rows(f"SELECT * FROM {table} ORDER BY 1") for table in tables} == everything
    zabbix.ask("action.delete", created)


def test_a_dry_run_tells_old_and_new_and_changes_nothing(silencing: Silencing) -> None:
    whole, process = silencing.whole(), silencing.process()
    told = silencing.run(process, actions=["Pager: mail"], enabled=False, esc_period="1h", name="Mail", dry_run=True)
    assert silencing.whole() == whole
    assert told.actionids == [silencing.second]
    differing = {"status": {"old": "0", "new": "1"}, "name": {"old": "Pager: mail", "new": "Mail"}}
    assert json.loads(told.changes or "") == [
        {"actionid": silencing.second, "name": "Pager: mail", "changes": differing},
    ], "it has this esc_period already"
    assert process.said[0] == "A dry run, nothing was changed:"


def test_a_repeated_run_returns_what_was_before_its_first_try(silencing: Silencing) -> None:
    first = silencing.process()
    given = {"actions": ["Pager: mail"], "enabled": False, "name": "Mail"}
    returned = silencing.run(first, **given)
    again = silencing.run(silencing.process(checkpoints=first.checkpoints), **given)
    assert again == returned, "though no action has that name any more"
    silencing.run(restore=again.previous)
    assert silencing.row(silencing.second, "status", "name") == (0, "Pager: mail")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            {"actions": ["pager: mail", "987654"]},
            "shows no action pager: mail, 987654: either none has this id or exact",
        ),
        ({"actions": ["2"], "recovery_operations": "[]"}, "discovery events, and recovery_operations is only for"),
        ({"actions": ["4"], "update_operations": "[]"}, "internal events, and update_operations is only for"),
        ({"actions": ["2"], "esc_period": "1h"}, "esc_period is only for those of trigger, internal, service"),
        ({"actions": ["4"], "pause_suppressed": True}, "pause_suppressed is only for those of trigger"),
        ({"actions": ["4"], "notify_if_canceled": True}, "notify_if_canceled is only for those of trigger"),
        ({"actions": ["3"], "pause_symptoms": True}, r"pause_symptoms came with Zabbix 6\.4, and this is 6\.0"),
        ({"actions": ["3", "4"], "name": "Both"}, "2 actions cannot get one name"),
        (
            {"actions": ["3"], "name": "Report not supported items"},
            'update: Action "Report not supported items" already',
        ),
        ({"actions": ["3"], "esc_period": "5s"}, r'Invalid parameter "/1/esc_period": value must be one of 60-604800'),
        ({"actions": ["3"], "operations": '[{"operationtype": 0}]'}, 'the parameter "opmessage" is missing'),
        ({"actions": ["3"], "filter": '{"evaltype": 0,\n x}'}, "filter is no JSON: .* in line 2, column 2"),
        ({"actions": ["3"], "filter": "[]"}, "filter has the form"),
        ({"actions": ["3"], "operations": '{"operationtype": 0}'}, r"operations has the form \["),
        ({"actions": ["3"], "operations": '[{"operationtype": NaN}]'}, "NaN is no number"),
        ({"enabled": True, "actions": []}, "Say which actions"),
        ({"actions": ["3"], "enabled": None}, "Say what is to change"),
        ({"restore": "[]", "enabled": None}, "Restore is not what a step"),
        ({"restore": '[{"actionid": "3"}]', "enabled": None}, "Restore is not what a step"),
        ({"restore": '[{"actionid": "3", "eventsource": "1"}]', "enabled": None}, "Restore is not what a step"),
        ({"restore": '[{"actionid": "987654", "status": "0"}]', "enabled": None}, "shows no action 987654"),
        ({"restore": '[{"actionid": "3", "status": "0"}]'}, "leave the other properties empty"),
    ],
)
def test_what_cannot_be_is_told_and_nothing_changes(zabbix: Zabbix, given: dict[str, Any], message: str) -> None:
    actions = "SELECT * FROM actions ORDER BY actionid"
    before = zabbix.rows(actions)
    process = Process(connections={"main": connected(zabbix.url, zabbix.token)})
    with pytest.raises(ActivityFailed, match=message):
        zabbix_action(Input(connection="main", **{"enabled": False, **given}), process)
    assert zabbix.rows(actions) == before


def test_what_is_the_id_of_one_and_the_name_of_another_is_ambiguous(silencing: Silencing) -> None:
    silencing.run(actions=[silencing.second], name=silencing.first)
    with pytest.raises(ActivityFailed, match=r"means several actions: .* Give the id of one, or the name of the other"):
        silencing.run(actions=[silencing.first], enabled=False)
    silencing.run(restore=json.dumps([{"actionid": silencing.first, "status": "1"}]))
    assert (silencing.row(silencing.first, "status"), silencing.row(silencing.second, "status")) == ((1,), (0,))


@pytest.mark.parametrize("role", ["User role", "Admin role"])
def test_who_may_not_change_an_action_is_told_both(silencing: Silencing, role: str) -> None:
    zabbix, username = silencing.zabbix, f"reader in {role}"
    process = silencing.process(zabbix.token_of(username, role))
    (group,) = zabbix.ask("usergroup.get", {"filter": {"name": username}})
    to_reader = [MESSAGE | {"opmessage_grp": [{"usrgrpid": group["usrgrpid"]}]}]
    zabbix.ask("action.update", {"actionid": silencing.second, "operations": to_reader, "filter": of_a_group("4")})
    zabbix.ask("usergroup.update", group | {"rights": [{"id": "4", "permission": 2}]})
    with pytest.raises(ActivityFailed, match=f"either none has this .* user {username} may not change it"):
        silencing.run(process, actions=[silencing.second], enabled=False)


def test_what_operations_name_has_to_be_there(silencing: Silencing) -> None:
    to_nobody = json.dumps([MESSAGE | {"opmessage_grp": [{"usrgrpid": 99}]}])
    with pytest.raises(ActivityFailed, match="User group does not exist or you have no access to it"):
        silencing.run(actions=[silencing.second], operations=to_nobody)


def of_a_group(groupid: str) -> dict[str, Any]:
    return {"evaltype": 0, "conditions": [{"conditiontype": 0, "operator": 0, "value": groupid}]}


def test_a_check_says_what_is_there_or_what_is_wrong(zabbix: Zabbix) -> None:
    assert re.fullmatch(r"Zabbix 6\.0\.\d+, user Admin", check(connected(zabbix.url, zabbix.token)))
    wrong = "f" * 64
    with pytest.raises(ActivityFailed, match="does not take the API token of the connection test") as refused:
        check(connected(zabbix.url, wrong))
    assert wrong not in str(refused.value)
    with pytest.raises(ActivityFailed, match=r"/elsewhere answered with 404.*right base URL\?"):
        check(connected(f"{zabbix.url}/elsewhere", zabbix.token))
    with pytest.raises(Retry, match="nothing listens there"):
        check(connected("http://127.0.0.1:9", zabbix.token))


@responses.activate
def test_a_newer_zabbix_gets_the_token_as_a_header() -> None:
    sent = []

    def answer(request: Any) -> tuple[int, dict[str, str], str]:
        call = json.loads(request.body)
        sent.append((call["method"], request.headers.get("Authorization"), "auth" in call))
        action = {"actionid": "3", "name": "Mail", "eventsource": "0", "pause_symptoms": "1"}
        results = {
            "apiinfo.version": "7.4.1",
            "user.checkAuthentication": {"username": "b24"},
            "action.get": [action],
            "action.update": {"actionids": ["3"]},
        }
        return 200, {}, json.dumps({"jsonrpc": "2.0", "result": results[call["method"]], "id": call["id"]})

    responses.add_callback("POST", f"{ELSEWHERE}/api_jsonrpc.php", answer)
    process = Process(connections={"main": connected(ELSEWHERE, "a secret")})
    zabbix_action(Input(connection="main", actions=["3"], pause_symptoms=False), process)
    assert sent == [
        ("apiinfo.version", None, False),
        ("user.checkAuthentication", None, False),
        ("action.get", "Bearer a secret", False),
        ("action.get", "Bearer a secret", False),
        ("action.update", "Bearer a secret", False),
    ]


@pytest.mark.parametrize(
    ("status", "body", "raised", "message"),
    [
        (502, "Bad Gateway", Retry, "answered with 502"),
        (
            200,
            {"error": {"code": 1, "data": "", "message": "Error connecting to database."}},
            Retry,
            "is not ready: Error",
        ),
        (200, {"result": "5.4.12"}, ActivityFailed, r"is Zabbix 5\.4\.12; 6\.0 or newer is needed"),
        (200, {"result": "soon"}, ActivityFailed, "has no version that can be read"),
        (200, {"error": {"code": -32602, "data": "Odd a secret."}}, ActivityFailed, r"version: Odd \[token\]\.$"),
        (200, "<html>", ActivityFailed, r"right base URL\?"),
        (200, [], ActivityFailed, r"not as Zabbix does. Is that the right base URL\?"),
    ],
)
@responses.activate
def test_what_else_can_answer(status: int, body: Any, raised: type[Exception], message: str) -> None:
    words = body if isinstance(body, str) else json.dumps(body)
    responses.add("POST", f"{ELSEWHERE}/api_jsonrpc.php", body=words, status=status)
    with pytest.raises(raised, match=message):
        check(connected(ELSEWHERE, "a secret"))
