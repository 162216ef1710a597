"""Signals beside an outline, on things whose outline is known to be easy or hard."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.errors import InputError
from domain.ports import no_progress
from domain.prompt import Box, Point, Prompt
from domain.segment import Confidence
from domain.volume import Mask, Volume
from segmentation.confidence import JITTERS, dice, grey_outline, jittered_boxes, stability
from segmentation.lung.half_maximum import HalfMaximumSegmenter
from segmentation.organs.growing import Found
from segmentation.organs.segmenter import FoundOrganSegmenter
from segmentation.slicewise.embeddings import EmbeddingCache
from segmentation.slicewise.segmenter import SlicewiseSegmenter
from segmentation.slicewise.slices import SliceBox
from tests.contracts.segmenters import (
    LESION_CENTRE,
    BrightNetwork,
    axial_grid,
    ball,
    bright_ball,
    chest,
    small_table,
)

BOX = Box.on_slice(10, (18, 43), (24, 49))
RANGE = (4, 17)


class CountingNetwork(BrightNetwork):
    def __init__(self) -> None:
        super().__init__()
        self.decodings: list[int] = []

    def decode(self, embedding, hints):
        self.decodings.append(len(hints))
        return super().decode(embedding, hints)


class FollowingNetwork(BrightNetwork):
    """Sees the box it is given and nothing of the image."""

    def decode(self, embedding, hints):
        logits = np.full((len(hints), *embedding.image_shape), -8, dtype=np.float32)
        for index, hint in enumerate(hints):
            box = hint.box.scaled(1 / 1.175)
            logits[index][
                round(box.row_start) : round(box.row_stop),
                round(box.column_start) : round(box.column_stop),
            ] = 8
        return logits


def segmented(volume, prompt, network=None, **options):
    engine = SlicewiseSegmenter(network or BrightNetwork(), small_table(), **options)
    with engine.open(volume) as session:
        (segment,) = session.segment([prompt], no_progress)
    return segment


def noise(seed):
    shape = (20, 64, 72)
    voxels = np.random.default_rng(seed).normal(200, 60, shape).astype(np.float32)
    return Volume(voxels=voxels, grid=axial_grid(shape), modality="MR")


def test_a_bright_ball_in_its_box_is_outlined_alike_by_every_hand_and_method():
    volume, _ = bright_ball()
    told = segmented(volume, Prompt(boxes=(BOX,), slice_range=RANGE)).confidence
    assert told.main_slice == 10
    assert told.agreement > 0.95
    assert told.jitter_stability > 0.95
    assert told.window_stability is None
    assert not set(told.weak_slices) & set(range(6, 15))


@pytest.mark.parametrize("seed", range(4))
def test_in_noise_nothing_speaks_for_an_outline(seed):
    prompt = Prompt(boxes=(BOX,), slice_range=RANGE)
    told = segmented(noise(seed), prompt, FollowingNetwork()).confidence
    assert told.agreement < 0.75
    assert told.jitter_stability < 0.9
    assert set(told.weak_slices) >= set(range(5, 16))


def test_an_outline_that_follows_its_box_is_less_stable_than_one_that_follows_the_image():
    volume, _ = bright_ball()
    prompt = Prompt(boxes=(BOX,), slice_range=(10, 11))
    flat = Volume(voxels=np.full_like(volume.voxels, 100), grid=volume.grid, modality="MR")
    image = segmented(volume, prompt).confidence.jitter_stability
    box = segmented(flat, prompt, FollowingNetwork()).confidence.jitter_stability
    assert box < 0.9 < image


def test_a_box_half_beside_the_thing_is_told_from_one_round_it():
    volume, _ = bright_ball()
    beside = Box.on_slice(10, (18, 43), (37, 62))
    round_it = segmented(volume, Prompt(boxes=(BOX,), slice_range=(10, 11))).confidence
    told = segmented(volume, Prompt(boxes=(beside,), slice_range=(10, 11))).confidence
    assert told.jitter_stability < round_it.jitter_stability - 0.03


def test_a_thing_that_leaks_into_its_like_is_told_from_one_that_does_not():
    volume, _ = bright_ball()
    leaking = np.array(volume.voxels)
    leaking[:, 26:35, 36:] = 400
    prompt = Prompt(boxes=(BOX,), slice_range=(10, 11))
    tight = segmented(volume, prompt).confidence.jitter_stability
    told = segmented(
        Volume(voxels=leaking, grid=volume.grid, modality="MR"), prompt
    ).confidence.jitter_stability
    assert told < tight


def test_slices_that_look_otherwise_are_named_as_weak():
    volume, _ = bright_ball()
    changed = np.array(volume.voxels)
    changed[13:16] = 100 + np.random.default_rng(1).normal(0, 5, changed[13:16].shape)
    other = Volume(voxels=changed, grid=volume.grid, modality="MR")
    segment = segmented(other, Prompt(boxes=(BOX,), slice_range=RANGE), FollowingNetwork())
    marked = set(segment.mask.slice_indices())
    assert {13, 14, 15} <= marked
    assert {13, 14, 15} <= set(segment.confidence.weak_slices) <= marked
    assert not {8, 9, 10, 11, 12} & set(segment.confidence.weak_slices)


def test_weak_slices_turn_with_the_volume():
    volume, _ = bright_ball()
    changed = np.array(volume.voxels)
    changed[13:16] = 100
    told = {}
    for name, voxels, box, slices in (
        ("up", changed, BOX, RANGE),
        ("down", changed[::-1].copy(), Box.on_slice(9, (18, 43), (24, 49)), (3, 16)),
    ):
        turned = Volume(voxels=voxels, grid=volume.grid, modality="MR")
        prompt = Prompt(boxes=(box,), slice_range=slices)
        told[name] = segmented(turned, prompt, FollowingNetwork()).confidence
    assert told["down"].weak_slices == tuple(19 - i for i in reversed(told["up"].weak_slices))
    assert told["down"].jitter_stability == pytest.approx(told["up"].jitter_stability)


def test_the_same_question_gets_the_same_signals():
    volume, _ = bright_ball()
    prompt = Prompt(boxes=(BOX,), slice_range=RANGE)
    assert segmented(volume, prompt).confidence == segmented(volume, prompt).confidence


@pytest.mark.parametrize("capacity", [64, 1])
def test_signals_cost_one_decoding_and_no_look_of_the_network(capacity):
    volume, _ = bright_ball()
    network = CountingNetwork()
    prompt = Prompt(boxes=(BOX,), slice_range=RANGE)
    slice_bytes = 2 * volume.voxels[0].size
    segmented(volume, prompt, network, cache=EmbeddingCache(capacity * slice_bytes))
    assert network.encoder_runs == RANGE[1] - RANGE[0]
    assert network.decodings.count(len(JITTERS)) == 1
    assert len(network.decodings) == RANGE[1] - RANGE[0] + 1


def test_other_windows_are_tried_on_ct_and_only_where_asked():
    grid = axial_grid((1, 64, 72))
    share = ball(grid, (0.0, 30.0, 36.0), 12)
    liver = Volume(voxels=(40 + 80 * share).astype(np.float32), grid=grid, modality="CT")
    prompt = Prompt(boxes=(Box.on_slice(0, (18, 43), (24, 49)),))
    network = BrightNetwork(threshold=150)
    assert segmented(liver, prompt, network).confidence.window_stability is None
    assert network.encoder_runs == 1
    network = BrightNetwork(threshold=150)
    told = segmented(liver, prompt, network, checks_windows=True).confidence
    assert told.window_stability > 0.9
    assert network.encoder_runs == 5
    volume, _ = bright_ball()
    mr = segmented(volume, Prompt(boxes=(BOX,), slice_range=(10, 11)), checks_windows=True)
    assert mr.confidence.window_stability is None


def test_a_click_has_signals_but_nothing_was_calibrated_on_clicks():
    volume, _ = bright_ball()
    click = Point(slice_index=10, row=30, column=36)
    told = segmented(volume, Prompt(points=(click,), slice_range=RANGE)).confidence
    assert told.jitter_stability > 0.95
    assert told.expected is None


def test_an_earlier_mask_is_no_hint_another_hand_would_give_otherwise():
    volume, truth = bright_ball()
    network = CountingNetwork()
    told = segmented(volume, Prompt(mask=truth), network).confidence
    assert told.jitter_stability is None
    assert told.expected is None
    assert told.agreement > 0.9
    assert len(JITTERS) not in network.decodings


def test_a_nodule_by_half_maximum_has_the_same_signals():
    volume = chest()
    slice_index, row, column = (round(each) for each in LESION_CENTRE)
    box = Box.on_slice(slice_index, (row - 4, row + 5), (column - 4, column + 5))
    boxed = Prompt(boxes=(box,), slice_range=(9, 14))
    clicked = Prompt(points=(Point(slice_index=slice_index, row=row, column=column),))
    with HalfMaximumSegmenter().open(volume) as session:
        for segment in session.segment([boxed, clicked], no_progress):
            assert segment.confidence.main_slice == slice_index
            assert segment.confidence.agreement > 0.85
            assert segment.confidence.jitter_stability > 0.9
            assert slice_index not in segment.confidence.weak_slices


def test_what_is_excluded_is_excluded_from_the_rivals_too():
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
    told = segmented(volume, Prompt(boxes=(BOX, negative), slice_range=RANGE)).confidence
    assert told.jitter_stability > 0.95


def test_a_main_slice_without_a_mask_has_no_signals():
    volume, _ = bright_ball()
    negative = Box(
        slice_start=10,
        slice_stop=11,
        row_start=0,
        row_stop=64,
        column_start=0,
        column_stop=72,
        positive=False,
    )
    told = segmented(volume, Prompt(boxes=(BOX, negative), slice_range=RANGE)).confidence
    assert told == Confidence(main_slice=10)


@given(st.floats(0, 50), st.floats(0, 50), st.floats(1, 100), st.floats(1, 100), st.floats(1.1, 5))
@settings(max_examples=50)
def test_jitters_are_the_same_for_every_box_and_none_moves_an_edge_beyond_a_tenth(
    row, column, rows, columns, scale
):
    stops = (row + rows, column + columns)
    box = SliceBox(row_start=row, row_stop=stops[0], column_start=column, column_stop=stops[1])
    moved = jittered_boxes(box)
    assert moved == jittered_boxes(box)
    for one, larger in zip(moved, jittered_boxes(box.scaled(scale)), strict=True):
        assert abs(one.row_start - box.row_start) <= 0.1 * rows + 1e-9
        assert abs(one.column_stop - box.column_stop) <= 0.1 * columns + 1e-9
        assert larger.rows == pytest.approx(one.rows * scale)


def test_stability_is_the_mean_of_all_pairs():
    inside = np.zeros((4, 10), dtype=bool)
    inside[:, :5] = True
    other = np.zeros_like(inside)
    other[:, 5:] = True
    assert stability(inside, ()) is None
    assert stability(inside, (inside, inside)) == 1
    assert stability(inside, (inside, other)) == pytest.approx(1 / 3)
    assert dice(np.zeros_like(inside), np.zeros_like(inside)) == 1


@settings(max_examples=20, deadline=None)
@given(st.floats(0.2, 20), st.floats(-50, 50), st.booleans())
def test_the_second_method_reads_grey_levels_whatever_their_scale_and_sign(gain, offset, negative):
    volume, truth = bright_ball(noise=0)
    image = volume.voxels[10]
    image = (image - image.min()) / np.ptp(image)
    image = (1 - image if negative else image) * 10 * gain + max(offset, 0)
    box = SliceBox(row_start=18, row_stop=43, column_start=24, column_stop=49)
    grey = np.clip(image * (255 / image.max()), 0, 255).astype(np.float32)
    if np.ptp(grey) < 255 / 8:
        return
    assert dice(grey_outline(grey, box), truth.voxels[10]) > 0.9


def _dense(anatomy, side):
    near = (anatomy.front_mm > 40) & (anatomy.front_mm < 90)
    near &= (anatomy.left_mm > 40) & (anatomy.left_mm < 90)
    near[:9] = near[14:] = False
    return {None: Found(voxels=near & (anatomy.values > -400), level_hu=40.0)}


def test_an_organ_by_name_is_weak_on_the_slices_as_they_are_stored():
    plain = chest()
    voxels = np.array(plain.voxels)
    voxels[:, 66:80, 58:70] = 400.0
    voxels[12:14][voxels[12:14] == 40.0] = -350.0
    boxed = SlicewiseSegmenter(FollowingNetwork(), small_table())
    engine = FoundOrganSegmenter("solid-lung-lesion", small_table(), _dense, boxed)
    weak = []
    for stored, flip in ((voxels, False), (voxels[::-1].copy(), True)):
        grid = plain.grid.turned((0, 1, 2), (flip, False, False))
        volume = Volume(voxels=stored, grid=grid, modality="CT")
        with engine.open(volume) as session:
            (segment,) = session.segment([Prompt(concept="lung lesion")], no_progress)
        assert segment.confidence.main_slice is None
        assert segment.confidence.jitter_stability is None
        assert segment.confidence.agreement > 0.5
        weak.append(segment.confidence.weak_slices)
    assert 12 in weak[0]
    assert 11 not in weak[0]
    assert weak[1] == tuple(23 - index for index in reversed(weak[0]))


def test_a_signal_beyond_its_range_is_refused():
    with pytest.raises(InputError, match="jitter_stability"):
        Confidence(main_slice=0, jitter_stability=1.2)


def test_an_empty_mask_has_no_signals():
    volume, _ = bright_ball()
    far = Point(slice_index=10, row=3, column=3)
    segment = segmented(volume, Prompt(points=(far,), slice_range=RANGE))
    assert segment.mask.is_empty
    assert segment.confidence is None


def test_the_mask_itself_is_left_as_it_was():
    volume, truth = bright_ball()
    segment = segmented(volume, Prompt(boxes=(BOX,), slice_range=RANGE))
    assert isinstance(segment.mask, Mask)
    assert dice(segment.mask.voxels, truth.voxels) > 0.93
