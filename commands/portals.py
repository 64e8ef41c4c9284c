"""``flask portals``: where the app is installed."""

import click

from bizproc.portal.installations import Installation
from commands import Group, backend
from commands.tables import show


@click.group(cls=Group)
def portals() -> None:
    """The portals in which the app is installed."""


@portals.command("list")
def list_() -> None:
    """List the portals, and whether their activities are registered."""
    app = backend()
    refusals = app.registrations.refusals()
    show(
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
@click.option("--host", required=True, help="The host of this app's own address.")
def confirm(domain: str, host: str) -> None:
    """Confirm under which host the app is installed in a portal, where a proxy hides it."""
    app = backend()
    installation = next((each for each in app.installations.all() if each.domain == domain and each.active), None)
    if installation is None:
        raise click.ClickException(f"The app is not installed in {domain}. 'flask portals list' tells where it is.")
    app.installations.confirm_host(installation, host)
    app.installations.want_registration(installation)
    click.echo(f"{domain} calls this app under {host}. Its activities are registered next.")


def _status(installation: Installation) -> str:
    if not installation.active:
        return "removed"
    return f"{installation.status}, payment expired" if installation.payment_expired else installation.status


def _activities(installation: Installation, refused: int) -> str:
    if not installation.active:
        return ""
    if installation.register_error:
        return f"not registered: {installation.register_error}"
    if installation.register_due_at is not None:
        return "being registered"
    return f"registered, but {refused} refused" if refused else "registered"
