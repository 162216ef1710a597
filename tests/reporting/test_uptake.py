"""SUVmax, SUVmean, SUVpeak and metabolic volume of phantoms whose uptake is known."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from copilot.evaluation.images import read_plain
from dicom_node.files import dicom_files, one_series
from dicom_node.volumes import load_series
from domain.codes import (
    BECQUEREL_PER_MILLILITRE,
    MAXIMUM,
    MEAN,
    METABOLIC_VOLUME,
    NO_UNITS,
    PEAK,
    SUV_BODY_WEIGHT,
    SUV_BODY_WEIGHT_VALUE,
)
from domain.errors import CannotDoError
from domain.grid import Grid
from domain.volume import Mask, Volume
from reporting.findings import Tracking, measured
from reporting.uptake import metabolic_mask, metabolic_volume, peak, sphere
from reporting.volumetry import density
from reporting.wording import described, summarised
from tests.phantoms import UIDS, affine, ellipsoid, grid, segment

PIXELS = (3.27, 4.69, 4.69)


def pet(voxels, on, unit=SUV_BODY_WEIGHT, notes=()):
    return Volume(voxels=voxels, grid=on, modality="PT", unit=unit, notes=notes)


def whole(on):
    return Mask(voxels=np.ones(on.shape, dtype=bool), grid=on)


@settings(max_examples=30, deadline=None)
@given(st.tuples(*[st.floats(1.0, 6.0)] * 3), st.tuples(*[st.floats(-80, 80)] * 3))
def test_the_sphere_has_one_millilitre_in_every_spacing(spacing_mm, turned):
    on = Grid(affine=affine(spacing_mm, turned), shape=(30, 30, 30))
    offsets, weights = sphere(on)
    assert weights.sum() == pytest.approx(1.0)
    assert weights @ offsets == pytest.approx([0, 0, 0], abs=1e-9)
    # a voxel wholly inside weighs its own volume in millilitres
    assert weights.max() <= on.voxel_volume_mm3 / 1000 * 1.06
    reach_mm = np.linalg.norm((np.abs(offsets) - 0.5).clip(0) * spacing_mm, axis=1)
    assert reach_mm.max() <= 6.2036


def test_the_mean_over_a_slope_is_the_value_at_its_middle():
    on = grid(shape=(15, 15, 15), spacing_mm=PIXELS)
    steps = np.indices(on.shape).astype(np.float32)
    voxels = 2.0 + 0.1 * steps[0] + 0.3 * steps[1] + 0.5 * steps[2]
    centre = np.zeros(on.shape, dtype=bool)
    centre[7, 8, 6] = True
    found = peak(pet(voxels, on), Mask(voxels=centre, grid=on))
    assert found.value == pytest.approx(voxels[7, 8, 6], rel=1e-6)
    assert found.derivation == PEAK
    assert found.slice_index == 7


def test_one_hot_voxel_is_thinned_to_its_share_of_the_sphere():
    on = grid(shape=(9, 9, 9), spacing_mm=(4.0, 4.0, 4.0))
    voxels = np.zeros(on.shape, dtype=np.float32)
    voxels[4, 4, 4] = 10.0
    assert peak(pet(voxels, on), whole(on)).value == pytest.approx(10 * 0.064, rel=0.01)


def test_the_peak_lies_between_mean_and_maximum_and_may_reach_beyond_the_mask():
    on = grid(shape=(15, 21, 21), spacing_mm=PIXELS)
    lesion = ellipsoid(on, (12.0, 15.0, 15.0))
    voxels = np.where(lesion.voxels, 6.0, 1.0).astype(np.float32)
    assert peak(pet(voxels, on), lesion).value == pytest.approx(6.0)
    small = ellipsoid(on, (3.0, 4.0, 4.0))
    alone = np.where(small.voxels, 6.0, 1.0).astype(np.float32)
    assert 1.0 < peak(pet(alone, on), small).value < 6.0


def test_a_sphere_cut_by_the_edge_of_the_image_does_not_count():
    on = grid(shape=(15, 15, 15), spacing_mm=(3.0, 3.0, 3.0))
    voxels = np.ones(on.shape, dtype=np.float32)
    voxels[:2] = 50.0
    edge = np.zeros(on.shape, dtype=bool)
    edge[0, 7, 7] = True
    with pytest.raises(CannotDoError, match="no sphere of 1 mL"):
        peak(pet(voxels, on), Mask(voxels=edge, grid=on))
    edge[6, 7, 7] = True
    assert peak(pet(voxels, on), Mask(voxels=edge, grid=on)).value == pytest.approx(1.0)


def test_the_metabolic_volume_is_that_above_41_percent_joined_to_the_maximum():
    on = grid(shape=(20, 30, 30), spacing_mm=(2.0, 2.0, 2.0))
    voxels = np.full(on.shape, 1.0, dtype=np.float32)
    voxels[5:10, 5:10, 5:10] = 4.2
    voxels[7, 7, 7] = 10.0
    voxels[5:10, 5:10, 11:13] = 4.0  # below 41 %
    voxels[15, 20:25, 20:25] = 9.0  # hot, but not joined
    found = metabolic_mask(pet(voxels, on), whole(on))
    assert found.voxel_count == 125
    assert found.voxels[5:10, 5:10, 5:10].all()
    measured_ml = metabolic_volume(pet(voxels, on), whole(on))
    assert measured_ml.value == pytest.approx(1.0)
    assert 0 < measured_ml.uncertainty < 0.2
    assert "41 %" in measured_ml.rule


def test_the_metabolic_volume_stays_inside_the_mask():
    on = grid(shape=(20, 30, 30), spacing_mm=(2.0, 2.0, 2.0))
    mask = ellipsoid(on, (8.0, 8.0, 8.0))
    found = metabolic_mask(pet(np.full(on.shape, 3.0, dtype=np.float32), on), mask)
    assert np.array_equal(found.voxels, mask.voxels)


@given(st.floats(0.01, 100.0))
def test_suv_scales_and_metabolic_volume_does_not(factor):
    on = grid(shape=(12, 14, 14), spacing_mm=PIXELS)
    random = np.random.default_rng(1).gamma(2.0, 1.0, on.shape).astype(np.float32)
    mask = ellipsoid(on, (12.0, 18.0, 18.0))
    one, other = pet(random, on), pet(random * np.float32(factor), on)
    assert peak(other, mask).value == pytest.approx(peak(one, mask).value * factor, rel=1e-4)
    assert metabolic_volume(other, mask).value == pytest.approx(
        metabolic_volume(one, mask).value, rel=0.02
    )


def test_without_uptake_there_is_no_metabolic_volume():
    on = grid(spacing_mm=(2.0, 2.0, 2.0))
    with pytest.raises(CannotDoError, match="nothing has taken up"):
        metabolic_volume(pet(np.zeros(on.shape, dtype=np.float32), on), whole(on))


def finding_of(image, mask):
    tracking = Tracking(tracking_id="Finding 1", tracking_uid=UIDS.new_uid(), segment_number=1)
    return measured(image, segment(mask, "lesion"), None, tracking)


@pytest.mark.parametrize("unit", [BECQUEREL_PER_MILLILITRE, NO_UNITS])
def test_pet_without_suv_says_why_and_gives_none(unit):
    on = grid(shape=(12, 14, 14), spacing_mm=PIXELS)
    note = "no SUV: Patient's Weight (0010,1030) is missing"
    image = pet(np.ones(on.shape, dtype=np.float32), on, unit, (note,))
    mask = ellipsoid(on, (9.0, 12.0, 12.0))
    finding = finding_of(image, mask)
    assert finding.measurement(SUV_BODY_WEIGHT_VALUE) is None
    assert finding.measurement(METABOLIC_VOLUME) is None
    assert any("Patient's Weight (0010,1030)" in warning for warning in finding.warnings)
    with pytest.raises(CannotDoError):
        peak(image, mask)


def test_a_real_sarcoma_has_all_its_uptake(shared_data):
    folder = shared_data / "sts_019" / "PET"
    image = load_series(one_series(dicom_files(folder / "image")))
    label, on = read_plain(folder.with_name("PET_mask.nii.gz"))
    mask = Mask(voxels=label > 0, grid=on).on(image.grid)
    finding = finding_of(image, mask)
    statistics = {m.derivation: m.value for m in density(image, mask)}
    assert statistics[MAXIMUM] == image.voxels[mask.voxels].max()
    by_derivation = {m.derivation: m.value for m in finding.measurements}
    assert statistics[MEAN] < by_derivation[PEAK] < statistics[MAXIMUM]
    volume_ml = finding.measurements[0].value
    assert volume_ml == pytest.approx(17.1723, abs=1e-3)
    assert 0 < finding.measurement(METABOLIC_VOLUME).value < volume_ml
    text = described(finding)[0]
    for name in ("SUVmax", "SUVmean", "SUVpeak", "metabolic volume at 41 % of SUVmax"):
        assert name in text
    assert "SUVmax" in summarised(finding)[0]
