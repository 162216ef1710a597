"""PET over CT: each colour where its uptake is in the patient, and refusals in words."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from copilot.system import RandomUids
from dicom_node.series_writer import SeriesIdentity, write_series
from domain.volume import Volume
from tests.browser.hands import (
    SOON,
    comes_to,
    go_to,
    move_cursor,
    open_study,
    overlay_at,
    places,
    three_cuts,
)
from tests.phantoms import ct, ellipsoid, grid

UIDS = RandomUids()
TOP = 5.0
OPACITY = 0.75
MIDDLE = (32, 24)
HOT = (5, 24, 30)


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A CT and a PET of one study; the PET is coarser, begins elsewhere and runs the other way."""

    patient_id: str
    ct: Volume
    pet: Volume

    def uptake(self) -> NDArray[np.float64]:
        """Return the PET at every voxel of the CT, by another's interpolation."""
        index = np.indices(self.ct.grid.shape).reshape(3, -1)
        positions = self.ct.grid.affine @ np.vstack([index, np.ones(index.shape[1])])
        there = np.linalg.inv(self.pet.grid.affine) @ positions
        values = ndimage.map_coordinates(
            self.pet.voxels.astype(np.float64), there[:3], order=1, cval=0.0
        )
        return values.reshape(self.ct.grid.shape)


def pair(folder: Path, patient_id: str, pet_frame: str | None = None) -> tuple[Pair, list[Path]]:
    on = grid(shape=(12, 64, 48), spacing_mm=(2.0, 1.0, 1.0))
    image = ct(on, ellipsoid(on, (9.0, 25.0, 18.0)), hu=40.0)
    coarse = grid(shape=(9, 22, 20), spacing_mm=(4.0, 4.0, 4.0), origin=(-24.0, -40.0, 36.0))
    affine = coarse.affine.copy()
    affine[:3, 3] += affine[:3, 2] * (coarse.shape[2] - 1)
    affine[:3, 2] *= -1.0
    coarse = replace(coarse, affine=affine)
    centre = np.linalg.inv(affine) @ [*on.to_lps_mm(HOT), 1.0]
    hot = ellipsoid(coarse, (7.0, 9.0, 9.0), centre=centre[:3])
    pet = Volume(voxels=np.where(hot.voxels, 4, 0).astype(np.int16), grid=coarse, modality="PT")
    identity = SeriesIdentity(
        patient_name="PHANTOM^FUSED",
        patient_id=patient_id,
        study_instance_uid=UIDS.new_uid(),
        series_instance_uid=UIDS.new_uid(),
        frame_of_reference_uid=UIDS.new_uid(),
        study_date="20200102",
        study_description="phantom",
        series_description="low dose CT",
    )
    below = write_series(image, identity, UIDS, folder / "ct")
    uptake = replace(
        identity,
        series_instance_uid=UIDS.new_uid(),
        frame_of_reference_uid=pet_frame or identity.frame_of_reference_uid,
        series_description="whole body PET",
        series_number=2,
    )
    above = write_series(pet, uptake, UIDS, folder / "pet")
    for path in above:
        dataset = pydicom.dcmread(path)
        dataset.Units = "GML"
        dataset.save_as(path)
    return Pair(patient_id=patient_id, ct=image, pet=pet), [*below, *above]


@pytest.fixture(scope="module")
def fused(station, tmp_path_factory):
    made, files = pair(tmp_path_factory.mktemp("fused"), "FUSED-1")
    station.store(tuple(files))
    return made


def opacities(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(255 * OPACITY * np.sqrt(np.clip(values / TOP, 0, 1)))


def lies(page, viewport, values: NDArray[np.float64]) -> bool:
    at = places(viewport, values.shape)
    wanted = opacities(values)

    def is_painted() -> bool:
        drawn = overlay_at(viewport, at)[..., 3].astype(float)
        # the canvas is read to the nearest of a few screen pixels for each of the image
        return np.abs(drawn - wanted).mean() < 3 and np.abs(drawn - wanted).max() < 60

    return comes_to(page, is_painted)


def laid_over(page) -> None:
    page.keyboard.press("i")
    page.wait_for_selector('[data-testid="viewport-0"] canvas[data-over="true"]', timeout=SOON)


def test_each_colour_lies_where_the_uptake_is_in_the_patient(page, fused):
    viewport = open_study(page, fused.patient_id)
    laid_over(page)
    uptake = fused.uptake()
    for slice_index in (1, 5, 8):
        go_to(page, slice_index)
        assert lies(page, viewport, uptake[slice_index]), slice_index
    page.keyboard.press("i")
    assert lies(page, viewport, np.zeros((64, 48)))


def test_the_uptake_under_the_cursor_is_said_in_suv(page, fused):
    open_study(page, fused.patient_id)
    laid_over(page)
    go_to(page, HOT[0])
    page.keyboard.press("b")
    move_cursor(page, MIDDLE, HOT[1:])
    readout = page.get_by_test_id("readout")
    value = fused.uptake()[HOT]
    assert comes_to(page, lambda: f"PT {value:.2f} SUV" in readout.inner_text())
    assert readout.inner_text().startswith("40 HU")


def test_the_range_is_made_brighter_and_fainter_by_keys(page, fused):
    open_study(page, fused.patient_id)
    laid_over(page)
    shown = page.get_by_test_id("uptake-range")
    assert shown.inner_text().startswith("0 to 5 SUV")
    page.keyboard.press("}")
    assert comes_to(page, lambda: shown.inner_text().startswith("0 to 4 SUV"))
    page.keyboard.press("{")
    page.keyboard.press("{")
    assert comes_to(page, lambda: shown.inner_text().startswith("0 to 6.25 SUV"))


def test_it_lies_over_the_cuts_across_the_images_too(page, fused):
    open_study(page, fused.patient_id)
    laid_over(page)
    three_cuts(page)
    for number in range(3):
        over = f'[data-testid="viewport-{number}"] canvas[data-over="true"]'
        page.wait_for_selector(over, timeout=SOON)


def test_the_pet_itself_shows_what_is_below_it(page, fused):
    viewport = open_study(page, fused.patient_id)
    page.get_by_role("button", name="whole body PET").click()
    comes_to(page, lambda: "PET" in viewport.get_attribute("aria-label"))
    laid_over(page)
    assert "low dose CT" in viewport.get_attribute("aria-label")


def test_what_stands_in_another_frame_of_reference_is_not_laid_over(page, station, tmp_path):
    made, files = pair(tmp_path, "FUSED-2", pet_frame=UIDS.new_uid())
    station.store(tuple(files))
    viewport = open_study(page, made.patient_id)
    page.keyboard.press("i")
    page.get_by_text("different frames of reference").wait_for(timeout=SOON)
    assert viewport.locator("canvas.overlay").get_attribute("data-over") == "false"
