"""Candidates for lung nodules: balls before tubes, whatever the spacing and orientation."""

import json

import numpy as np
import pytest

from copilot.concepts import load_concepts
from dicom_node.files import dicom_files
from dicom_node.volumes import load_series
from domain.candidate import Candidate
from domain.ports import CandidateFinder, no_progress
from domain.prompt import Prompt
from domain.volume import Volume
from segmentation.lung.half_maximum import HalfMaximumSegmenter
from segmentation.lung.nodules import NoduleFinder
from tests.contracts.segmenters import axial_grid
from tests.segmentation.chests import Ball, Tube, chest_with

FINDER = NoduleFinder(load_concepts())
BALLS = (
    Ball(centre_mm=(71.0, 78.0, 58.0), radius_mm=6.0),
    Ball(centre_mm=(92.0, 98.0, 176.0), radius_mm=5.0),
    Ball(centre_mm=(53.0, 66.0, 168.0), radius_mm=9.0),
)
TUBES = (
    Tube(start_mm=(75.0, 82.0, 108.0), stop_mm=(95.0, 60.0, 40.0), radius_mm=3.0),
    Tube(start_mm=(15.0, 100.0, 70.0), stop_mm=(135.0, 100.0, 74.0), radius_mm=2.5),
    Tube(start_mm=(75.0, 82.0, 132.0), stop_mm=(110.0, 120.0, 195.0), radius_mm=4.0),
    Tube(start_mm=(60.0, 82.0, 132.0), stop_mm=(30.0, 60.0, 190.0), radius_mm=3.0),
)
OTHER_WAYS = [(1.5, 1.0, 1.0), (2.5, 1.5, 1.5), (5.0, 0.8, 0.8), (3.0, 2.0, 2.0)]


def _found(volume: Volume) -> tuple[Candidate, ...]:
    return FINDER.find(volume, no_progress)


def _holds(volume: Volume, candidate: Candidate, ball: Ball) -> bool:
    box = candidate.box
    starts = (box.slice_start, box.row_start, box.column_start)
    stops = (box.slice_stop, box.row_stop, box.column_stop)
    return all(
        start * mm <= at <= stop * mm
        for start, stop, at, mm in zip(
            starts, stops, ball.centre_mm, volume.grid.spacing_mm, strict=True
        )
    )


def _rank(volume: Volume, found: tuple[Candidate, ...], ball: Ball) -> int:
    ranks = [n for n, each in enumerate(found, start=1) if _holds(volume, each, ball)]
    assert ranks, f"not listed: {ball}"
    return ranks[0]


@pytest.mark.parametrize("spacing_mm", OTHER_WAYS, ids=str)
def test_balls_come_before_tubes_at_any_spacing_and_about_their_size(spacing_mm):
    volume = chest_with(BALLS, TUBES, spacing_mm)
    found = _found(volume)
    for ball in BALLS:
        rank = _rank(volume, found, ball)
        assert rank <= len(BALLS)
        assert found[rank - 1].volume_ml == pytest.approx(ball.volume_ml, rel=0.25)
        assert found[rank - 1].diameter_mm == pytest.approx(
            2 * ball.radius_mm, abs=2 * spacing_mm[1]
        )
        assert found[rank - 1].side == ("right" if ball.centre_mm[2] < 120 else "left")


def test_vessels_alone_are_not_taken_for_nodules():
    assert _found(chest_with((), TUBES)) == ()


def test_the_order_of_slices_rows_and_columns_in_the_file_changes_nothing():
    volume = chest_with(BALLS, TUBES)
    flips = (True, False, True)
    turned = Volume(
        voxels=np.ascontiguousarray(volume.voxels[::-1, :, ::-1]),
        grid=volume.grid.turned((0, 1, 2), flips),
        modality="CT",
    )
    one, other = _found(volume), _found(turned)
    assert [each.side for each in one] == [each.side for each in other]
    for here, there in zip(one, other, strict=True):
        assert here.score == pytest.approx(there.score, abs=1e-4)
        assert here.volume_ml == pytest.approx(there.volume_ml, rel=0.03)


def test_a_nodule_on_the_pleura_is_not_lost_with_the_chest_wall():
    ball = Ball(centre_mm=(75.0, 82.0, 31.0), radius_mm=7.0)
    volume = chest_with((ball,), TUBES)
    assert _rank(volume, _found(volume), ball) <= 3


def test_without_lung_there_is_no_candidate():
    grid = axial_grid((20, 60, 60), (2.5, 1.5, 1.5))
    soft = Volume(voxels=np.full(grid.shape, 40.0, np.float32), grid=grid, modality="CT")
    assert _found(soft) == ()


def test_other_things_and_other_modalities_are_refused_with_what_would_help():
    assert isinstance(FINDER, CandidateFinder)
    volume = chest_with()
    assert FINDER.supports(volume, "lung nodule") is None
    assert "box" in (FINDER.supports(volume, "liver") or "")
    mr = Volume(voxels=volume.voxels, grid=volume.grid, modality="MR")
    assert "MR" in (FINDER.supports(mr, "lung nodule") or "")


@pytest.mark.parametrize(("study", "number"), [("t0", 0), ("t1", 1)])
def test_real_and_inserted_nodules_are_listed_first_and_a_click_gives_their_volume(
    shared_data, study, number
):
    folder = shared_data / "ct_chest_pair"
    volume = load_series(dicom_files(folder / f"{study}_dicom"))
    truth = json.loads((folder / "truth.json").read_text())
    shift_mm = np.array(truth["t0_to_t1_displacement_mm_LPS"]) * number
    first = load_series(dicom_files(folder / "t0_dicom")).grid
    found = _found(volume)
    engine = HalfMaximumSegmenter()
    for lesion in truth["timepoints"][number]["lesions"]:
        in_first = lesion.get("centre_index_zyx", REAL_LESION)
        place = volume.grid.to_index(first.to_lps_mm(in_first) + shift_mm)
        [rank] = [n for n, each in enumerate(found, start=1) if _has(each, place)]
        assert rank <= 8, lesion["id"]
        prompt = Prompt(concept="lung nodule", points=(found[rank - 1].centre,))
        with engine.open(volume) as session:
            [segment] = session.segment([prompt], no_progress)
        volume_ml = segment.mask.voxel_count * volume.grid.voxel_volume_mm3 / 1000
        expected_ml = lesion["true_mL"] or lesion["mask_mL"]
        assert volume_ml == pytest.approx(expected_ml, rel=0.25), lesion["id"]
        assert segment.is_proposal
        says_so = any("slices 5 mm apart" in warning for warning in segment.warnings)
        assert says_so or expected_ml > 0.65


REAL_LESION = (33.0, 358.0, 218.0)


def _has(candidate: Candidate, place: np.ndarray) -> bool:
    box = candidate.box
    return (
        box.slice_start <= round(place[0]) < box.slice_stop
        and box.row_start <= place[1] < box.row_stop
        and box.column_start <= place[2] < box.column_stop
    )
