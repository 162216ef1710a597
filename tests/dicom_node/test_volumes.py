import shutil

import numpy as np
import pydicom
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dicom_node.files import dicom_files, image_series, one_series
from dicom_node.volumes import load_series
from domain.codes import HOUNSFIELD_UNIT, NO_UNITS, SUV_BODY_WEIGHT
from domain.errors import (
    DuplicateSliceError,
    GeometryError,
    InputError,
    MixedOrientationError,
    SliceGapError,
    TiltedGantryError,
    UnreadableFileError,
)
from tests.phantoms import ct, ellipsoid, grid, series


@pytest.fixture
def phantom(tmp_path):
    on = grid(turn_deg=(10.0, -20.0, 5.0), spacing_mm=(3.0, 0.7, 0.8))
    volume = ct(on, ellipsoid(on, (6.0, 5.0, 4.0)))
    return volume, series(tmp_path / "series", volume)


def edited(path, **values):
    dataset = pydicom.dcmread(path)
    for keyword, value in values.items():
        setattr(dataset, keyword, value)
    dataset.save_as(path)


def test_a_written_series_comes_back_equal(phantom):
    volume, files = phantom
    back = load_series(files)
    assert np.array_equal(back.voxels, volume.voxels)
    assert np.allclose(back.grid.affine, volume.grid.affine, atol=1e-6)
    assert back.unit == HOUNSFIELD_UNIT


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=10)
@given(order=st.permutations(range(8)))
def test_a_shuffled_series_gives_one_volume(phantom, order):
    volume, files = phantom
    back = load_series([files[place] for place in order])
    assert np.array_equal(back.voxels, volume.voxels)


def test_source_frames_follow_the_slices(phantom):
    _, files = phantom
    back = load_series(files[::-1])
    uids = [pydicom.dcmread(path).SOPInstanceUID for path in files]
    assert [frame.sop_instance_uid for frame in back.source.frames] == uids


def test_distance_comes_from_positions_never_from_slice_thickness(phantom):
    _, files = phantom
    for path in files:
        edited(path, SliceThickness="9.9", SpacingBetweenSlices="7.7")
    assert load_series(files).grid.spacing_mm[0] == pytest.approx(3.0)


def test_a_missing_slice_is_a_gap(phantom):
    _, files = phantom
    with pytest.raises(SliceGapError, match=r"6\.00 mm apart, the others 3\.00"):
        load_series([*files[:3], *files[4:]])


def test_two_slices_at_one_place_are_named(phantom, tmp_path):
    _, files = phantom
    twin = shutil.copy(files[2], tmp_path / "twin.dcm")
    edited(twin, SOPInstanceUID="1.2.3.9")
    with pytest.raises(DuplicateSliceError, match="1 of 9 slices share"):
        load_series([*files, twin])


def test_the_same_file_twice_is_named(phantom):
    _, files = phantom
    with pytest.raises(InputError, match="same image"):
        load_series([*files, files[0]])


def test_a_sheared_series_is_a_tilted_gantry(tmp_path):
    on = grid()
    files = series(tmp_path, ct(on, ellipsoid(on, (6.0, 5.0, 4.0))))
    for number, path in enumerate(files):
        position = pydicom.dcmread(path).ImagePositionPatient
        edited(path, ImagePositionPatient=[position[0], position[1] + 0.5 * number, position[2]])
    with pytest.raises(TiltedGantryError, match=r"14\.0 degrees"):
        load_series(files)


def test_a_localiser_among_the_slices_is_named(phantom):
    _, files = phantom
    edited(files[0], ImageOrientationPatient=[1, 0, 0, 0, 0, -1])
    with pytest.raises(MixedOrientationError, match="orientation"):
        load_series(files)


def test_mixed_sizes_and_spacings_are_named(phantom):
    _, files = phantom
    edited(files[0], PixelSpacing=[0.9, 0.9])
    with pytest.raises(MixedOrientationError, match="spacings"):
        load_series(files)


def test_an_orientation_that_is_none_is_refused(phantom):
    _, files = phantom
    edited(files[0], ImageOrientationPatient=[1, 0, 0, 1, 0, 0])
    with pytest.raises(GeometryError, match="left and right cannot be told"):
        load_series(files)


@pytest.mark.parametrize("keyword", ["SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID"])
def test_empty_uids_are_named(phantom, keyword):
    _, files = phantom
    edited(files[0], **{keyword: ""})
    with pytest.raises(InputError, match="empty"):
        load_series(files)


def test_a_text_file_named_dcm_is_named(phantom, tmp_path):
    _, files = phantom
    (files[0].parent / "note.dcm").write_text("this is a note, not an image")
    with pytest.raises(UnreadableFileError, match=r"note\.dcm"):
        image_series(dicom_files(files[0].parent))


def test_other_files_beside_the_images_are_left_out(phantom):
    _, files = phantom
    (files[0].parent / "LICENSE").write_text("words")
    (files[0].parent / "readme.txt").write_text("words")
    assert len(one_series(dicom_files(files[0].parent))) == len(files)


@pytest.mark.parametrize("kept", [0.05, 0.4, 0.9])
def test_a_truncated_file_is_named(phantom, kept):
    _, files = phantom
    content = files[3].read_bytes()
    files[3].write_bytes(content[: int(len(content) * kept)])
    with pytest.raises(UnreadableFileError, match=r"0004\.dcm"):
        load_series(files)


def test_several_series_in_one_folder_must_be_chosen_from(phantom, tmp_path):
    volume, files = phantom
    other = series(files[0].parent / "other", volume)
    found = image_series(dicom_files(files[0].parent))
    assert sorted(len(paths) for paths in found.values()) == [8, 8]
    with pytest.raises(InputError, match="2 image series"):
        one_series(dicom_files(files[0].parent))
    wanted = pydicom.dcmread(other[0]).SeriesInstanceUID
    assert set(one_series(dicom_files(files[0].parent), wanted)) == set(other)


def test_a_single_slice_has_no_depth(phantom):
    _, files = phantom
    one = load_series(files[:1])
    assert one.grid.shape[0] == 1
    assert not one.grid.slice_spacing_known


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        dicom_files(tmp_path / "nowhere")
    with pytest.raises(InputError, match="holds no file"):
        dicom_files(tmp_path)


@pytest.mark.parametrize(
    "name",
    ["bigendian", "deflated", "j2k_lossless", "jpeg_lossless_sv1", "jpegls_lossless", "rle"],
)
def test_lossless_transfer_syntaxes_give_the_same_values(shared_data, name):
    folder = shared_data / "zoo" / "ct_transfer_syntaxes"
    reference = load_series([folder / "bigendian.dcm"]).voxels
    voxels = load_series([folder / f"{name}.dcm"]).voxels
    assert np.array_equal(voxels, reference)
    assert (voxels.min(), voxels.max()) == (-3024, 1378)


def test_lossy_jpeg_is_close_and_said_to_be_lossy(shared_data):
    folder = shared_data / "zoo" / "ct_transfer_syntaxes"
    reference = load_series([folder / "bigendian.dcm"]).voxels
    lossy = load_series([folder / "jpeg_extended_lossy.dcm"])
    inside = reference > -1000
    assert np.abs(lossy.voxels[inside] - reference[inside]).mean() < 10
    assert "the image was compressed with loss" in lossy.notes


def test_single_images_load_as_what_they_are(shared_data):
    folder = shared_data / "zoo" / "single"
    radiograph = load_series([folder / "cr_chest_monochrome1_j2k.dcm"])
    stored = pydicom.dcmread(folder / "cr_chest_monochrome1_j2k.dcm").pixel_array
    flipped = radiograph.voxels[0].astype(int) + stored
    assert flipped.min() == flipped.max()
    assert not radiograph.grid.in_plane_calibrated
    colour = load_series([folder / "us_rgb.dcm"])
    assert colour.is_colour
    assert colour.voxels.shape == (1, 480, 640, 3)
    assert np.array_equal(load_series([folder / "us_ybr_rct_j2k.dcm"]).voxels, colour.voxels)
    enhanced = load_series([folder / "ct_enhanced_multiframe.dcm"])
    assert enhanced.grid.shape[0] == 2
    assert enhanced.grid.spacing_mm[0] == pytest.approx(10.0)
    assert [frame.frame_number for frame in enhanced.source.frames] in ([1, 2], [2, 1])
    cine = load_series([folder / "mr_enhanced_multiframe.dcm"])
    assert cine.grid.shape[0] == 10
    assert not cine.grid.slice_spacing_known


@pytest.mark.parametrize(
    ("folder", "error"),
    [("ct_gantry_tilt_ge", TiltedGantryError), ("mr_missing_slices", SliceGapError)],
)
def test_traps_are_refused_by_name(shared_data, folder, error):
    with pytest.raises(error):
        load_series(one_series(dicom_files(shared_data / "zoo" / folder)))


def test_flipped_orientation_maps_corners_to_the_right_positions(shared_data):
    files = one_series(dicom_files(shared_data / "ct_multiorgan" / "dicom"))
    volume = load_series(files)
    slices, rows, columns = volume.grid.shape
    headers = [pydicom.dcmread(path, stop_before_pixels=True) for path in files]
    by_height = sorted(headers, key=lambda header: header.ImagePositionPatient[2])
    first, last = by_height[0], by_height[-1]
    assert list(first.ImageOrientationPatient) == [-1, 0, 0, 0, -1, 0]
    width = float(first.PixelSpacing[1]) * (columns - 1)
    height = float(first.PixelSpacing[0]) * (rows - 1)
    for index, header in ((0, first), (slices - 1, last)):
        x, y, z = (float(value) for value in header.ImagePositionPatient)
        assert volume.grid.to_lps_mm((index, 0, 0)) == pytest.approx([x, y, z], abs=1e-3)
        far = volume.grid.to_lps_mm((index, rows - 1, columns - 1))
        assert far == pytest.approx([x - width, y - height, z], abs=1e-3)


def test_units_are_those_of_the_values(shared_data):
    def unit(*parts):
        return load_series(one_series(dicom_files(shared_data.joinpath(*parts))))

    assert unit("sts_019", "CT", "image").unit == HOUNSFIELD_UNIT
    assert unit("sts_019", "PET", "image").unit == SUV_BODY_WEIGHT
    magnetic = unit("sts_019", "MR_T1", "image")
    assert magnetic.unit == NO_UNITS
    assert "no rescale slope: stored values are used" in magnetic.notes


@pytest.mark.parametrize(
    ("attributes", "calibrated"),
    [
        ({}, False),
        ({"ImagerPixelSpacing": [0.7, 0.8]}, False),
        ({"ImagerPixelSpacing": [0.77, 0.88]}, True),
        ({"ImagerPixelSpacing": [0.7, 0.8], "PixelSpacingCalibrationType": "FIDUCIAL"}, True),
    ],
)
def test_spacing_of_a_radiograph_counts_only_at_the_patient(phantom, attributes, calibrated):
    _, files = phantom
    edited(files[0], Modality="DX", **attributes)
    loaded = load_series(files[:1])
    assert loaded.grid.in_plane_calibrated == calibrated
    assert any("that of the detector" in note for note in loaded.notes) != calibrated
