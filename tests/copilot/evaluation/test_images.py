"""Readers of images and references: positions in LPS, and refusals that say what would help."""

import gzip
import struct

import numpy as np
import pytest
import SimpleITK
from hypothesis import given, settings
from hypothesis import strategies as st

from copilot.evaluation.cases import CaseEntry
from copilot.evaluation.images import RESAMPLED, read_plain, read_reference, read_volume
from dicom_node.seg_writer import SegWriter
from dicom_node.volumes import load_series
from domain.errors import GeometryError, InputError, UnreadableFileError
from domain.grid import lps_to_ras
from tests.phantoms import UIDS, ct, ellipsoid, grid, segment, series


def write_nifti(path, voxels, ras):
    """Write a NIfTI-1 file by its standard: ``ras`` (4, 4) maps (i, j, k) to millimetres."""
    header = bytearray(352)
    struct.pack_into("<i", header, 0, 348)
    struct.pack_into("<8h", header, 40, 3, *voxels.shape[::-1], 1, 1, 1, 1)
    struct.pack_into("<2h", header, 70, 4, 16)  # int16
    struct.pack_into("<8f", header, 76, 1, *np.linalg.norm(ras[:3, :3], axis=0), 0, 0, 0, 0)
    struct.pack_into("<3f", header, 108, 352, 1, 0)
    struct.pack_into("<B", header, 123, 2)  # millimetres
    struct.pack_into("<2h", header, 252, 0, 1)  # only the sform counts
    struct.pack_into("<12f", header, 280, *ras[:3].ravel())
    header[344:348] = b"n+1\0"
    path.write_bytes(gzip.compress(bytes(header) + voxels.astype("<i2").tobytes()))
    return path


def write_nrrd(path, voxels, on):
    image = SimpleITK.GetImageFromArray(voxels)
    spacing = on.spacing_mm[::-1]
    image.SetSpacing(spacing)
    image.SetOrigin(on.affine[:3, 3].tolist())
    image.SetDirection((on.affine[:3, 2::-1] / spacing).ravel().tolist())
    SimpleITK.WriteImage(image, str(path))
    return path


def entry(images, reference, **named):
    return CaseEntry(name="case", images=images, reference=reference, **named)


angles = st.tuples(*[st.floats(-60, 60) for _ in range(3)])


@settings(max_examples=15, deadline=None)
@given(turn_deg=angles)
def test_nifti_in_ras_is_lps_inside_the_house(tmp_path_factory, turn_deg):
    on = grid(shape=(4, 6, 5), turn_deg=turn_deg, spacing_mm=(3.0, 0.5, 1.5))
    voxels = np.arange(120, dtype=np.int16).reshape(on.shape)
    ras = lps_to_ras(on.affine)[:, [2, 1, 0, 3]]
    path = write_nifti(tmp_path_factory.mktemp("nifti") / "image.nii.gz", voxels, ras)
    found, own = read_plain(path)
    assert np.array_equal(found, voxels)
    assert own.matches(on)


def test_nrrd_and_a_dicom_series_of_it_are_one_grid(tmp_path):
    on = grid()
    volume = ct(on, ellipsoid(on, (6.0, 8.0, 8.0)))
    series(tmp_path / "ct", volume)
    path = write_nrrd(tmp_path / "image.nrrd", volume.voxels, on)
    from_file = read_volume(entry(path, path, modality="CT"))
    from_dicom = read_volume(entry(tmp_path / "ct", path))
    assert from_file.grid.matches(from_dicom.grid)
    assert np.array_equal(from_file.voxels, from_dicom.voxels)
    assert from_file.unit == from_dicom.unit


def test_a_reference_in_another_axis_order_is_the_same_mask(tmp_path):
    on = grid()
    ball = ellipsoid(on, (5.0, 6.0, 7.0), np.array([3.0, 9.0, 11.0]))
    turned = ball.turned((2, 0, 1), (True, False, True))
    path = write_nrrd(tmp_path / "mask.nrrd", turned.voxels.astype(np.uint8), turned.grid)
    found = read_reference(entry(path, path), on)
    assert np.array_equal(found.mask.voxels, ball.voxels)
    assert found.notes == ()


def test_a_reference_on_another_grid_is_refused_unless_resampling_is_asked_for(tmp_path):
    on = grid(shape=(20, 40, 40))
    fine = grid(shape=(40, 40, 40), spacing_mm=(1.0, 1.0, 1.0))
    ball = ellipsoid(fine, (12.0, 12.0, 12.0), np.array([19.0, 19.0, 19.0]))
    path = write_nrrd(tmp_path / "mask.nrrd", ball.voxels.astype(np.uint8), fine)
    with pytest.raises(GeometryError, match=r"does not fall on the image grid.*resample = true"):
        read_reference(entry(path, path), on)
    found = read_reference(entry(path, path, resample=True), on)
    assert found.notes == (RESAMPLED,)
    millilitres = [mask.voxel_count * mask.grid.voxel_volume_mm3 for mask in (found.mask, ball)]
    assert millilitres[0] == pytest.approx(millilitres[1], rel=0.02)
    middle = on.to_lps_mm(np.argwhere(found.mask.voxels).mean(axis=0))
    assert middle == pytest.approx(fine.to_lps_mm([19.0, 19.0, 19.0]), abs=0.5)


def test_a_reference_on_the_same_grid_is_not_resampled_though_it_may_be(tmp_path):
    on = grid()
    ball = ellipsoid(on, (6.0, 6.0, 6.0))
    path = write_nrrd(tmp_path / "mask.nrrd", ball.voxels.astype(np.uint8), on)
    found = read_reference(entry(path, path, resample=True), on)
    assert found.notes == ()
    assert np.array_equal(found.mask.voxels, ball.voxels)


def test_of_several_labels_one_must_be_named(tmp_path):
    on = grid()
    labels = np.zeros(on.shape, dtype=np.uint8)
    labels[2, 3:6, 3:6], labels[4, 3:6, 3:7] = 2, 7
    path = write_nrrd(tmp_path / "mask.nrrd", labels, on)
    with pytest.raises(InputError, match=r"holds 2 values above zero \(2, 7\): say which one"):
        read_reference(entry(path, path), on)
    assert read_reference(entry(path, path, label=7), on).mask.voxel_count == 12
    with pytest.raises(InputError, match="no voxel of label 3"):
        read_reference(entry(path, path, label=3), on)


def test_an_empty_reference_is_refused(tmp_path):
    on = grid()
    path = write_nrrd(tmp_path / "mask.nrrd", np.zeros(on.shape, dtype=np.uint8), on)
    with pytest.raises(InputError, match=r"mask.nrrd is empty"):
        read_reference(entry(path, path), on)


def test_a_segment_of_a_seg_is_chosen_by_number_or_label(tmp_path):
    on = grid()
    masks = [ellipsoid(on, (r, r, r)) for r in (4.0, 8.0)]
    files = series(tmp_path / "ct", ct(on, masks[1]))
    volume = load_series(files)
    marked = [
        (segment(mask.on(volume.grid)), None, name, UIDS.new_uid())
        for mask, name in zip(masks, ("small", "large"), strict=True)
    ]
    path = tmp_path / "seg.dcm"
    SegWriter(UIDS).build(volume, marked, files).save_as(path)
    with pytest.raises(InputError, match=r"holds segments 1 \(.*say which one with segment"):
        read_reference(entry(path, path), volume.grid)
    by_number = read_reference(entry(path, path, segment=2), volume.grid)
    assert np.array_equal(by_number.mask.voxels, masks[1].on(volume.grid).voxels)
    with pytest.raises(InputError, match="holds no segment 'spleen'"):
        read_reference(entry(path, path, segment="spleen"), volume.grid)


def test_a_nifti_image_must_be_told_its_modality(tmp_path):
    on = grid()
    path = write_nrrd(tmp_path / "image.nrrd", np.zeros(on.shape, dtype=np.int16), on)
    with pytest.raises(InputError, match='add modality = "CT"'):
        read_volume(entry(path, path))


def test_a_modality_said_otherwise_than_the_series_says_is_refused(tmp_path):
    on = grid()
    series(tmp_path / "ct", ct(on, ellipsoid(on, (5.0, 5.0, 5.0))))
    with pytest.raises(InputError, match="said to be 'MR', but the series is CT"):
        read_volume(entry(tmp_path / "ct", tmp_path / "x.nrrd", modality="MR"))


@pytest.mark.parametrize("suffix", [".nrrd", ".nii.gz"])
def test_a_damaged_file_is_named(tmp_path, suffix):
    path = tmp_path / f"image{suffix}"
    path.write_bytes(b"not an image")
    with pytest.raises(UnreadableFileError, match=f"image{suffix} cannot be read"):
        read_plain(path)


def test_missing_files_are_named(tmp_path):
    gone = entry(tmp_path / "gone", tmp_path / "gone.nrrd")
    with pytest.raises(InputError, match="gone do not exist: mend the path"):
        read_volume(gone)
    with pytest.raises(InputError, match=r"gone.nrrd is not a file: mend the path"):
        read_reference(gone, grid())


def test_a_colour_image_is_no_grey_image(tmp_path):
    image = SimpleITK.GetImageFromArray(np.zeros((2, 3, 4, 3), dtype=np.uint8), isVector=True)
    SimpleITK.WriteImage(image, str(tmp_path / "rgb.nrrd"))
    with pytest.raises(UnreadableFileError, match="3 values a voxel"):
        read_plain(tmp_path / "rgb.nrrd")


def test_positions_of_another_frame_of_reference_are_not_resampled(tmp_path):
    on = grid()
    ball = ellipsoid(on, (6.0, 6.0, 6.0))
    files = series(tmp_path / "ct", ct(on, ball))
    volume = load_series(files)
    path = tmp_path / "seg.dcm"
    marked = [(segment(ball.on(volume.grid)), None, "ball", UIDS.new_uid())]
    SegWriter(UIDS).build(volume, marked, files).save_as(path)
    elsewhere = grid(frame="1.2.3.5", origin=(-20.3, -30.4, 40.0))
    with pytest.raises(GeometryError, match="another frame of reference"):
        read_reference(entry(path, path, resample=True), elsewhere)
