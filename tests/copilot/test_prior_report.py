"""Reports as files: text, PDF and SR, through the command line as well."""

import json
from io import BytesIO

import highdicom as hd
import numpy as np
import pydicom
import pytest
import typst
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pypdf import PdfReader, PdfWriter

from copilot.cli.main import run
from copilot.concepts import load_concepts
from copilot.prior_report import read_prior_report
from dicom_node.files import headers, write_dataset
from domain.errors import InputError, UnreadableFileError
from domain.reading import When
from tests import twins
from tests.phantoms import UIDS, ct, ellipsoid, grid, series

TABLE = load_concepts()
SENTENCE = "A 12 x 9 mm nodule in the right upper lobe (series 3, image 45), previously 9 mm."


def pdf(path, *pages, password=None):
    """Write a PDF with a page of lines each."""
    pages = ["\\\n".join(lines) + "~" * (not lines) for lines in pages]
    content = typst.compile("#pagebreak()\n".join(pages).encode())
    if password is not None:
        writer = PdfWriter(clone_from=PdfReader(BytesIO(content)))
        writer.encrypt(password, algorithm="RC4-128")
        locked = BytesIO()
        writer.write(locked)
        content = locked.getvalue()
    path.write_bytes(content)
    return path


def test_the_command_line_prints_findings_with_their_quotes(tmp_path, capsys):
    file = tmp_path / "report.txt"
    file.write_text(f"FINDINGS:\n{SENTENCE}\nNo effusion.\nUreter 8 mm.\n")
    assert run(["report", "read", str(file), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    nodule, effusion = document["findings"]
    assert (nodule["concept"], nodule["side"], nodule["site"]) == (
        "lung nodule", "right", "upper lobe",
    )  # fmt: skip
    assert nodule["quantities"][0]["values"] == [12.0, 9.0]
    text = file.read_text()
    for each in (*nodule["quantities"], *nodule["images"], nodule):
        quote = each["quote"]
        assert text[quote["start"] : quote["end"]] == quote["text"]
    assert effusion["presence"] == "absent"
    assert document["left_out"][0]["quote"]["text"] == "8 mm"
    assert run(["report", "read", str(file)]) == 0
    out = capsys.readouterr().out
    assert "present: right lung nodule, upper lobe, 12 x 9 mm, earlier 9 mm, series 3, image" in out
    assert 'Not taken: "8 mm"' in out


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252"])
def test_german_text_in_any_usual_encoding(tmp_path, encoding):
    file = tmp_path / "befund.txt"
    file.write_bytes("Befund: Läsion der linken Niere, größer, 12 mm.".encode(encoding))
    report = read_prior_report(file, TABLE)
    (finding,) = report.findings
    assert report.language == "de"
    assert (finding.concept, finding.side) == ("renal lesion", "left")
    assert finding.comparisons == ("größer",)


def test_a_pdf_is_read_page_by_page(tmp_path):
    file = pdf(
        tmp_path / "report.pdf",
        ["FINDINGS:", "A 12 x 9 mm nodule in the right upper lobe."],
        ["Left renal cyst, 3 cm."],
    )
    report = read_prior_report(file, TABLE)
    assert report.kind == "pdf"
    assert [(each.concept, each.side, each.quote.page) for each in report.findings] == [
        ("lung nodule", "right", 1),
        ("renal cyst", "left", 2),
    ]
    assert [q.values for each in report.findings for q in each.quantities] == [(12, 9), (30,)]


def test_a_pdf_without_text_is_refused_with_the_remedy(tmp_path, capsys):
    file = pdf(tmp_path / "scan.pdf", [])
    assert run(["report", "read", str(file)]) == 2
    assert "no text layer" in (said := capsys.readouterr().err)
    assert "ocrmypdf" in said


def test_a_page_without_text_is_told(tmp_path):
    report = read_prior_report(pdf(tmp_path / "r.pdf", ["Left renal cyst, 3 cm."], []), TABLE)
    assert report.notes == ("no text on page 2: what stands there was not read",)


def test_what_is_no_report_is_refused(tmp_path):
    on = grid(shape=(3, 8, 8))
    (image, *_) = series(tmp_path / "s", ct(on, ellipsoid(on, (2.0, 2.0, 2.0))))
    broken, binary, empty = (tmp_path / name for name in ("b.pdf", "b.bin", "e.txt"))
    broken.write_bytes(b"%PDF-1.7\nnothing")
    binary.write_bytes(b"\0\1\2")
    empty.write_text(" \n")
    locked = pdf(tmp_path / "locked.pdf", ["Left renal cyst."], password="secret")
    for path, error, words in (
        (image, UnreadableFileError, "no report"),
        (broken, UnreadableFileError, "cannot be read"),
        (binary, UnreadableFileError, "no text"),
        (empty, InputError, "no text"),
        (locked, UnreadableFileError, "password"),
        (tmp_path / "none.txt", InputError, "cannot be read"),
    ):
        with pytest.raises(error, match=words):
            read_prior_report(path, TABLE)
    file = tmp_path / "r.txt"
    file.write_text(SENTENCE)
    assert run(["report", "read", str(file), "--language", "fr"]) == 2


def test_our_own_report_is_read_with_site_side_and_volume(tmp_path):
    made = twins.result(tmp_path)
    (finding,) = read_prior_report(tmp_path / "sr.dcm", TABLE).findings
    assert (finding.concept, finding.side, finding.organ) == ("lung lesion", "left", "lung")
    (volume,) = [each for each in finding.quantities if each.unit == "ml"]
    assert volume.values[0] * 1000 == pytest.approx(made.volume_mm3, rel=1e-6)
    item = made.report
    for step in volume.quote.item.split(".")[1:]:
        item = item.ContentSequence[int(step) - 1]
    assert item.ConceptNameCodeSequence[0].CodeMeaning == "Volume"
    assert finding.tracking_uid in str(made.report)


def test_another_tools_report_is_read(shared_data):
    report = read_prior_report(shared_data / "zoo" / "dcmqi_tid1500" / "sr.dcm", TABLE)
    (finding,) = report.findings
    assert (finding.noun, finding.side) == ("Neoplasm, Primary", None)
    assert [each.values for each in finding.quantities if each.unit == "ml"] == [(33.5824,)]
    assert finding.tracking_id == "primary tumor"


def written_by_highdicom(folder):
    """Return a planar measurement with qualitative items, as highdicom's own user writes it."""
    on = grid(shape=(3, 16, 16))
    files = series(folder / "s", ct(on, ellipsoid(on, (3.0, 3.0, 3.0))))
    image = headers(files)[1]
    region = hd.sr.ImageRegion3D(
        graphic_type=hd.sr.GraphicTypeValues3D.POLYGON,
        graphic_data=np.array([(0.0, 0, 0), (3, 0, 0), (3, 3, 0), (0, 0, 0)]),
        frame_of_reference_uid=image.FrameOfReferenceUID,
    )
    group = hd.sr.PlanarROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=hd.sr.TrackingIdentifier(uid=UIDS.new_uid(), identifier="Nodule A"),
        referenced_region=region,
        finding_type=codes.SCT.Nodule,
        finding_sites=[
            hd.sr.FindingSite(anatomic_location=codes.SCT.Lung, laterality=codes.SCT.Right)
        ],
        measurements=[
            hd.sr.Measurement(name=codes.SCT.LongAxis, value=1.4, unit=codes.UCUM.Centimeter),
            hd.sr.Measurement(name=codes.SCT.ShortAxis, value=9.0, unit=codes.UCUM.Millimeter),
        ],
        qualitative_evaluations=[
            hd.sr.QualitativeEvaluation(
                name=hd.sr.CodedConcept("129737002", "SCT", "Radiographic lesion margin"),
                value=hd.sr.CodedConcept("129742005", "SCT", "Spiculated lesion"),
            )
        ],
    )
    observer = hd.sr.ObservationContext(
        observer_person_context=hd.sr.ObserverContext(
            observer_type=codes.DCM.Person,
            observer_identifying_attributes=hd.sr.PersonObserverIdentifyingAttributes("Doe^Jane"),
        )
    )
    report = hd.sr.MeasurementReport(
        observation_context=observer,
        procedure_reported=codes.LN.CTUnspecifiedBodyRegion,
        imaging_measurements=[group],
    )
    return hd.sr.Comprehensive3DSR(
        evidence=[image],
        content=report[0],
        series_instance_uid=UIDS.new_uid(),
        series_number=1,
        sop_instance_uid=UIDS.new_uid(),
        instance_number=1,
        manufacturer="other",
    )


@pytest.mark.filterwarnings("ignore::UserWarning")  # highdicom, of a phantom's names
def test_a_report_written_by_highdicom_is_read_with_its_qualities(tmp_path):
    path = write_dataset(written_by_highdicom(tmp_path), tmp_path / "sr.dcm")
    (finding,) = read_prior_report(path, TABLE).findings
    assert (finding.noun, finding.side, finding.organ) == ("Nodule", "right", "lung")
    assert [(q.unit, q.values, q.when) for q in finding.quantities] == [
        ("mm", (14.0,), When.NOW),
        ("mm", (9.0,), When.NOW),
    ]
    assert ("Radiographic lesion margin", "Spiculated lesion") in finding.qualities


def coded(value, meaning):
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = value, "DCM", meaning
    return [code]


def test_texts_of_a_report_without_measurement_groups_are_read(tmp_path):
    made = twins.result(tmp_path)
    report = pydicom.dcmread(tmp_path / "sr.dcm")
    text, container = Dataset(), Dataset()
    text.RelationshipType, text.ValueType = "CONTAINS", "TEXT"
    text.ConceptNameCodeSequence = coded("121071", "Finding")
    text.TextValue = SENTENCE
    container.RelationshipType, container.ValueType = "CONTAINS", "CONTAINER"
    container.ContinuityOfContent = "SEPARATE"
    container.ConceptNameCodeSequence = coded("121070", "Findings")
    container.ContentSequence = [text]
    report.ContentSequence = [container]
    (finding,) = read_prior_report(write_dataset(report, tmp_path / "basic.dcm"), TABLE).findings
    assert made.report.SOPInstanceUID == report.SOPInstanceUID
    assert (finding.side, finding.section, finding.quote.item) == ("right", "findings", "1.1.1")
    assert [each.values for each in finding.sizes()] == [(12, 9)]


def test_an_encapsulated_pdf_is_read(tmp_path):
    made = twins.result(tmp_path)
    document = made.all()["pdf"]
    content = pdf(tmp_path / "r.pdf", ["Left renal cyst, 3 cm."]).read_bytes()
    document.EncapsulatedDocument = content + b"\0" * (len(content) % 2)
    (finding,) = read_prior_report(write_dataset(document, tmp_path / "pdf.dcm"), TABLE).findings
    assert (finding.concept, finding.side) == ("renal cyst", "left")
