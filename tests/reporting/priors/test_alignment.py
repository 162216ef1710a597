"""The prior under the current study: where a place goes, and when nothing may be said."""

from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from dicom_node.files import dicom_files, one_series
from dicom_node.volumes import load_series
from domain.alignment import Alignment, AlignmentQuality, Displacement
from domain.errors import CannotDoError, GeometryError
from domain.volume import Volume
from reporting.priors.align import aligned, checked
from tests.bodies import Nodule, Patient, Pose
from tests.phantoms import grid

GOOD = AlignmentQuality(overlap=1.0, outline=1.0, structure=0.9, inverse_error_mm=0.2)
PLACES = np.array([(x, y, z) for x in (-60, 0, 60) for y in (-30, 30) for z in (-40, 0, 40)], float)
MOVED = Pose(turn_deg=(3.0, -4.0, 8.0), shift_mm=(37.0, -61.0, 412.0))


def read(folder):
    return load_series(one_series(dicom_files(folder), None))


def test_a_moved_and_turned_patient_is_found_again_whatever_the_table_slices_and_noise():
    patient = Patient(nodules=(Nodule(centre=(50, 0, 0), volume_ml=1.0),))
    current = patient.seen(MOVED, spacing_mm=(2.5, 1.3, 1.3), noise_hu=30.0, frame="1.2.9")
    prior = patient.seen(spacing_mm=(4.0, 1.5, 1.5))
    found = checked(aligned(current, prior))
    apart = np.linalg.norm(found.to_prior(MOVED.placed(PLACES)) - PLACES, axis=1)
    assert apart.max() < 1.5
    assert found.quality.structure > 0.8


def test_what_is_aligned_twice_is_aligned_alike():
    patient = Patient()
    current, prior = patient.seen(Pose(shift_mm=(5.0, 3.0, 20.0))), patient.seen()
    assert np.array_equal(aligned(current, prior).matrix, aligned(current, prior).matrix)


def test_a_prior_that_shows_half_of_the_chest_is_found_in_it():
    patient = Patient(seed=4)
    found = checked(aligned(patient.seen(z_mm=(-10.0, 80.0)), patient.seen()))
    assert np.abs(found.to_prior(PLACES) - PLACES).max() < 1.5


def test_breathing_is_followed_by_the_deformation():
    still, breathing = Patient(seed=2), Patient(seed=2, breath_mm=14.0)
    found = checked(aligned(still.seen(), breathing.seen()))
    assert found.displacement is not None
    vessels = np.array([place for place, _ in still._vessels() if place[2] < 0])
    there = found.to_prior(vessels)
    rigid = vessels @ found.matrix[:3, :3].T + found.matrix[:3, 3]

    def error(places):  # the tissue that breathing shows at a place is the one it came from
        return np.linalg.norm(breathing._breathed(places) - vessels, axis=1).mean()

    assert error(there) < 0.85 * error(rigid)


def test_breathing_of_a_real_chest_is_followed_to_a_voxel(shared_data):
    volume = read(shared_data / "ct_lung1" / "dicom")
    grid = volume.grid

    def pulled(places):  # down and forward, most at the base, nothing at the wall
        slices, rows, columns = (grid.to_index(places) / (np.array(grid.shape) - 1)).T
        inside = np.exp(-(((2 * columns - 1) / 0.6) ** 4) - ((2 * rows - 1) / 0.6) ** 4)
        return 15.0 * (inside * (1 - slices))[:, None] * (0.0, -0.3, 1.0)

    index = np.stack(np.meshgrid(*[np.arange(n) for n in grid.shape], indexing="ij"), -1)
    at = grid.to_lps_mm(index.reshape(-1, 3))
    breathed = ndimage.map_coordinates(
        volume.voxels, grid.to_index(at + pulled(at)).T, order=1, mode="nearest"
    )
    prior = replace(volume, voxels=breathed.reshape(grid.shape))
    aerated = (volume.voxels > -950) & (volume.voxels < -700)
    aerated[:4] = False  # what was pulled into the field of view from below it
    lung = at[aerated.ravel()][::10_000]
    where = lung
    for _ in range(30):
        where = lung - pulled(where)
    found = checked(aligned(volume, prior))
    rigid = lung @ found.matrix[:3, :3].T + found.matrix[:3, 3]
    error, before = (
        np.linalg.norm(places - where, axis=1) for places in (found.to_prior(lung), rigid)
    )
    assert before.mean() > 2.0
    assert error.mean() < 1.5


def test_another_region_is_refused_with_numbers():
    volume = Patient(seed=3).seen()
    solid = np.where(volume.voxels < -700, 40, volume.voxels)
    air = volume.voxels < -950
    elsewhere = Volume(
        voxels=np.where(air, volume.voxels, solid),
        grid=volume.grid,
        modality="CT",
        unit=volume.unit,
    )
    found = aligned(volume, elsewhere)
    assert not found.quality.is_good
    with pytest.raises(CannotDoError, match=r"structure 0\.\d\d, at least 0\.75"):
        checked(found)


def test_another_modality_and_one_slice_are_refused():
    volume = Patient().seen()
    other = Volume(voxels=volume.voxels, grid=volume.grid, modality="MR")
    with pytest.raises(CannotDoError, match="the prior is MR, the current study CT"):
        aligned(volume, other)
    thin = Patient().seen(z_mm=(0.0, 6.0))
    with pytest.raises(CannotDoError, match="thin"):
        aligned(thin, thin)


def test_the_chest_pair_is_aligned_to_half_a_millimetre(shared_data):
    folder = shared_data / "ct_chest_pair"
    found = checked(aligned(read(folder / "t1_dicom"), read(folder / "t0_dicom")))
    known = np.array([-15.92188, 10.28125, -35.0])  # the table's shift, from its truth.json
    places = PLACES + np.array((0.0, -180.0, -620.0))
    assert np.abs(found.to_prior(places) - places - known).max() < 0.5


def test_the_brain_pair_is_aligned_as_its_authors_did(shared_data):
    folder = shared_data / "ms_longitudinal_p01"
    found = checked(aligned(read(folder / "t1_dicom"), read(folder / "t0_dicom")))
    to_common = [sitk.ReadTransform(str(folder / f"t{n}_to_common_space.txt")) for n in (0, 1)]
    common = PLACES * (0.6, 1.0, 0.8)
    now, then = (
        np.array([to.TransformPoint(place) for place in common.tolist()])
        for to in (to_common[1], to_common[0])
    )
    assert np.linalg.norm(found.to_prior(now) - then, axis=1).max() < 1.0


def test_chest_and_abdomen_of_two_patients_are_refused(shared_data):
    chest, abdomen = (read(shared_data / name / "dicom") for name in ("ct_lung1", "ct_multiorgan"))
    for one, other in ((chest, abdomen), (abdomen, chest)):
        with pytest.raises(CannotDoError, match=r"does not lie on the current study|share"):
            checked(aligned(one, other))


@settings(max_examples=25, deadline=None)
@given(
    st.tuples(*[st.floats(-25, 25)] * 3),
    st.tuples(*[st.floats(-200, 200)] * 3),
    st.tuples(*[st.floats(-3, 3)] * 3),
    st.integers(0, 1000),
)
def test_a_place_goes_to_the_prior_and_comes_back(turn, shift, drift, seed):
    on = grid(shape=(8, 24, 20))
    random = np.random.default_rng(seed)
    steep = random.uniform(-0.02, 0.02, (3, 3))
    index = np.stack(np.meshgrid(*[np.arange(n) for n in on.shape], indexing="ij"), -1)
    positions = on.to_lps_mm(index.reshape(-1, 3))
    vectors = (positions - positions.mean(0)) @ steep + drift
    alignment = Alignment(
        matrix=Pose(turn_deg=turn, shift_mm=shift).matrix,
        quality=GOOD,
        displacement=Displacement(
            vectors_mm=vectors.reshape(*on.shape, 3).astype(np.float32), grid=on
        ),
    )
    places = on.to_lps_mm([(4, 12, 10), (3, 11, 10), (4.5, 10, 9), (3.5, 13, 11)])
    assert np.allclose(alignment.to_current(alignment.to_prior(places)), places, atol=0.05)


def test_an_alignment_may_not_scale_or_mirror():
    for matrix in (np.diag([1.1, 1, 1, 1.0]), np.diag([-1.0, 1, 1, 1])):
        with pytest.raises(GeometryError):
            Alignment(matrix=matrix, quality=GOOD)
