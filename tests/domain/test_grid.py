import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import GeometryError
from domain.grid import Grid, lps_to_ras
from tests.phantoms import affine, grid

angles = st.tuples(*[st.floats(-80, 80)] * 3)
spacings = st.tuples(*[st.floats(0.2, 8.0)] * 3)
indices = st.tuples(*[st.floats(-50, 50)] * 3)


@given(angles, spacings, indices)
def test_an_index_comes_back_from_its_position(turn, spacing, index):
    lattice = grid(spacing_mm=spacing, turn_deg=turn)
    assert lattice.to_index(lattice.to_lps_mm(index)) == pytest.approx(np.array(index), abs=1e-8)


@given(angles, spacings)
def test_lps_to_ras_is_its_own_inverse(turn, spacing):
    made = affine(spacing, turn)
    assert np.array_equal(lps_to_ras(lps_to_ras(made)), made)


def test_lps_to_ras_turns_left_and_posterior_only():
    made = lps_to_ras(affine(origin=(1.0, 2.0, 3.0)))
    assert made[:3, 3].tolist() == [-1.0, -2.0, 3.0]


@given(angles, spacings)
def test_spacing_and_voxel_volume_do_not_depend_on_orientation(turn, spacing):
    lattice = grid(spacing_mm=spacing, turn_deg=turn)
    assert lattice.spacing_mm == pytest.approx(spacing)
    assert lattice.voxel_volume_mm3 == pytest.approx(np.prod(spacing))


@given(st.permutations([0, 1, 2]), st.tuples(*[st.booleans()] * 3), angles)
def test_a_turned_lattice_holds_the_same_voxels_of_the_patient(axes, flips, turn):
    lattice = grid(turn_deg=turn)
    turned = lattice.turned(tuple(axes), flips)
    corners = {tuple(np.round(c, 6) + 0.0) for c in lattice.corners_lps_mm()}
    assert {tuple(np.round(c, 6) + 0.0) for c in turned.corners_lps_mm()} == corners


def test_the_normal_points_from_the_first_slice_to_the_last():
    assert grid().normal == pytest.approx([0, 0, 1])
    assert grid().turned((0, 1, 2), (True, False, False)).normal == pytest.approx([0, 0, -1])


@pytest.mark.parametrize(
    "wrong",
    [
        np.zeros((4, 4)),
        np.full((4, 4), np.nan),
        np.eye(3),
        np.vstack([np.eye(4)[:3], [0, 0, 0, 2]]),
    ],
)
def test_an_affine_that_places_nothing_is_refused_at_birth(wrong):
    with pytest.raises(GeometryError):
        Grid(affine=wrong, shape=(2, 2, 2))


def test_a_shape_without_voxels_is_refused():
    with pytest.raises(GeometryError, match="shape"):
        Grid(affine=np.eye(4), shape=(2, 0, 2))


def test_an_affine_cannot_be_changed_later():
    with pytest.raises(ValueError, match="read-only"):
        grid().affine[0, 0] = 5.0
