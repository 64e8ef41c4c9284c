"""What a browser sees of a portal."""

from html import escape

from devportal.cloud import Cloud
from devportal.portal import Portal


def home(cloud: Cloud, portal: Portal) -> str:
    """A plain page that names the portal."""
    rows = {
        "Portal": f"{portal.number} of {len(cloud.portals)}",
        "Domain": portal.domain,
        "Member id": portal.member_id,
        "Edition": portal.edition,
        "Language": portal.lang,
        "Application": cloud.application.client_id,
        "Installed": "yes" if portal.installation.installed else "no",
        "Registered": str(len(portal.records.all())),
    }
    cells = "".join(f"<tr><th scope=row>{escape(name)}<td>{escape(value)}" for name, value in rows.items())
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{escape(portal.domain)}</title>"
        "<style>body{font:1rem/1.5 sans-serif;margin:2rem}th{text-align:left;padding-right:2rem}</style>"
        f"<h1>Development portal {escape(portal.domain)}</h1><table>{cells}</table>"
        f'<p><a href="/_dev/state?portal={portal.number}">State</a> · <a href="/_dev/log">Log</a>'
    )
