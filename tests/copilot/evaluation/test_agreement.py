"""Agreement against known answers, and against a slow computation by another way."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial import cKDTree

from copilot.evaluation.agreement import agreement, dice
from domain.errors import EmptyMaskError, GeometryError
from domain.grid import Grid
from domain.volume import Mask
from tests.phantoms import affine, ellipsoid, grid

ROUNDING_MM = 1e-3


def block(on, starts, stops):
    voxels = np.zeros(on.shape, dtype=bool)
    voxels[tuple(slice(a, b) for a, b in zip(starts, stops, strict=True))] = True
    return Mask(voxels=voxels, grid=on)


def corner_cells(mask):
    """Return, in mm, the middles of all cells of eight voxels that are neither full nor empty."""
    padded = np.pad(mask.voxels, 2)
    found = []
    for place in np.ndindex(*(n - 1 for n in padded.shape)):
        cell = padded[tuple(slice(i, i + 2) for i in place)]
        if 0 < np.count_nonzero(cell) < cell.size:
            found.append(np.array(place) * mask.grid.spacing_mm)
    return np.array(found)


def slow_distances(one, other):
    return cKDTree(corner_cells(other)).query(corner_cells(one))[0]


@pytest.mark.parametrize("shift", [1, 2, 3])
def test_a_shifted_cube_has_the_dice_and_the_distance_of_its_shift(shift):
    on = grid(shape=(20, 24, 20), spacing_mm=(1.5, 1.0, 1.0))
    one = block(on, (5, 5, 5), (15, 15, 15))
    moved = block(on, (5, 5 + shift, 5), (15, 15 + shift, 15))
    found = agreement(moved, one)
    assert found.dice == pytest.approx((10 - shift) / 10)
    assert found.hd95_mm == pytest.approx(shift)
    assert found.volume_error == 0
    assert (found.surface_dice == 1) == (shift <= 2)


def test_a_shift_along_the_slices_is_counted_in_millimetres_not_in_slices():
    on = grid(shape=(20, 24, 20), spacing_mm=(5.0, 1.0, 1.0))
    one, moved = block(on, (5, 5, 5), (15, 15, 15)), block(on, (6, 5, 5), (16, 15, 15))
    assert agreement(moved, one).hd95_mm == pytest.approx(5.0)


@pytest.mark.parametrize("gap_mm", [1.0, 4.0])
def test_concentric_spheres_are_their_difference_in_radius_apart(gap_mm):
    on = grid(shape=(60, 60, 60), spacing_mm=(1.0, 1.0, 1.0))
    inner, outer = (ellipsoid(on, (r, r, r)) for r in (18.0, 18.0 + gap_mm))
    found = agreement(outer, inner)
    assert found.hd95_mm == pytest.approx(gap_mm, abs=0.75)
    assert found.surface_dice == (1.0 if gap_mm == 1.0 else 0.0)
    assert found.volume_error == pytest.approx((1 + gap_mm / 18.0) ** 3 - 1, rel=0.02)


def test_one_wrong_speck_changes_the_maximum_but_hardly_hd95():
    on = grid(shape=(40, 60, 60), spacing_mm=(1.0, 1.0, 1.0))
    ball = ellipsoid(on, (14.0, 14.0, 14.0))
    speck = block(on, (1, 1, 1), (2, 2, 2))
    found = agreement(Mask(voxels=ball.voxels | speck.voxels, grid=on), ball)
    assert found.hd95_mm == 0
    assert 0.99 < found.surface_dice < 1


boxes = st.tuples(*[st.tuples(st.integers(1, 5), st.integers(2, 4)) for _ in range(3)])
spacings = st.tuples(*[st.sampled_from([0.6, 1.0, 1.7, 5.0]) for _ in range(3)])


@settings(max_examples=25, deadline=None)
@given(one=boxes, other=boxes, spacing_mm=spacings)
def test_blocks_agree_as_a_slow_search_over_all_pairs_of_surface_cells_says(one, other, spacing_mm):
    on = grid(shape=(10, 10, 10), spacing_mm=spacing_mm)
    masks = [block(on, [a for a, _ in box], [a + n for a, n in box]) for box in (one, other)]
    found = agreement(*masks)
    there, back = slow_distances(*masks), slow_distances(*reversed(masks))
    both = np.concatenate([there, back])
    assert any(abs(found.hd95_mm - distance) < ROUNDING_MM for distance in both)
    assert found.hd95_mm <= both.max() + ROUNDING_MM
    if both.max() <= 2.0:
        assert found.surface_dice == 1
    if both.min() > 2.0 + ROUNDING_MM:
        assert found.surface_dice == 0
    overlap = np.count_nonzero(masks[0].voxels & masks[1].voxels)
    assert found.dice == pytest.approx(2 * overlap / sum(m.voxels.sum() for m in masks))


@settings(max_examples=25, deadline=None)
@given(one=boxes, other=boxes, spacing_mm=spacings, axis=st.integers(0, 2))
def test_no_axis_order_or_mirror_changes_the_agreement(one, other, spacing_mm, axis):
    on = grid(shape=(10, 10, 10), spacing_mm=spacing_mm)
    masks = [block(on, [a for a, _ in box], [a + n for a, n in box]) for box in (one, other)]
    order = tuple(np.roll((0, 1, 2), axis).tolist())
    turned = [mask.turned(order, (True, False, True)) for mask in masks]
    before, after = agreement(*masks), agreement(*turned)
    assert after.surface_dice == pytest.approx(before.surface_dice)
    assert after.hd95_mm == pytest.approx(before.hd95_mm, abs=ROUNDING_MM)


@settings(max_examples=20, deadline=None)
@given(one=boxes, other=boxes)
def test_surface_dice_and_hd95_do_not_depend_on_which_mask_is_the_reference(one, other):
    on = grid(shape=(10, 10, 10), spacing_mm=(2.0, 1.0, 1.0))
    masks = [block(on, [a for a, _ in box], [a + n for a, n in box]) for box in (one, other)]
    there, back = agreement(*masks), agreement(*reversed(masks))
    assert there.surface_dice == pytest.approx(back.surface_dice)
    assert there.hd95_mm == back.hd95_mm


def test_an_equal_mask_agrees_wholly_even_at_the_edge_of_the_image():
    on = grid(shape=(6, 8, 8))
    whole = block(on, (0, 0, 0), on.shape)
    found = agreement(whole, whole)
    assert (found.dice, found.surface_dice, found.hd95_mm, found.volume_error) == (1, 1, 0, 0)


def test_an_empty_mask_scores_nothing_and_is_at_no_distance():
    on = grid()
    found = agreement(block(on, (0, 0, 0), (0, 0, 0)), block(on, (2, 2, 2), (4, 4, 4)))
    assert (found.dice, found.surface_dice, found.hd95_mm, found.volume_error) == (0, 0, None, -1)


def test_against_an_empty_reference_nothing_can_be_said():
    on = grid()
    with pytest.raises(EmptyMaskError, match="reference mask is empty"):
        agreement(block(on, (2, 2, 2), (4, 4, 4)), block(on, (0, 0, 0), (0, 0, 0)))


def test_two_empty_masks_are_equal():
    nothing = block(grid(), (0, 0, 0), (0, 0, 0))
    assert dice(nothing, nothing) == 1


def test_masks_on_different_grids_are_not_compared():
    one = block(grid(), (2, 2, 2), (4, 4, 4))
    other = block(grid(origin=(0.0, 0.0, 0.0)), (2, 2, 2), (4, 4, 4))
    with pytest.raises(GeometryError, match="different grids"):
        agreement(one, other)


@pytest.mark.parametrize("unknown", ["in_plane_calibrated", "slice_spacing_known"])
def test_without_a_known_spacing_no_distance_is_given(unknown):
    on = Grid(affine=affine(), shape=(4, 12, 12), **{unknown: False})
    found = agreement(block(on, (1, 2, 2), (3, 8, 8)), block(on, (1, 2, 2), (3, 9, 8)))
    assert found.dice > 0.9
    assert (found.surface_dice, found.hd95_mm) == (None, None)


def test_a_sheared_grid_is_refused_since_its_spacings_are_no_distances():
    tilted = affine()
    tilted[1, 0] += 0.5
    on = Grid(affine=tilted, shape=(4, 12, 12))
    mask = block(on, (1, 2, 2), (3, 8, 8))
    with pytest.raises(GeometryError, match="sheared"):
        agreement(mask, mask)
