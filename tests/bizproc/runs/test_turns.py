"""Whose turn it is, without a clock or a database."""

from hypothesis import given
from hypothesis import strategies as st

from bizproc.runs.turns import Turn, Turns


def test_a_portal_gets_its_share_and_no_more() -> None:
    turns = Turns(2, {})
    noisy = [Turn(number, 1, "a") for number in range(5)]
    assert [turns.begin(each) for each in noisy] == [True, True, False, False, False]
    other = Turn(9, 2, "a")
    assert turns.begin(other)
    assert turns.end(other) is None
    assert turns.end(noisy[0]) == noisy[2]
    assert turns.end(noisy[2]) == noisy[3]


def test_an_activity_has_a_limit_over_all_portals() -> None:
    turns = Turns(2, {"a": 1})
    first, second, free = Turn(1, 1, "a"), Turn(2, 2, "a"), Turn(3, 2, "b")
    assert [turns.begin(each) for each in (first, second, free)] == [True, False, True]
    assert turns.end(free) is None
    assert turns.end(first) == second


def test_portals_that_wait_take_turns() -> None:
    turns = Turns(9, {"a": 1})
    first = Turn(0, 1, "a")
    assert turns.begin(first)
    waiting = [Turn(10 * portal + number, portal, "a") for portal in (1, 2) for number in (1, 2)]
    assert not any(turns.begin(each) for each in waiting)
    assert turns.crowded() == [(1, "a"), (2, "a")]
    order, at_work = [], first
    while (following := turns.end(at_work)) is not None:
        order.append(following.installation_id)
        at_work = following
    assert order == [1, 2, 1, 2]
    assert turns.crowded() == []


@given(st.lists(st.tuples(st.integers(1, 3), st.sampled_from("ab"), st.booleans()), max_size=60))
def test_nothing_is_lost_and_no_limit_is_passed(steps: list[tuple[int, str, bool]]) -> None:
    turns = Turns(2, {"a": 1})
    at_work: list[Turn] = []
    seen: set[int] = set()
    for number, (portal, code, ends) in enumerate(steps):
        if ends and at_work:
            following = turns.end(at_work.pop(0))
            at_work += [following] if following else []
        turn = Turn(number, portal, code)
        seen.add(number)
        if turns.begin(turn):
            at_work.append(turn)
        assert all(sum(each.installation_id == portal for each in at_work) <= 2 for portal in (1, 2, 3))
        assert sum(each.code == "a" for each in at_work) <= 1
    done: set[int] = set()
    while at_work:
        turn = at_work.pop()
        done.add(turn.run_id)
        following = turns.end(turn)
        at_work += [following] if following else []
    waiting = {each.run_id for each in (t for ts in turns._waiting.values() for t in ts)}
    assert waiting == set(), "whoever ends gives the place on"
    assert done <= seen


def test_what_is_handed_over_again_while_it_waits_is_worked_on_once() -> None:
    turns = Turns(1, {})
    first, second = Turn(1, 1, "a"), Turn(2, 1, "a")
    assert turns.begin(first)
    assert not turns.begin(second)
    assert not turns.begin(second)
    assert turns.end(first) == second
    assert turns.end(second) is None
