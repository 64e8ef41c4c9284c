"""``flask portals``: where the app is installed."""

import click

from bizproc.portal.installations import Installation
from commands import backend
from commands.tables import show


@click.group()
def portals() -> None:
    """The portals in which the app is installed."""


@portals.command("list")
def list_() -> None:
    """List the portals, and whether their activities are registered."""
    show(
        ("Portal", "Member id", "Edition", "Status", "Language", "Installed", "Activities"),
        (
            (
                each.domain,
                each.member_id,
                each.edition,
                each.status if each.active else "removed",
                each.language,
                f"{each.installed_at:%Y-%m-%d %H:%M}",
                _activities(each),
            )
            for each in backend().installations.all()
        ),
        nothing="The app is not installed in any portal yet.",
    )


def _activities(installation: Installation) -> str:
    if not installation.active:
        return ""
    if installation.register_error:
        return f"not registered: {installation.register_error}"
    return "registered" if installation.register_due_at is None else "being registered"
