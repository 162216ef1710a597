"""A site with accounts, and hands that log in as a page does."""

from pathlib import Path
from typing import Any

from fastapi.testclient import TestClient

from copilot.access.roles import Role
from copilot.settings import Settings, load_settings
from copilot.wiring.house import House

PASSWORD = "four quiet words here"
ROLES = {
    "Rita Reader": {Role.READER},
    "Dr. Rolf Roe": {Role.RADIOLOGIST},
    "Ada Admin": {Role.ADMINISTRATOR},
}


def site(folder: Path, **tables: dict[str, Any]) -> House:
    """A house with settings of its own, without accounts."""
    settings = load_settings().model_dump()
    settings["storage"]["folder"] = str(folder / "site")
    settings["node"]["port"] = 0
    settings["segmentation"]["look_ahead"] = False
    for name, table in tables.items():
        settings[name] |= table
    return House(Settings.model_validate(settings))


def staffed(home: House) -> House:
    """The house with one account of each role."""
    for name, roles in ROLES.items():
        home.accounts.add(name, frozenset(roles), PASSWORD, "test")
    return home


def log_in(client: TestClient, name: str, password: str = PASSWORD) -> dict[str, Any]:
    """Log in, and show the page's token with every later act."""
    answer = client.post("/api/access/login", json={"name": name, "password": password})
    assert answer.status_code == 200, answer.text
    said = answer.json()
    client.headers["X-Page-Token"] = said["page_token"]
    return said


def acts(home: House) -> list[tuple[str, str]]:
    """Who did what, the oldest first."""
    return [(each["actor"], each["act"]) for each in reversed(home.audit.last(500))]
