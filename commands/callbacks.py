"""``flask callbacks``: the queue server's calls, played once more."""

import json
import time
from dataclasses import replace
from typing import IO, NoReturn

import click

from bizproc.backend import Backend
from bizproc.context import Deferred, Retry
from bizproc.definition.activity import AnyActivity
from bizproc.definition.given import Properties
from bizproc.portal.installations import Installation
from bizproc.redaction import HIDDEN
from bizproc.runs import callback
from bizproc.runs.answering import call_of, must_be_told
from bizproc.runs.callback import Callback, MalformedCallback, Sender, essentials, sender
from bizproc.runs.decoding import UnusableValues, decode, slashes_meant, slashes_seen
from bizproc.runs.outcomes import failed
from bizproc.runs.rehearsal import PortalAsked, Rehearsal, rehearse
from bizproc.runs.runs import Outcome, Run
from commands import Group, backend
from commands.runs import shown
from commands.tables import show_one

PATIENCE_SECONDS = 30
LOOK_SECONDS = 0.2
FAILED = 1
UNKNOWN_MEMBER_ID = 3
WRONG_APPLICATION_TOKEN = 4
UNUSABLE_FORM = 5
UNKNOWN_CODE = 6
UNUSABLE_PROPERTIES = 7
CAME_BEFORE = 8
PORTAL_ASKED = 9


@click.group(cls=Group)
def callbacks() -> None:
    """The calls of the queue server."""


@callbacks.command()
@click.argument("file", type=click.File("rb"))
@click.option("--send", is_flag=True, help="Accept it as the queue server's own: its process is answered.")
def receive(file: IO[bytes], send: bool) -> None:
    """Play a recorded callback.

    FILE has the body of its request as it went over the wire, - is the standard input. A development portal's log has
    it as request.raw.

    Without --send nothing is stored and the portal is not called. The function runs all the same: what it does in other
    systems it does. When it asks for the portal, it is stopped. Counters go on from where they are, but nothing is
    counted. Files are not kept, so links to them lead nowhere.

    \b
    Exit codes:
      1  the function fails
      3  the member id is unknown
      4  the application token is wrong
      5  the form lacks what a run needs
      6  the code is unknown
      7  properties do not fit the definition
      8  the callback came before (with --send)
      9  the function asks for the portal (without --send)
    """
    app = backend()
    raw = file.read().rstrip(b"\r\n")  # which an editor leaves behind, and no form has
    installation = _proven(app, sender(essentials(raw)))
    try:
        called = callback.read(raw)
    except MalformedCallback as error:
        _refuse(f"{error} Is it the whole body of the request?", UNUSABLE_FORM)
    code = called.code.removeprefix(app.registrations.prefix_of(installation.id, called.code))
    if send:
        _accept(app, installation, code, called, raw)
    else:
        _rehearse(app, installation, code, called)


def _proven(app: Backend, claimed: Sender) -> Installation:
    """As for a request (PROTOCOL.md section 3), but told to whoever asks."""
    installation = app.installations.find(claimed.member_id) if claimed.member_id else None
    if installation is None:
        named = f"the member id {claimed.member_id!a}" if claimed.member_id else "no member id"
        _refuse(
            f"The callback has {named}, and no portal of it is known. 'flask portals list' tells which are.",
            UNKNOWN_MEMBER_ID,
        )
    if not installation.active:
        _refuse(f"The app has been removed from {installation.domain}.", UNKNOWN_MEMBER_ID)
    if not claimed.application_token or not app.installations.proves(installation, claimed.application_token):
        _refuse(
            f"The callback's application token is not the one of {installation.domain}. A callback from before the app"
            " was installed again has an old one.",
            WRONG_APPLICATION_TOKEN,
        )
    return installation


def _accept(app: Backend, installation: Installation, code: str, called: Callback, raw: bytes) -> None:
    run_id = app.inbox.leave(installation.id, code, called.event_token, raw)
    if run_id is None:
        known = app.runs.of_callback(installation.id, called.event_token)
        _refuse(
            f"This callback came before, as run {known}: nothing is stored, and nothing is sent."
            f" 'flask runs show {known}' tells what became of it; if it failed, 'flask runs replay {known}' calls its"
            " function once more.",
            CAME_BEFORE,
        )
    click.echo(f"It is accepted as run {run_id}.", err=True)
    run = _watched(app, run_id)
    if run is None or run.state == "received":
        _refuse(
            f"Run {run_id} has no outcome after {PATIENCE_SECONDS} seconds. It is stored and is not lost: the app works"
            f" on it once it runs. 'flask runs show {run_id}' tells how it goes on.",
            FAILED,
        )
    show_one(shown(run))
    if run.outcome not in (None, "succeeded"):
        raise SystemExit(FAILED)


def _watched(app: Backend, run_id: int) -> Run | None:
    """The run once nothing more happens to it by itself, or after PATIENCE_SECONDS."""
    give_up_at = time.monotonic() + PATIENCE_SECONDS
    while True:
        run = app.runs.get(run_id)
        if run is None or run.state in ("closed", "deferred", "waiting") or time.monotonic() > give_up_at:
            return run
        time.sleep(LOOK_SECONDS)


def _rehearse(app: Backend, installation: Installation, code: str, called: Callback) -> None:
    _say("Portal", installation.domain)
    _say("Code", code)
    _say("Process", called.workflow_id)
    _say("Document", ", ".join(called.document_id))
    _say("Waits", "yes" if called.waits else "no")
    activity = app.registry.get(code)
    if activity is None:
        _refuse(
            f"The app has no activity {code!a}. 'flask activities list' tells which there are. With --send the"
            " process is told so, and goes on.",
            UNKNOWN_CODE,
        )
    try:
        seen = slashes_seen(activity.properties, called.properties)
        slashes = slashes_meant(seen, installation.slashed_dates, installation.language)
        given = decode(activity.properties, called.properties, slashes)
    except UnusableValues as error:
        faults = "\n".join(f"  {key}: {fault}" for key, fault in error.faults.items())
        _refuse(
            f"The properties do not fit:\n{faults}\nWith --send the process is told so, and goes on.",
            UNUSABLE_PROPERTIES,
        )
    for name, property_ in activity.properties.__properties__.items():
        _say("Property", f"{property_.key} = {getattr(given, name)!r}")
    outcome = _outcome(app, installation, activity, given, called)
    if outcome is None:
        return
    _say("Outcome", f"{outcome.kind}: {outcome.error}" if outcome.error else outcome.kind)
    if outcome.trace:
        click.echo(outcome.trace, err=True, nl=False)
    if must_be_told(outcome, called.event_token, waits=called.waits):
        method, params = call_of(outcome, HIDDEN, waits=called.waits, language=installation.language)
        _say("Answer", f"{method} {json.dumps(params, ensure_ascii=False, indent=2)}")
    else:
        _say("Answer", "none, nobody waits")
    if outcome.error:
        raise SystemExit(FAILED)


def _outcome(
    app: Backend, installation: Installation, activity: AnyActivity, given: Properties, called: Callback
) -> Outcome | None:
    """None where the process is not told anything yet."""
    context = Rehearsal(
        _say,
        workflow_id=called.workflow_id,
        document_id=called.document_id,
        document_type=called.document_type,
        user_id=called.user_id,
        language=installation.language,
        counters={name: last + 1 for name, last in app.runs.counters(installation.id).items()},
    )
    try:
        return rehearse(activity, given, context)
    except Deferred:
        _say("Outcome", "deferred: the process waits until the run is completed")
        return None
    except Retry as error:
        when = "after a pause" if error.after is None else f"after {error.after:g} s"
        _say("Retry", f"{when}. When no try of {activity.definition.tries} helps:")
        return replace(failed(str(error), activity), dead=True)
    except PortalAsked:
        _refuse(
            "The function asks for the portal, or for a connection of it. Without --send neither is called, so what"
            " comes of it is not known.",
            PORTAL_ASKED,
        )


def _refuse(message: str, exit_code: int) -> NoReturn:
    click.echo(f"Error: {message}", err=True)
    raise SystemExit(exit_code)


def _say(what: str, more: str) -> None:
    click.echo(f"{what:<10}  {more}")
