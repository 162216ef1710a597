"""What is seen is what the server has: order, sides, values, and refusals in words."""

import re

import numpy as np
import pytest

from tests.browser.hands import (
    SOON,
    comes_to,
    go_to,
    image_at,
    lopsided,
    move_cursor,
    open_study,
    places,
    three_cuts,
)
from tests.cines import FRAMES, cine

MIDDLE = (32, 24)


@pytest.fixture(scope="module")
def phantom(station, tmp_path_factory):
    made = lopsided(tmp_path_factory.mktemp("phantom"), "LOPSIDED-1")
    station.store(made.files)
    return made


def test_every_pixel_is_where_its_voxel_is_and_as_bright(page, phantom, tmp_path):
    viewport = open_study(page, phantom.patient_id)
    page.keyboard.press("1")  # lung: -600, 1500
    for slice_index in (2, 5, 9):
        go_to(page, slice_index)
        at = places(viewport, phantom.volume.grid.shape[1:])
        values = phantom.volume.voxels[slice_index].astype(float)
        expected = np.clip((values + 600 + 750) / 1500, 0, 1) * 255

        def is_shown(at=at, expected=expected):
            seen = image_at(viewport, at, tmp_path / "seen.png").astype(float)
            # linear between pixels: up to 255 over 12 screen pixels, read to the nearest one
            return np.abs(seen - expected).max() <= 40

        assert comes_to(page, is_shown), slice_index


def test_the_value_under_the_cursor_is_the_voxels(page, phantom):
    open_study(page, phantom.patient_id)
    go_to(page, 5)
    page.keyboard.press("b")
    move_cursor(page, MIDDLE, (50, 7))
    readout = page.get_by_test_id("readout")
    assert readout.inner_text().split("\n")[0].startswith("1234 HU")
    assert "row 50 · column 7 · image 6" in readout.inner_text()
    page.keyboard.press("ArrowRight")
    assert readout.inner_text().startswith("-850 HU")


def test_slices_come_in_the_order_of_engines_with_the_values_of_engines(station, chest):
    shown = station.get(f"/api/series/{chest.series_instance_uid}").json()
    affine = np.array(shown["affine"])
    assert np.allclose(affine, chest.volume.grid.affine, atol=1e-4)
    for index in (0, 17, 47):
        body = station.get(f"/api/series/{chest.series_instance_uid}/images/{index}").content
        start = 4 + int.from_bytes(body[:4], "little")
        values = np.frombuffer(body[start:], "<i2").reshape(chest.volume.grid.shape[1:])
        assert np.array_equal(values, chest.volume.voxels[index])


def test_the_marks_are_the_patients_sides(page, chest):
    open_study(page, "SAMPLE-0001")
    marks = {
        side: page.get_by_test_id(f"mark-{side}").inner_text()
        for side in ("left", "right", "top", "bottom")
    }
    assert marks == {"left": "R", "right": "L", "top": "A", "bottom": "P"}
    page.keyboard.press("m")
    page.get_by_test_id("viewport-2").wait_for(timeout=SOON)
    coronal, sagittal = page.get_by_test_id("viewport-1"), page.get_by_test_id("viewport-2")
    assert "Coronal" in coronal.inner_text()
    assert "Sagittal" in sagittal.inner_text()
    assert coronal.get_by_test_id("mark-top").inner_text() == "H"
    assert coronal.get_by_test_id("mark-left").inner_text() == "R"
    assert sagittal.get_by_test_id("mark-left").inner_text() == "A"


def test_the_three_cuts_show_one_voxel_as_one_value(page, phantom):
    open_study(page, phantom.patient_id)
    three_cuts(page)
    first = page.get_by_test_id("viewport-0")
    at = places(first, phantom.volume.grid.shape[1:])[50, 7]
    go_to(page, 5)
    first.click(position={"x": float(at[0]), "y": float(at[1])})
    coronal = page.get_by_test_id("viewport-1")
    page.wait_for_selector('[data-testid="viewport-1"][data-slice="50"]', timeout=SOON)
    page.wait_for_selector('[data-testid="viewport-2"][data-slice="7"]', timeout=SOON)
    # head up: slice 5 of 12 is row 6 of the cut; each of its rows is twice as high as wide
    box = coronal.bounding_box()
    scale = min(box["height"] / 24, box["width"] / 48)
    x = (box["width"] - scale * 48) / 2 + 7.5 * scale
    y = (box["height"] - scale * 24) / 2 + 6.5 * scale * 2
    page.mouse.move(box["x"] + x, box["y"] + y)
    said = coronal.get_by_test_id("readout").inner_text()
    assert said.startswith("1234 HU")
    assert "row 50 · column 7 · image 6" in said


def test_the_scale_bar_is_as_long_as_it_says(page, phantom):
    viewport = open_study(page, phantom.patient_id)
    bar = page.get_by_test_id("scale")
    long = int(re.search(r"(\d+) cm", bar.inner_text()).group(1)) * 10
    width = bar.locator("svg").bounding_box()["width"]
    at = places(viewport, phantom.volume.grid.shape[1:])
    pixel_mm = phantom.volume.grid.spacing_mm[2]
    assert width == pytest.approx(long / pixel_mm * (at[0, 1, 0] - at[0, 0, 0]), abs=1.5)


def test_a_tilted_series_is_shown_image_by_image_with_the_reason(page, station, shared_data):
    files = sorted((shared_data / "zoo" / "ct_gantry_tilt_ge").rglob("*.dcm"))
    station.store(tuple(files))
    open_study(page, "HEAD")
    assert "gantry tilt" in page.get_by_role("status").first.inner_text()
    page.keyboard.press("m")
    assert "gantry tilt" in page.get_by_role("alert").inner_text()
    assert page.get_by_test_id("viewport-1").count() == 0


def test_a_turned_series_says_so_at_its_edges(page, station, shared_data):
    files = sorted((shared_data / "ct_multiorgan" / "dicom").rglob("*.dcm"))
    station.store(tuple(files))
    open_study(page, "RC-CT-0002")  # Image Orientation -1, 0, 0, 0, -1, 0
    assert page.get_by_test_id("mark-left").inner_text() == "L"
    assert page.get_by_test_id("mark-top").inner_text() == "P"


def test_frames_of_a_cine_are_played_and_have_no_cuts(page, station, tmp_path):
    station.store((cine(tmp_path, PatientID="CINE-1"),))
    viewport = open_study(page, "CINE-1")
    assert viewport.get_by_test_id("position").inner_text() == f"Frame 1 / {FRAMES}"
    page.keyboard.press("m")
    assert "follow one another in time" in page.get_by_role("alert").inner_text()
    seen = set()
    page.keyboard.press(".")
    for _ in range(100):
        seen.add(viewport.get_attribute("data-slice"))
        page.wait_for_timeout(25)
    page.keyboard.press(".")
    assert len(seen) == FRAMES
