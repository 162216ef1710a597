"""What independent validators say of the objects we write: no errors, and no unknown warnings."""

import subprocess

import numpy as np
import pydicom
import pytest

from copilot.exporting import enclosed_of
from copilot.system import NamedUids
from dicom_node.documents import encapsulated_pdf
from dicom_node.files import headers, write_dataset
from dicom_node.seg_writer import SegWriter
from dicom_node.volumes import load_series
from domain.report import ReportStatus
from reporting.exports.pdf import report_pdf
from reporting.sr import SrAuthor, measurement_report
from tests import twins
from tests.conformance.validators import complaints, dciodvfy, pixelmed
from tests.phantoms import UIDS, ct, ellipsoid, grid, segment, series
from tests.reporting.exports.readers import pdf_pages
from tests.reporting.exports.reports import one_report

AUTHOR = SrAuthor(
    manufacturer="radcopilot", model_name="radcopilot", version="0.1.0", device_uid=UIDS.new_uid()
)


@pytest.fixture
def objects(tmp_path):
    on = grid(turn_deg=(10.0, -15.0, 5.0), spacing_mm=(3.0, 0.7, 0.8))
    files = series(tmp_path / "series", ct(on, ellipsoid(on, (6.0, 5.0, 4.0))))
    volume = load_series(files)
    first = segment(ellipsoid(volume.grid, (6.0, 5.0, 4.0)), side="left")
    second = segment(ellipsoid(volume.grid, (4.0, 3.0, 3.0), np.array([4.0, 4.0, 4.0])), None)
    made = [
        (each, concept, f"Finding {number}", UIDS.new_uid())
        for number, (each, concept) in enumerate(
            [(first, twins.LESION_OF_LUNG), (second, None)], start=1
        )
    ]
    seg = SegWriter(UIDS).build(volume, made, files)
    findings = twins.findings_of(volume, made, seg)
    sr = measurement_report(findings, seg, headers(files), AUTHOR, UIDS)
    return (
        write_dataset(seg, tmp_path / "seg.dcm"),
        write_dataset(sr, tmp_path / "sr.dcm"),
        findings,
    )


def test_dciodvfy_accepts_the_seg(objects, tool):
    assert dciodvfy(objects[0], tool) == []


def test_dciodvfy_accepts_the_sr(objects, tool):
    assert dciodvfy(objects[1], tool) == []


@pytest.fixture(scope="module")
def others(tmp_path_factory):
    folder = tmp_path_factory.mktemp("twins")
    return {
        kind: write_dataset(dataset, folder / f"{kind}.dcm")
        for kind, dataset in twins.result(folder).all().items()
    }


@pytest.mark.parametrize(
    "kind", ["rtstruct", "gsps", "secondary_capture", "pdf", "rejection", "amended"]
)
def test_dciodvfy_accepts_what_is_made_beside_it(others, kind, tool):
    assert dciodvfy(others[kind], tool) == []


@pytest.mark.parametrize(
    ("status", "verified"),
    [(ReportStatus.DRAFT, "UNVERIFIED"), (ReportStatus.SIGNED, "VERIFIED")],
)
def test_dciodvfy_accepts_a_report_as_encapsulated_pdf(tmp_path, tool, status, verified):
    report = one_report(status=status)
    origin = twins.result(tmp_path).origin
    content = report_pdf(report, enclosed_of(report))
    uids, is_verified = NamedUids("", "1.2.3", "report"), report.status.is_final
    made = encapsulated_pdf(origin, content, uids, "Report", is_verified=is_verified)
    assert made.VerificationFlag == verified
    path = write_dataset(made, tmp_path / "report.dcm")
    assert dciodvfy(path, tool) == []
    read = pydicom.dcmread(path)
    pdf = read.EncapsulatedDocument[: read.EncapsulatedDocumentLength]
    assert all(("DRAFT" in page) != report.status.is_final for page in pdf_pages(pdf))


def test_dciodvfy_of_2022_does_not_know_label_maps(others, tool):
    run = subprocess.run(
        [tool("dciodvfy"), str(others["labelmap"])], capture_output=True, text=True, check=False
    )
    assert complaints(run.stderr + run.stdout) == [
        (  # the background, as PS3.3 wants it
            "Error - SegmentNumber not monotonically increasing from one by one - have "
            "SegmentSequence item number 1 (from one) with SegmentNumber of 0"
        ),
        "Error - Information Object Not found",
    ]


def test_dciodvfy_would_see_an_error(objects, tool, tmp_path):
    broken = pydicom.dcmread(objects[0])
    del broken.SegmentSequence
    path = write_dataset(broken, tmp_path / "broken.dcm")
    run = subprocess.run([tool("dciodvfy"), str(path)], capture_output=True, text=True, check=False)
    assert complaints(run.stderr + run.stdout)


def test_pixelmed_accepts_the_sr_as_tid_1500(objects, tool):
    said = pixelmed(objects[1], tool)
    assert "Found Root Template TID_1500" in said
    assert "IOD validation complete" in said
    assert complaints(said) == []


def test_the_sr_is_partial_preliminary_and_unverified(objects):
    sr = pydicom.dcmread(objects[1])
    assert (sr.CompletionFlag, sr.PreliminaryFlag, sr.VerificationFlag) == (
        "PARTIAL",
        "PRELIMINARY",
        "UNVERIFIED",
    )
    assert sr.SOPClassUID.name == "Comprehensive 3D SR Storage"


def numbers(item):
    for child in item.get("ContentSequence", ()):
        if child.ValueType == "NUM":
            measured_value = child.MeasuredValueSequence[0]
            yield (
                child.ConceptNameCodeSequence[0].CodeValue,
                float(measured_value.NumericValue),
                measured_value.MeasurementUnitsCodeSequence[0].CodeValue,
            )
        yield from numbers(child)


def test_findings_to_sr_and_back_are_the_same_numbers(objects):
    found = sorted(numbers(pydicom.dcmread(objects[1])))
    wanted = sorted(
        (m.concept.value, m.value, m.unit.value) for f in objects[2] for m in f.measurements
    )
    assert [(c, u) for c, _, u in found] == [(c, u) for c, _, u in wanted]
    assert [v for _, v, _ in found] == pytest.approx([v for _, v, _ in wanted], rel=1e-12)


def test_the_sr_refers_to_the_seg_and_its_segments(objects):
    seg, sr = pydicom.dcmread(objects[0]), pydicom.dcmread(objects[1])
    text = str(sr)
    assert seg.SOPInstanceUID in text
    assert text.count("Referenced Segment Number") == len(objects[2])
    uids = [item.TrackingUID for item in seg.SegmentSequence]
    assert all(uid in text for uid in uids)


def test_tid1500reader_reads_the_numbers(objects, tool, tmp_path):
    out = tmp_path / "sr.json"
    run = subprocess.run(
        [
            tool("tid1500reader"),
            "--inputDICOM",
            str(objects[1]),
            "--outputMetadata",
            str(out),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    volume = next(m.value for m in objects[2][0].measurements)
    assert f"{volume:.6g}"[:6] in out.read_text()
