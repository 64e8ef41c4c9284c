from typing import Any

from tests.devportal.driver import HANDLER, Portal

ADD = f"bizproc.activity.add?CODE=act&HANDLER={HANDLER}&NAME=Act"


def test_results_are_encoded_as_php_does(portal: Portal) -> None:
    assert portal.call("batch", {"cmd": []}) == {
        "result": [],
        "result_error": [],
        "result_total": [],
        "result_next": [],
        "result_time": [],
    }
    result = portal.call("batch", {"cmd": ["user.admin", "scope"]})
    assert isinstance(result["result"], list)
    assert isinstance(result["result_time"], list)
    result = portal.call("batch", {"cmd": {"a": "user.admin", "b": "no.method"}})
    assert result["result"] == {"a": True}
    assert result["result_error"] == {
        "b": {"error": "ERROR_METHOD_NOT_FOUND", "error_description": "Method not found!"}
    }
    assert set(result["result_time"]) == {"a"}
    result = portal.call("batch", {"cmd": {"0": "no.method", "1": "user.admin"}})
    assert result["result"] == {"1": True}
    assert isinstance(result["result_error"], list)


def test_by_form(portal: Portal) -> None:
    answer = portal.session.post(
        f"{portal.url}/rest/batch.json",
        data={"auth": portal.token, "cmd[a]": "user.admin", "cmd[b]": "profile?x=1&y[]=2", "halt": "0"},
    )
    assert answer.json()["result"]["result"]["a"] is True


def test_halt(portal: Portal) -> None:
    commands = ["no.method", "user.admin"]
    for halt in (1, "1", True, "false", "N"):
        result = portal.call("batch", {"cmd": commands, "halt": halt})
        assert result["result"] == []
        assert len(result["result_error"]) == 1
    for halt in (0, "0", "", False, None):
        assert portal.call("batch", {"cmd": commands, "halt": halt})["result"] == {"1": True}


def test_fifty_commands_and_no_more(portal: Portal) -> None:
    result = portal.call("batch", {"cmd": ["user.admin"] * 52})
    assert result["result"] == [True] * 50
    assert {key: error["error"] for key, error in result["result_error"].items()} == {
        "50": "ERROR_BATCH_LENGTH_EXCEEDED",
        "51": "ERROR_BATCH_LENGTH_EXCEEDED",
    }


def test_no_batch_in_a_batch(portal: Portal) -> None:
    (error,) = portal.call("batch", {"cmd": ["batch?cmd[]=user.admin"]})["result_error"]
    assert error["error"] == "ERROR_BATCH_METHOD_NOT_ALLOWED"


def described(portal: Portal, description: str, **commands: str) -> Any:
    """The DESCRIPTION stored by a batch of `commands` and then an update with `description`, percent-encoded."""
    portal.add("first")
    portal.add("second")
    command = f"bizproc.activity.update?CODE=first&FIELDS[DESCRIPTION]={description}"
    result = portal.call("batch", {"cmd": {**commands, "update": command}})
    assert result["result"]["update"] is True
    return portal.look("state")["stored"][0]["DESCRIPTION"]


def test_a_reference_inside_a_text(portal: Portal) -> None:
    assert described(portal, "is $result[codes][1]", codes="bizproc.activity.list") == {"*": "is second"}


def test_a_reference_alone_keeps_its_type(portal: Portal) -> None:
    assert described(portal, "$result[codes]", codes="bizproc.activity.list") == ["first", "second"]


def test_a_reference_to_nothing(portal: Portal) -> None:
    text = "a $result[codes][7] b"
    assert described(portal, text, codes="bizproc.activity.list") == {"*": text}


def test_whatever_is_found_becomes_text(portal: Portal) -> None:
    commands = {"yes": "user.admin", "who": "profile", "info": "app.info", "codes": "bizproc.activity.list"}
    text = "$result[yes] $result[who][ADMIN] $result[info][ID] ($result[info][INSTALLED] ) $result[codes]"
    assert described(portal, text, **commands) == {"*": "1 1 1 ( ) $result[codes]"}


def test_a_reference_of_another_case_finds_nothing(portal: Portal) -> None:
    text = "a $RESULT[codes][1] $Result[codes] b $RESULT c"
    assert described(portal, text, codes="bizproc.activity.list") == {"*": "a   b $RESULT c"}
    command = "bizproc.activity.update?CODE=first&FIELDS[NAME]=$RESULT[codes]"
    batch = portal.call("batch", {"cmd": {"codes": "bizproc.activity.list", "alone": command}})
    assert list(batch["result_error"]) == ["alone"], "null is no text"


def test_a_text_without_brackets_is_no_reference(portal: Portal) -> None:
    assert described(portal, "costs $result 5", codes="bizproc.activity.list") == {"*": "costs $result 5"}


def test_references_into_a_text_and_several_at_once(portal: Portal) -> None:
    text = "$result[codes][0][0] and $result[codes][1]"
    assert described(portal, text, codes="bizproc.activity.list") == {"*": "f and second"}


def test_a_hash_cuts_the_command_off(portal: Portal) -> None:
    assert described(portal, "a#b") == {"*": "a"}
    portal.reset()
    assert described(portal, "a%23b") == {"*": "a#b"}


def test_queries_are_read_as_php_does(portal: Portal) -> None:
    command = f"{ADD}&PROPERTIES[a][Name]=A&PROPERTIES[a][Options][p.d]=x&FILTER[INCLUDE][0][]=lists&USE_SUBSCRIPTION=Y"
    assert portal.call("batch", {"cmd": [command]})["result"] == [True]
    (stored,) = portal.look("state")["stored"]
    assert stored["PROPERTIES"] == {"a": {"NAME": "A", "OPTIONS": {"p.d": "x"}}}
    assert stored["FILTER"] == {"INCLUDE": [["lists"]]}
    (error,) = portal.call("batch", {"cmd": ["bizproc.activity.update?CODE=act&FIELDS[PROPERTIES]="]})["result_error"]
    assert error["error_description"] == "Wrong properties array!"


def test_the_callers_rights_hold_for_each_command(portal: Portal) -> None:
    employee = portal.control("token", admin=False)["access_token"]
    (error,) = portal.call("batch", {"cmd": [f"{ADD}&auth={portal.token}"]}, token=employee)["result_error"]
    assert error["error"] == "ACCESS_DENIED"


def test_commands_that_are_none(portal: Portal) -> None:
    assert portal.call("batch", {"cmd": "user.admin"})["result"] == []
    result = portal.call("batch", {"cmd": [["a"], 5, None, "http://", "?a=1", "", "user.admin"], "halt": 0})
    assert {key: error["error"] for key, error in result["result_error"].items()} == dict.fromkeys(
        ("3", "4", "5"), "ERROR_METHOD_NOT_FOUND"
    )
    assert result["result"] == {"6": True}


def test_commands_that_are_no_text_count(portal: Portal) -> None:
    result = portal.call("batch", {"cmd": [None] * 49 + ["user.admin", "user.admin", 5]})
    assert result["result"] == {"49": True}
    assert list(result["result_error"]) == ["50", "51"]


def test_a_command_has_the_fault_of_its_own_method(portal: Portal) -> None:
    portal.control("faults", rest={"profile": {"error": "INTERNAL_SERVER_ERROR", "status": 500, "times": 1}})
    cmd = {"a": "profile", "b": "server.time", "c": "profile"}
    result = portal.call("batch", {"cmd": cmd})
    assert list(result["result_error"]) == ["a"]
    assert result["result_error"]["a"]["error"] == "INTERNAL_SERVER_ERROR"
    assert set(result["result"]) == {"b", "c"}
