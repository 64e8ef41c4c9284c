"""The activities of the benchmarks. The app takes this folder for its own ``activities``, so that its processes are
those of production."""

import threading

from bizproc import Context, Properties, ReturnProperties, activity, string

HELD_SECONDS = 200


class Input(Properties):
    word: str = string("Word", required=True)


class Output(ReturnProperties):
    said: str | None = string("Said", default=None)


@activity("trivial", name="Says it again", waits=True)
def trivial(given: Input, context: Context) -> Output:
    return Output(said=given.word)


@activity("held", name="Never comes to an end", waits=True)
def held(given: Input, context: Context) -> Output:
    """Takes the places that its portal has, so that other runs of it are accepted and wait."""
    threading.Event().wait(HELD_SECONDS)
    return Output()
