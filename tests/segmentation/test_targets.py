"""What a prompt points at, slice by slice."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import PromptError
from domain.prompt import Box, Point, Prompt
from domain.volume import Mask
from segmentation.slicewise.targets import ellipsoid, target_of
from tests.contracts.segmenters import axial_grid, ball

GRID = axial_grid((20, 64, 72))
BOX = Box.on_slice(10, (20, 40), (30, 60))


def test_a_box_alone_proposes_a_range_as_deep_as_it_is_wide():
    target = target_of(Prompt(boxes=(BOX,)), GRID)
    assert not target.is_range_given
    assert (target.start, target.stop) == (4, 17)
    assert "proposed" in target.in_words()


def test_the_proposed_range_ends_with_the_volume():
    target = target_of(Prompt(boxes=(Box.on_slice(19, (20, 40), (30, 60)),)), GRID)
    assert (target.start, target.stop) == (13, 20)


def test_a_single_image_needs_no_range():
    target = target_of(Prompt(boxes=(Box.on_slice(0, (2, 4), (2, 4)),)), axial_grid((1, 9, 9)))
    assert target.is_range_given
    assert (target.start, target.stop) == (0, 1)


def test_a_box_over_slices_is_a_key_in_their_middle_and_gives_the_range():
    box = Box(slice_start=5, slice_stop=12, row_start=1, row_stop=9, column_start=2, column_stop=8)
    target = target_of(Prompt(boxes=(box,)), GRID)
    assert target.key_slices == (8,)
    assert (target.start, target.stop, target.is_range_given) == (5, 12, True)


def test_between_boxes_the_sides_grow_and_the_centre_moves_nearest_the_smaller():
    low = Box.on_slice(4, (10, 20), (10, 20))
    high = Box.on_slice(8, (20, 40), (14, 28))
    target = target_of(Prompt(boxes=(low, high), slice_range=(2, 11)), GRID)
    boxes = [target.expected_box(index) for index in range(4, 9)]
    centres = [box.centre[0] for box in boxes]
    assert (centres[0], centres[-1]) == (15, 30)
    assert centres == sorted(centres)
    assert centres[2] > (15 + 30) / 2
    rows, columns = [box.rows for box in boxes], [box.columns for box in boxes]
    assert (rows[0], rows[-1], columns[0], columns[-1]) == pytest.approx((10, 20, 10, 14))
    assert rows == sorted(rows)
    assert columns == sorted(columns)
    assert target.profile(6) == 1
    assert target.main_key == 8


def test_a_second_box_leaves_the_centre_alone_on_the_other_side_of_the_first():
    first = Box.on_slice(8, (20, 40), (14, 28))
    second = Box.on_slice(10, (30, 40), (30, 40))
    target = target_of(Prompt(boxes=(first, second), slice_range=(2, 12)), GRID)
    for index in range(2, 8):
        assert target.expected_box(index).centre == pytest.approx((30, 21))


@given(
    st.lists(st.tuples(st.integers(0, 29), st.integers(2, 30)), min_size=1, max_size=5),
)
def test_going_from_the_nearest_key_outward_the_slice_before_is_always_done(keys):
    boxes = {index: Box.on_slice(index, (0, side), (0, side)) for index, side in keys}
    grid = axial_grid((30, 40, 40))
    target = target_of(Prompt(boxes=tuple(boxes.values()), slice_range=(0, 30)), grid)
    done = set(target.keys)
    others = [index for index in range(30) if index not in target.keys]
    for index in sorted(others, key=lambda index: abs(index - target.nearest_key(index))):
        assert index + (1 if target.nearest_key(index) > index else -1) in done
        done.add(index)


def test_a_second_box_cut_from_the_same_ellipsoid_leaves_the_other_slices_as_they_were():
    def side(index):
        return 40 * math.sqrt(1 - ((index - 10) / 8.5) ** 2)

    def box(index):
        start = 40 - side(index) / 2
        return Box.on_slice(index, (round(start), round(start + side(index))), (20, 60))

    target = target_of(Prompt(boxes=(box(10), box(17)), slice_range=(2, 19)), GRID)
    for index in range(10, 18):
        assert target.expected_box(index).rows == pytest.approx(side(index), rel=0.06)


def test_beyond_the_keys_the_box_shrinks_to_the_end_of_the_range():
    target = target_of(Prompt(boxes=(BOX,), slice_range=(5, 16)), GRID)
    sizes = [target.expected_box(index).rows for index in range(5, 16)]
    assert sizes[5] == 20
    assert sizes == sizes[::-1]
    assert sizes[:6] == sorted(sizes[:6])
    assert sizes[0] > 0


def test_an_earlier_mask_gives_boxes_and_range_and_a_new_box_overrides_it():
    mask = Mask(voxels=ball(GRID, (10, 30, 36), 8) >= 0.5, grid=GRID)
    fixed = Box.on_slice(9, (0, 5), (0, 5))
    target = target_of(Prompt(mask=mask, boxes=(fixed,)), GRID)
    assert target.key_slices == mask.slice_indices()
    assert target.keys[9].row_stop == 5
    assert target.keys[10].rows > 5


def test_a_box_outside_the_range_is_refused_with_both():
    with pytest.raises(PromptError, match=r"slice 10 .* 11:15"):
        target_of(Prompt(boxes=(BOX,), slice_range=(11, 15)), GRID)


def test_two_boxes_on_one_slice_are_two_things():
    other = Box.on_slice(10, (45, 50), (30, 60))
    with pytest.raises(PromptError, match="two boxes on slice 10"):
        target_of(Prompt(boxes=(BOX, other), slice_range=(5, 15)), GRID)


def test_negative_boxes_alone_point_at_nothing():
    negative = Box(
        slice_start=1,
        slice_stop=2,
        row_start=0,
        row_stop=4,
        column_start=0,
        column_stop=4,
        positive=False,
    )
    with pytest.raises(PromptError, match="no positive box"):
        target_of(Prompt(boxes=(negative,)), GRID)


def test_clicks_are_kept_by_slice_and_counted_in_words():
    clicks = (Point(slice_index=10, row=1, column=2), Point(slice_index=9, row=3, column=4))
    target = target_of(Prompt(boxes=(BOX,), points=clicks, slice_range=(9, 12)), GRID)
    assert set(target.points) == {9, 10}
    assert target.in_words() == "box on slice 10, 2 clicks, slices 9 to 11"


@given(st.integers(4, 9), st.integers(6, 20), st.integers(6, 20))
def test_the_ellipsoid_has_an_ellipsoids_volume(half_slices, half_rows, half_columns):
    grid = axial_grid((21, 64, 64))
    box = Box.on_slice(10, (32 - half_rows, 32 + half_rows), (32 - half_columns, 32 + half_columns))
    prompt = Prompt(boxes=(box,), slice_range=(10 - half_slices, 11 + half_slices))
    mask = ellipsoid(target_of(prompt, grid), grid)
    expected = 4 / 3 * np.pi * (half_slices + 0.5) * half_rows * half_columns
    assert mask.voxel_count == pytest.approx(expected, rel=0.12)
