"""The image holds the app and nothing else, and what runs it has no secret of its own."""

import re
import tomllib
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parent.parent
DOCKERFILE = (ROOT / "Dockerfile").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
OURS = {name: service for name, service in COMPOSE["services"].items() if "build" in service}


def test_the_image_is_made_of_the_package_and_nothing_else() -> None:
    packaged = tomllib.loads((ROOT / "pyproject.toml").read_text())
    setuptools = packaged["tool"]["setuptools"]
    needed = {name.partition(".")[0] for name in setuptools["packages"]}
    needed |= {f"{name}.py" for name in setuptools["py-modules"]} | {packaged["project"]["readme"]}
    needed |= {"constraints.txt", "gunicorn.conf.py", "pyproject.toml"}
    lines = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and line[0] != "#"]
    assert lines[0] == "*"
    assert {line[1:] for line in lines if line[0] == "!"} == needed


def test_the_settings_in_them_are_those_that_there_are_and_no_secrets() -> None:
    documented = set(re.findall(r"^\| `([A-Z0-9_]+)` \|", (ROOT / "docs/settings.md").read_text(), re.MULTILINE))
    in_image = set(re.findall(r"^(?:ENV| {3}) ([A-Z_]+)=", DOCKERFILE, re.MULTILINE))
    assert in_image - {"PATH", "FLASK_APP", "PYTHONUNBUFFERED"} == {"BIND"}
    for service in OURS.values():
        assert set(service["environment"]) <= documented
        assert service["env_file"] == "b24.env"
    passwords = [line for line in (ROOT / "compose.yaml").read_text().splitlines() if "PASSWORD" in line]
    assert len(passwords) == 2
    assert all("${POSTGRES_PASSWORD:?" in each for each in passwords)
    assert {"/.env", "/b24.env"} <= set((ROOT / ".gitignore").read_text().splitlines())


def test_nobody_is_root_and_everybody_is_asked_for_their_health() -> None:
    assert re.findall(r"^USER (.*)", DOCKERFILE, re.MULTILINE) == ["10001:10001"]
    assert OURS.keys() == {"web", "worker", "migrations"}
    for service in OURS.values():
        assert service["read_only"]
        assert service["cap_drop"] == ["ALL"]
        assert service["volumes"] == ["instance:/srv/b24/instance"], "spool, files and log outlive the container"
    asked = {name for name, service in COMPOSE["services"].items() if service.get("healthcheck", {}).get("test")}
    assert asked | {"web", "migrations"} == COMPOSE["services"].keys()
    assert "/healthz" in DOCKERFILE
