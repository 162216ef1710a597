"""Lines, scribbles and corrections on the command line, as a user gives them."""

import json
import math

import numpy as np
import pytest

from bench.cases import dice, shared_cases
from copilot.evaluation.gestures import longest_line, range_of, tight_box
from dicom_node.files import write_dataset
from dicom_node.seg_reader import read_segmentation
from dicom_node.seg_writer import SegWriter
from dicom_node.volumes import load_series
from domain.prompt import Line
from domain.volume import Mask
from tests.phantoms import UIDS, ct, ellipsoid, grid, segment, series

ON = grid(shape=(12, 64, 64), spacing_mm=(2.0, 1.0, 1.0))
BALL = ellipsoid(ON, (8.0, 9.0, 12.0))


def line_option(line: Line) -> str:
    return ",".join(map(str, (line.slice_index, *line.start, *line.stop)))


def one_line(run, status):
    assert run.returncode == status, run.stderr
    lines = run.stderr.strip().splitlines()
    assert len(lines) == 1, run.stderr
    return lines[0]


@pytest.fixture
def chest(tmp_path):
    """A solid ellipsoid in air, as a CT series."""
    return series(tmp_path / "chest", ct(ON, BALL, hu=50.0, background=-850.0))


def stored(path, files, *masks: Mask):
    """Write masks on a series as one SEG."""
    segments = [
        (segment(mask), None, f"Finding {n}", UIDS.new_uid()) for n, mask in enumerate(masks)
    ]
    return write_dataset(SegWriter(UIDS).build(load_series(files), segments, files), path)


def test_measure_this_lesion_with_a_line(radcopilot, chest, tmp_path):
    line, slices = longest_line(BALL), range_of(BALL)
    run = radcopilot(
        "ask", chest[0].parent, "measure this lesion",
        "--line", line_option(line), "--slices", f"{slices[0]}:{slices[1]}",
        "--output", "out", "--json",
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    document = json.loads(run.stdout)
    (echoed,) = document["hints"]["lines"]
    assert echoed["slice_index"] == line.slice_index
    assert tuple(echoed["start"]) == line.start
    assert document["hints"]["slices"] == list(slices)
    volume = load_series(chest)
    found = read_segmentation(tmp_path / "out" / "seg.dcm", volume.grid).segments[0].mask
    assert dice(found, BALL.on(volume.grid)) > 0.95
    by_name = {each["name"]: each["value"] for each in document["measurements"]}
    assert by_name["long_axis"] == pytest.approx(math.dist(line.start, line.stop), abs=1.5)


def test_not_box_takes_its_part_from_an_earlier_mask_and_leaves_the_rest(
    radcopilot, chest, tmp_path
):
    volume = load_series(chest)
    mask = BALL.on(volume.grid)
    seg = stored(tmp_path / "earlier.dcm", chest, mask)
    run = radcopilot(
        "ask", chest[0].parent, "segment the lung lesion", "--mask", seg,
        "--not-box", "6,0,0,64,30", "--output", "out", "--json",
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    document = json.loads(run.stdout)
    assert document["hints"]["mask"] == {"seg": "earlier.dcm", "segment": None}
    assert document["hints"]["boxes"][0]["positive"] is False
    expected = np.array(mask.voxels)
    expected[6, :, :30] = False
    found = read_segmentation(tmp_path / "out" / "seg.dcm", volume.grid).segments[0].mask
    assert np.array_equal(found.voxels, expected)


@pytest.mark.parametrize(
    ("option", "value", "named"),
    [
        ("--line", "3,4,4,4,4", "0 pixels long"),
        ("--line", "3,4,4,9", "3 numbers after the slice"),
        ("--line", "3,4,4,9,64", "64 x 64"),
        ("--line", "3,4,x,9,64", "SLICE,ROW0,COL0,ROW1,COL1"),
        ("--line", "3,10,10,10,30,10,12,10,20", "runs along the first"),
        ("--scribble", "3,4,4,9", "3 numbers after the slice"),
        ("--scribble", "12,4,4", "12 slices"),
        ("--not-scribble", "3,nan,4", "pixels count from 0"),
        ("--not-point", "1,2", "--not-point '1,2'"),
        ("--not-box", "1,2", "--not-box '1,2'"),
        ("--segment", "1", "without --mask"),
        ("--mask", "nowhere.dcm", "nowhere.dcm"),
    ],
)
def test_a_wrong_gesture_is_named_with_the_right_form(radcopilot, chest, option, value, named):
    run = radcopilot("ask", chest[0].parent, "measure this lesion", option, value, "--json")
    assert named in one_line(run, 2)
    assert run.stdout == ""


def test_one_of_several_segments_must_be_named(radcopilot, chest, tmp_path):
    mask = BALL.on(load_series(chest).grid)
    seg = stored(tmp_path / "two.dcm", chest, mask, mask)
    asked = ("ask", chest[0].parent, "segment the lung lesion", "--mask", seg)
    assert "--segment N" in one_line(radcopilot(*asked, "--json"), 2)
    wrong = one_line(radcopilot(*asked, "--segment", "3", "--json"), 2)
    assert "no segment 3" in wrong
    right = radcopilot(*asked, "--segment", "2", "--not-box", "6,0,0,64,30", "--json")
    assert right.returncode == 0, right.stderr


def test_a_mask_of_another_series_is_refused_by_what_differs(radcopilot, chest, tmp_path):
    twin = series(tmp_path / "twin", ct(ON, BALL))
    seg = stored(tmp_path / "twin.dcm", twin, BALL.on(load_series(twin).grid))
    asked = ("ask", chest[0].parent, "segment the lung lesion", "--json", "--mask")
    line = one_line(radcopilot(*asked, seg), 2)
    assert "frame of reference" in line
    on = grid(shape=(9, 60, 50), spacing_mm=(3.0, 1.2, 1.2))
    other_ball = ellipsoid(on, (8.0, 9.0, 12.0))
    other = series(tmp_path / "other", ct(on, other_ball))
    seg = stored(tmp_path / "other.dcm", other, other_ball.on(load_series(other).grid))
    line = one_line(radcopilot(*asked, seg), 2)
    assert "other.dcm does not lie on this series" in line


def test_an_image_that_is_no_seg_is_refused_by_name(radcopilot, chest):
    run = radcopilot("ask", chest[0].parent, "segment the lung lesion", "--mask", chest[0])
    assert "not a SEG" in one_line(run, 2)


@pytest.fixture(scope="module")
def lesions(shared_data):
    return {case.name: case for case in shared_cases(shared_data)}


def test_a_line_outlines_a_real_lung_lesion(radcopilot, lesions, shared_data, tmp_path):
    case = lesions["ct_lung1"]
    start, stop = case.slice_range()
    run = radcopilot(
        "ask", shared_data / "ct_lung1" / "dicom", "segment the lung lesion",
        "--line", line_option(longest_line(case.expert)), "--slices", f"{start}:{stop}",
        "--output", "out", "--json",
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    found = read_segmentation(tmp_path / "out" / "seg.dcm", case.volume.grid).segments[0].mask
    assert dice(found, case.expert) > 0.88


def test_a_box_corrects_a_real_mask_and_keeps_what_is_out_of_its_reach(
    radcopilot, lesions, shared_data, models_folder, tmp_path
):
    assert models_folder.is_dir()
    case = lesions["sts_019 MR_T1"]
    folder = shared_data / "sts_019" / "MR_T1" / "image"
    files = sorted(folder.iterdir())
    voxels = np.array(case.expert.voxels)
    span = case.expert.slice_indices()
    index = span[len(span) // 2]
    columns = np.flatnonzero(voxels[index].any(axis=0))
    voxels[index - 1 : index + 2, :, int(columns.mean()) :] = False
    earlier = Mask(voxels=voxels, grid=case.expert.grid)
    seg = stored(tmp_path / "earlier.dcm", files, earlier)
    box = tight_box(case.expert, index)
    run = radcopilot(
        "ask", folder, "segment the soft tissue tumor", "--mask", seg, "--box",
        f"{index},{box.row_start},{box.column_start},{box.row_stop},{box.column_stop}",
        "--output", "out", "--json",
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    found = read_segmentation(tmp_path / "out" / "seg.dcm", case.volume.grid).segments[0].mask
    kept = [place for place in span if (found.voxels[place] == voxels[place]).all()]
    assert {span[0], span[-1]} <= set(kept)
    middle = slice(index - 1, index + 2)
    missed = np.count_nonzero(voxels[middle] != case.expert.voxels[middle])
    wrong = np.count_nonzero(found.voxels[middle] != case.expert.voxels[middle])
    assert wrong < 0.6 * missed
