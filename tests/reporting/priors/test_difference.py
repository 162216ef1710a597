"""Subtraction of two MR series: what became brighter is found, and what cannot be is refused."""

import numpy as np
import pytest

from dicom_node.files import dicom_files, one_series
from dicom_node.volumes import load_series
from domain.alignment import Alignment, AlignmentQuality
from domain.errors import CannotDoError
from domain.volume import Volume
from reporting.priors.align import aligned
from reporting.priors.difference import brightness_change
from tests.phantoms import ellipsoid, grid

STILL = Alignment(
    matrix=np.eye(4),
    quality=AlignmentQuality(overlap=1.0, outline=1.0, structure=0.98, inverse_error_mm=0.1),
)


@pytest.fixture
def head():
    """Return a maker of heads: brain with a folded surface, ventricles, and lesions by place."""
    on = grid(shape=(40, 110, 100), spacing_mm=(3.0, 1.5, 1.5))
    index = np.stack(np.meshgrid(*[np.arange(n) for n in on.shape], indexing="ij"))
    folds = 18 * np.sin(index[1] / 3.1) * np.sin(index[2] / 3.7) * np.sin(index[0] / 2.3)
    brain = ellipsoid(on, (52.0, 70.0, 62.0)).voxels
    inside = ellipsoid(on, (12.0, 24.0, 14.0)).voxels

    def made(lesions=(), seed=0, gain=1.0, noise=5.0):
        values = np.where(brain, 260.0 + folds, 8.0)
        values[inside] = 60.0
        for centre, radius in lesions:
            values[ellipsoid(on, (radius,) * 3, np.array(centre)).voxels] = 420.0
        values = values * gain + np.random.default_rng(seed).normal(0, noise, values.shape)
        return Volume(voxels=np.clip(values, 0, 4000).astype(np.int16), grid=on, modality="MR")

    return made


def test_a_new_and_an_enlarged_lesion_are_measured_as_change(head):
    prior = head([((20, 50, 30), 5.0)], seed=1)
    current = head([((20, 50, 30), 8.0), ((14, 60, 72), 6.0)], seed=2, gain=1.4)
    found = brightness_change(current, prior, STILL)
    expected = 4 / 3 * np.pi * (8.0**3 - 5.0**3 + 6.0**3) / 1000
    assert found.brighter_ml == pytest.approx(expected, rel=0.1)
    assert len(found.brighter) == 2
    assert found.darker == ()
    (segment,) = found.segments
    assert segment.is_proposal
    assert "to be confirmed" in segment.warnings[0]


def test_a_lesion_that_fades_is_darker(head):
    found = brightness_change(head(seed=1), head([((20, 50, 30), 7.0)], seed=2), STILL)
    assert found.brighter == ()
    assert found.darker_ml == pytest.approx(4 / 3 * np.pi * 7.0**3 / 1000, rel=0.1)


def test_nothing_is_found_where_nothing_changed_but_noise_and_gain(head):
    found = brightness_change(head(seed=1, gain=1.3), head(seed=2), STILL)
    assert found.brighter == found.darker == found.segments == ()
    assert "0.00 mL became brighter in 0 places" in found.in_words()


def test_series_of_another_contrast_are_refused_with_their_likeness(head):
    prior = head(seed=1)
    other = Volume(
        voxels=(400 - np.minimum(prior.voxels, 400)).astype(np.int16) * (prior.voxels > 30),
        grid=prior.grid,
        modality="MR",
    )
    with pytest.raises(CannotDoError, match=r"too unlike to be subtracted \(likeness"):
        brightness_change(other, prior, STILL)


def test_the_brain_pair_changed_by_what_its_experts_outlined(shared_data):
    folder = shared_data / "ms_longitudinal_p01"
    current, prior = (
        load_series(one_series(dicom_files(folder / name), None))
        for name in ("t1_dicom", "t0_dicom")
    )
    found = brightness_change(current, prior, aligned(current, prior))
    assert found.brighter_ml == pytest.approx(3.5088, rel=0.2)
    assert found.likeness > 0.9
