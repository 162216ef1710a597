"""From boxes and clicks to volumes, with a network that needs no weights."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.ports import no_progress
from domain.prompt import Box, Point, Prompt
from domain.segment import AlgorithmType
from domain.uids import InstanceUID, SeriesUID, SopClassUID, StudyUID
from domain.volume import Mask, SeriesReference, SourceFrame, Volume
from segmentation.slicewise.embeddings import EmbeddingCache
from segmentation.slicewise.fusion import GreyLevels, connected_to, fused
from segmentation.slicewise.segmenter import PROPOSED_BOX, PROPOSED_RANGE, SlicewiseSegmenter
from segmentation.slicewise.slices import SliceBox
from tests.contracts.segmenters import BrightNetwork, axial_grid, ball, bright_ball, small_table

BOX = Box.on_slice(10, (18, 43), (24, 49))
RANGE = (4, 17)


def _engine(network: BrightNetwork | None = None) -> SlicewiseSegmenter:
    return SlicewiseSegmenter(BrightNetwork() if network is None else network, small_table())


def _segment(engine, volume, prompt):
    with engine.open(volume) as session:
        (segment,) = session.segment([prompt], no_progress)
    return segment


def _dice(one: Mask, other: Mask) -> float:
    overlap = np.count_nonzero(one.voxels & other.voxels)
    return 2 * overlap / (one.voxel_count + other.voxel_count)


def test_one_box_and_a_range_give_the_ball():
    volume, truth = bright_ball()
    segment = _segment(_engine(), volume, Prompt(boxes=(BOX,), slice_range=RANGE))
    assert _dice(segment.mask, truth) > 0.93
    assert segment.mask.voxel_count == pytest.approx(truth.voxel_count, rel=0.08)
    assert not segment.is_proposal
    assert segment.provenance.algorithm_type is AlgorithmType.SEMIAUTOMATIC
    assert segment.provenance.prompt == "box on slice 10, slices 4 to 16"


def test_the_profile_scores_each_marked_slice():
    volume, _ = bright_ball()
    segment = _segment(_engine(), volume, Prompt(boxes=(BOX,), slice_range=RANGE))
    assert len(segment.slice_profile) == len(segment.mask.slice_indices())
    assert all(0.5 <= score <= 1 for score in segment.slice_profile)
    assert segment.score == pytest.approx(np.mean(segment.slice_profile))


def test_a_box_alone_is_a_proposal_that_asks_for_the_range():
    volume, truth = bright_ball()
    segment = _segment(_engine(), volume, Prompt(boxes=(BOX,)))
    assert segment.is_proposal
    assert segment.warnings == (PROPOSED_RANGE,)
    assert _dice(segment.mask, truth) > 0.9


def test_a_click_is_a_proposal_too():
    volume, truth = bright_ball()
    click = Point(slice_index=10, row=30, column=36)
    segment = _segment(_engine(), volume, Prompt(points=(click,), slice_range=RANGE))
    assert segment.is_proposal
    assert segment.warnings == (PROPOSED_BOX,)
    assert _dice(segment.mask, truth) > 0.9


def test_a_click_on_nothing_finds_nothing_and_says_so():
    volume, _ = bright_ball()
    click = Point(slice_index=10, row=3, column=3)
    segment = _segment(_engine(), volume, Prompt(points=(click,), slice_range=RANGE))
    assert segment.mask.is_empty
    assert "draw a box" in (segment.absent_reason or "")


def test_a_click_on_half_the_image_finds_nothing_rather_than_everything():
    grid = axial_grid((3, 40, 40))
    voxels = np.full(grid.shape, 10.0)
    voxels[:, :, :30] = 200
    volume = Volume(voxels=voxels, grid=grid, modality="MR")
    click = Point(slice_index=1, row=20, column=10)
    assert _segment(_engine(), volume, Prompt(points=(click,))).mask.is_empty


def test_a_correction_starts_from_the_mask_and_obeys_its_clicks():
    volume, truth = bright_ball()
    earlier = np.array(truth.voxels)
    earlier[:, :, 36:] = False
    clicks = (
        Point(slice_index=10, row=30, column=44),
        Point(slice_index=10, row=30, column=25, positive=False),
    )
    prompt = Prompt(mask=Mask(voxels=earlier, grid=truth.grid), points=clicks)
    corrected = _segment(_engine(), volume, prompt).mask.voxels
    assert corrected[10, 30, 44]
    assert not corrected[10, 30, 25]
    assert corrected[10, 30, 31]
    span = np.flatnonzero(earlier.any(axis=(1, 2)))
    assert set(np.flatnonzero(corrected.any(axis=(1, 2)))) <= set(span)


def test_a_correction_without_clicks_keeps_a_good_mask():
    volume, truth = bright_ball()
    kept = _segment(_engine(), volume, Prompt(mask=truth)).mask
    assert _dice(kept, truth) > 0.95


def test_nothing_in_a_negative_box_is_marked():
    volume, _ = bright_ball()
    negative = Box(
        slice_start=0,
        slice_stop=20,
        row_start=0,
        row_stop=30,
        column_start=0,
        column_stop=72,
        positive=False,
    )
    segment = _segment(_engine(), volume, Prompt(boxes=(BOX, negative), slice_range=RANGE))
    assert not segment.mask.is_empty
    assert not segment.mask.voxels[:, :30].any()


def test_boxes_on_several_slices_follow_what_moves():
    grid = axial_grid((16, 64, 96))
    share = np.maximum.reduce(
        [ball(grid, (index, 30.0, 20 + 4.0 * index), 9) for index in range(2, 14)]
    )
    truth = Mask(voxels=share >= 0.5, grid=grid)
    volume = Volume(voxels=100 + 300 * share, grid=grid, modality="MR")
    keys = (2, 8, 13)
    boxes = []
    for index in keys:
        rows = np.flatnonzero(truth.voxels[index].any(axis=1))
        columns = np.flatnonzero(truth.voxels[index].any(axis=0))
        boxes.append(
            Box.on_slice(
                index, (int(rows[0]), int(rows[-1]) + 1), (int(columns[0]), int(columns[-1]) + 1)
            )
        )
    span = truth.slice_indices()
    prompt = Prompt(boxes=tuple(boxes), slice_range=(span[0], span[-1] + 1))
    assert _dice(_segment(_engine(), volume, prompt).mask, truth) > 0.88


def test_a_second_prompt_on_the_same_slices_does_not_run_the_network_again():
    volume, _ = bright_ball()
    network = BrightNetwork()
    engine = _engine(network)
    smaller = Box.on_slice(10, (20, 41), (26, 47))
    with engine.open(volume) as session:
        list(session.segment([Prompt(boxes=(BOX,), slice_range=RANGE)], no_progress))
        assert network.encoder_runs == RANGE[1] - RANGE[0]
        list(session.segment([Prompt(boxes=(smaller,), slice_range=RANGE)], no_progress))
    assert network.encoder_runs == RANGE[1] - RANGE[0]


def _with_uids(volume: Volume, series: str) -> Volume:
    frames = tuple(
        SourceFrame(
            sop_class_uid=SopClassUID("1.2.840.10008.5.1.4.1.1.4"),
            sop_instance_uid=InstanceUID(f"{series}.{index}"),
        )
        for index in range(volume.grid.shape[0])
    )
    source = SeriesReference(
        study_instance_uid=StudyUID("1.2.3"), series_instance_uid=SeriesUID(series), frames=frames
    )
    return Volume(voxels=volume.voxels, grid=volume.grid, modality="MR", source=source)


def test_a_series_opened_again_is_remembered_and_another_is_not():
    volume, _ = bright_ball()
    network = BrightNetwork()
    engine = _engine(network)
    prompt = Prompt(boxes=(BOX,), slice_range=RANGE)
    slices = RANGE[1] - RANGE[0]
    for series, runs in (("1.2.4", slices), ("1.2.4", slices), ("1.2.5", 2 * slices)):
        _segment(engine, _with_uids(volume, series), prompt)
        assert network.encoder_runs == runs


def test_volumes_without_uids_are_never_mixed_up():
    volume, _ = bright_ball()
    network = BrightNetwork()
    cache = EmbeddingCache()
    engine = SlicewiseSegmenter(network, small_table(), cache)
    prompt = Prompt(boxes=(BOX,), slice_range=RANGE)
    _segment(engine, volume, prompt)
    assert len(cache) == 0
    _segment(engine, volume, prompt)
    assert network.encoder_runs == 2 * (RANGE[1] - RANGE[0])


def test_an_image_where_nothing_is_in_the_box_is_absent_with_the_box_named():
    grid = axial_grid((8, 64, 64))
    voxels = np.full(grid.shape, 100.0)
    voxels[:, :10, :10] = 400
    volume = Volume(voxels=voxels, grid=grid, modality="MR")

    class Unwilling(BrightNetwork):
        def decode(self, embedding, hints):
            return np.full((len(hints), *embedding.image_shape), -20, dtype=np.float32)

    box = Box.on_slice(4, (30, 50), (30, 50))
    segment = _segment(_engine(Unwilling()), volume, Prompt(boxes=(box,), slice_range=(2, 7)))
    covered = np.count_nonzero(segment.mask.voxels[4])
    assert covered < 0.2 * 20 * 20
    if segment.mask.is_empty:
        assert "box on slice 4" in (segment.absent_reason or "")


@settings(max_examples=15, deadline=None)
@given(st.integers(-2, 2), st.integers(-2, 2), st.integers(-2, 2), st.integers(-2, 2))
def test_a_box_drawn_by_hand_does_as_well(top, bottom, left, right):
    volume, truth = bright_ball()
    box = Box.on_slice(10, (18 + top, 43 + bottom), (24 + left, 49 + right))
    segment = _segment(_engine(), volume, Prompt(boxes=(box,), slice_range=RANGE))
    assert _dice(segment.mask, truth) > 0.88


def test_no_opinion_overrules_the_two_others():
    shape = (1, 1)
    against, favour = np.full(shape, -50, np.float32), np.full(shape, 3, np.float32)
    assert fused(against, favour, favour)[0, 0] > 0
    assert fused(favour, against, favour)[0, 0] > 0
    assert fused(favour, favour, against)[0, 0] > 0


def test_grey_levels_tell_what_was_seen_inside_from_what_was_seen_outside():
    image = np.full((30, 30), 40, dtype=np.float32)
    image[10:20, 10:20] = 200
    grey = GreyLevels(image, image > 100)
    odds = grey.log_odds(image)
    assert odds[15, 15] > 1
    assert odds[2, 2] < -1


def test_grey_levels_without_an_outside_have_no_opinion():
    image = np.full((8, 8), 40, dtype=np.float32)
    assert not GreyLevels(image, np.ones((8, 8), dtype=np.bool_)).log_odds(image).any()


def test_what_does_not_touch_the_neighbours_mask_is_left_out():
    voxels = np.zeros((10, 10), dtype=np.bool_)
    voxels[1:3, 1:3] = True
    voxels[6:9, 6:9] = True
    seed = np.zeros_like(voxels)
    seed[2, 2] = True
    assert np.count_nonzero(connected_to(voxels, seed)) == 4
    assert np.count_nonzero(connected_to(voxels, np.zeros_like(voxels))) == 9


def test_a_box_keeps_its_centre_when_it_grows_and_a_pixel_when_it_is_clipped():
    box = SliceBox(row_start=10, row_stop=20, column_start=4, column_stop=8)
    grown = box.scaled(1.5)
    assert grown.centre == box.centre
    assert (grown.rows, grown.columns) == (15, 6)
    outside = SliceBox(row_start=50, row_stop=60, column_start=-9, column_stop=-3)
    inside = outside.clipped((20, 20))
    assert (inside.row_start, inside.row_stop) == (19, 20)
    assert (inside.column_start, inside.column_stop) == (0, 1)
