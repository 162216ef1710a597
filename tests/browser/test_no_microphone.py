"""A page whose microphone is refused, missing, or whose server cannot hear: typing works on."""

import pytest

from tests.browser.conftest import launched, watched_page
from tests.browser.hands import SOON, lopsided, open_study, say

NO_DEVICES = "() => Object.defineProperty(navigator, 'mediaDevices', { value: undefined })"
REFUSES = """(name) => {
    navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException('', name));
}"""


@pytest.fixture
def studied(page, station, tmp_path):
    made = lopsided(tmp_path / "phantom", "DEAF-1")
    station.store(made.files)
    open_study(page, "DEAF-1")
    return page


def typing_works(page):
    say(page, "bone window")
    page.get_by_text("C 400  W 1800").wait_for(timeout=SOON)


def press(page, wanted):
    page.keyboard.down("F4")
    page.get_by_role("alert").filter(has_text=wanted).wait_for(timeout=SOON)
    page.keyboard.up("F4")


def test_a_browser_that_refuses_says_where_to_allow_it(playwright, station, tmp_path):
    made = lopsided(tmp_path / "phantom", "DEAF-2")
    station.store(made.files)
    flags = ("--use-gl=angle", "--use-angle=swiftshader", "--deny-permission-prompts")
    browser = launched(playwright, "--use-fake-device-for-media-stream", *flags)
    with watched_page(browser, station) as page:
        open_study(page, "DEAF-2")
        press(page, "allow it for this address")
        page.wait_for_selector('[data-testid="voice"][data-state="refused"]', timeout=SOON)
        typing_works(page)
    browser.close()


def test_without_a_microphone_one_is_to_be_connected(studied):
    press(studied, "No microphone is connected")
    typing_works(studied)


def test_a_page_that_is_not_secure_asks_for_https(studied):
    studied.evaluate(NO_DEVICES)
    press(studied, "open the page by https")
    typing_works(studied)


def test_a_microphone_that_is_taken_names_the_remedy(studied):
    studied.evaluate(REFUSES, "NotReadableError")
    press(studied, "Another program holds the microphone")
    typing_works(studied)
