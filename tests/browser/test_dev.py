"""A newcomer's first minutes: start, change a label, see it, run it."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

ROOT = Path(__file__).parents[2]

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("browser")]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The project, with a copy of its activities."""
    folder = tmp_path / "project"
    folder.mkdir()
    for name in ("app.py", "bizproc", "commands", "devportal", "gunicorn.conf.py", "handlers"):
        (folder / name).symlink_to(ROOT / name)
    shutil.copytree(ROOT / "activities", folder / "activities", ignore=shutil.ignore_patterns("__pycache__"))
    return folder


@pytest.fixture
def dev(project: Path) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "flask", "dev"]
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("B24_", "FLASK_"))}
    with subprocess.Popen(
        command,
        cwd=project,
        env=clean | {"PYTHONPATH": str(project)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as dev:
        yield dev
        dev.terminate()
        dev.communicate(timeout=30)


def line_with(words: str, dev: subprocess.Popen[str]) -> str:
    assert dev.stdout
    seen = []
    for line in dev.stdout:
        seen.append(line)
        if words in line:
            return line.strip()
    pytest.fail("".join(seen))


def test_a_changed_label_is_seen_after_a_reload_and_a_wrong_one_is_told(
    browser: Browser, project: Path, dev: subprocess.Popen[str]
) -> None:
    address = line_with("Open http", dev).removeprefix("Open ")
    module = project / "activities" / "save_document.py"
    written = module.read_text()
    page = browser.new_page()
    page.goto(address)
    page.get_by_role("button", name="Save document").click()
    expect(page.get_by_label("Document type").nth(1)).to_be_visible()

    module.write_text(written.replace('t(en="Document type"', 't(en="Kind of file"'))
    line_with("registered again", dev)
    page.reload()
    expect(page.get_by_label("Kind of file")).to_have_value("pdf")
    page.get_by_label("Kind of file").select_option(label="DOCX")
    page.get_by_role("button", name="Start the process").click()
    expect(page.locator('tr[data-name="name"] .typed')).to_have_text("letter-2.docx")
    # The portal is the one it was.
    expect(page.locator(".processes a")).to_have_count(2)

    module.write_text(written.replace('default="pdf"', 'default="odt"'))
    line_with("the app runs on as it was", dev)
    assert "activities.save_document" in line_with("odt", dev)
    page.get_by_role("button", name="Start again").click()
    expect(page.locator('tr[data-name="name"] .typed')).to_have_text("letter-3.docx")
    page.close()
