"""``flask portals``: where the app is installed."""

import click

from bizproc.backend import Backend
from bizproc.portal.connections import hostname
from bizproc.portal.installations import Installation
from bizproc.runs.decoding import slashes_of
from bizproc.storage.reencryption import Reencrypted
from commands import Group, backend
from commands.tables import show as table
from commands.tables import show_one

SHOWN_KEYS = 10


@click.group(cls=Group)
def portals() -> None:
    """The portals in which the app is installed."""


@portals.command("list")
def list_() -> None:
    """List the portals, and whether their activities are registered."""
    app = backend()
    refusals = app.registrations.refusals()
    table(
        ("Portal", "Member id", "Edition", "Status", "Language", "Installed", "Activities"),
        (
            (
                each.domain,
                each.member_id,
                each.edition,
                _status(each),
                each.language,
                f"{each.installed_at:%Y-%m-%d %H:%M}",
                _activities(each, refusals.get(each.id, 0)),
            )
            for each in app.installations.all()
        ),
        nothing="The app is not installed in any portal yet.",
    )


@portals.command()
@click.argument("domain")
def show(domain: str) -> None:
    """Show one portal, and what happened to its installation."""
    app = backend()
    installation = installed(app, domain)
    show_one(
        {
            "Portal": installation.domain,
            "Member id": installation.member_id,
            "Address": installation.client_endpoint,
            "Edition": installation.edition,
            "Status": _status(installation),
            "Scope": installation.scope,
            "Dates with slashes": _slashes(installation),
            "Activities": _activities(installation, app.registrations.refusals().get(installation.id, 0)),
        }
    )
    table(
        ("When", "What", "Portal", "User", "Detail"),
        (
            (
                f"{each.happened_at:%Y-%m-%d %H:%M:%S}",
                each.what,
                each.domain,
                str(each.user_id or ""),
                each.detail or "",
            )
            for each in app.installations.history(installation)
        ),
        nothing="Nothing is known of its history.",
    )


@portals.command()
@click.argument("domain")
@click.option("--host", required=True, help="The host of this app's own address, B24_APP_URL.")
def confirm(domain: str, host: str) -> None:
    """Confirm under which host the app is installed in a portal, where a proxy hides it."""
    app = backend()
    installation = installed(app, domain)
    confirmed = hostname(host)
    if confirmed not in app.registration.hosts:
        raise click.ClickException(
            f"{host!r} is not where this app's own address is, {', '.join(app.registration.hosts)}. Give that host, or"
            " set B24_APP_URL to the address under which the app is installed."
        )
    app.installations.confirm_host(installation, confirmed)
    app.installations.want_registration(installation)
    click.echo(f"{domain} calls this app under {confirmed}. Its activities are registered next.")


@portals.command()
def reencrypt() -> None:
    """Encrypt with the newest key what older ones have encrypted."""
    app = backend()
    app.hashes.load()
    results = list(app.reencryption.run())
    table(
        ("Stored in", "Encrypted anew", "Not readable"),
        ((each.what, str(each.anew), _unreadable(each)) for each in results),
        nothing="",
    )
    unreadable = sum(len(each.unreadable) for each in results)
    if unreadable:
        raise click.ClickException(
            f"{unreadable} rows could not be read: B24_SECRET_KEY lacks the key they were stored with. Add that key"
            " again, behind the newer ones, and repeat this. Without it they are lost; nothing else needs an older key."
        )
    if len(app.settings.secret_keys) == 1:
        click.echo("Everything is encrypted with the one key of B24_SECRET_KEY.")
    else:
        click.echo(
            "Everything is encrypted with the newest key. The older ones can be dropped from B24_SECRET_KEY, if every"
            " process had the newest in front before this began. Links to documents that they signed open until then."
        )


def _unreadable(result: Reencrypted) -> str:
    """How many, and the first of them."""
    first = ", ".join(map(str, result.unreadable[:SHOWN_KEYS]))
    more = ", …" if len(result.unreadable) > SHOWN_KEYS else ""
    return f"{len(result.unreadable)} ({first}{more})" if first else "0"


def installed(app: Backend, domain: str) -> Installation:
    """Raises ClickException."""
    installation = app.installations.of_domain(domain)
    if installation is None:
        raise click.ClickException(f"The app is not installed in {domain}. 'flask portals list' tells where it is.")
    return installation


def _slashes(installation: Installation) -> str:
    if installation.slashed_dates:
        return f"{installation.slashed_dates}, as a callback has told"
    return f"{slashes_of(installation.language)}, by its language; no callback has told yet"


def _status(installation: Installation) -> str:
    if not installation.active:
        return "removed"
    if installation.person_needed_since:
        return "an administrator has to open the app there"
    return f"{installation.status}, payment expired" if installation.payment_expired else installation.status


def _activities(installation: Installation, refused: int) -> str:
    if not installation.active:
        return ""
    if installation.register_error:
        return f"not registered: {installation.register_error}"
    if installation.register_due_at is not None:
        return "being registered"
    return f"registered, but {refused} refused" if refused else "registered"
