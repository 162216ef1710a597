"""The stated interval of a volume: it covers the truth, and says something."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from copilot.evaluation.images import read_plain
from domain.errors import CannotDoError
from domain.grid import Grid
from domain.volume import Mask
from reporting.volumetry import volume
from tests.phantoms import affine
from tests.reporting.shapes import solid, volume_of

SPACINGS = [(1, 1, 1), (2.5, 0.7, 0.7), (3, 0.5, 0.5), (5, 0.7, 0.7), (6.5, 0.8, 0.8), (10, 1, 1)]
FINE = 3
COARSE = 7


def trials(number, sizes_mm, seed, half_filled=False):
    """Return measured volumes, uncertainties and truths of ellipsoids of random size and place."""
    random = np.random.default_rng(seed)
    found = []
    for trial in range(number):
        spacing = SPACINGS[trial % len(SPACINGS)]
        shape = np.exp(random.normal(0, 0.25, 3))
        radii = random.uniform(*sizes_mm) / 2 * shape / np.cbrt(np.prod(shape))
        parts = [COARSE if each > 1.5 else FINE for each in spacing] if half_filled else 1
        mask = solid(
            radii, spacing, random.normal(0, 2, 3), random.uniform(-0.5, 0.5, 3), parts=parts
        )
        if len(mask.slice_indices()) > 1:
            measured = volume(mask)
            found.append((measured.value, measured.uncertainty, volume_of(radii)))
    return np.array(found).T


@pytest.mark.parametrize("sizes_mm", [(5, 9), (9, 16), (16, 28)])
def test_the_interval_covers_the_truth_in_95_of_100_lesions(sizes_mm):
    values, uncertainties, truths = trials(420, sizes_mm, seed=1)
    covered = np.abs(values - truths) <= uncertainties
    assert 0.95 <= covered.mean() <= 0.995


def test_it_covers_too_where_half_filled_voxels_were_outlined():
    values, uncertainties, truths = trials(240, (6, 16), seed=2, half_filled=True)
    assert (np.abs(values - truths) <= uncertainties).mean() >= 0.92


def test_it_is_not_uselessly_wide():
    values, uncertainties, truths = trials(420, (9, 28), seed=3)
    spread = np.sqrt(np.mean(((values - truths) / truths) ** 2))
    assert np.sqrt(np.mean((uncertainties / values) ** 2)) < 2 * 1.96 * spread


def relative(mask):
    measured = volume(mask)
    return measured.uncertainty / measured.value


def test_thick_slices_make_it_larger():
    widths = [
        np.mean([relative(solid((5, 5, 5), (s, 0.7, 0.7), None, (o, 0, 0))) for o in (0.1, 0.4)])
        for s in (1.0, 2.5, 5.0)
    ]
    assert widths == sorted(widths)
    assert widths[0] < 0.02
    assert 0.12 < widths[2] < 0.4  # its standard error is near 11 % (2 to 3 slices)


def test_more_voxels_make_it_smaller():
    widths = [relative(solid((r, r, r), (1, 1, 1))) for r in (3, 6, 12, 24)]
    assert widths == sorted(widths, reverse=True)
    assert widths[-1] < 0.005


def test_lobes_and_parts_are_not_taken_for_one_smooth_body():
    random = np.random.default_rng(4)
    covered = []
    for _ in range(60):
        one = solid((4, 4, 4), (2.5, 1, 1), None, random.uniform(-0.5, 0.5, 3)).voxels
        other = solid((4, 4, 4), (2.5, 1, 1), None, random.uniform(-0.5, 0.5, 3)).voxels
        voxels = np.concatenate([one, other], axis=2)
        mask = Mask(voxels=voxels, grid=Grid(affine=affine((2.5, 1, 1)), shape=voxels.shape))
        measured = volume(mask)
        covered.append(abs(measured.value - 2 * volume_of((4, 4, 4))) <= measured.uncertainty)
    assert np.mean(covered) >= 0.93


@settings(deadline=None, max_examples=30)
@given(
    st.permutations([0, 1, 2]),
    st.tuples(*[st.booleans()] * 3),
    st.tuples(*[st.floats(-80, 80)] * 3),
    st.floats(0.2, 5.0),
)
def test_it_does_not_depend_on_orientation_and_scales_with_volume(axes, flips, turned, factor):
    straight = solid((6, 7, 8), (2.5, 0.9, 1.1))
    whole = volume(straight).uncertainty
    turned_mask = solid((6, 7, 8), (2.5, 0.9, 1.1), turn_deg=turned).turned(tuple(axes), flips)
    if len(turned_mask.slice_indices()) > 1:
        assert volume(turned_mask).uncertainty == pytest.approx(whole)
    spacing = tuple(factor * each for each in (2.5, 0.9, 1.1))
    scaled = Mask(
        voxels=straight.voxels, grid=Grid(affine=affine(spacing), shape=straight.grid.shape)
    )
    assert volume(scaled).uncertainty == pytest.approx(whole * factor**3)


def test_one_marked_slice_of_many_has_no_volume():
    mask = solid((2, 8, 8), (5, 1, 1))
    assert len(mask.slice_indices()) == 1
    with pytest.raises(CannotDoError, match="only image 4 is marked"):
        volume(mask)


def test_best_masks_of_nodules_at_5_mm_hold_their_truth(shared_data):
    folder = shared_data / "ct_chest_pair"
    truth = json.loads((folder / "truth.json").read_text())
    checked = 0
    for time, point in enumerate(truth["timepoints"]):
        labels, on = read_plain(folder / f"t{time}_mask.nii.gz")
        for lesion in point["lesions"]:
            if lesion["true_mL"]:
                measured = volume(Mask(voxels=labels == lesion["label"], grid=on))
                assert abs(measured.value - lesion["true_mL"]) <= measured.uncertainty
                assert measured.uncertainty < 0.4 * lesion["true_mL"]
                checked += 1
    assert checked >= 5
