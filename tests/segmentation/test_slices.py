"""Resizing, windows, and the cache of embeddings."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.codes import sct
from domain.concepts import Concept, Window
from domain.prompt import Box
from domain.volume import Volume
from segmentation.resample import resize, resize_matrix
from segmentation.slicewise.slices import SliceBox
from segmentation.slicewise.views import crop_round
from segmentation.windows import applied, is_in_lung, is_lung, lung_level_hu, window_for
from tests.contracts.segmenters import LUNG_HU, axial_grid, chest

LENGTHS = st.integers(1, 40)


@given(LENGTHS, LENGTHS)
def test_resizing_keeps_a_flat_image_flat(before, after):
    assert resize_matrix(before, after).sum(axis=1) == pytest.approx(1, abs=1e-5)


@given(LENGTHS, LENGTHS)
def test_resizing_commutes_with_mirroring(before, after):
    matrix = resize_matrix(before, after)
    assert matrix[::-1, ::-1] == pytest.approx(matrix, abs=1e-5)


@given(st.integers(4, 40), st.integers(1, 4))
def test_shrinking_keeps_the_mean(after, factor):
    image = np.random.default_rng(after).normal(size=(after * factor, 3)).astype(np.float32)
    assert resize(image, (after, 3)).mean() == pytest.approx(image.mean(), abs=1e-4)


def test_enlarging_interpolates_between_pixel_centres():
    image = np.array([[0, 10]], dtype=np.float32)
    assert resize(image, (1, 4)).tolist() == [[0, 2.5, 7.5, 10]]


def _volume(voxels, modality: str) -> Volume:
    shape = voxels.shape[:3]
    return Volume(voxels=voxels, grid=axial_grid(shape), modality=modality)


def test_ct_has_the_concepts_window_else_soft_tissue_else_lung():
    volume = chest()
    liver = Concept(
        phrase="liver",
        category=sct("91723000", "Anatomical Structure"),
        code=sct("10200004", "Liver"),
        window=Window(center=60, width=160),
    )
    assert window_for(volume, liver) == Window(center=60, width=160)
    assert window_for(volume, None) == Window(center=40, width=400)
    assert window_for(volume, liver, in_lung=True) == Window(center=-600, width=1500)


@given(st.floats(0.1, 1000), st.integers(0, 1000))
def test_the_scale_of_an_mr_does_not_change_what_the_network_sees(scale, seed):
    voxels = np.random.default_rng(seed).uniform(1, 2, (2, 8, 8))
    one = _volume(voxels, "MR")
    other = _volume(voxels * scale, "MR")
    first = applied(one.voxels, window_for(one, None))
    assert applied(other.voxels, window_for(other, None)) == pytest.approx(first, abs=0.01)


def test_zeros_round_a_masked_patient_do_not_count():
    voxels = np.zeros((2, 40, 40))
    voxels[:, 10:20, 10:20] = np.linspace(100, 200, 100).reshape(10, 10)
    window = window_for(_volume(voxels, "MR"), None)
    assert window.low == pytest.approx(100, abs=2)
    assert window.high == pytest.approx(200, abs=2)


def test_a_constant_image_has_a_window_too():
    volume = _volume(np.full((2, 4, 4), 7.0), "MR")
    assert np.isfinite(applied(volume.voxels, window_for(volume, None))).all()


def test_colour_is_seen_by_its_luminance():
    volume = _volume(np.full((1, 4, 4, 3), 200, dtype=np.uint8), "US")
    assert applied(volume.voxels[0], window_for(volume, None)) == pytest.approx(200, abs=0.01)


def test_lung_is_told_from_soft_tissue_and_from_the_air_round_the_patient():
    volume = chest()
    assert is_in_lung(volume, Box.on_slice(11, (42, 51), (86, 95)))
    assert not is_in_lung(volume, Box.on_slice(11, (44, 50), (61, 67)))
    assert not is_in_lung(volume, Box.on_slice(11, (4, 10), (61, 67)))
    assert lung_level_hu(volume, Box.on_slice(11, (42, 51), (86, 95))) == LUNG_HU
    assert lung_level_hu(volume, Box.on_slice(11, (4, 10), (61, 67))) is None


def test_only_ct_has_lung():
    mr = _volume(np.full((2, 8, 8), -800.0), "MR")
    assert not is_in_lung(mr, Box.on_slice(0, (2, 4), (2, 4)))


def test_a_tiny_box_is_cropped_round_and_a_large_one_is_not():
    tiny = SliceBox(row_start=2, row_stop=12, column_start=500, column_stop=510)
    rows, columns = crop_round(tiny, (512, 512), 256)
    assert (rows.start, columns.stop) == (0, 512)
    assert rows.stop - rows.start == columns.stop - columns.start == 32
    large = SliceBox(row_start=100, row_stop=200, column_start=100, column_stop=150)
    assert crop_round(large, (512, 512), 256) == (slice(0, 512), slice(0, 512))


def test_a_box_that_fits_round_a_piece_of_lung_is_lung_and_one_round_the_heart_is_not():
    voxels = np.full((1, 100, 100), 40.0)
    voxels[0, 20:80, 10:35] = -820
    voxels[0, 20:80, 65:90] = -820
    volume = Volume(voxels=voxels, grid=axial_grid((1, 100, 100)), modality="CT")
    assert is_lung(volume, Box.on_slice(0, (18, 82), (9, 36)))
    assert not is_lung(volume, Box.on_slice(0, (25, 75), (28, 72)))
    assert not is_lung(volume, Box.on_slice(0, (84, 98), (40, 60)))
    nodule = np.array(voxels)
    nodule[0, 45:53, 18:26] = 40
    chest_wall = Volume(voxels=nodule, grid=volume.grid, modality="CT")
    for margin in (0, 1, 2):
        low, high = 45 - margin, 53 + margin
        assert not is_lung(chest_wall, Box.on_slice(0, (low, high), (low - 27, high - 27)))
    magnetic = Volume(voxels=voxels, grid=volume.grid, modality="MR")
    assert not is_lung(magnetic, Box.on_slice(0, (18, 82), (9, 36)))
