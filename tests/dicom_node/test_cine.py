"""A cine is a series in time: no distance between its frames, and a scale only where one holds."""

import numpy as np
import pydicom
import pydicom.examples
import pytest
from pydicom.datadict import tag_for_keyword
from pydicom.uid import (
    MultiFrameGrayscaleByteSecondaryCaptureImageStorage,
    XRayAngiographicImageStorage,
)

from dicom_node.files import write_dataset
from dicom_node.seg_reader import read_segmentation
from dicom_node.seg_writer import SegWriter
from dicom_node.ultrasound import CONTRADICTED, NO_SCALE, RESIZED, SEVERAL_SCALES
from dicom_node.volumes import load_series
from domain.errors import GeometryError
from domain.ports import no_progress
from domain.volume import Mask
from segmentation.slicewise.segmenter import SlicewiseSegmenter
from tests.cines import FRAME_TIME_MS, FRAMES, SPACING_MM, beating, cine, loaded, region
from tests.contracts.segmenters import BrightNetwork, small_table
from tests.phantoms import UIDS, segment


def test_the_first_axis_is_time_and_has_no_length(tmp_path):
    volume = loaded(tmp_path)
    assert volume.grid.is_time
    assert not volume.grid.slice_spacing_known
    assert volume.grid.frame_of_reference_uid is None
    assert volume.frame_times_ms == tuple(FRAME_TIME_MS * n for n in range(FRAMES))


def test_rows_and_columns_have_the_scale_of_the_region(tmp_path):
    volume = loaded(tmp_path)
    assert volume.grid.in_plane_calibrated
    assert volume.grid.spacing_mm[1:] == pytest.approx(SPACING_MM)


def test_a_frame_of_reference_gives_frames_without_positions_no_place(tmp_path):
    volume = loaded(tmp_path, FrameOfReferenceUID="1.2.3")
    assert volume.grid.frame_of_reference_uid is None


def test_a_frame_time_vector_is_summed_up(tmp_path):
    steps = [0, 10, 20, 30, 10, 10, 10, 10]
    volume = loaded(
        tmp_path,
        FrameTimeVector=steps,
        FrameIncrementPointer=tag_for_keyword("FrameTimeVector"),
        FrameTime=None,
    )
    assert volume.frame_times_ms == tuple(np.cumsum(steps))


@pytest.mark.parametrize(
    "changed",
    [
        {"FrameTime": None, "FrameIncrementPointer": None, "CineRate": 25},
        {"FrameTime": "0"},
        {
            "FrameTime": None,
            "FrameTimeVector": [0, 10],
            "FrameIncrementPointer": tag_for_keyword("FrameTimeVector"),
        },
    ],
    ids=["a rate for display", "no time at all", "a vector of another length"],
)
def test_what_is_no_time_is_not_made_one(tmp_path, changed):
    volume = loaded(tmp_path, **changed)
    assert volume.grid.is_time
    assert volume.frame_times_ms == ()


def test_pages_and_slices_are_not_time(tmp_path):
    volume = loaded(
        tmp_path,
        FrameIncrementPointer=tag_for_keyword("PageNumberVector"),
        PageNumberVector=list(range(1, FRAMES + 1)),
    )
    assert not volume.grid.is_time
    assert not volume.grid.slice_spacing_known


@pytest.mark.parametrize(
    ("regions", "changed", "note"),
    [
        ((), {}, None),
        ((region(columns=(10, 200)),), {}, RESIZED),
        ((region(), region(rows=(0, 300))), {}, RESIZED),
        ((region(RegionSpatialFormat=2),), {}, NO_SCALE),
        ((region(RegionDataType=9),), {}, NO_SCALE),
        ((region(PhysicalUnitsYDirection=4),), {}, NO_SCALE),
        ((region(PhysicalDeltaX=0.0),), {}, NO_SCALE),
        ((region(),), {"PixelSpacing": ["1", "1"]}, CONTRADICTED),
        (
            (region(columns=(0, 60)), region(columns=(60, 120), spacing_mm=(0.8, 1.0))),
            {},
            SEVERAL_SCALES,
        ),
    ],
    ids=[
        "none", "beyond the image", "another beyond the image", "M-mode", "a spectrum",
        "seconds down", "no width", "contradicted", "two scales",
    ],
)  # fmt: skip
def test_without_one_scale_that_can_be_believed_nothing_is_calibrated(
    tmp_path, regions, changed, note
):
    volume = loaded(tmp_path, regions=regions, **changed)
    assert not volume.grid.in_plane_calibrated
    assert volume.notes == (() if note is None else (note,))


def test_pixel_spacing_that_agrees_with_the_region_is_taken(tmp_path):
    volume = loaded(tmp_path, PixelSpacing=[str(each) for each in SPACING_MM])
    assert volume.grid.spacing_mm[1:] == pytest.approx(SPACING_MM)


def test_a_trace_beside_the_tissue_does_not_take_its_scale(tmp_path):
    trace = region(rows=(92, 96), RegionSpatialFormat=3, RegionDataType=10)
    volume = loaded(tmp_path, regions=(region(), trace))
    assert volume.grid.in_plane_calibrated
    assert [each.spacing_mm is None for each in volume.regions] == [False, True]


def test_a_real_cine_made_smaller_after_its_scale_was_written_has_none():
    volume = load_series([pydicom.examples.get_path("ybr_color")])
    assert volume.grid.is_time
    assert volume.voxels.shape == (30, 240, 320, 3)
    assert volume.frame_times_ms[-1] == pytest.approx(29 * 33.333)
    assert not volume.grid.in_plane_calibrated
    assert RESIZED in volume.notes


def test_an_angiogram_is_a_cine_whose_spacing_is_that_of_the_detector(tmp_path):
    volume = loaded(
        tmp_path,
        regions=(),
        SOPClassUID=XRayAngiographicImageStorage,
        Modality="XA",
        ImagerPixelSpacing=["0.3", "0.3"],
        PixelSpacing=["0.3", "0.3"],
    )
    assert volume.grid.is_time
    assert not volume.grid.in_plane_calibrated
    assert any("of the detector" in note for note in volume.notes)


def test_a_secondary_capture_with_frame_times_is_a_cine(tmp_path):
    volume = loaded(
        tmp_path,
        regions=(),
        SOPClassUID=MultiFrameGrayscaleByteSecondaryCaptureImageStorage,
        Modality="OT",
    )
    assert volume.grid.is_time
    assert volume.frame_times_ms[1] == FRAME_TIME_MS


def test_a_cine_is_not_looked_at_ahead(tmp_path):
    network = BrightNetwork()
    engine = SlicewiseSegmenter(network, small_table())
    assert engine.look_ahead(loaded(tmp_path), no_progress) == 0
    assert network.encoder_runs == 0


def test_time_does_not_become_an_axis_of_space(tmp_path):
    grid = loaded(tmp_path).grid
    assert grid.turned((0, 2, 1), (False, True, False)).is_time
    with pytest.raises(GeometryError, match="is time"):
        grid.turned((1, 0, 2), (False, False, False))


@pytest.fixture
def written(tmp_path):
    path = cine(tmp_path)
    volume = load_series([path])
    first, second = np.zeros((2, *volume.grid.shape), dtype=np.bool_)
    first[2:5] = beating().voxels()[2:5]
    second[[1, 4], 10:20, 10:20] = True
    masks = [Mask(voxels=each, grid=volume.grid) for each in (first, second)]
    made = [(segment(each, None), None, "Finding", UIDS.new_uid()) for each in masks]
    seg = SegWriter(UIDS).build(volume, made, [path])
    return write_dataset(seg, tmp_path / "out" / "seg.dcm"), volume, masks


def test_each_frame_of_the_seg_refers_to_the_frame_it_was_made_on(written):
    seg, volume = pydicom.dcmread(written[0]), written[1]
    assert "FrameOfReferenceUID" not in seg
    assert "Image Position" not in str(seg)
    found = []
    for group in seg.PerFrameFunctionalGroupsSequence:
        (source,) = group.DerivationImageSequence[0].SourceImageSequence
        assert source.ReferencedSOPInstanceUID == volume.source.frames[0].sop_instance_uid
        number = group.SegmentIdentificationSequence[0].ReferencedSegmentNumber
        found.append((number, source.ReferencedFrameNumber))
    assert found == [(1, 3), (1, 4), (1, 5), (2, 2), (2, 5)]


def test_masks_to_seg_and_back_are_the_same_on_the_same_frames(written):
    path, volume, masks = written
    found = read_segmentation(path, volume.grid).segments
    assert [np.array_equal(f.mask.voxels, m.voxels) for f, m in zip(found, masks, strict=True)] == [
        True,
        True,
    ]


def test_without_its_cine_a_seg_is_not_laid_anywhere(written):
    with pytest.raises(GeometryError, match="give its images with --source"):
        read_segmentation(written[0])


def test_a_seg_of_another_cine_with_fewer_frames_is_refused(written, tmp_path):
    shorter = loaded(tmp_path, beating(3))
    with pytest.raises(GeometryError, match="names no frame of this cine"):
        read_segmentation(written[0], shorter.grid)
