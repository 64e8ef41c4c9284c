import contextvars
import threading

import pytest

from bizproc.runs.calling import Callers, TookTooLong
from tests.conftest import eventually

BOUND: contextvars.ContextVar[str] = contextvars.ContextVar("bound")


def test_a_thread_is_kept_and_has_what_is_bound_where_it_is_asked() -> None:
    callers = Callers()

    def where() -> tuple[threading.Thread, str, str]:
        return threading.current_thread(), threading.current_thread().name, BOUND.get()

    BOUND.set("one")
    first = callers.call("a", where, 9)
    BOUND.set("two")
    second = callers.call("b", where, 9)
    assert first[0] is second[0] is not threading.current_thread()
    assert (first[1:], second[1:]) == (("a", "one"), ("b", "two"))


@pytest.mark.parametrize("error", [ValueError("bad"), SystemExit(3), KeyboardInterrupt()])
def test_what_a_function_raises_comes_out_and_its_thread_goes_on(error: BaseException) -> None:
    callers = Callers()

    def fail() -> None:
        raise error

    before = callers.call("a", threading.current_thread, 9)
    with pytest.raises(type(error)) as raised:
        callers.call("a", fail, 9)
    assert raised.value is error
    assert callers.call("a", threading.current_thread, 9) is before


def test_a_function_that_hangs_keeps_its_thread_and_nobody_else_waits() -> None:
    callers, released = Callers(), threading.Event()
    for _ in range(2):
        with pytest.raises(TookTooLong):
            callers.call("hangs", lambda: released.wait(9), 0.05)
    assert callers.stuck == ["hangs", "hangs"]
    assert callers.call("a", lambda: 1, 9) == 1
    released.set()
    eventually(lambda: not callers.stuck)
    assert callers.call("a", lambda: 2, 9) == 2
