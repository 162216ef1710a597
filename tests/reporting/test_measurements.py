import csv

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from copilot.demo.study import brain_mr
from copilot.evaluation.images import read_plain
from domain.codes import (
    HOUNSFIELD_UNIT,
    LONG_AXIS,
    MAXIMUM,
    MEAN,
    MILLIMETRE,
    SHORT_AXIS,
    STANDARD_DEVIATION,
    VOLUME,
)
from domain.command import Measure
from domain.errors import CannotDoError, EmptyMaskError, UncalibratedError
from domain.grid import Grid
from domain.volume import Mask, Volume
from reporting import volumetry
from reporting.diameters import axes_on_slice, diameters, longest_axes
from reporting.extent import middle_lps_mm
from reporting.findings import Tracking, measured
from reporting.volumetry import density, largest_slice, volume_ml
from tests.phantoms import UIDS, affine, ct, ellipsoid, grid, segment

turns = st.tuples(st.permutations([0, 1, 2]), st.tuples(*[st.booleans()] * 3))
angles = st.tuples(*[st.floats(-80, 80)] * 3)


@given(turns, angles)
def test_volume_does_not_depend_on_orientation(turn, turned_deg):
    mask = ellipsoid(grid(turn_deg=turned_deg), (6.0, 8.0, 5.0))
    assert volume_ml(mask.turned(tuple(turn[0]), turn[1])) == pytest.approx(volume_ml(mask))


@given(st.floats(0.1, 10.0))
def test_volume_scales_with_spacing(factor):
    voxels = ellipsoid(grid(), (6.0, 8.0, 5.0)).voxels
    small = Mask(voxels=voxels, grid=grid(spacing_mm=(2.0, 1.0, 1.0)))
    large = Mask(voxels=voxels, grid=grid(spacing_mm=(2.0 * factor, 1.0, 1.0)))
    assert volume_ml(large) == pytest.approx(volume_ml(small) * factor)


@settings(max_examples=20, deadline=None)
@given(st.floats(8.0, 14.0), angles)
def test_a_sphere_has_its_volume_and_diameters(radius, turned_deg):
    on = grid(shape=(60, 60, 60), spacing_mm=(0.6, 0.5, 0.7), turn_deg=turned_deg)
    mask = ellipsoid(on, (radius, radius, radius))
    assert volume_ml(mask) == pytest.approx(4 / 3 * np.pi * radius**3 / 1000, rel=0.02)
    axes = longest_axes(mask)
    assert axes.long.length_mm == pytest.approx(2 * radius, abs=1.0)
    assert axes.short.length_mm == pytest.approx(2 * radius, abs=1.0)


def test_an_ellipse_has_its_axes_at_their_places():
    on = grid(shape=(5, 120, 120), spacing_mm=(5.0, 0.5, 0.5))
    axes = axes_on_slice(ellipsoid(on, (9.0, 20.0, 8.0)), 2)
    assert axes.long.length_mm == pytest.approx(40.0, abs=0.8)
    assert axes.short.length_mm == pytest.approx(16.0, abs=0.8)
    start, stop = (np.array(end) for end in axes.long.ends_lps_mm)
    assert np.abs((stop - start) / 40.0) == pytest.approx([0, 1, 0], abs=0.1)
    assert start[2] == pytest.approx(on.to_lps_mm((2, 0, 0))[2])
    across = np.subtract(*axes.short.ends_lps_mm)
    assert abs(across @ (stop - start)) < 1e-6


def test_one_voxel_is_measured_between_its_outer_edges():
    voxels = np.zeros((3, 8, 8), dtype=bool)
    voxels[1, 4, 4] = True
    on = Grid(affine=affine(spacing_mm=(2.0, 3.0, 4.0)), shape=voxels.shape)
    axes = axes_on_slice(Mask(voxels=voxels, grid=on), 1)
    assert axes.long.length_mm == pytest.approx(5.0)
    assert axes.short.length_mm == pytest.approx(3.75)  # a chord through a corner


def test_neighbouring_slices_never_mix_in_a_diameter():
    voxels = np.zeros((2, 20, 20), dtype=bool)
    voxels[0, 2:6, 2:4] = True
    voxels[1, 12:16, 12:14] = True
    mask = Mask(voxels=voxels, grid=grid(shape=voxels.shape))
    assert longest_axes(mask).long.length_mm == pytest.approx(np.hypot(4, 2))
    assert longest_axes(mask).long.slice_index == 1


def test_density_is_that_of_the_voxels_inside():
    on = grid()
    mask = ellipsoid(on, (6.0, 8.0, 5.0))
    image = ct(on, mask, hu=60.0)
    found = {m.derivation: m for m in density(image, mask)}
    assert found[MEAN].value == 60.0
    assert found[MAXIMUM].value == 60.0
    assert found[STANDARD_DEVIATION].value == 0.0
    assert found[MEAN].unit == HOUNSFIELD_UNIT


def test_values_without_a_unit_give_no_density():
    on = grid()
    mask = ellipsoid(on, (6.0, 8.0, 5.0))
    image = Volume(voxels=np.zeros(on.shape), grid=on, modality="MR")
    with pytest.raises(CannotDoError, match="no physical unit"):
        density(image, mask)


def test_nothing_is_measured_of_nothing():
    empty = Mask(voxels=np.zeros(grid().shape, dtype=bool), grid=grid())
    for measure in (volume_ml, longest_axes, largest_slice):
        with pytest.raises(EmptyMaskError):
            measure(empty)


@pytest.mark.parametrize(
    "unknown", [{"in_plane_calibrated": False}, {"slice_spacing_known": False}]
)
def test_without_spacing_there_is_no_volume(unknown):
    on = Grid(affine=affine(), shape=(8, 24, 20), **unknown)
    with pytest.raises(UncalibratedError):
        volume_ml(ellipsoid(on, (6.0, 8.0, 5.0)))


def test_what_cannot_be_measured_is_left_out_with_its_reason():
    on = Grid(affine=affine(), shape=(1, 24, 20), slice_spacing_known=False)
    mask = ellipsoid(on, (6.0, 8.0, 5.0))
    tracking = Tracking(tracking_id="Finding 1", tracking_uid=UIDS.new_uid(), segment_number=1)
    finding = measured(ct(on, mask), segment(mask), None, tracking, (Measure.VOLUME,))
    assert finding.measurement(VOLUME) is None
    assert finding.measurement(LONG_AXIS) is not None
    assert any("no volume" in warning for warning in finding.warnings)


def test_the_largest_slice_is_the_one_with_most_voxels():
    mask = ellipsoid(grid(shape=(9, 24, 20)), (8.0, 8.0, 5.0))
    assert largest_slice(mask) == 4


def baseline(folder, name, case):
    with (folder / name).open() as stream:
        rows = list(csv.DictReader(stream))
    return {row["featureName"].split("_")[-1]: row[case] for row in rows}


@pytest.mark.parametrize("case", ["brain1", "lung1"])
def test_published_values_of_pyradiomics_are_reproduced(sample_study, case):
    if case == "brain1":
        image, mask = brain_mr(sample_study)
    else:
        voxels, on = read_plain(sample_study / "lung1_image.nrrd")
        label, label_grid = read_plain(sample_study / "lung1_label.nrrd")
        image = Volume(voxels=voxels, grid=on, modality="CT", unit=HOUNSFIELD_UNIT)
        mask = Mask(voxels=label > 0, grid=label_grid).on(on)
    published = baseline(sample_study, "baseline_shape.csv", case)
    assert volume_ml(mask) * 1000 == pytest.approx(float(published["VoxelVolume"]), rel=1e-9)
    if case == "lung1":
        first_order = baseline(sample_study, "baseline_firstorder.csv", case)
        found = {m.derivation: m.value for m in density(image, mask)}
        assert found[MEAN] == pytest.approx(float(first_order["Mean"]), rel=1e-9)
        assert found[MAXIMUM] == float(first_order["Maximum"])


def test_diameters_are_coded_with_their_ends():
    long, short = diameters(ellipsoid(grid(), (6.0, 8.0, 5.0)))
    assert (long.concept, short.concept) == (LONG_AXIS, SHORT_AXIS)
    assert long.unit == MILLIMETRE
    assert len(long.points_lps_mm) == 2
    assert np.linalg.norm(np.subtract(*long.points_lps_mm)) == pytest.approx(long.value)


def test_a_volume_has_a_point_at_its_middle():
    on = grid()
    ball = ellipsoid(on, (6.0, 8.0, 5.0))
    point = middle_lps_mm(ball)
    assert volumetry.volume(ball).points_lps_mm == (point,)
    middle = on.to_lps_mm((np.array(on.shape) - 1) / 2)
    assert np.abs(np.subtract(point, middle)).max() <= max(on.spacing_mm) / 2


def test_the_point_of_a_ring_lies_in_the_ring():
    on = grid()
    outer, inner = ellipsoid(on, (9.0, 9.0, 5.0)), ellipsoid(on, (6.0, 6.0, 9.0))
    ring = Mask(voxels=outer.voxels & ~inner.voxels, grid=on)
    point = np.array(middle_lps_mm(ring))
    assert ring.voxels[tuple(np.rint(on.to_index(point)).astype(int))]
