"""What an activity can do: succeed, fail in each way, count, keep a file, call the portal."""

import logging
import sys
import time

from bizproc import (
    ActivityFailed,
    Context,
    Properties,
    Retry,
    ReturnProperties,
    activity,
    double,
    integer,
    robot,
    string,
    t,
)
from tests.across_processes import FOLDER, Calls, Event

logger = logging.getLogger(__name__)

RELEASED = Event(FOLDER / "released")
CALLS = Calls(FOLDER / "calls")
STARTED: dict[str, float] = {}
"""When a function began to run, by its words; in seconds of the monotonic clock."""


class Words(Properties):
    words: str = string(t(en="Words", de="Worte"), default="")


class Told(ReturnProperties):
    told: str | None = string("Told", default=None)
    error: str | None = string("Error", default=None)


@activity("tell", name=t(en="Tell", de="Sagen"), description="Tells what it knows", waits=True)
def tell(given: Words, context: Context) -> Told:
    logger.info("telling")
    context.log(f"about to tell {given.words}")
    context.log("")
    CALLS.append(given.words)
    where = ".".join((*context.document_id, *context.document_type))
    return Told(told=f"{given.words} {where} {context.user_id} {context.language} {context.workflow_id}")


@activity("fail", name="Fail", waits=True)
def fail(given: Words, context: Context) -> Told:
    raise ActivityFailed(f"cannot {given.words}")


@activity("crash", name="Crash", waits=True, tries=2)
def crash(given: Words, context: Context) -> Told:
    raise RuntimeError("a secret detail")


@activity("exit", name="Ends its thread", waits=True, tries=1)
def exit_(given: Words, context: Context) -> Told:
    sys.exit(3)


class Amount(ReturnProperties):
    amount: float | None = double("Amount", default=None)
    said: str | None = string("Said", default=None)


@activity("unsayable", name="Returns what JSON cannot say", waits=True, tries=1)
def unsayable(given: Words, context: Context) -> Amount:
    return Amount(amount=float("nan")) if given.words == "nan" else Amount(said="\ud800")


@activity("mistake", name="Returns something else", waits=True, tries=1)
def mistake(given: Words, context: Context) -> Told:
    return 5  # type: ignore[return-value]


@activity("silent", name="Nobody waits", waits=False)
def silent(given: Words, context: Context) -> None:
    CALLS.append(given.words)
    if given.words == "fail":
        raise ActivityFailed("silently")


@activity("held", name="Waits until it is released", waits=True)
def held(given: Words, context: Context) -> Told:
    CALLS.append(given.words)
    RELEASED.wait(20)
    return Told(told=given.words)


class Number(ReturnProperties):
    number: int = integer("Number", required=True)
    link: str | None = string("Link", default=None)


@activity("count", name="Count", waits=True)
def count(given: Words, context: Context) -> Number:
    number = context.counter("test")
    assert context.counter("test") == number
    stored = context.files.store("number.txt", f"{number} {given.words}".encode())
    return Number(number=number, link=stored.link)


@robot("ask_portal", name="Asks the portal", waits=True)
def ask_portal(given: Words, context: Context) -> Told:
    return Told(told=str(context.portal.profile().result))


@activity("stumble", name="Succeeds at the third try", waits=True, tries=3)
def stumble(given: Words, context: Context) -> Told:
    CALLS.append(context.idempotency_key)
    step = context.checkpoint("step", lambda: len(CALLS))
    if len(CALLS) < 3:
        raise Retry(given.words, after=0.1)
    return Told(told=str(step))


@activity("give_up", name="Never succeeds", waits=True, tries=2)
def give_up(given: Words, context: Context) -> Told:
    CALLS.append(given.words)
    raise Retry("the other system is away", after=0)


@activity("dawdle", name="Takes longer than it may", waits=True, seconds=0.3)
def dawdle(given: Words, context: Context) -> Told:
    RELEASED.wait(20)
    CALLS.append("released")
    context.log("too late")
    CALLS.append("logged")
    return Told(told="too late")


@activity("hand_on", name="Is finished by another system", waits=True)
def hand_on(given: Words, context: Context) -> Told:
    CALLS.append(context.completion_url)
    return context.defer()


@activity("one_by_one", name="Never two at a time", waits=True, at_once=1)
def one_by_one(given: Words, context: Context) -> Told:
    CALLS.append("begin")
    time.sleep(0.05)
    CALLS.append("end")
    return Told(told=given.words)


@activity("wait_a_moment", name="One at a time, each for a while", waits=True, at_once=1)
def wait_a_moment(given: Words, context: Context) -> Told:
    CALLS.append(given.words)
    time.sleep(1)
    return Told(told=given.words)


@activity("start", name="Notes when it starts", waits=False)
def start(given: Words, context: Context) -> None:
    STARTED[given.words] = time.monotonic()


@activity("mumble", name="Fails with what no database keeps", waits=True, tries=2)
def mumble(given: Words, context: Context) -> Told:
    CALLS.append("mumble")
    raise Retry("half \ud800 and \0 nothing", after=0)
