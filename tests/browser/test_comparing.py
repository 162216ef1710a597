"""A study beside its prior on the page: verdicts, both places at one click, what is refused."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from copilot.system import RandomUids
from dicom_node.seg_reader import read_segmentation
from dicom_node.series_writer import SeriesIdentity, write_series
from domain.volume import Volume
from tests.bodies import Nodule, Patient, Pose
from tests.browser.hands import ENGINE, SOON, comes_to, open_study, overlay_at, places, say
from tests.browser.test_page import AXE

UIDS = RandomUids()
SPACING_MM = (3.0, 2.0, 2.0)
GROWS = Nodule(centre=(50.0, -10.0, 20.0), volume_ml=0.9)
STAYS = Nodule(centre=(-55.0, 5.0, -12.0), volume_ml=0.7)
COMES = Nodule(centre=(-50.0, -20.0, 30.0), volume_ml=0.9)
MOVED = Pose(turn_deg=(1.0, 2.0, 4.0), shift_mm=(14.0, -22.0, 231.0))
THEN = Patient(seed=6, nodules=(GROWS, STAYS)).seen(spacing_mm=SPACING_MM)
NOW = Patient(seed=6, nodules=(replace(GROWS, volume_ml=1.8), STAYS, COMES)).seen(
    MOVED, spacing_mm=SPACING_MM
)


@dataclass(frozen=True, kw_only=True)
class Stored:
    """A patient's two studies; the current one has its nodules outlined and accepted."""

    patient_id: str
    prior: str
    current: str
    results: tuple[dict, ...]


def written(folder: Path, volume: Volume, patient_id: str, day: str, **more) -> tuple[str, tuple]:
    identity = SeriesIdentity(
        patient_name="PHANTOM^COMPARED",
        patient_id=patient_id,
        series_instance_uid=UIDS.new_uid(),
        frame_of_reference_uid=UIDS.new_uid(),
        study_date=day,
        study_description="chest",
        series_description="lung",
        **({"study_instance_uid": UIDS.new_uid()} | more),
    )
    return identity.series_instance_uid, write_series(volume, identity, UIDS, folder)


def index_of(volume: Volume, nodule: Nodule, pose: Pose | None = None) -> tuple[int, int, int]:
    place = (pose or Pose()).placed(np.array(nodule.centre))
    index, row, column = (round(float(each)) for each in volume.grid.to_index(place))
    return index, row, column


def accepted(station, series: str, at: tuple[int, int, int]) -> dict:
    """Outline the nodule at a voxel, and accept it."""
    index, row, column = at
    body = {
        "series_instance_uid": series,
        "text": "segment the lung nodule",
        "points": [{"slice": index, "row": row, "column": column}],
    }
    made = station.post("/api/commands", json=body).json()
    assert made["state"] == "waiting", made
    return station.post(f"/api/commands/{made['id']}/accept").json()


@pytest.fixture(scope="module")
def stored(station, tmp_path_factory):
    folder = tmp_path_factory.mktemp("compared")
    then, before = written(folder / "then", THEN, "COMPARED-1", "20230101")
    now, files = written(folder / "now", NOW, "COMPARED-1", "20230720")
    station.store((*before, *files))
    results = tuple(
        accepted(station, now, index_of(NOW, each, MOVED)) for each in (GROWS, STAYS, COMES)
    )
    return Stored(patient_id="COMPARED-1", prior=then, current=now, results=results)


def lesions(page):
    shown = page.get_by_test_id("lesion")
    shown.first.wait_for(timeout=ENGINE)
    return shown


def test_what_was_accepted_is_compared_and_both_studies_go_to_a_lesion(page, station, stored):
    open_study(page, stored.patient_id)
    say(page, "compare with the prior")
    shown = lesions(page)
    assert [each.get_attribute("data-verdict") for each in shown.all()] == [
        "larger",
        "stable",
        "new",
    ]
    prior = page.get_by_test_id("viewport-1")
    prior.wait_for(timeout=SOON)
    assert "Prior 2023-01-01" in prior.inner_text()
    made = next(
        each
        for each in station.get("/api/commands").json()
        if each["series_instance_uid"] == stored.current and "comparison" in each
    )
    assert made["masks"] == []
    first = made["comparison"]["lesions"][0]
    text = shown.first.inner_text()
    assert text.startswith("Finding 1")
    assert f"{first['current']['volume_ml']:.2f}" in text
    assert f"{stored.results[0]['masks'][0]['volume_ml']:.2f}" in text
    assert f"{first['prior']['volume_ml']:.2f}" in text
    assert first["doubling_time"]["text"] in text
    assert first["reasons"][0] not in text  # on demand
    shown.first.get_by_text("Why").click()
    assert first["reasons"][0] in shown.first.inner_text()
    panel = page.get_by_test_id("comparison").inner_text()
    assert "Since 2023-01-01" in panel
    assert "200 days" in panel
    assert "RECIST 1.1 (Eisenhauer 2009): PD" in panel
    for number, nodule in ((1, STAYS), (0, GROWS), (2, COMES)):
        shown.nth(number).get_by_role("button").first.click()
        here, there = index_of(NOW, nodule, MOVED)[0], index_of(THEN, nodule)[0]
        for viewport, middle in ((0, here), (1, there)):
            near = range(middle - 1, middle + 2)
            page.wait_for_function(
                "([n, slices]) => slices.includes(Number("
                "document.querySelector(`[data-testid='viewport-${n}']`).dataset.slice))",
                arg=[viewport, list(near)],
                timeout=SOON,
            )
    shown.nth(0).get_by_role("button").first.click()
    assert is_outlined_on_prior(page, made, GROWS)
    page.evaluate(AXE.read_text())
    assert not page.evaluate("axe.run()")["violations"]


def is_outlined_on_prior(page, made: dict, nodule: Nodule) -> bool:
    """Tell whether the prior's overlay is what was outlined there, its line a pixel wide."""
    viewport = page.get_by_test_id("viewport-1")
    found = read_segmentation(Path(made["files"]["prior_seg"]), THEN.grid).segments
    mask = next(each.mask for each in found if each.mask.voxels[index_of(THEN, nodule)])
    at = places(viewport, THEN.grid.shape[1:])

    def is_painted() -> bool:
        index = int(viewport.get_attribute("data-slice"))
        drawn, wanted = overlay_at(viewport, at)[..., 3] > 0, mask.voxels[index]
        reach = ndimage.binary_dilation(wanted, np.ones((3, 3)))
        return bool(wanted.any() and drawn[wanted].all() and not drawn[~reach].any())

    return comes_to(page, is_painted)


def test_a_refused_alignment_is_said_with_its_numbers(page, station, tmp_path):
    solid = replace(THEN, voxels=np.where(THEN.voxels > -900, 40, -1000).astype(np.int16))
    solid.voxels[:, ::7] = 300
    _, before = written(tmp_path / "then", solid, "COMPARED-2", "20230101")
    now, files = written(tmp_path / "now", NOW, "COMPARED-2", "20230720")
    station.store((*before, *files))
    accepted(station, now, index_of(NOW, GROWS, MOVED))
    open_study(page, "COMPARED-2")
    say(page, "compare with the prior")
    refusal = page.get_by_test_id("refusal")
    refusal.wait_for(timeout=ENGINE)
    panel = page.get_by_test_id("comparison").inner_text()
    assert "structure 0." in panel or "structure -0." in panel
    assert page.get_by_test_id("lesion").count() == 0


def test_which_of_two_priors_is_meant_is_asked(page, station, tmp_path):
    study = UIDS.new_uid()
    both = [
        written(tmp_path / name, THEN, "COMPARED-3", "20230101", study_instance_uid=study)
        for name in ("one", "two")
    ]
    now, files = written(tmp_path / "now", NOW, "COMPARED-3", "20230720")
    station.store((*both[0][1], *both[1][1], *files))
    accepted(station, now, index_of(NOW, GROWS, MOVED))
    open_study(page, "COMPARED-3")
    say(page, "compare with the prior")
    question = page.get_by_role("alertdialog", name="Question of the copilot")
    question.wait_for(timeout=ENGINE)
    assert "Which series of 2023-01-01 is the prior?" in question.inner_text()
    question.get_by_role("button").nth(1).click()
    lesions(page)
    made = next(
        each
        for each in station.get("/api/commands").json()
        if each["series_instance_uid"] == now and "comparison" in each
    )
    assert made["prior"]["series_instance_uid"] in {both[0][0], both[1][0]}
    assert "chosen beside" in made["prior"]["says"]


def test_an_outline_that_was_taken_back_takes_its_numbers_with_it(page, station, stored):
    open_study(page, stored.patient_id)
    assert lesions(page).count() == 3  # of the comparison made before
    page.get_by_test_id("comparison").get_by_role("button", name="Done").click()
    assert page.get_by_test_id("comparison").count() == 0
    page.reload()
    lesions(page)
    station.post(f"/api/commands/{stored.results[2]['id']}/reject")
    again = page.get_by_role("button", name="Compare again")
    again.wait_for(timeout=SOON)
    assert page.get_by_test_id("lesion").count() == 0
    again.click()
    assert [each.get_attribute("data-verdict") for each in lesions(page).all()] == [
        "larger",
        "stable",
    ]
