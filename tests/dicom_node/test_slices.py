"""Slices for the page are the slices of the volume that engines get."""

import numpy as np
import pydicom
import pytest

from dicom_node.slices import open_slices
from dicom_node.volumes import load_series
from domain.errors import GeometryError, InputError
from tests.cines import cine
from tests.phantoms import ct, ellipsoid, grid, series


def test_every_slice_is_that_of_the_volume(tmp_path):
    on = grid(shape=(7, 12, 9), turn_deg=(12.0, -7.0, 20.0))
    files = series(tmp_path, ct(on, ellipsoid(on, (4.0, 3.0, 3.0), centre=np.array([2, 4, 5]))))
    shuffled = tuple(reversed(files[:3])) + files[3:]
    shown, volume = open_slices(shuffled), load_series(shuffled)
    assert shown.grid is not None
    assert shown.grid.matches(volume.grid)
    assert shown.refusal == ""
    for index in range(7):
        assert np.array_equal(shown.values(index), volume.voxels[index])
        corner = volume.grid.to_lps_mm([index, 0, 0])
        assert np.allclose(shown.slices[index].plane.position_lps_mm, corner, atol=1e-6)


def test_frames_of_a_cine_are_those_of_the_volume(tmp_path):
    path = cine(tmp_path)
    shown, volume = open_slices([path]), load_series([path])
    assert shown.frame_times_ms == volume.frame_times_ms
    for index in range(volume.grid.shape[0]):
        assert np.array_equal(shown.values(index), volume.voxels[index])


def test_real_series_are_shown_with_the_values_that_are_measured(shared_data):
    for name in ("sts_019/PET/image", "mr_brain1/dicom", "ct_multiorgan/dicom"):
        files = sorted((shared_data / name).rglob("*.dcm"))
        shown, volume = open_slices(files), load_series(files)
        assert shown.unit == volume.unit
        for index in (0, len(files) // 2, len(files) - 1):
            assert np.array_equal(shown.values(index), volume.voxels[index])


def test_a_series_with_a_gap_is_shown_in_order_with_the_reason(tmp_path):
    on = grid(shape=(8, 12, 9))
    files = series(tmp_path, ct(on, ellipsoid(on, (4.0, 3.0, 3.0))))
    left = (files[6], *files[:3], files[7])
    with pytest.raises(GeometryError):
        load_series(left)
    shown = open_slices(left)
    assert shown.grid is None
    assert "missing or unevenly spaced" in shown.refusal
    heights = [each.plane.position_lps_mm[2] for each in shown.slices]
    assert heights == sorted(heights)
    for each, index in zip(shown.slices, (0, 1, 2, 6, 7), strict=True):
        assert each.path == files[index]


def test_a_slice_that_is_not_there_is_named(tmp_path):
    on = grid(shape=(3, 12, 9))
    shown = open_slices(series(tmp_path, ct(on, ellipsoid(on, (2.0, 3.0, 3.0)))))
    for index in (-1, 3):
        with pytest.raises(InputError, match=f"slice {index} does not exist"):
            shown.values(index)


def test_a_stated_window_is_told_where_it_fits_the_values(tmp_path):
    on = grid(shape=(2, 12, 9))
    files = series(tmp_path, ct(on, ellipsoid(on, (2.0, 3.0, 3.0))))
    header = pydicom.dcmread(files[0])
    header.WindowCenter, header.WindowWidth = [35, 400], [350, 2000]
    header.save_as(files[0])
    assert open_slices(files).window == (35.0, 350.0)
    header.PhotometricInterpretation = "MONOCHROME1"  # the values are turned round, the window not
    header.save_as(files[0])
    assert open_slices(files).window is None
