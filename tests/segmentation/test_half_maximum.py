"""Solid lung lesions by the half-maximum rule."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.ports import no_progress
from domain.prompt import Box, Prompt
from domain.volume import Volume
from segmentation.lung.half_maximum import HalfMaximumSegmenter, half_maximum_hu
from tests.contracts.segmenters import LUNG_HU, TISSUE_HU, axial_grid, ball

ENGINE = HalfMaximumSegmenter()
CENTRE = (12.0, 30.0, 30.0)


def _lesion(radius_mm: float, *, lesion_hu: float = TISSUE_HU, lung_hu: float = LUNG_HU) -> Volume:
    grid = axial_grid((25, 60, 60), (2.0, 1.0, 1.0))
    share = ball(grid, CENTRE, radius_mm)
    voxels = lung_hu * (1 - share) + lesion_hu * share
    return Volume(voxels=voxels.astype(np.float32), grid=grid, modality="CT")


def _prompt(radius_mm: float, **more) -> Prompt:
    half = round(radius_mm)
    box = Box.on_slice(12, (30 - half, 31 + half), (30 - half, 31 + half))
    reach = int(radius_mm // 2) + 1
    return Prompt(boxes=(box,), slice_range=(12 - reach, 13 + reach), **more)


def _segment(volume: Volume, prompt: Prompt):
    with ENGINE.open(volume) as session:
        (segment,) = session.segment([prompt], no_progress)
    return segment


@settings(max_examples=25, deadline=None)
@given(st.floats(5, 14), st.floats(-60, 90), st.floats(-900, -780), st.integers(0, 1000))
def test_a_sphere_has_a_spheres_volume_whatever_its_and_the_lungs_density(
    radius_mm, lesion_hu, lung_hu, seed
):
    volume = _lesion(radius_mm, lesion_hu=lesion_hu, lung_hu=lung_hu)
    noise = np.random.default_rng(seed).normal(0, 20, volume.voxels.shape)
    noisy = Volume(voxels=volume.voxels + noise, grid=volume.grid, modality="CT")
    mask = _segment(noisy, _prompt(radius_mm)).mask
    volume_mm3 = mask.voxel_count * mask.grid.voxel_volume_mm3
    assert volume_mm3 == pytest.approx(4 / 3 * np.pi * radius_mm**3, rel=0.12)


def test_the_threshold_lies_half_way():
    volume = _lesion(8)
    box = _prompt(8).boxes[0]
    assert half_maximum_hu(volume, box) == pytest.approx((TISSUE_HU + LUNG_HU) / 2, abs=5)


def test_calcium_does_not_lift_the_threshold():
    volume = _lesion(8, lesion_hu=900)
    assert half_maximum_hu(volume, _prompt(8).boxes[0]) == pytest.approx(-375, abs=5)


def test_a_thin_vessel_is_cut_off():
    plain = _lesion(8)
    voxels = np.array(plain.voxels)
    voxels[12, 30, 30:] = TISSUE_HU
    vessel = Volume(voxels=voxels, grid=plain.grid, modality="CT")
    with_vessel = _segment(vessel, _prompt(8)).mask
    assert not with_vessel.voxels[:, :, 42:].any()
    without = _segment(plain, _prompt(8)).mask
    assert with_vessel.voxel_count == pytest.approx(without.voxel_count, rel=0.02)


def test_the_chest_wall_beside_a_lesion_is_not_taken_with_it():
    plain = _lesion(8)
    voxels = np.array(plain.voxels)
    voxels[:, :, 38:] = TISSUE_HU
    wall = Volume(voxels=voxels, grid=plain.grid, modality="CT")
    mask = _segment(wall, _prompt(8)).mask
    lesion = ball(plain.grid, CENTRE, 8) >= 0.5
    assert mask.voxel_count < 1.45 * np.count_nonzero(lesion)
    assert np.count_nonzero(mask.voxels & lesion) > 0.95 * np.count_nonzero(lesion)


def test_a_cavity_is_filled():
    plain = _lesion(10)
    inner = ball(plain.grid, CENTRE, 3)
    voxels = plain.voxels * (1 - inner) + LUNG_HU * inner
    hollow = Volume(voxels=voxels.astype(np.float32), grid=plain.grid, modality="CT")
    mask = _segment(hollow, _prompt(10)).mask
    assert mask.voxels[12, 30, 30]


def test_ground_glass_soft_tissue_and_other_modalities_are_refused_with_the_reason():
    prompt = _prompt(8)
    assert "ground glass" in (ENGINE.supports(_lesion(8, lesion_hu=-600), prompt) or "")
    flat = _lesion(8, lung_hu=30)
    assert "aerated lung" in (ENGINE.supports(flat, prompt) or "")
    ct = _lesion(8)
    mr = Volume(voxels=ct.voxels, grid=ct.grid, modality="MR")
    assert "MR" in (ENGINE.supports(mr, prompt) or "")
    assert "box" in (ENGINE.supports(ct, Prompt(concept="lung lesion")) or "")


def test_without_a_range_it_is_a_proposal():
    prompt = Prompt(boxes=_prompt(8).boxes)
    segment = _segment(_lesion(8), prompt)
    assert segment.is_proposal
    assert segment.warnings
