"""Activities that write down every call where no crash and no fault of the app can reach it: at the end of a file.

The app takes this folder for its own ``activities``, so that the processes under test are those of production.
"""

import json
import os
import random
import time
from collections.abc import Callable
from uuid import uuid4

from bizproc import Context, Properties, Retry, ReturnProperties, activity, string

RECORDS = os.open(os.environ["CHAOS_RECORDS"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
STEP_SECONDS = 0.05


class Input(Properties):
    word: str = string("Word", required=True)


class Output(ReturnProperties):
    said: str | None = string("Said", default=None)
    call: str | None = string("Which call of the function this comes from", default=None)
    steps: str | None = string("What its checkpoints gave", default=None)
    error: str | None = string("Error", default=None)


class Recorded:
    """One call of a function. ``write`` returns when the operating system has the line, and SIGKILL cannot take it."""

    def __init__(self, context: Context) -> None:
        self.id = uuid4().hex
        self._context = context
        self.write("call")

    def write(self, what: str, name: str = "", value: str = "") -> None:
        line = {
            "at": time.time(),
            "pid": os.getpid(),
            "run": self._context.idempotency_key,
            "process": self._context.workflow_id,
            "call": self.id,
            "what": what,
            "name": name,
            "value": value,
        }
        os.write(RECORDS, f"{json.dumps(line)}\n".encode())

    def checkpoint(self, name: str, work: Callable[[], str]) -> str:
        def recorded() -> str:
            self.write("checkpoint", name)
            return work()

        value = self._context.checkpoint(name, recorded)
        self.write("kept", name, value)
        return value

    def output(self, word: str, steps: str | None = None) -> Output:
        self.write("return")
        return Output(said=word, call=self.id, steps=steps)


@activity("instant", name="Instant", waits=True)
def instant(given: Input, context: Context) -> Output:
    return Recorded(context).output(given.word)


@activity("unasked", name="Nobody waits for it", waits=False)
def unasked(given: Input, context: Context) -> None:
    Recorded(context).output(given.word)


def _step() -> str:
    time.sleep(STEP_SECONDS)
    return uuid4().hex


@activity("slow", name="Slow, with checkpoints", waits=True)
def slow(given: Input, context: Context) -> Output:
    call = Recorded(context)
    return call.output(given.word, " ".join(call.checkpoint(name, _step) for name in ("first", "second", "third")))


@activity("failing", name="Fails now and then", waits=True)
def failing(given: Input, context: Context) -> Output:
    call = Recorded(context)
    if call.checkpoint("failed by", lambda: call.id) == call.id:
        if random.random() < 0.5:
            raise Retry("the other system is away", after=0.1)
        raise RuntimeError("nobody foresaw this")
    return call.output(given.word)
