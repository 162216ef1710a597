"""The login at the page: in, out, and in again without losing a word."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, Page

from tests.browser.conftest import _STATIC
from tests.browser.hands import SOON, lopsided, open_study
from tests.browser.test_page import AXE
from tests.conftest import missing
from tests.server import Server, running_server
from tests.waiting import until

PASSWORD = "four quiet words here"
# as typed and left, whether the page has asked for the login by then or not
TYPES = """(field, words) => {
    field.value = words;
    field.dispatchEvent(new Event('input'));
    field.dispatchEvent(new FocusEvent('blur'));
}"""
NAMES = {"Dr. Rolf Roe": "radiologist", "Rita Reader": "reader"}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A station with accounts, and one study."""
    if not _STATIC.is_file():
        missing("the page is not built (make page)")
    folder = tmp_path_factory.mktemp("login")
    with running_server(folder) as server:
        server.peer.store(lopsided(folder / "study", "LOGIN-1").files)
        until(lambda: server.get("/health").json()["instances"] > 0)
        for name, role in NAMES.items():
            users(server, PASSWORD, "add", name, "--role", role)
        yield server


def users(server: Server, typed: str, *arguments: str) -> None:
    """Change accounts on the command line, as an administrator does."""
    program = str(Path(sys.executable).parent / "radcopilot")
    subprocess.run(
        [program, "users", *arguments, "--config", str(server.config)],
        input=f"{typed}\n",
        text=True,
        check=True,
        capture_output=True,
        timeout=60,
    )


@pytest.fixture
def desk(browser: Browser, site: Server) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1440, "height": 900}, base_url=site.url)
    made = context.new_page()
    made.on("pageerror", lambda error: pytest.fail(str(error)))
    yield made
    context.close()


def log_in(page: Page, name: str, password: str = PASSWORD) -> None:
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(password)
    page.keyboard.press("Enter")


def test_nobody_reads_before_a_login(desk):
    desk.goto("/")
    desk.get_by_role("dialog").wait_for(timeout=SOON)
    desk.keyboard.press("Escape")
    assert desk.get_by_role("dialog").is_visible()
    assert "LOGIN-1" not in desk.content()
    desk.evaluate(AXE.read_text())
    assert not desk.evaluate("axe.run()")["violations"]


def test_a_wrong_password_is_said_and_the_right_one_opens_the_list(desk):
    desk.goto("/")
    log_in(desk, "Dr. Rolf Roe", "not the password")
    desk.get_by_role("alert").filter(has_text="Name or password are wrong").wait_for(timeout=SOON)
    assert desk.evaluate("document.activeElement.name") == "password"
    desk.keyboard.type(PASSWORD)
    desk.keyboard.press("Enter")
    desk.get_by_text("LOGIN-1").wait_for(timeout=SOON)
    assert desk.get_by_text("Dr. Rolf Roe").is_visible()


def test_a_session_that_ends_is_begun_again_without_losing_a_word(desk, site):
    desk.goto("/")
    log_in(desk, "Dr. Rolf Roe")
    desk.get_by_role("button", name="Log out").wait_for(timeout=SOON)
    open_study(desk, "LOGIN-1")
    desk.keyboard.press("r")
    own = desk.get_by_label("Findings: your own words")
    own.wait_for(timeout=SOON)
    users(site, "another four words", "password", "Dr. Rolf Roe")
    own.evaluate(TYPES, "No nodule on the left.")
    dialog = desk.get_by_role("dialog")
    dialog.wait_for(timeout=SOON)
    assert dialog.get_by_label("Name").input_value() == "Dr. Rolf Roe"
    desk.wait_for_function("document.activeElement.name === 'password'")
    desk.keyboard.type("another four words")
    desk.keyboard.press("Enter")
    dialog.wait_for(state="detached", timeout=SOON)
    assert own.input_value() == "No nodule on the left."
    desk.locator('[data-testid="field"][data-mark="edited"]').wait_for(timeout=SOON)
    users(site, PASSWORD, "password", "Dr. Rolf Roe")


def test_a_reader_sees_why_words_of_the_report_are_not_theirs_to_write(desk):
    desk.goto("/")
    log_in(desk, "Rita Reader")
    desk.get_by_role("button", name="Log out").wait_for(timeout=SOON)
    open_study(desk, "LOGIN-1")
    desk.keyboard.press("r")
    said = "This takes the role radiologist; Rita Reader is reader."
    desk.get_by_text(said).wait_for(timeout=SOON)
    own = desk.get_by_label("Findings: your own words")
    assert own.get_attribute("readonly") is not None
    assert desk.get_by_label("Command", exact=True).is_enabled()


def test_after_a_logout_nothing_of_a_patient_is_left(desk, site):
    desk.goto("/")
    log_in(desk, "Rita Reader")
    desk.get_by_role("button", name="Log out").wait_for(timeout=SOON)
    open_study(desk, "LOGIN-1")
    kept = {each["name"]: each["value"] for each in desk.context.cookies()}
    desk.get_by_role("button", name="Log out").click()
    desk.get_by_role("dialog").wait_for(timeout=SOON)
    assert "LOGIN-1" not in desk.content()
    answer = httpx.get(f"{site.url}/api/studies", cookies=kept, trust_env=False)
    assert answer.status_code == 401
