"""What is made beside a SEG: on the patient's side it belongs to, the same each time, and ours."""

import io
from dataclasses import replace

import highdicom as hd
import numpy as np
import pydicom
import pytest
from pydicom.filebase import DicomBytesIO
from skimage.measure import points_in_poly

from dicom_node.captures import KeyPicture, secondary_captures
from dicom_node.equipment import is_ours
from dicom_node.files import headers, write_dataset
from dicom_node.labelmap import label_map
from dicom_node.rtstruct import structure_set
from dicom_node.seg_reader import read_segmentation
from dicom_node.seg_writer import SegWriter
from dicom_node.softcopy import presentation_state
from dicom_node.twins import Origin
from dicom_node.volumes import load_series
from domain.codes import SUV_BODY_WEIGHT
from domain.errors import CannotDoError
from domain.volume import Mask
from reporting.pictures import View, outline_png
from tests.cines import beating, cine
from tests.phantoms import UIDS, ellipsoid, grid, segment
from tests.twins import CENTRE, result

KINDS = ("labelmap", "rtstruct", "gsps", "secondary_capture", "pdf", "rejection", "amended")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return result(tmp_path_factory.mktemp("result"))


@pytest.fixture(scope="module")
def objects(made):
    return made.all()


def content(dataset):
    buffer = DicomBytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


@pytest.mark.parametrize("kind", KINDS)
def test_made_again_it_is_the_same_to_the_last_byte(made, objects, kind):
    assert content(made.all()[kind]) == content(objects[kind])


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_known_as_ours_whoever_sends_it(made, objects, kind, tmp_path):
    read = pydicom.dcmread(write_dataset(objects[kind], tmp_path / "it.dcm"))
    assert is_ours(read)
    assert read.StudyInstanceUID == made.origin.headers[0].StudyInstanceUID
    assert (read.PatientName, read.PatientID) == ("PHANTOM^TEST", "PHANTOM")
    if kind != "amended":
        del read.Manufacturer
        assert is_ours(read)


def test_every_object_is_another_instance(made, objects):
    uids = [each.SOPInstanceUID for each in objects.values()]
    uids += [made.origin.segmentation.SOPInstanceUID, made.report.SOPInstanceUID]
    assert len(set(uids)) == len(uids)
    assert all(len(uid) <= 64 for uid in uids)
    numbers = [str(each.get("SeriesNumber")) for each in objects.values()]
    assert len(set(numbers)) == len(numbers)


def test_another_character_set_s_letters_are_kept(tmp_path):
    here = result(tmp_path, name="Müßig^Jörg")
    for kind, dataset in here.all().items():
        read = pydicom.dcmread(write_dataset(dataset, tmp_path / f"{kind}.dcm"))
        assert str(read.PatientName) == "Müßig^Jörg", kind


def centre_of(made):
    return made.origin.volume.grid.to_lps_mm(CENTRE)


def test_the_ball_is_on_the_patient_s_left(made):
    middle = made.origin.volume.grid.to_lps_mm((np.array(made.origin.volume.grid.shape) - 1) / 2)
    assert centre_of(made)[0] > middle[0] + 5


def test_the_label_map_holds_the_mask(made, objects, tmp_path):
    path = write_dataset(objects["labelmap"], tmp_path / "labelmap.dcm")
    (found,) = read_segmentation(path, made.origin.volume.grid).segments
    assert np.array_equal(found.mask.voxels, made.origin.masks[0].voxels)
    assert found.tracking_id == "Finding 1"
    assert hd.seg.segread(path).segmentation_type.value == "LABELMAP"


def test_overlapping_segments_are_no_label_map(tmp_path):
    on = grid(shape=(9, 26, 44))
    one, other = (ellipsoid(on, (6.0, 5.0, 5.0), np.array([4.0, 13.0, x])) for x in (20.0, 24.0))
    here = result(tmp_path, [one, other], spacing_mm=(2.0, 1.0, 1.0), turn_deg=(0.0, 0.0, 0.0))
    with pytest.raises(CannotDoError, match=r"segment 2 shares \d+ voxels"):
        label_map(here.origin, here.uids("labelmap"))
    contours = structure_set(here.origin, here.uids("rtstruct"))
    assert len(contours.StructureSetROISequence) == 2


def contours_of(dataset, number=0):
    for contour in dataset.ROIContourSequence[number].ContourSequence:
        yield contour, np.array([float(x) for x in contour.ContourData]).reshape(-1, 3)


def rasterised(dataset, on):
    """Fill contours by voxel centres, as a planning system does."""
    voxels = np.zeros(on.shape, dtype=bool)
    rows, columns = np.indices(on.shape[1:])
    centres = np.column_stack([rows.ravel(), columns.ravel()])
    for _, points in contours_of(dataset):
        places = on.to_index(points)
        (slice_index,) = {int(each) for each in np.rint(places[:, 0])}
        assert np.abs(places[:, 0] - slice_index).max() < 1e-2
        voxels[slice_index] ^= points_in_poly(centres, places[:, 1:]).reshape(on.shape[1:])
    return Mask(voxels=voxels, grid=on)


def test_contours_have_the_ball_s_volume_and_give_its_mask_back(tmp_path):
    on = grid(shape=(25, 32, 30), spacing_mm=(1.0, 1.0, 1.0), turn_deg=(10.0, -15.0, 5.0))
    ball = ellipsoid(on, (10.0, 10.0, 10.0))
    here = result(
        tmp_path,
        [ball],
        shape=on.shape,
        spacing_mm=(1.0, 1.0, 1.0),
        turn_deg=(10.0, -15.0, 5.0),
    )
    made = structure_set(here.origin, here.uids("rtstruct"))
    read = pydicom.dcmread(write_dataset(made, tmp_path / "rtstruct.dcm"))
    area = sum(
        np.linalg.norm(np.cross(points, np.roll(points, -1, axis=0)).sum(axis=0)) / 2
        for _, points in contours_of(read)
    )
    assert area * on.spacing_mm[0] == pytest.approx(ball.voxel_count, rel=1e-3)
    again = rasterised(read, here.origin.volume.grid)
    both = np.count_nonzero(again.voxels & ball.voxels)
    assert 2 * both / (again.voxel_count + ball.voxel_count) > 0.999


def test_contours_lie_where_the_ball_is_and_name_their_images(made, objects):
    dataset = objects["rtstruct"]
    points = np.vstack([each for _, each in contours_of(dataset)])
    assert np.abs(points.mean(axis=0) - centre_of(made)).max() < 1.0
    grid_of = made.origin.volume.grid
    for contour, each in contours_of(dataset):
        image = contour.ContourImageSequence[0].ReferencedSOPInstanceUID
        slice_index = round(float(grid_of.to_index(each)[0, 0]))
        assert made.origin.frames[slice_index].sop_instance_uid == image
    assert all(
        len(str(value.original_string)) <= 16
        for contour, _ in contours_of(dataset)
        for value in contour.ContourData
    )
    assert dataset.StructureSetROISequence[0].ROIName == "left lung lesion"
    assert dataset.FrameOfReferenceUID == grid_of.frame_of_reference_uid


def test_outlines_are_drawn_over_the_ball(made, objects):
    state = objects["gsps"]
    (area,) = state.DisplayedAreaSelectionSequence
    assert list(area.DisplayedAreaBottomRightHandCorner) == [44, 26]
    assert [float(each) for each in area.PresentationPixelSpacing] == [0.7, 0.8]
    window = state.SoftcopyVOILUTSequence[0]
    assert (window.WindowCenter, window.WindowWidth) == (-600.0, 1500.0)
    outlined = {}
    for annotation in state.GraphicAnnotationSequence:
        if annotation.GraphicLayer == "OUTLINES":
            image = annotation.ReferencedImageSequence[0].ReferencedSOPInstanceUID
            line = np.array(annotation.GraphicObjectSequence[0].GraphicData).reshape(-1, 2)
            outlined[image] = line
    mask = made.origin.masks[0]
    for slice_index in mask.slice_indices():
        line = outlined.pop(made.origin.frames[slice_index].sop_instance_uid)
        rows, columns = np.nonzero(mask.voxels[slice_index])
        assert (line.min(axis=0) == (columns.min(), rows.min())).all()
        assert (line.max(axis=0) == (columns.max() + 1, rows.max() + 1)).all()
        assert (line[0] == line[-1]).all()
    assert not outlined


def test_diameters_are_drawn_with_their_numbers(made, objects):
    (annotation,) = [
        each
        for each in objects["gsps"].GraphicAnnotationSequence
        if each.GraphicLayer == "MEASUREMENTS"
    ]
    texts = [each.UnformattedTextValue for each in annotation.TextObjectSequence]
    assert texts == [each.text for each in made.calipers]
    assert texts
    line = np.array(annotation.GraphicObjectSequence[0].GraphicData).reshape(-1, 2)
    length = np.linalg.norm((line[1] - line[0]) * [0.8, 0.7])
    assert f"{length:.1f} mm" == texts[0]


def test_images_of_colours_or_scaled_one_by_one_have_no_presentation_state(made, tmp_path):
    here = result(tmp_path)
    for number, header in enumerate(here.origin.headers, start=1):
        header.RescaleSlope = number
    with pytest.raises(CannotDoError, match="one by one"):
        presentation_state(here.origin, here.uids("gsps"), window=None)


def test_a_window_is_left_to_images_whose_stored_values_have_another_unit(made):
    origin = replace(made.origin, volume=replace(made.origin.volume, unit=SUV_BODY_WEIGHT))
    state = presentation_state(origin, made.uids("gsps"), window=None)
    assert "SoftcopyVOILUTSequence" not in state


def test_the_capture_shows_the_slice_with_its_sides_and_spacing(made, objects):
    capture = objects["secondary_capture"]
    assert capture.pixel_array.shape == (capture.Rows, capture.Columns, 3)
    assert capture.BurnedInAnnotation == "YES"
    assert list(capture.PatientOrientation) == ["L", "P"]
    spacing = [float(each) for each in capture.PixelSpacing]
    assert spacing[0] * capture.Rows == pytest.approx(26 * 0.7, rel=1e-4)
    assert spacing[1] * capture.Columns == pytest.approx(44 * 0.8, rel=1e-4)
    (source,) = capture.SourceImageSequence
    assert source.ReferencedSOPInstanceUID == made.origin.frames[4].sop_instance_uid
    cyan = np.all(capture.pixel_array == (0, 229, 255), axis=-1)
    column = np.nonzero(cyan)[1].mean() / capture.Columns * 44 - 0.5
    across = made.origin.volume.grid.to_lps_mm((4.0, 13.0, column))
    assert np.abs(across - centre_of(made)).max() < 1.0


def test_the_pdf_is_whole_inside_its_object(objects, tmp_path):
    read = pydicom.dcmread(write_dataset(objects["pdf"], tmp_path / "pdf.dcm"))
    pdf = read.EncapsulatedDocument[: read.EncapsulatedDocumentLength]
    assert pdf.startswith(b"%PDF-")
    assert pdf.rstrip().endswith(b"%%EOF")
    assert read.MIMETypeOfEncapsulatedDocument == "application/pdf"
    assert read.VerificationFlag == "UNVERIFIED"


def test_the_rejection_note_names_what_it_rejects(made, objects):
    note = objects["rejection"]
    assert note.ConceptNameCodeSequence[0].CodeValue == "113001"
    (study,) = note.CurrentRequestedProcedureEvidenceSequence
    named = {
        item.ReferencedSOPInstanceUID
        for each in study.ReferencedSeriesSequence
        for item in each.ReferencedSOPSequence
    }
    assert named == {made.origin.segmentation.SOPInstanceUID, made.report.SOPInstanceUID}


def test_the_amended_report_names_its_predecessor(made, objects):
    report = objects["amended"]
    (study,) = report.PredecessorDocumentsSequence
    (item,) = study.ReferencedSeriesSequence[0].ReferencedSOPSequence
    assert item.ReferencedSOPInstanceUID == made.report.SOPInstanceUID
    assert report.SOPInstanceUID != made.report.SOPInstanceUID
    read = pydicom.dcmread(io.BytesIO(content(report)))
    assert read.file_meta.MediaStorageSOPInstanceUID == report.SOPInstanceUID


@pytest.fixture
def of_a_cine(tmp_path):
    path = cine(tmp_path)
    volume = load_series([path])
    voxels = np.zeros(volume.grid.shape, dtype=bool)
    voxels[2:5] = beating().voxels()[2:5]
    mask = Mask(voxels=voxels, grid=volume.grid)
    seg = SegWriter(UIDS).build(
        volume, [(segment(mask, None), None, "Finding 1", UIDS.new_uid())], [path]
    )
    return Origin(segmentation=seg, masks=(mask,), volume=volume, headers=headers([path]))


def test_of_a_cine_the_frames_are_named_and_no_place_is_made_up(of_a_cine):
    state = presentation_state(of_a_cine, UIDS, window=None)
    frames = [
        annotation.ReferencedImageSequence[0].ReferencedFrameNumber
        for annotation in state.GraphicAnnotationSequence
    ]
    assert frames == [3, 4, 5]
    view = View(slice_index=3)
    picture = KeyPicture(
        png=outline_png(of_a_cine.volume, of_a_cine.masks[0], view), slice_index=3, title="disc"
    )
    (capture,) = secondary_captures(of_a_cine, [picture], UIDS)
    assert capture.SourceImageSequence[0].ReferencedFrameNumber == 4
    assert capture.PatientOrientation is None
    for make in (label_map, structure_set):
        with pytest.raises(CannotDoError, match=r"no positions|no frame of reference"):
            make(of_a_cine, UIDS)
