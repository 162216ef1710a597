"""Measurement reports of other tools and our own: what they say of each lesion."""

import pydicom
import pytest
from pydicom.dataset import Dataset

from copilot.comparing.earlier import earlier_reports
from dicom_node.files import headers
from dicom_node.seg_reader import read_segmentation
from dicom_node.seg_writer import SegWriter
from dicom_node.sr_reader import read_report
from dicom_node.volumes import load_series
from domain.errors import UnreadableFileError
from reporting.findings import Tracking, located, measured
from reporting.sr import SrAuthor, measurement_report
from reporting.volumetry import volume_ml
from tests.phantoms import UIDS, ct, ellipsoid, grid, segment, series


@pytest.fixture
def prior(tmp_path):
    """A series with our own SEG and SR of one lesion beside it."""
    on = grid(shape=(12, 48, 48))
    ball = ellipsoid(on, (8.0, 9.0, 10.0))
    files = series(tmp_path / "images", ct(on, ball))
    volume = load_series(files)
    made = segment(ball, side="left")
    tracking = Tracking(tracking_id="Finding 1", tracking_uid=UIDS.new_uid(), segment_number=1)
    seg = SegWriter(UIDS).build(
        volume, [(made, None, tracking.tracking_id, tracking.tracking_uid)], files
    )
    finding = located(measured(volume, made, None, tracking), seg.SOPInstanceUID)
    author = SrAuthor(
        manufacturer="radcopilot", model_name="radcopilot", version="1", device_uid=UIDS.new_uid()
    )
    sr = measurement_report([finding], seg, headers(files), author, UIDS)
    for name, dataset in (("seg.dcm", seg), ("sr.dcm", sr)):
        dataset.save_as(tmp_path / name, enforce_file_format=True)
    return tmp_path, volume, ball, tracking


def test_another_tools_report_and_its_segmentation_agree(shared_data):
    folder = shared_data / "zoo" / "dcmqi_tid1500"
    report = read_report(folder / "sr.dcm")
    (lesion,) = report.lesions
    assert report.made_by == "https://github.com/QIICR/Iowa2DICOM.git 08a9a52"
    assert lesion.tracking_id == "primary tumor"
    assert lesion.tracking_uid == "2.25.318774060119084600392715520575818119084"
    assert lesion.finding.meaning == "Neoplasm, Primary"
    assert lesion.site.meaning == "pharyngeal tonsil (adenoid)"
    assert lesion.side is None
    assert lesion.volume_ml == 33.5824
    found = read_segmentation(folder / "seg.dcm")
    assert lesion.segmentation_uid == found.sop_instance_uid
    (outlined,) = [each for each in found.segments if each.number == lesion.segment_number]
    assert volume_ml(outlined.mask) == pytest.approx(lesion.volume_ml, abs=1e-3)


def test_our_own_report_comes_back_with_its_outline(prior):
    folder, volume, ball, tracking = prior
    found = earlier_reports(sorted(folder.rglob("*.dcm")), volume)
    (lesion,) = found.lesions
    assert lesion.outlined_by == "phantom"  # our SR names the engine
    assert lesion.tracking_uid == tracking.tracking_uid
    assert lesion.reported.volume_ml == pytest.approx(volume_ml(ball), rel=1e-6)
    assert lesion.reported.long_axis_mm > 18
    assert (lesion.segment.mask.voxels == ball.voxels).all()
    assert found.notes == ()


def test_a_segmentation_without_a_report_is_taken_by_its_outline(prior):
    folder, volume, ball, tracking = prior
    (folder / "sr.dcm").unlink()
    (lesion,) = earlier_reports(sorted(folder.rglob("*.dcm")), volume).lesions
    assert lesion.reported is None
    assert lesion.tracking_uid == tracking.tracking_uid
    assert lesion.segment.mask.voxel_count == ball.voxel_count


def test_a_report_without_its_segmentation_is_placed_by_its_lines(prior):
    folder, volume, *_ = prior
    (folder / "seg.dcm").unlink()
    (lesion,) = earlier_reports(sorted(folder.rglob("*.dcm")), volume).lesions
    assert lesion.segment is None
    middle = volume.grid.to_lps_mm((5.5, 23.5, 23.5))
    assert lesion.centre_lps_mm == pytest.approx(middle, abs=3.0)


def test_codes_of_snomed_rt_and_other_units_mean_the_same(prior):
    folder, *_ = prior
    dataset = pydicom.dcmread(folder / "sr.dcm")
    for item in _numbers(dataset):
        code = item.ConceptNameCodeSequence[0]
        unit = item.MeasuredValueSequence[0].MeasurementUnitsCodeSequence[0]
        if code.CodeValue == "118565006":
            code.CodeValue, code.CodingSchemeDesignator = "G-D705", "SRT"
            unit.CodeValue = "mm3"
            item.MeasuredValueSequence[0].NumericValue = 1500.0
        if code.CodeValue == "103339001":
            unit.CodeValue = "cm"
            item.MeasuredValueSequence[0].NumericValue = 2.5
    dataset.save_as(folder / "sr.dcm")
    (lesion,) = read_report(folder / "sr.dcm").lesions
    assert lesion.volume_ml == pytest.approx(1.5)
    assert lesion.long_axis_mm == pytest.approx(25.0)


def test_what_cannot_be_used_is_said_and_stops_nothing(prior, shared_data):
    folder, volume, *_ = prior
    other = shared_data / "zoo" / "dcmqi_tid1500"
    found = earlier_reports([other / "sr.dcm", other / "seg.dcm", folder / "sr.dcm"], volume)
    assert any("seg.dcm of the prior was not used" in note for note in found.notes)
    assert any(
        "primary tumor" in note and "neither outline nor lines" in note for note in found.notes
    )


def test_other_objects_and_empty_reports_are_refused_by_name(prior):
    folder, *_ = prior
    with pytest.raises(UnreadableFileError, match=r"seg\.dcm is no structured report"):
        read_report(folder / "seg.dcm")
    dataset = pydicom.dcmread(folder / "sr.dcm")
    dataset.ContentSequence = dataset.ContentSequence[:1]
    dataset.save_as(folder / "empty.dcm")
    with pytest.raises(UnreadableFileError, match=r"empty\.dcm holds no measurement group"):
        read_report(folder / "empty.dcm")


def _numbers(item: Dataset):
    for child in item.get("ContentSequence") or ():
        if child.ValueType == "NUM":
            yield child
        yield from _numbers(child)
