import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import GeometryError, InputError
from domain.grid import Grid
from domain.segment import Segment
from domain.volume import Mask, Volume
from tests.phantoms import MADE_BY, affine, ellipsoid, grid

turns = st.tuples(st.permutations([0, 1, 2]), st.tuples(*[st.booleans()] * 3))


@given(turns, st.tuples(*[st.floats(-60, 60)] * 3))
def test_a_turned_mask_comes_back_equal(turn, angles):
    mask = ellipsoid(grid(turn_deg=angles), (6.0, 8.0, 5.0), np.array([3.0, 9.0, 12.0]))
    turned = mask.turned(tuple(turn[0]), turn[1])
    assert np.array_equal(turned.on(mask.grid).voxels, mask.voxels)


def test_a_cropped_mask_is_placed_where_it_was():
    whole = ellipsoid(grid(), (6.0, 8.0, 5.0))
    cut = affine()
    cut[:3, 3] = whole.grid.to_lps_mm((2, 4, 3))
    crop = whole.voxels[2:6, 4:22, 3:17]
    part = Mask(voxels=crop, grid=Grid(affine=cut, shape=crop.shape))
    placed = part.on(whole.grid)
    assert np.array_equal(placed.voxels[2:6, 4:22, 3:17], crop)
    assert placed.voxel_count == int(crop.sum())


@pytest.mark.parametrize("shift_mm", [(0.0, 0.0, 1.0), (0.4, 0.0, 0.0), (0.0, -400.0, 0.0)])
def test_a_mask_between_voxels_or_outside_is_refused(shift_mm):
    mask = ellipsoid(grid(), (6.0, 8.0, 5.0))
    moved = affine()
    moved[:3, 3] += shift_mm
    with pytest.raises(GeometryError, match="different series"):
        mask.on(Grid(affine=moved, shape=mask.grid.shape))


def test_a_single_slice_is_placed_by_position_whatever_its_depth_says():
    image = grid(spacing_mm=(5.0, 1.0, 1.0))
    thin = affine(spacing_mm=(1.25, 1.0, 1.0))
    thin[:3, 3] = image.to_lps_mm((3, 0, 0))
    one = Mask(voxels=np.ones((1, 24, 20), dtype=bool), grid=Grid(affine=thin, shape=(1, 24, 20)))
    assert one.on(image).slice_indices() == (3,)


def test_voxels_that_do_not_fill_the_grid_are_refused():
    with pytest.raises(GeometryError, match="do not fill"):
        Volume(voxels=np.zeros((2, 2, 2)), grid=grid(), modality="CT")


def test_nan_in_an_image_is_refused():
    voxels = np.zeros(grid().shape)
    voxels[0, 0, 0] = np.nan
    with pytest.raises(GeometryError, match="NaN"):
        Volume(voxels=voxels, grid=grid(), modality="CT")


def test_a_mask_must_be_boolean():
    with pytest.raises(GeometryError, match="bool"):
        Mask(voxels=np.zeros(grid().shape, dtype=np.uint8), grid=grid())


def test_an_empty_mask_needs_a_reason_and_a_full_one_none():
    empty = Mask(voxels=np.zeros(grid().shape, dtype=bool), grid=grid())
    full = ellipsoid(grid(), (6.0, 8.0, 5.0))
    with pytest.raises(InputError):
        Segment(mask=empty, concept="liver", provenance=MADE_BY)
    with pytest.raises(InputError):
        Segment(mask=full, concept="liver", provenance=MADE_BY, absent_reason="not there")
