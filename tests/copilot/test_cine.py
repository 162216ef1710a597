"""One prompt on a cine: a mask on each frame, areas over time, and no volume anywhere."""

import csv
import io
import json

import numpy as np
import pydicom
import pytest

from copilot.analysis import Analyst
from copilot.hints import EarlierMask, Hints
from copilot.over_time import NOT_CALIBRATED, NOT_MARKED, NOT_STATED
from copilot.printing import printed_analysis
from copilot.settings import load_settings
from copilot.system import RandomUids
from copilot.wiring.house import House
from domain.command import MeasureCommand, SegmentCommand
from domain.errors import InputError
from domain.ports import no_progress
from domain.prompt import Box
from reporting.over_time import NO_DEPTH_IN_TIME
from segmentation.medsam3.segmenter import MedSam3Segmenter
from segmentation.slicewise.segmenter import ONE_FRAME, SlicewiseSegmenter
from tests.cines import FRAME_TIME_MS, FRAMES, beating, cine, region
from tests.conformance.validators import dciodvfy
from tests.contracts.segmenters import BrightNetwork, BrightTracker, BrightWords, small_table

BOX = Box.on_slice(3, (30, 66), (38, 74))
MEASURE = MeasureCommand(concept=None)


def _asked(path, hints, command=MEASURE, engine="medsam3"):
    concepts = small_table()
    analyst = Analyst(
        concepts=concepts,
        engines={
            "medsam3": MedSam3Segmenter(BrightWords(), concepts, tracker=BrightTracker()),
            "default": SlicewiseSegmenter(BrightNetwork(), concepts),
        },
        default_engine="default",
        renderer=House(load_settings()).renderer,
        uids=RandomUids(),
    )
    return analyst.run([path], command, hints, no_progress, engine)


def _written(analysis, folder):
    files = analysis.write(folder)
    document = json.loads(json.dumps(printed_analysis(analysis, files)))
    return files, document


def test_a_box_on_one_frame_becomes_areas_over_time(tmp_path):
    analysis = _asked(cine(tmp_path), Hints(boxes=(BOX,)))
    files, document = _written(analysis, tmp_path / "out")
    (mask,) = document["masks"]
    truth = beating().areas_mm2()
    rows = mask["areas_over_time"]
    assert [row["frame"] for row in rows] == list(range(FRAMES))
    assert [row["time_ms"] for row in rows] == [FRAME_TIME_MS * n for n in range(FRAMES)]
    assert [row["area_mm2"] for row in rows] == pytest.approx(truth, rel=0.05)
    assert mask["volume_ml"] is None
    table = list(csv.DictReader(io.StringIO(files["areas_1"].read_text())))
    assert [float(row["area_mm2"]) for row in table] == pytest.approx(truth, rel=0.05)
    assert [int(row["frame_number"]) for row in table] == list(range(1, FRAMES + 1))


def test_the_draft_and_the_warnings_say_areas_and_that_there_is_no_volume(tmp_path):
    analysis = _asked(cine(tmp_path), Hints(boxes=(BOX,)))
    files, document = _written(analysis, tmp_path / "out")
    draft = files["draft_md"].read_text()
    assert "largest area" in draft
    assert "(frame 3); smallest area" in draft
    assert f"no volume: {NO_DEPTH_IN_TIME}" in draft
    assert "mL" not in draft
    assert f"no volume: {NO_DEPTH_IN_TIME}" in document["warnings"]
    assert not any("first and the last image" in each for each in document["warnings"])
    assert "8 frames of 96 x 120, in time, over 280 ms" in draft
    names = {each["name"] for each in document["measurements"]}
    assert names == {"maximum_area", "minimum_area", "long_axis", "short_axis"}


def test_seg_and_sr_of_a_cine_are_valid_and_name_frames(tmp_path, tool):
    path = cine(tmp_path)
    files, _ = _written(_asked(path, Hints(boxes=(BOX,))), tmp_path / "out")
    assert dciodvfy(files["seg"], tool) == []
    assert dciodvfy(files["sr"], tool) == []
    seg, sr = pydicom.dcmread(files["seg"]), pydicom.dcmread(files["sr"])
    assert seg.NumberOfFrames == FRAMES
    assert np.array_equal(seg.pixel_array.shape, (FRAMES, 96, 120))
    assert "Volume" not in {each.ConceptNameCodeSequence[0].CodeMeaning for each in _numbers(sr)}
    found = {
        each.MeasuredValueSequence[0].NumericValue: each.ContentSequence
        for each in _numbers(sr)
        if each.ConceptNameCodeSequence[0].CodeValue == "131184002"
    }
    frames = {
        child.ReferencedSOPSequence[0].ReferencedFrameNumber
        for content in found.values()
        for child in content
        if child.ValueType == "IMAGE"
    }
    assert frames == {3, 7}


def _numbers(item):
    for child in item.get("ContentSequence", ()):
        if child.ValueType == "NUM":
            yield child
        yield from _numbers(child)


def test_without_a_scale_each_frame_says_so_and_no_number_is_given(tmp_path):
    analysis = _asked(cine(tmp_path, regions=(region(columns=(0, 300)),)), Hints(boxes=(BOX,)))
    files, document = _written(analysis, tmp_path / "out")
    assert document["measurements"] == []
    assert {row["area_mm2"] for row in document["masks"][0]["areas_over_time"]} == {None}
    table = list(csv.DictReader(io.StringIO(files["areas_1"].read_text())))
    assert {row["area_mm2"] for row in table} == {NOT_CALIBRATED}
    assert any("was resized" in each for each in document["warnings"])
    assert any(each.startswith("no area: ") for each in document["warnings"])


def test_times_that_are_not_stated_and_frames_without_a_mark_say_so(tmp_path):
    path = cine(tmp_path, FrameTime=None, FrameIncrementPointer=None)
    files, document = _written(
        _asked(path, Hints(boxes=(BOX,), slice_range=(2, 5))), tmp_path / "out"
    )
    table = list(csv.DictReader(io.StringIO(files["areas_1"].read_text())))
    assert {row["time_ms"] for row in table} == {NOT_STATED}
    marked = [int(row["frame"]) for row in table if row["area_mm2"] != NOT_MARKED]
    assert marked == [2, 3, 4]
    assert document["masks"][0]["slices"] == [2, 5]


def test_the_default_engine_outlines_the_one_frame_and_says_it_follows_nothing(tmp_path):
    path = cine(tmp_path)
    _, document = _written(_asked(path, Hints(boxes=(BOX,)), engine="default"), tmp_path / "out")
    (mask,) = document["masks"]
    assert mask["slices"] == [3, 4]
    assert mask["volume_ml"] is None
    area = next(each for each in document["measurements"] if each["name"] == "area")
    assert (area["slice"], area["value"]) == (3, pytest.approx(beating().areas_mm2()[3], rel=0.05))
    ranged = _asked(path, Hints(boxes=(BOX,), slice_range=(0, 8)), engine="default")
    assert ranged.refusals == (ONE_FRAME,)
    assert not ranged.marked


def test_words_alone_on_a_cine_propose(tmp_path):
    command = SegmentCommand(concept=("pancreas",))
    _, document = _written(_asked(cine(tmp_path), Hints(), command), tmp_path / "out")
    (mask,) = document["masks"]
    assert mask["is_proposal"]
    assert mask["slices"] == [0, FRAMES]


def test_an_earlier_mask_of_a_cine_is_not_corrected(tmp_path):
    path = cine(tmp_path)
    files, _ = _written(_asked(path, Hints(boxes=(BOX,))), tmp_path / "out")
    with pytest.raises(InputError, match="cannot be corrected yet"):
        _asked(path, Hints(mask=EarlierMask(seg=files["seg"])))


@pytest.mark.parametrize("hint", [("--box", "3,30,38,66,74"), ("--point", "3,47,55")])
def test_the_command_line_measures_a_frame_with_the_embedded_engine(
    radcopilot, models_folder, tmp_path, hint
):
    assert models_folder.is_dir()
    path = cine(tmp_path)
    run = radcopilot("ask", path, "measure this", *hint, "--output", tmp_path / "out", "--json")
    assert run.returncode == 0, run.stderr
    document = json.loads(run.stdout)
    (mask,) = document["masks"]
    areas = [row["area_mm2"] for row in mask["areas_over_time"] if row["area_mm2"] is not None]
    assert areas == [pytest.approx(beating().areas_mm2()[3], rel=0.15)]
    again = radcopilot("measure", tmp_path / "out" / "seg.dcm", "--source", path, "--json")
    assert json.loads(again.stdout)["segments"][0]["volume_ml"] is None
    measured = {each["name"]: each["value"] for each in document["measurements"]}
    found = json.loads(again.stdout)["segments"][0]["measurements"]
    assert {each["name"]: each["value"] for each in found} == pytest.approx(measured)
