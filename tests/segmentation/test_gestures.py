"""Lines, scribbles and corrections of an earlier mask, with a network that needs no weights."""

import math
from dataclasses import replace

import numpy as np
import pytest

from domain.errors import PromptError
from domain.ports import no_progress
from domain.prompt import Box, Line, Point, Prompt, Scribble
from domain.volume import Mask, Volume
from segmentation.slicewise.segmenter import (
    PROPOSED_RANGE,
    PROPOSED_SCRIBBLE,
    SlicewiseSegmenter,
)
from segmentation.slicewise.targets import ellipsoid, target_of
from tests.contracts.segmenters import BrightNetwork, axial_grid, ball, bright_ball, small_table

RANGE = (4, 17)


def _segment(volume, prompt, network=None):
    engine = SlicewiseSegmenter(BrightNetwork() if network is None else network, small_table())
    with engine.open(volume) as session:
        (segment,) = session.segment([prompt], no_progress)
    return segment


def _dice(one: Mask, other: Mask) -> float:
    overlap = np.count_nonzero(one.voxels & other.voxels)
    return 2 * overlap / (one.voxel_count + other.voxel_count)


def _leaning(angle=0.6, half_mm=(10.0, 22.0, 13.0)):
    """Return an MR of one bright ellipsoid whose long axis leans in the slice, and its line."""
    grid = axial_grid((16, 80, 80))
    slices, rows, columns = np.meshgrid(*[np.arange(n) for n in grid.shape], indexing="ij")
    along = (rows - 39) * math.sin(angle) + (columns - 40) * math.cos(angle)
    across = (columns - 40) * math.sin(angle) - (rows - 39) * math.cos(angle)
    inside = ((slices - 8) * 2 / half_mm[0]) ** 2 + (along / half_mm[1]) ** 2
    inside = inside + (across / half_mm[2]) ** 2 <= 1
    random = np.random.default_rng(5)
    voxels = 100 + 300 * inside + random.normal(0, 20, grid.shape)
    reach = (half_mm[1] * math.sin(angle), half_mm[1] * math.cos(angle))
    line = Line(
        slice_index=8,
        start=(39 - reach[0], 40 - reach[1]),
        stop=(39 + reach[0], 40 + reach[1]),
    )
    volume = Volume(voxels=voxels.astype(np.float32), grid=grid, modality="MR")
    return volume, Mask(voxels=inside, grid=grid), line


@pytest.mark.parametrize("angle", [0.0, 0.6, 2.2])
def test_a_line_and_the_range_outline_what_leans(angle):
    volume, truth, line = _leaning(angle)
    slices = truth.slice_indices()
    prompt = Prompt(lines=(line,), slice_range=(slices[0], slices[-1] + 1))
    segment = _segment(volume, prompt)
    assert _dice(segment.mask, truth) > 0.93
    assert not segment.is_proposal
    assert segment.provenance.prompt == f"line on slice 8, slices {slices[0]} to {slices[-1]}"


def test_the_plain_ellipsoid_of_a_line_leans_with_it():
    _, truth, line = _leaning()
    prompt = Prompt(lines=(line,), slice_range=(3, 14))
    upright = replace(target_of(prompt, truth.grid), tilts={})
    leaning = ellipsoid(target_of(prompt, truth.grid), truth.grid)
    assert _dice(leaning, truth) > 0.8
    assert _dice(leaning, truth) > _dice(ellipsoid(upright, truth.grid), truth) + 0.03


def test_a_line_alone_is_a_proposal_that_asks_for_the_range():
    volume, truth, line = _leaning()
    segment = _segment(volume, Prompt(lines=(line,)))
    assert segment.is_proposal
    assert segment.warnings == (PROPOSED_RANGE,)
    assert _dice(segment.mask, truth) > 0.9


def test_a_line_and_a_box_on_one_slice_are_two_things():
    volume, _, line = _leaning()
    with pytest.raises(PromptError, match="slice 8 are two things"):
        _segment(volume, Prompt(lines=(line,), boxes=(Box.on_slice(8, (1, 5), (1, 5)),)))


def test_a_range_alone_is_found_on_the_image_where_the_guess_is_too_short():
    grid = axial_grid((30, 64, 64))
    rows, columns = np.mgrid[:64, :64]
    inside = np.zeros(grid.shape, dtype=np.bool_)
    inside[6:23] = (rows - 30) ** 2 + (columns - 32) ** 2 <= 10**2
    volume = Volume(voxels=100 + 300.0 * inside, grid=grid, modality="MR")
    segment = _segment(volume, Prompt(boxes=(Box.on_slice(14, (20, 41), (22, 43)),)))
    assert segment.is_proposal
    assert segment.mask.slice_indices()[0] == 6
    assert segment.mask.slice_indices()[-1] == 22


def test_a_range_that_is_not_given_ends_after_twice_the_guess():
    grid = axial_grid((60, 64, 64))
    voxels = np.full(grid.shape, 100.0)
    voxels[:, 20:41, 22:43] = 400
    volume = Volume(voxels=voxels, grid=grid, modality="MR")
    segment = _segment(volume, Prompt(boxes=(Box.on_slice(30, (20, 41), (22, 43)),)))
    marked = segment.mask.slice_indices()
    assert marked[0] >= 30 - 10
    assert marked[-1] <= 30 + 10


def test_a_scribble_alone_is_a_proposal():
    volume, truth = bright_ball()
    scribble = Scribble(slice_index=10, path=((26.0, 32.0), (34.0, 40.0)))
    segment = _segment(volume, Prompt(scribbles=(scribble,), slice_range=RANGE))
    assert segment.is_proposal
    assert segment.warnings == (PROPOSED_SCRIBBLE,)
    assert segment.provenance.prompt == "box on slice 10, 1 scribbles, slices 4 to 16"
    assert _dice(segment.mask, truth) > 0.9


def test_scribbles_on_several_slices_are_several_keys():
    volume, truth = bright_ball()
    scribbles = tuple(
        Scribble(slice_index=index, path=((28.0, 34.0), (32.0, 38.0))) for index in (6, 10, 14)
    )
    segment = _segment(volume, Prompt(scribbles=scribbles))
    assert "boxes on slices 6, 10, 14" in segment.provenance.prompt
    assert segment.mask.slice_indices() == tuple(range(6, 15))
    assert _dice(segment.mask, truth) > 0.8


def test_pixels_under_a_brush_are_hard_whatever_the_image_says():
    volume, _ = bright_ball()
    prompt = Prompt(
        boxes=(Box.on_slice(10, (18, 43), (24, 49)),),
        scribbles=(
            Scribble(slice_index=10, path=((50.0, 30.0), (50.0, 40.0))),
            Scribble(slice_index=10, path=((30.0, 28.0), (30.0, 44.0)), positive=False),
        ),
        slice_range=RANGE,
    )
    inside = _segment(volume, prompt).mask.voxels[10]
    assert inside[50, 30:41].all()
    assert not inside[30, 28:45].any()
    assert inside[22, 36]


def test_negative_scribbles_alone_point_at_nothing():
    volume, _ = bright_ball()
    engine = SlicewiseSegmenter(BrightNetwork(), small_table())
    negative = Scribble(slice_index=10, path=((30.0, 36.0),), positive=False)
    assert "draw a box" in (engine.supports(volume, Prompt(scribbles=(negative,))) or "")


def _two_balls():
    """Return an MR of 40 slices with a long bright body, and the body."""
    grid = axial_grid((40, 64, 72))
    share = np.maximum.reduce([ball(grid, (z, 30.0, 36.0), 9) for z in range(6, 34)])
    volume = Volume(voxels=(100 + 300 * share).astype(np.float32), grid=grid, modality="MR")
    return volume, Mask(voxels=share >= 0.5, grid=grid)


def _half(truth: Mask) -> Mask:
    """Return a mask that missed what lies left of the middle, on all slices."""
    voxels = np.array(truth.voxels)
    voxels[:, :, 38:] = False
    return Mask(voxels=voxels, grid=truth.grid)


@pytest.mark.parametrize(
    "hint",
    [
        {"boxes": (Box.on_slice(20, (21, 40), (27, 46)),)},
        {"lines": (Line(slice_index=20, start=(30, 26.5), stop=(30, 45.5)),)},
        {"points": (Point(slice_index=20, row=30, column=42),)},
        {"scribbles": (Scribble(slice_index=20, path=((26, 42), (34, 42))),)},
    ],
    ids=["box", "line", "click", "scribble"],
)
def test_a_correction_runs_only_slices_within_its_reach_and_keeps_all_others(hint):
    volume, truth = _two_balls()
    earlier = _half(truth)
    network = BrightNetwork()
    segment = _segment(volume, Prompt(mask=earlier, **hint), network)
    changed = np.flatnonzero((segment.mask.voxels != earlier.voxels).any(axis=(1, 2)))
    assert 20 in changed
    reach = 4  # a thing 19 mm wide on slices 2 mm apart
    assert set(changed) <= set(range(20 - reach, 20 + reach + 1))
    assert network.encoder_runs <= 2 * reach + 1
    assert segment.mask.voxels[20, 30, 42]
    assert _dice(segment.mask, truth) > _dice(earlier, truth)
    assert not segment.is_proposal


def test_a_negative_box_alone_clears_a_mask_and_asks_no_network():
    volume, truth = _two_balls()
    network = BrightNetwork()
    negative = replace(Box.on_slice(20, (0, 64), (0, 72)), positive=False)
    segment = _segment(volume, Prompt(mask=truth, boxes=(negative,)), network)
    expected = np.array(truth.voxels)
    expected[20] = False
    assert np.array_equal(segment.mask.voxels, expected)
    assert network.encoder_runs == 0


def test_without_a_correction_every_slice_of_a_mask_is_refined():
    volume, truth = _two_balls()
    network = BrightNetwork()
    _segment(volume, Prompt(mask=truth), network)
    assert network.encoder_runs == len(truth.slice_indices())


def test_a_box_beyond_the_end_of_a_mask_leaves_no_gap():
    volume, truth = _two_balls()
    voxels = np.array(truth.voxels)
    voxels[14:] = False
    prompt = Prompt(
        mask=Mask(voxels=voxels, grid=truth.grid), boxes=(Box.on_slice(24, (21, 40), (27, 46)),)
    )
    segment = _segment(volume, prompt)
    marked = segment.mask.slice_indices()
    assert marked == tuple(range(marked[0], 25))
    assert np.array_equal(segment.mask.voxels[:8], voxels[:8])


def test_a_click_outside_the_slice_range_is_refused_with_both():
    volume, _ = bright_ball()
    prompt = Prompt(
        boxes=(Box.on_slice(10, (18, 43), (24, 49)),),
        points=(Point(slice_index=18, row=30, column=36),),
        slice_range=RANGE,
    )
    with pytest.raises(PromptError, match=r"click or scribble on slice 18 .* 4:17"):
        _segment(volume, prompt)
