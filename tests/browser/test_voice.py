"""Spoken to the page: a real microphone path, the real engine, the real archive."""

import numpy as np
import pydicom
import pytest

from copilot.evaluation.gestures import tight_box
from dicom_node.orthanc import OrthancRest
from dicom_node.seg_reader import read_segmentation
from dicom_node.volumes import load_series
from domain.uids import InstanceUID
from tests.browser.conftest import watched_page
from tests.browser.hands import (
    ENGINE,
    SOON,
    box_by_keys,
    drawn_finding,
    finding,
    go_to,
    identity_of,
    lopsided,
    open_study,
    say,
    seg_of,
    shows,
)
from tests.browser.mouth import Mouth, speaking_browser
from tests.server import running_server
from tests.waiting import until

MIDDLE = (32, 24)
KEEPS_SOCKETS = """(() => {
    window.sockets = [];
    window.WebSocket = class extends WebSocket {
        constructor(...more) { super(...more); window.sockets.push(this); }
    };
})()"""


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    return tmp_path_factory.mktemp("microphone") / "microphone.wav"


@pytest.fixture(scope="module")
def browser(playwright, sound, tool):
    tool("flite")
    made = speaking_browser(playwright, sound)
    yield made
    made.close()


@pytest.fixture
def phantom(station, tmp_path, request):
    made = lopsided(tmp_path / "phantom", f"V-{abs(hash(request.node.name)) % 10**8}")
    station.store(made.files)
    return made


@pytest.fixture
def mouth(page, sound):
    return Mouth(page=page, sound=sound)


@pytest.fixture
def boxed(page, phantom):
    """The phantom opened, a box drawn round its thing with keys."""
    viewport = open_study(page, phantom.patient_id)
    box = tight_box(phantom.thing)
    go_to(page, box.slice_start)
    box_by_keys(page, MIDDLE, (box.row_start, box.row_stop), (box.column_start, box.column_stop))
    return viewport


def test_a_lesion_goes_by_voice_from_a_box_to_the_archive_and_into_the_draft(  # noqa: PLR0917
    page, station, phantom, boxed, mouth, tmp_path
):
    mouth.say("segment the lung lesion and measure its volume")
    understood = page.get_by_test_id("understood")
    understood.wait_for(timeout=SOON)
    for part in ("segment", "lung lesion", "volume"):
        assert part in understood.inner_text()
    card = drawn_finding(page)
    identity = identity_of(page)
    made = station.get(f"/api/commands/{identity}").json()
    volume = f"{made['masks'][0]['volume_ml']:.2f} mL"
    assert volume in card.inner_text()
    ours = seg_of(station, identity, tmp_path)
    grid = load_series(phantom.files).grid
    mask = read_segmentation(ours, grid).segments[0].mask
    assert shows(page, boxed, mask)
    mouth.say("accept")
    finding(page, "accepted")
    mouth.say("send everything to PACS")
    sheet = page.get_by_role("dialog", name="What is sent, and where")
    sheet.wait_for(timeout=SOON)
    assert station.get(f"/api/deliveries/{identity}").json() == []
    page.keyboard.press("Escape")
    sheet.wait_for(state="detached", timeout=SOON)
    assert station.get(f"/api/deliveries/{identity}").json() == []
    page.keyboard.press("g")
    sheet.wait_for(timeout=SOON)
    page.keyboard.press("Enter")
    finding(page, "sent").get_by_text("confirmed").wait_for(timeout=ENGINE)
    uid = InstanceUID(str(pydicom.dcmread(ours).SOPInstanceUID))
    held = tmp_path / "held.dcm"
    held.write_bytes(OrthancRest(station.orthanc.url).instance(uid))
    there = read_segmentation(held, grid).segments[0].mask
    assert np.array_equal(there.voxels, mask.voxels)
    page.keyboard.press("r")
    told = page.locator('[data-field^="findings/"][data-result]')
    told.wait_for(timeout=SOON)
    assert volume in told.get_by_role("textbox").input_value()


def test_what_is_sent_waits_for_a_confirm_of_its_own(page, station, boxed, mouth):
    say(page, "segment the lung lesion")
    drawn_finding(page)
    identity = identity_of(page)
    page.keyboard.press("y")
    finding(page, "accepted")
    sheet = page.get_by_role("dialog", name="What is sent, and where")
    mouth.say("send everything to PACS")
    sheet.wait_for(timeout=SOON)
    mouth.say("confirm")
    finding(page, "sent")
    assert len(station.get(f"/api/deliveries/{identity}").json()) == 1


def test_a_question_is_answered_by_voice(page, station, phantom, mouth):
    open_study(page, phantom.patient_id)
    say(page, "segment the left and right ventricle")
    question = page.get_by_role("alertdialog")
    question.wait_for(timeout=SOON)
    second = question.locator(".choices button").nth(1).inner_text().removesuffix("2").strip()
    mouth.say("the second")
    question.filter(has_text=second).wait_for(state="detached", timeout=SOON)
    station.wait(lambda: station.get("/api/commands").json()[0]["text"] == second)


def test_words_are_dictated_at_the_cursor_and_undone_by_name(page, station, phantom, mouth):
    open_study(page, phantom.patient_id)
    page.keyboard.press("r")
    own = page.get_by_label("Impression: your own words")
    own.fill("Before. After.")
    own.evaluate("(field) => field.setSelectionRange(7, 7)")
    mouth.say("there is no pleural effusion full stop", key="F6")
    text = own.input_value()
    assert text.startswith("Before. There is no pleural effusion. ")
    assert text.endswith("After.")
    page.locator('[data-field="impression/own"][data-mark="edited"]').wait_for(timeout=SOON)
    page.locator(".viewport").first.focus()
    page.keyboard.press("Control+z")
    assert "Undone: the words dictated into Impression" in page.locator(".said").inner_text()
    assert own.input_value() == "Before. After."


def test_a_command_cannot_act_on_another_patient(  # noqa: PLR0917
    page, station, phantom, boxed, mouth, tmp_path
):
    other = lopsided(tmp_path / "other", "V-OTHER", name="OTHER^PATIENT")
    station.store(other.files)
    before = len(station.get("/api/commands").json())
    mouth.off()
    seconds = mouth.load("segment the lung lesion")
    page.keyboard.down("F4")
    mouth.wait("listening", timeout=SOON)
    page.wait_for_timeout(seconds * 1000)
    uids = pydicom.dcmread(other.files[0])
    page.evaluate(
        "(address) => { location.hash = ''; location.hash = address; }",
        f"#/{uids.StudyInstanceUID}/{uids.SeriesInstanceUID}",
    )
    page.get_by_role("heading", name="OTHER, PATIENT").wait_for(timeout=SOON)
    page.keyboard.up("F4")
    alert = page.get_by_role("alert")
    alert.filter(has_text="said about other images").wait_for(timeout=ENGINE)
    assert len(station.get("/api/commands").json()) == before
    assert page.get_by_test_id("finding").count() == 0


def test_what_is_cut_off_or_taken_back_does_nothing_and_says_so(page, station, boxed, mouth):
    before = len(station.get("/api/commands").json())
    mouth.off()
    seconds = mouth.load("segment the lung lesion")
    page.keyboard.down("F4")
    mouth.wait("listening", timeout=SOON)
    page.wait_for_timeout(1500)
    page.keyboard.press("Escape")
    mouth.wait("armed", timeout=SOON)
    page.get_by_text("what you said is dropped").wait_for(timeout=SOON)
    page.keyboard.up("F4")
    page.keyboard.press("F4", delay=60)
    page.get_by_text("That was too short").wait_for(timeout=SOON)
    page.wait_for_timeout(seconds * 1000)  # nobody speaks any more
    page.keyboard.down("F4")
    page.wait_for_timeout(900)
    page.keyboard.up("F4")
    page.get_by_role("alert").filter(has_text="hold the key while speaking").wait_for(
        timeout=ENGINE
    )
    assert len(station.get("/api/commands").json()) == before


def test_a_connection_that_drops_while_one_speaks_does_nothing_and_comes_back(
    page, station, phantom, mouth
):
    page.add_init_script(KEEPS_SOCKETS)
    open_study(page, phantom.patient_id)
    mouth.say("go to slice seven")
    page.wait_for_selector('[data-testid="viewport-0"][data-slice="6"]', timeout=ENGINE)
    before = len(station.get("/api/commands").json())
    mouth.off()
    mouth.load("go to slice three")
    page.keyboard.down("F4")
    mouth.wait("listening", timeout=SOON)
    page.wait_for_timeout(1000)
    page.evaluate("() => sockets.at(-1).close()")
    page.get_by_role("alert").filter(has_text="The connection broke").wait_for(timeout=SOON)
    mouth.wait("armed", timeout=SOON)
    page.keyboard.up("F4")
    assert len(station.get("/api/commands").json()) == before
    mouth.say("go to slice four")
    page.wait_for_selector('[data-testid="viewport-0"][data-slice="3"]', timeout=ENGINE)
    assert page.evaluate("() => sockets.length") == 2


def test_where_the_speech_engine_is_missing_its_remedy_is_said_and_typing_works(
    browser, sound, tmp_path
):
    with running_server(tmp_path, storage=f'models_folder = "{tmp_path / "none"}"') as server:
        server.peer.store(lopsided(tmp_path / "study", "MUTE-1").files)
        until(lambda: server.get("/health").json()["instances"] == 12)
        with watched_page(browser, server) as page:
            open_study(page, "MUTE-1")
            Mouth(page=page, sound=sound).hold("bone window")
            told = page.get_by_role("alert").filter(has_text="radcopilot models install")
            told.wait_for(timeout=ENGINE)
            assert "Typing works on" in told.inner_text()
            say(page, "bone window")
            page.get_by_text("C 400  W 1800").wait_for(timeout=SOON)


def test_words_that_point_are_resolved_by_what_the_page_knows(page, station, boxed, mouth):
    mouth.say("measure this")
    card = drawn_finding(page)
    first = identity_of(page)
    assert "mL" in card.inner_text()
    mouth.say("make it smaller")
    card.get_by_text("Changed: made 1 mm smaller").wait_for(timeout=SOON)
    mouth.say("undo that")
    page.locator(".said").filter(has_text="Undone: made 1 mm smaller").wait_for(timeout=SOON)
    say(page, "make it larger")
    say(page, "measure it")
    larger = page.locator(f'[data-testid="finding"]:not([data-key^="{first}"])')
    larger.wait_for(timeout=ENGINE)
    second = larger.get_attribute("data-key").split("/")[0]
    before, after = (
        station.get(f"/api/commands/{each}").json()["masks"][0]["volume_ml"]
        for each in (first, second)
    )
    assert after > before


def test_hands_free_the_server_ends_each_sentence(page, boxed, mouth):
    mouth.off()
    mouth.load("go to slice seven", "go to slice three", pauses_s=(2.0, 6.0))
    page.get_by_role("button", name="Hands free").click()
    page.wait_for_selector('[data-testid="viewport-0"][data-slice="6"]', timeout=ENGINE)
    page.wait_for_selector('[data-testid="viewport-0"][data-slice="2"]', timeout=ENGINE)
    page.get_by_role("button", name="Hands free").click()
    mouth.wait("armed")


def test_what_can_be_said_is_shown_when_asked_for(page, station, phantom, mouth):
    open_study(page, phantom.patient_id)
    mouth.say("what can I say")
    panel = page.get_by_role("dialog", name="What you can say")
    panel.wait_for(timeout=SOON)
    shown = panel.inner_text()
    for sentences in station.get("/api/station").json()["sentences"].values():
        for sentence in sentences:
            assert sentence in shown
    page.keyboard.press("Escape")
    panel.wait_for(state="detached", timeout=SOON)
    page.keyboard.press("t")
    panel.wait_for(timeout=SOON)


def test_a_key_of_the_readers_own_is_kept_by_the_browser(page, phantom):
    open_study(page, phantom.patient_id)
    page.keyboard.press("?")
    page.get_by_role("button", name="Hold and say a command").click()
    page.keyboard.press("y")
    page.get_by_text("has another meaning here").first.wait_for(timeout=SOON)
    page.keyboard.press("F8")
    page.keyboard.press("Escape")
    page.reload()
    page.get_by_role("button", name="Speak").get_by_text("F8").wait_for(timeout=SOON)
