"""A report is signed at the page: what is in the way is listed, and what is signed stands."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from copilot.evaluation.gestures import tight_box
from tests.browser.conftest import _STATIC
from tests.browser.hands import (
    SOON,
    box_by_keys,
    drawn_finding,
    finding,
    go_to,
    lopsided,
    open_study,
    say,
)
from tests.browser.test_login import log_in, users
from tests.browser.test_page import AXE
from tests.conftest import missing
from tests.server import Server, running_server
from tests.waiting import until

PASSWORD = "four quiet words here"
ROE = "Dr. Rolf Roe"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A station with a radiologist and a reader."""
    if not _STATIC.is_file():
        missing("the page is not built (make page)")
    with running_server(tmp_path_factory.mktemp("signing")) as server:
        users(server, PASSWORD, "add", ROE, "--role", "radiologist")
        users(server, PASSWORD, "add", "Rita Reader", "--role", "reader")
        yield server


@pytest.fixture
def desk(browser: Browser, site: Server) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1440, "height": 900}, base_url=site.url)
    made = context.new_page()
    made.on("pageerror", lambda error: pytest.fail(str(error)))
    yield made
    context.close()


def come_in(page: Page, name: str, patient_id: str) -> None:
    page.goto("/")
    log_in(page, name)
    page.get_by_role("searchbox", name="Find a study").wait_for(timeout=SOON)
    open_study(page, patient_id)


def outlined(page: Page, site: Server, folder: Path, patient_id: str) -> None:
    """Store a study, outline its lesion, and leave the finding waiting."""
    phantom = lopsided(folder, patient_id)
    before = site.get("/health").json()["instances"]
    site.peer.store(phantom.files)
    until(lambda: site.get("/health").json()["instances"] == before + len(phantom.files))
    come_in(page, ROE, patient_id)
    box = tight_box(phantom.thing)
    go_to(page, box.slice_start)
    box_by_keys(page, (32, 24), (box.row_start, box.row_stop), (box.column_start, box.column_stop))
    say(page, "segment the lung lesion")
    drawn_finding(page)


def keep_all(page: Page) -> None:
    """Keep what the template says, field by field, having looked."""
    keep = page.locator(".report").get_by_role("button", name="looked at: keep")
    while left := keep.count():
        keep.first.click()
        expect(keep).to_have_count(left - 1, timeout=SOON)


def sign(page: Page, words: str = "") -> None:
    """Open the sheet, see words on it, and sign."""
    page.get_by_role("button", name="Review and sign…").click()
    page.get_by_role("region", name="What is signed").get_by_text(words).first.wait_for()
    page.get_by_role("dialog").get_by_role("button", name=f"Sign as {ROE}").click()


def standing(page: Page, status: str):
    found = page.locator(f'[data-testid="standing"][data-status="{status}"]')
    found.wait_for(timeout=SOON)
    return found


def clean(page: Page) -> None:
    page.evaluate(AXE.read_text())
    assert not page.evaluate("axe.run()")["violations"]


def test_a_report_is_signed_amended_and_signed_again(desk, site, tmp_path):
    outlined(desk, site, tmp_path, "SIGN-1")
    desk.keyboard.press("r")
    standing(desk, "draft")
    desk.get_by_role("button", name="Review and sign…").click()
    sheet = desk.get_by_role("dialog")
    way = sheet.get_by_role("region", name="In the way")
    way.get_by_text("“segment the lung lesion” waits for a yes or no").wait_for(timeout=SOON)
    expect(sheet.get_by_role("button", name=f"Sign as {ROE}")).to_be_disabled()
    clean(desk)
    way.get_by_role("button", name="Show").click()
    sheet.wait_for(state="hidden", timeout=SOON)
    desk.keyboard.press("y")
    desk.keyboard.press("r")
    finding(desk, "accepted")
    desk.keyboard.press("r")
    standing(desk, "in_review")
    told = desk.locator('[data-field^="findings/"][data-result]').get_by_role("textbox")
    words = told.input_value()
    assert "mL" in words
    keep_all(desk)
    desk.get_by_role("button", name="Review and sign…").click()
    assert words in sheet.get_by_role("region", name="What is signed").inner_text()
    assert "SIGN-1" in sheet.inner_text()
    sheet.get_by_role("button", name=f"Sign as {ROE}").click()
    standing(desk, "signed").get_by_text(f"Signed by {ROE}").wait_for(timeout=SOON)
    expect(told).not_to_be_editable()
    clean(desk)

    desk.get_by_role("button", name="Amend…").click()
    desk.get_by_label("Why it is amended").fill("A word was missing.")
    desk.get_by_role("button", name="Begin the amendment").click()
    standing(desk, "draft").get_by_text("Draft of version 2 (A word was missing.)").wait_for()
    own = desk.get_by_label("Impression: your own words")
    own.fill("Follow-up in a year.")
    own.blur()
    desk.locator('[data-field="impression/own"][data-mark="edited"]').wait_for(timeout=SOON)
    desk.get_by_role("button", name="What changed after it").click()
    desk.locator(".change ins").get_by_text("Follow-up").wait_for(timeout=SOON)
    sign(desk)
    standing(desk, "amended").get_by_text("Amended, version 2.").wait_for(timeout=SOON)
    clean(desk)


def test_what_was_typed_elsewhere_meanwhile_is_not_signed_unseen(desk, site, browser, tmp_path):
    outlined(desk, site, tmp_path, "SIGN-2")
    desk.keyboard.press("y")
    finding(desk, "accepted")
    desk.keyboard.press("r")
    standing(desk, "draft")
    keep_all(desk)
    desk.get_by_role("button", name="Review and sign…").click()
    standing(desk, "in_review")
    studies = desk.request.get("/api/studies").json()
    (study,) = [each for each in studies if each["patient_id"] == "SIGN-2"]
    shown = desk.request.get(f"/api/studies/{study['study_instance_uid']}/report").json()
    desk.route("**/report", lambda route: route.fulfill(json=shown))  # it hears of nothing more
    button = desk.get_by_role("dialog").get_by_role("button", name=f"Sign as {ROE}")
    expect(button).to_be_enabled()
    context = browser.new_context(base_url=site.url)
    other = context.new_page()
    come_in(other, ROE, "SIGN-2")
    other.keyboard.press("r")
    own = other.get_by_label("Findings: your own words")
    own.fill("No effusion.")
    own.blur()
    other.locator('[data-field="findings/own"][data-mark="edited"]').wait_for(timeout=SOON)
    context.close()
    button.click()
    desk.get_by_role("dialog").get_by_role("alert").get_by_text("changed since").wait_for()
    desk.unroute("**/report")
    desk.keyboard.press("Escape")
    sign(desk, "No effusion.")
    standing(desk, "signed")


def test_a_typed_number_that_was_not_measured_is_decided_before_it_is_signed(desk, site, tmp_path):
    outlined(desk, site, tmp_path, "SIGN-4")
    desk.keyboard.press("y")
    finding(desk, "accepted")
    desk.keyboard.press("r")
    standing(desk, "draft")
    keep_all(desk)
    told = desk.locator('[data-field^="findings/"][data-result]').get_by_role("textbox")
    told.fill("Lung lesion of 77 mL.")
    told.blur()
    desk.locator('[data-field^="findings/"][data-mark="edited"]').wait_for(timeout=SOON)
    desk.get_by_role("button", name="Review and sign…").click()
    way = desk.get_by_role("dialog").get_by_role("region", name="In the way")
    way.get_by_text("77 mL").wait_for(timeout=SOON)
    button = desk.get_by_role("dialog").get_by_role("button", name=f"Sign as {ROE}")
    expect(button).to_be_disabled()
    clean(desk)
    way.get_by_role("button", name="Leave the measured numbers out").click()
    way.get_by_text("still says what was left out").wait_for(timeout=SOON)  # the impression
    expect(button).to_be_disabled()
    desk.keyboard.press("Escape")
    summary = desk.locator('[data-field^="impression/"][data-result]').get_by_role("textbox")
    summary.fill("Large lung lesion.")
    summary.blur()
    desk.locator('[data-field^="impression/"][data-mark="edited"]').wait_for(timeout=SOON)
    sign(desk, "Large lung lesion.")
    standing(desk, "signed")
    studies = desk.request.get("/api/studies").json()
    (study,) = [each for each in studies if each["patient_id"] == "SIGN-4"]
    at = f"/api/studies/{study['study_instance_uid']}/report"
    table = desk.request.get(f"{at}/exports/csv").text()
    assert "mm" in table
    assert ",ml," not in table


def test_a_reader_sees_how_far_it_is_and_has_no_button(desk, site, tmp_path):
    outlined(desk, site, tmp_path, "SIGN-3")
    context = desk.context.browser.new_context(base_url=site.url)
    other = context.new_page()
    come_in(other, "Rita Reader", "SIGN-3")
    other.keyboard.press("r")
    standing(other, "draft")
    assert other.get_by_role("button", name="Review and sign…").count() == 0
    context.close()
