"""``flask portals``: where the app is installed."""

import click

from bizproc.backend import Backend
from bizproc.portal.installations import Installation
from commands import Group, backend
from commands.tables import show as table
from commands.tables import show_one


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
    installation = _installed(app, domain)
    show_one(
        {
            "Portal": installation.domain,
            "Member id": installation.member_id,
            "Address": installation.client_endpoint,
            "Edition": installation.edition,
            "Status": _status(installation),
            "Scope": installation.scope,
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
@click.option("--host", required=True, help="The host of this app's own address.")
def confirm(domain: str, host: str) -> None:
    """Confirm under which host the app is installed in a portal, where a proxy hides it."""
    app = backend()
    installation = _installed(app, domain)
    app.installations.confirm_host(installation, host)
    app.installations.want_registration(installation)
    click.echo(f"{domain} calls this app under {host}. Its activities are registered next.")


def _installed(app: Backend, domain: str) -> Installation:
    installation = app.installations.of_domain(domain)
    if installation is None:
        raise click.ClickException(f"The app is not installed in {domain}. 'flask portals list' tells where it is.")
    return installation


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
