"""From a box to what the PACS holds, with the keyboard alone where a reader would use it."""

import httpx
import numpy as np
import pydicom
import pytest

from copilot.evaluation.gestures import range_of, tight_box
from dicom_node.orthanc import OrthancRest
from dicom_node.seg_reader import read_segmentation
from dicom_node.volumes import load_series
from domain.uids import InstanceUID
from tests.browser.hands import (
    ENGINE,
    SOON,
    box_by_keys,
    comes_to,
    drawn_finding,
    finding,
    go_to,
    identity_of,
    lopsided,
    move_cursor,
    open_study,
    overlay_at,
    places,
    say,
    seg_of,
    shows,
)

MIDDLE = (32, 24)
SENTENCE = "segment the lung lesion"


@pytest.fixture
def phantom(station, tmp_path, request):
    made = lopsided(tmp_path / "phantom", f"P-{abs(hash(request.node.name)) % 10**8}")
    station.store(made.files)
    return made


@pytest.fixture
def outlined(page, phantom):
    """The phantom's thing, outlined from a box that was drawn with keys."""
    viewport = open_study(page, phantom.patient_id)
    box = tight_box(phantom.thing)
    go_to(page, box.slice_start)
    box_by_keys(page, MIDDLE, (box.row_start, box.row_stop), (box.column_start, box.column_stop))
    say(page, SENTENCE)
    drawn_finding(page)
    return viewport


def instances(station):
    statistics = httpx.get(f"{station.orthanc.url}/statistics", trust_env=False)
    return statistics.json()["CountInstances"]


def test_the_mask_on_the_screen_is_the_seg_voxel_for_voxel(
    page, station, phantom, outlined, tmp_path
):
    grid = load_series(phantom.files).grid
    mask = read_segmentation(seg_of(station, identity_of(page), tmp_path), grid).segments[0].mask
    assert mask.voxel_count > 500
    assert not np.array_equal(mask.voxels, mask.voxels[:, :, ::-1])
    assert shows(page, outlined, mask)


def test_with_keys_alone_a_lesion_goes_from_the_list_to_the_archive(page, station, chest, tmp_path):
    viewport = open_study(page, "SAMPLE-0001")
    box, (first, last) = tight_box(chest.expert), range_of(chest.expert)
    go_to(page, first)
    page.keyboard.press("[")
    go_to(page, last - 1)
    page.keyboard.press("]")
    go_to(page, box.slice_start)
    box_by_keys(
        page, (256, 256), (box.row_start, box.row_stop), (box.column_start, box.column_stop)
    )
    say(page, SENTENCE)
    card = drawn_finding(page)
    assert "1." in card.inner_text()
    assert viewport.get_attribute("data-slice") == str(box.slice_start)
    identity = identity_of(page)
    made = station.get(f"/api/commands/{identity}").json()
    assert made["hints"]["slices"] == [first, last]
    shown = f"{made['masks'][0]['volume_ml']:.2f} mL"
    assert shown in card.inner_text()
    page.keyboard.press("y")
    finding(page, "accepted")
    page.keyboard.press("g")
    sheet = page.get_by_role("dialog", name="What is sent, and where")
    assert "ORTHANC" in sheet.inner_text()
    assert "Segmentation (DICOM-SEG)" in sheet.inner_text()
    assert shown in sheet.inner_text()
    assert station.get(f"/api/deliveries/{identity}").json() == []
    page.keyboard.press("Enter")
    sent = finding(page, "sent")
    sent.get_by_text("confirmed").wait_for(timeout=ENGINE)
    ours = seg_of(station, identity, tmp_path)
    uid = InstanceUID(str(pydicom.dcmread(ours).SOPInstanceUID))
    held = tmp_path / "held.dcm"
    held.write_bytes(OrthancRest(station.orthanc.url).instance(uid))
    grid = load_series(chest.files).grid
    there = read_segmentation(held, grid).segments[0].mask
    assert np.array_equal(there.voxels, read_segmentation(ours, grid).segments[0].mask.voxels)
    assert there.voxel_count == made["masks"][0]["voxels"]


def test_a_no_leaves_the_archive_untouched(page, station, outlined):
    before = instances(station)
    identity = identity_of(page)
    page.keyboard.press("n")
    page.locator('[data-testid="finding"]').wait_for(state="detached", timeout=SOON)
    assert station.get(f"/api/commands/{identity}").json()["state"] == "rejected"
    page.keyboard.press("g")
    assert page.get_by_role("button", name="Send").is_disabled()
    page.keyboard.press("Enter")
    page.wait_for_timeout(1500)
    assert instances(station) == before
    assert station.get(f"/api/deliveries/{identity}").json() == []


def test_a_brush_is_undone_by_name_and_its_mask_is_measured_by_the_server(
    page, station, phantom, outlined, tmp_path
):
    first = identity_of(page)
    box = tight_box(phantom.thing)
    page.keyboard.press("w")
    middle = station.get(f"/api/commands/{first}").json()["masks"][0]["key_slice"]
    assert middle == box.slice_start
    at = places(outlined, phantom.volume.grid.shape[1:])[10, 10]
    frame = outlined.bounding_box()
    page.mouse.move(frame["x"] + at[0], frame["y"] + at[1])
    page.mouse.down()
    page.mouse.move(frame["x"] + at[0] + 1, frame["y"] + at[1])
    page.mouse.up()
    page.keyboard.press("Control+z")
    assert f"Undone: brush stroke on image {middle + 1}." in page.locator(".said").inner_text()
    page.keyboard.press("Control+Shift+z")
    page.keyboard.press("c")
    page.locator(f'[data-testid="finding"]:not([data-key^="{first}"])').wait_for(timeout=ENGINE)
    made = [
        each
        for each in station.get("/api/commands").json()
        if each.get("corrects") == first and each["state"] == "waiting"
    ]
    assert len(made) == 1
    before = station.get(f"/api/commands/{first}").json()["masks"][0]
    after = made[0]["masks"][0]
    disc = sum(np.hypot(row, column) <= 4 for row in range(-4, 5) for column in range(-4, 5))
    assert after["voxels"] - before["voxels"] == pytest.approx(disc, abs=12)
    assert "corrected by hand" in after["made_by"]["prompt"]
    grid = load_series(phantom.files).grid
    was = read_segmentation(seg_of(station, first, tmp_path), grid).segments[0].mask.voxels
    now = read_segmentation(seg_of(station, made[0]["id"], tmp_path), grid).segments[0].mask.voxels
    assert not (was & ~now).any()
    assert set(np.flatnonzero((now & ~was).any(axis=(1, 2)))) == {middle}
    assert now[middle, 10, 10]
    drawn_finding(page)
    page.keyboard.press("y")
    finding(page, "accepted")
    assert station.get(f"/api/commands/{first}").json()["state"] == "replaced"


def test_two_pages_on_one_study_stay_equal(page, browser, station, phantom, outlined):
    context = browser.new_context(base_url=station.url)
    other = context.new_page()
    open_study(other, phantom.patient_id)
    finding(other, "waiting")
    page.keyboard.press("y")
    finding(other, "accepted")
    other.keyboard.press("j")
    other.keyboard.press("n")
    page.locator('[data-testid="finding"]').wait_for(state="detached", timeout=SOON)
    context.close()


def test_an_answer_never_lands_on_another_patient(page, station, phantom, chest):
    open_study(page, phantom.patient_id)
    box = tight_box(phantom.thing)
    go_to(page, box.slice_start)
    box_by_keys(page, MIDDLE, (box.row_start, box.row_stop), (box.column_start, box.column_stop))
    say(page, SENTENCE)
    page.get_by_role("button", name="Studies").click()
    page.get_by_role("searchbox", name="Find a study").fill("SAMPLE-0001")
    page.get_by_role("row").filter(has_text="SAMPLE-0001").first.click()
    page.get_by_role("heading", name="SAMPLE, CHEST").wait_for(timeout=SOON)

    def is_done() -> bool:
        newest = station.get("/api/commands").json()[0]
        return newest["state"] == "waiting" and newest["text"] == SENTENCE

    station.wait(is_done)
    page.wait_for_timeout(1500)
    identity = station.get("/api/commands").json()[0]["id"]
    assert page.locator(f'[data-key^="{identity}"]').count() == 0
    page.get_by_role("button", name="Studies").click()
    open_study(page, phantom.patient_id)
    page.locator(f'[data-key^="{identity}"]').wait_for(timeout=SOON)


def test_what_is_not_understood_comes_back_as_a_question_with_choices(page, phantom):
    open_study(page, phantom.patient_id)
    say(page, "segmend teh lunk lesion pleas")
    question = page.get_by_role("alertdialog")
    question.wait_for(timeout=SOON)
    assert "do not understand" in question.inner_text()
    assert question.get_by_role("button").count() >= 2


def test_a_command_of_the_page_acts_on_the_page(page, phantom):
    viewport = open_study(page, phantom.patient_id)
    say(page, "bone window")
    page.get_by_text("C 400  W 1800").wait_for(timeout=SOON)
    say(page, "go to slice 3")
    page.wait_for_selector('[data-testid="viewport-0"][data-slice="2"]', timeout=SOON)
    assert viewport.get_by_test_id("position").inner_text() == "Image 3 / 12"


def test_a_drawn_line_measures_its_length(page, phantom):
    viewport = open_study(page, phantom.patient_id)
    page.keyboard.press("l")
    move_cursor(page, MIDDLE, (10, 10))
    page.keyboard.press("Enter")
    move_cursor(page, (10, 10), (40, 10))
    page.keyboard.press("Enter")
    at = places(viewport, phantom.volume.grid.shape[1:])

    def is_drawn():
        seen = overlay_at(viewport, at)[..., 3] > 0
        return seen[12:39, 10].all() and not seen[50:, :].any()

    assert comes_to(page, is_drawn)


def test_the_report_fills_itself_keeps_what_is_typed_and_says_what_went_stale(
    page, browser, station, phantom, outlined
):
    page.keyboard.press("y")
    finding(page, "accepted")
    page.keyboard.press("r")
    told = page.locator('[data-field^="findings/"][data-result]')
    told.wait_for(timeout=SOON)
    volume = station.get(f"/api/commands/{identity_of_study(station, phantom)}").json()
    shown = told.get_by_role("textbox").input_value()
    assert f"{volume['masks'][0]['volume_ml']:.2f} mL" in shown
    assert told.get_attribute("data-mark") == "machine"
    markup = "<img src=x onerror=document.title='run'>"
    told.get_by_role("textbox").fill(f"A lesion. {markup}")
    page.locator('[data-field^="findings/"][data-mark="edited"]').wait_for(timeout=SOON)
    context = browser.new_context(base_url=station.url)
    other = context.new_page()
    open_study(other, phantom.patient_id)
    other.keyboard.press("r")
    same = other.locator('[data-field^="findings/"][data-mark="edited"]').get_by_role("textbox")
    same.wait_for(timeout=SOON)
    assert same.input_value() == f"A lesion. {markup}"
    assert other.title() == page.title() == "radcopilot"
    own = other.get_by_label("Impression: your own words")
    own.fill("Follow-up.")
    own.blur()
    page.wait_for_function(
        "() => [...document.querySelectorAll('textarea')].some(e => e.value === 'Follow-up.')"
    )
    context.close()
    page.locator(".viewport").first.focus()
    page.keyboard.press("r")
    page.keyboard.press("n")
    page.keyboard.press("r")
    page.locator('[data-field^="findings/"][data-mark="stale"]').wait_for(timeout=SOON)


def identity_of_study(station, phantom):
    series = str(pydicom.dcmread(phantom.files[0]).SeriesInstanceUID)
    made = station.get("/api/commands").json()
    return next(each["id"] for each in made if each["series_instance_uid"] == series)


def test_a_running_command_is_stopped_and_says_so(page, station, phantom):
    open_study(page, phantom.patient_id)
    box = tight_box(phantom.thing)
    go_to(page, box.slice_start)
    box_by_keys(page, MIDDLE, (box.row_start, box.row_stop), (box.column_start, box.column_stop))
    with station.busy():
        say(page, SENTENCE)
        page.get_by_role("button", name="Stop").click()
        page.wait_for_timeout(300)
    page.get_by_role("alert").filter(has_text="stopped by the reader").wait_for(timeout=ENGINE)
    identity = identity_of_study(station, phantom)
    assert station.get(f"/api/commands/{identity}").json()["state"] == "failed"


def test_a_prior_stands_beside_its_study_and_takes_no_box(page, station, tmp_path):
    now = lopsided(tmp_path / "now", "PRIOR-1", description="later")
    then = lopsided(tmp_path / "then", "PRIOR-1", description="earlier")
    for path in then.files:
        header = pydicom.dcmread(path)
        header.StudyDate = "20190305"
        header.save_as(path)
    station.store((*now.files, *then.files))
    page.goto("/")
    page.get_by_role("row").filter(has_text="later").get_by_role("button").press("Enter")
    page.wait_for_selector('[data-testid="viewport-0"][data-shown="true"]', timeout=SOON)
    page.keyboard.press("x")
    prior = page.get_by_test_id("viewport-1")
    prior.wait_for(timeout=SOON)
    assert "Prior 2019-03-05" in prior.inner_text()
    before = int(prior.get_attribute("data-slice"))
    page.keyboard.press("ArrowDown")
    page.wait_for_selector(f'[data-testid="viewport-1"][data-slice="{before + 1}"]', timeout=SOON)
    page.keyboard.press("v")
    page.keyboard.press("b")
    page.keyboard.press("Enter")
    assert "earlier study" in page.get_by_role("alert").inner_text()
    study = pydicom.dcmread(then.files[0]).StudyInstanceUID
    httpx.put(
        f"{station.url}/api/studies/{study}/report/fields/findings/own",
        json={"text": "A nodule of 6 mm in the left lung."},
        trust_env=False,
    ).raise_for_status()
    page.keyboard.press("Escape")
    page.locator(".viewport").first.focus()
    page.keyboard.press("r")
    earlier = page.get_by_role("region", name="Report of the earlier study")
    earlier.get_by_text("A nodule of 6 mm in the left lung.").wait_for(timeout=SOON)
    assert "Report of 2019-03-05" in earlier.inner_text()
    assert earlier.get_by_role("textbox").count() == 0


def test_a_finding_is_renamed_with_its_codes_and_the_first_is_gone(
    page, station, phantom, outlined, tmp_path
):
    first = identity_of(page)
    page.get_by_label("This is a").select_option("liver lesion")
    page.locator(f'[data-testid="finding"]:not([data-key^="{first}"])').wait_for(timeout=ENGINE)
    page.locator(f'[data-key^="{first}"]').wait_for(state="detached", timeout=SOON)
    second = identity_of(page)
    assert station.get(f"/api/commands/{first}").json()["state"] == "replaced"
    grid = load_series(phantom.files).grid
    was, now = (
        read_segmentation(seg_of(station, each, tmp_path), grid).segments[0]
        for each in (first, second)
    )
    assert np.array_equal(was.mask.voxels, now.mask.voxels)
    assert was.label != now.label
    assert "liver" in now.label.lower()
    before, after = (
        station.get(f"/api/commands/{each}").json()["masks"][0] for each in (first, second)
    )
    assert after["volume_ml"] == before["volume_ml"]
    assert after["made_by"]["prompt"].endswith("named by hand")
