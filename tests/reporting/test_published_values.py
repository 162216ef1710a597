"""Numbers of pyradiomics 3.0.1 for its cases lung1 and brain1, reproduced from DICOM.

From its published baselines (data/baseline/baseline_shape.csv and baseline_firstorder.csv,
BSD-3-Clause), made without resampling or normalisation.
"""

from dataclasses import replace

import numpy as np
import pytest

from copilot.evaluation.images import read_plain
from dicom_node.files import dicom_files, one_series
from dicom_node.volumes import load_series
from domain.codes import (
    HOUNSFIELD_UNIT,
    MAXIMUM,
    MEAN,
    MEDIAN,
    MINIMUM,
    STANDARD_DEVIATION,
)
from domain.volume import Mask
from reporting.diameters import longest_axes
from reporting.shape import maximum_3d_diameter, mesh
from reporting.volumetry import density, percentiles, volume_ml

PUBLISHED = {
    "lung1": {
        "folder": "ct_lung1",
        "VoxelVolume": 1361.1978149414062,
        "MeshVolume": 1330.97607931,
        "SurfaceArea": 782.241457999,
        "Sphericity": 0.748037658194,
        "Maximum3DDiameter": 21.3449467202,
        "Maximum2DDiameterSlice": 16.6273237626,
        "Mean": -63.90800477897252,
        "Variance": 15380.51125014096,
        "Minimum": -506.0,
        "Maximum": 106.0,
        "Median": -31.0,
        "10Percentile": -245.4,
        "90Percentile": 71.0,
    },
    "brain1": {
        "folder": "mr_brain1",
        "VoxelVolume": 16412.658691406243,
        "MeshVolume": 16149.4954427,
        "SurfaceArea": 6433.7343171,
        "Sphericity": 0.480242186182,
        "Maximum3DDiameter": 69.6009903059,
        "Maximum2DDiameterSlice": 53.5939777692,
        "Mean": 825.2354363065023,
        "Variance": 24527.07920837261,
        "Minimum": 468.0,
        "Maximum": 1266.0,
        "Median": 812.0,
        "10Percentile": 632.0,
        "90Percentile": 1044.4,
    },
}


@pytest.fixture(scope="module", params=PUBLISHED)
def case(request, shared_data):
    published = PUBLISHED[request.param]
    folder = shared_data / published["folder"]
    image = load_series(one_series(dicom_files(folder / "dicom")))
    label, on = read_plain(folder / "mask.nrrd")
    return request.param, image, Mask(voxels=label > 0, grid=on).on(image.grid), published


def test_volume_is_that_of_its_voxels(case):
    _, _, mask, published = case
    assert volume_ml(mask) * 1000 == pytest.approx(published["VoxelVolume"], rel=1e-6)


def test_the_3d_diameter_is_the_same(case):
    _, _, mask, published = case
    found = maximum_3d_diameter(mesh(mask)).value
    assert found == pytest.approx(published["Maximum3DDiameter"], rel=1e-6)


def test_mesh_volume_surface_and_sphericity_are_the_same_within_half_a_percent(case):
    _, _, mask, published = case
    made = mesh(mask)
    assert made.volume_mm3 == pytest.approx(published["MeshVolume"], rel=5e-4)
    assert made.area_mm2 == pytest.approx(published["SurfaceArea"], rel=5e-3)
    assert made.sphericity == pytest.approx(published["Sphericity"], rel=5e-3)


def test_values_inside_are_the_same(case):
    _, image, mask, published = case
    numbers = replace(image, unit=HOUNSFIELD_UNIT)  # of MR only here: it has no unit otherwise
    found = {m.derivation: m.value for m in density(numbers, mask)}
    low, high = percentiles(numbers, mask)
    assert [
        found[MEAN],
        found[STANDARD_DEVIATION] ** 2,
        found[MINIMUM],
        found[MAXIMUM],
        found[MEDIAN],
        low.value,
        high.value,
    ] == pytest.approx(
        [
            published[name]
            for name in (
                "Mean",
                "Variance",
                "Minimum",
                "Maximum",
                "Median",
                "10Percentile",
                "90Percentile",
            )
        ],
        rel=1e-6,
    )


def test_our_long_axis_is_that_of_one_slice_and_theirs_mixes_neighbours(case):
    name, _, mask, published = case
    axis = longest_axes(mask).long
    pixel_diagonal_mm = float(np.hypot(*mask.grid.spacing_mm[1:]))
    if name == "brain1":  # its widest slices do not lie over each other
        assert axis.length_mm < published["Maximum2DDiameterSlice"] - 5.0
    else:
        assert abs(axis.length_mm - published["Maximum2DDiameterSlice"]) < pixel_diagonal_mm
