"""Surface, sphericity and 3D diameter of bodies of known size, in every attitude and spacing."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.measure import marching_cubes

from domain.errors import CannotDoError, EmptyMaskError, UncalibratedError
from domain.grid import Grid
from domain.volume import Mask
from reporting.diameters import axes_by_slice, longest_axes
from reporting.shape import longest_distance, maximum_3d_diameter, mesh, surface
from reporting.volumetry import area_mm2, volume_ml
from tests.phantoms import affine, ellipsoid, grid
from tests.reporting.shapes import solid, surface_of, volume_of

radii = st.tuples(*[st.floats(7.0, 12.0)] * 3)
spacings = st.tuples(*[st.floats(0.8, 1.5)] * 3)
attitudes = st.tuples(*[st.floats(-1.5, 1.5)] * 3)
places = st.tuples(*[st.floats(-0.5, 0.5)] * 3)
angles = st.tuples(*[st.floats(-80, 80)] * 3)
turns = st.tuples(st.permutations([0, 1, 2]), st.tuples(*[st.booleans()] * 3))


@settings(max_examples=40, deadline=None)
@given(radii, spacings, attitudes, places)
def test_an_ellipsoid_has_its_volume_diameter_and_surface(radii_mm, spacing_mm, turn, offset):
    mask = solid(radii_mm, spacing_mm, turn, offset)
    made = mesh(mask)
    assert volume_ml(mask) == pytest.approx(volume_of(radii_mm), rel=0.08)  # in step with voxels
    assert made.volume_mm3 / 1000 == pytest.approx(volume_of(radii_mm), rel=0.09)
    largest = maximum_3d_diameter(made).value
    assert largest == pytest.approx(2 * max(radii_mm), abs=np.linalg.norm(spacing_mm))
    assert 0.95 < made.area_mm2 / surface_of(radii_mm) < 1.15  # steps of voxels: mostly high
    assert 0.75 < made.sphericity < 1.0


@settings(max_examples=25, deadline=None)
@given(turns, angles, attitudes)
def test_shape_does_not_depend_on_axis_order_flips_or_an_oblique_lattice(turn, turned, attitude):
    straight = solid((6.0, 8.0, 10.0), (1.5, 0.9, 1.1), attitude)
    other = solid((6.0, 8.0, 10.0), (1.5, 0.9, 1.1), attitude, turn_deg=turned)
    one, two = mesh(straight), mesh(other.turned(tuple(turn[0]), turn[1]))
    diameters = [maximum_3d_diameter(each).value for each in (one, two)]
    assert diameters[1] == pytest.approx(diameters[0], rel=1e-6)
    assert two.area_mm2 == pytest.approx(one.area_mm2, rel=2e-3)  # ties in ambiguous cubes
    assert two.volume_mm3 == pytest.approx(one.volume_mm3, rel=2e-3)


@settings(max_examples=25, deadline=None)
@given(st.floats(0.1, 10.0), angles)
def test_all_scale_with_spacing(factor, turned):
    mask = solid((6.0, 8.0, 7.0), (1.5, 0.9, 1.1))
    spacing = tuple(factor * each for each in (1.5, 0.9, 1.1))
    on = Grid(affine=affine(spacing, turned), shape=mask.grid.shape)
    large = Mask(voxels=mask.voxels, grid=on)
    one, two = mesh(mask), mesh(large)
    assert two.area_mm2 == pytest.approx(one.area_mm2 * factor**2)
    assert two.volume_mm3 == pytest.approx(one.volume_mm3 * factor**3)
    assert two.sphericity == pytest.approx(one.sphericity)
    longest = maximum_3d_diameter(one).value
    assert maximum_3d_diameter(two).value == pytest.approx(longest * factor)


def test_the_3d_diameter_has_its_ends_in_the_patient():
    on = grid(shape=(30, 30, 30), spacing_mm=(1.0, 1.0, 1.0), turn_deg=(20.0, -35.0, 50.0))
    found = maximum_3d_diameter(mesh(ellipsoid(on, (12.0, 5.0, 5.0))))
    start, stop = np.array(found.points_lps_mm)
    assert np.linalg.norm(stop - start) == pytest.approx(found.value)
    assert abs((stop - start) @ on.normal) == pytest.approx(found.value, rel=0.02)
    assert (start + stop) / 2 == pytest.approx(on.to_lps_mm((14.5, 14.5, 14.5)), abs=0.8)


@given(st.integers(0, 10**6))
def test_the_longest_distance_is_that_of_all_pairs(seed):
    points = np.random.default_rng(seed).normal(size=(60, 3))
    start, stop = longest_distance(points)
    apart = np.linalg.norm(points[:, None] - points[None], axis=-1)
    assert np.linalg.norm(points[start] - points[stop]) == pytest.approx(apart.max())


def test_it_is_never_below_the_longest_axis_between_voxel_centres_of_a_slice():
    mask = solid((9.0, 7.0, 8.0), (2.0, 1.0, 1.0), (0.3, 0.2, 0.1))
    long_mm = longest_axes(mask).long.length_mm
    assert maximum_3d_diameter(mesh(mask)).value >= long_mm - np.hypot(1.0, 1.0)


@pytest.mark.parametrize(
    ("spacing_mm", "reason"), [((5.0, 0.7, 0.7), "factor of 7.1"), ((2.2, 1.1, 1.1), None)]
)
def test_thick_slices_have_no_surface(spacing_mm, reason):
    mask = solid((12.0, 12.0, 12.0), spacing_mm)
    if reason is None:
        assert len(surface(mask, mesh(mask))) == 3
    else:
        with pytest.raises(CannotDoError, match=reason):
            surface(mask, mesh(mask))


def test_a_thing_of_few_voxels_has_no_surface():
    mask = solid((2.0, 2.0, 2.0), (1.0, 1.0, 1.0), None, (0.5, 0.0, 0.0))
    with pytest.raises(CannotDoError, match="3 voxels across, 5 are needed"):
        surface(mask, mesh(mask))


@pytest.mark.parametrize(
    ("spacing_mm", "radius_mm", "worst"), [((5, 0.7, 0.7), 12, 0.17), ((1, 1, 1), 1.2, -0.1)]
)
def test_where_the_surface_is_refused_it_would_be_wrong(spacing_mm, radius_mm, worst):
    mask = solid((radius_mm,) * 3, spacing_mm, None, (0.2, 0.1, 0.3))
    error = mesh(mask).area_mm2 / surface_of((radius_mm,) * 3) - 1
    assert error > worst if worst > 0 else error < worst


def test_a_shape_needs_a_scale_and_voxels():
    voxels = np.ones((3, 4, 5), dtype=bool)
    unknown = Grid(affine=affine(), shape=voxels.shape, slice_spacing_known=False)
    with pytest.raises(UncalibratedError):
        mesh(Mask(voxels=voxels, grid=unknown))
    with pytest.raises(EmptyMaskError):
        mesh(Mask(voxels=~voxels, grid=grid(shape=voxels.shape)))


def test_a_box_has_its_area_on_every_slice():
    voxels = np.zeros((3, 20, 20), dtype=bool)
    voxels[1, 4:10, 5:15] = True
    on = Grid(affine=affine((5.0, 0.5, 0.25), (10, 20, 30)), shape=voxels.shape)
    assert area_mm2(Mask(voxels=voxels, grid=on)) == pytest.approx(6 * 0.5 * 10 * 0.25)
    voxels[2, 4, 5] = True
    with pytest.raises(CannotDoError, match="2 slices are marked"):
        area_mm2(Mask(voxels=voxels, grid=on))
    unscaled = Grid(affine=affine(), shape=voxels.shape, in_plane_calibrated=False)
    with pytest.raises(UncalibratedError):
        area_mm2(Mask(voxels=voxels, grid=unscaled))


@settings(max_examples=25, deadline=None)
@given(st.floats(5.0, 12.0), st.floats(5.0, 12.0), angles, st.booleans())
def test_the_area_of_an_ellipse_is_that_of_geometry(rows_mm, columns_mm, turned, transposed):
    on = grid(shape=(1, 60, 60), spacing_mm=(5.0, 0.5, 0.6), turn_deg=turned)
    mask = ellipsoid(on, (5.0, rows_mm, columns_mm))
    if transposed:
        mask = mask.turned((0, 2, 1), (False, True, False))
    assert area_mm2(mask) == pytest.approx(np.pi * rows_mm * columns_mm, rel=0.03)


def test_every_marked_slice_has_its_axes():
    mask = solid((9.0, 9.0, 9.0), (3.0, 0.5, 0.5))
    table = axes_by_slice(mask)
    assert tuple(axes.long.slice_index for axes in table) == mask.slice_indices()
    for axes in table:
        height = abs(mask.grid.to_lps_mm((axes.long.slice_index, 0, 0))[2] - 40.0)
        middle = abs(height - 3.0 * (mask.grid.shape[0] - 1) / 2)
        assert axes.long.length_mm == pytest.approx(2 * np.sqrt(81 - middle**2), abs=0.9)


def test_a_tall_thing_meshed_slab_by_slab_has_the_surface_of_the_whole():
    shape = (150, 20, 22)
    places = np.indices(shape).astype(float)
    radius = 6 + 2 * np.sin(places[0] / 9)
    across = (places[1] - 9.5) ** 2 + (places[2] - 10.5) ** 2
    voxels = (across <= radius**2) & (places[0] > 2) & (places[0] < 146)
    tall = Mask(voxels=voxels, grid=Grid(affine=np.diag([1.5, 1.0, 1.0, 1.0]), shape=shape))
    vertices, faces, _, _ = marching_cubes(np.pad(voxels, 1).astype(np.float32), 0.5)
    corners = (vertices * (1.5, 1.0, 1.0))[faces]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    made = mesh(tall)
    assert made.area_mm2 == pytest.approx(np.linalg.norm(normals, axis=1).sum() / 2, rel=1e-6)
    assert made.volume_mm3 == pytest.approx(volume_of_mesh(corners), rel=1e-6)


def volume_of_mesh(corners):
    return abs((corners[:, 0] * np.cross(corners[:, 1], corners[:, 2])).sum() / 6)
