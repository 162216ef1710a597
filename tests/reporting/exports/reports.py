"""Reports for the tests of exports: invented ones, one fixed, and what every export must hold."""

from datetime import datetime, timedelta, timezone

from hypothesis import strategies as st

from domain import codes
from domain.codes import (
    ATTENUATION,
    HOUNSFIELD_UNIT,
    LESION,
    LONG_AXIS,
    MEAN,
    MILLILITRE,
    MILLIMETRE,
    STANDARD_DEVIATION,
    VOLUME,
    VOXEL_SUM,
    Code,
    sct,
)
from domain.measurement import Evidence, Finding, Measurement
from domain.report import Report, ReportStatus, Section, Signature, Statement, StudyContext
from domain.uids import InstanceUID, SeriesUID, SopClassUID, StudyUID
from reporting.draft import draft_report
from reporting.exports.enclosed import Enclosed, Envelope, StoredObject
from tests.phantoms import MADE_BY

OURS = [each for each in vars(codes).values() if isinstance(each, Code)]
UNITS = [each for each in OURS if each.scheme == "UCUM"]
CONCEPTS = [each for each in OURS if each.scheme != "UCUM"]
SIDES = (None, "left", "right", "both")
LUNG = sct("39607008", "Lung")
NEGATIONS = (
    "No measurable finding in what was searched.",
    "liver: not found (no liver in the range)",
    "Keine Lymphadenopathie.",
)
CONTEXT = StudyContext(
    patient_name="Müßig, Jörg",
    patient_id="47^11",
    accession_number="A|1",
    study_date="2026-01-02",
    study_description="CT Thorax & Abdomen",
    modality="CT",
    technique="CT, 40 images of 512 x 512.",
)
SIGNED = Signature(
    name="Dr. Eva O'Neill & Co",
    at=datetime(2026, 1, 3, 10, 5, tzinfo=timezone(timedelta(hours=1))),
)
ENCLOSED = Enclosed(
    series_instance_uid=SeriesUID("1.2.3.4"),
    objects=(
        StoredObject(
            modality="SEG",
            series_instance_uid=SeriesUID("1.2.3.5"),
            sop_class_uid=SopClassUID("1.2.840.10008.5.1.4.1.1.66.4"),
            sop_instance_uid=InstanceUID("1.2.3.5.1"),
        ),
    ),
    devices={MADE_BY: InstanceUID("2.25.7")},
    envelope=Envelope(
        sending_facility="OURS",
        receiving_application="RIS",
        receiving_facility="HOSPITAL",
        assigning_authority="HOSPITAL",
        at=datetime(2026, 1, 2, 8, 0, tzinfo=timezone(timedelta(hours=1))),
    ),
)
TITLES = {
    "en": ("Technique", "Comparison", "Findings", "Impression"),
    "de": ("Technik", "Vergleich", "Befund", "Beurteilung"),
}
NAMES = ("technique", "comparison", "findings", "impression")
# what people type: delimiters and markup of every format, and several lines
TYPED = st.lists(
    st.text(
        st.sampled_from("abc ÄÖÜß²±|^~\\&<>\"'*_`#[]()!{}=+-@$%,;.:0123456789"),
        min_size=1,
        max_size=30,
    )
    .map(str.strip)
    .filter(bool),
    min_size=1,
    max_size=3,
).map("\n".join)
ANY = st.floats(-1e4, 1e4) | st.floats(allow_nan=False, allow_infinity=False)
LIKELY = st.floats(-1e6, 1e6).map(lambda value: round(value, 9))


@st.composite
def measurements(draw, values):
    return Measurement(
        concept=draw(st.sampled_from(CONCEPTS)),
        value=draw(values),
        unit=draw(st.sampled_from(UNITS)),
        method=draw(st.sampled_from([None, VOXEL_SUM])),
        derivation=draw(st.sampled_from([None, MEAN, codes.MAXIMUM, codes.PEAK])),
        slice_index=draw(st.none() | st.integers(0, 500)),
        uncertainty=draw(st.none() | st.floats(0.0, 1e6)),
        rule=draw(st.sampled_from([None, "41 % of SUVmax"])),
    )


@st.composite
def findings(draw, number, values):
    return Finding(
        tracking_id=f"Finding {number}",
        tracking_uid=InstanceUID(f"2.25.{number}"),
        concept=draw(st.sampled_from([None, "lung lesion", "kidney"])),
        code=draw(st.sampled_from([LESION, codes.MORPHOLOGICALLY_ABNORMAL])),
        provenance=MADE_BY,
        evidence=Evidence(
            segment_number=number,
            key_slice_index=3,
            segmentation_instance_uid=InstanceUID("1.2.3.5.1"),
        ),
        site=draw(st.none() | st.just(LUNG)),
        side=draw(st.sampled_from(SIDES)),
        measurements=tuple(draw(st.lists(measurements(values), max_size=4))),
        is_proposal=draw(st.booleans()),
        warnings=draw(st.sampled_from([(), ("thick slices & <gaps>",)])),
    )


@st.composite
def reports(draw, values=ANY):
    count = draw(st.integers(0, 3))
    found = tuple(draw(findings(number, values)) for number in range(1, count + 1))
    said = draw(st.lists(st.sampled_from(NEGATIONS) | TYPED, min_size=not found, max_size=3))
    status = draw(st.sampled_from(list(ReportStatus)))
    return report_of(
        found,
        said,
        status=status,
        version=draw(st.integers(1 + (status is ReportStatus.AMENDED), 9)),
        language=draw(st.sampled_from(["en", "de", "de-AT"])),
    )


def report_of(found, said=(), *, status=ReportStatus.DRAFT, version=1, language="en"):
    """Return the report of findings and sentences, as drafts are worded."""
    draft = draft_report(CONTEXT, found, said)
    titles = TITLES[language.partition("-")[0]]
    return Report(
        study_instance_uid=StudyUID("1.2.3"),
        context=CONTEXT,
        sections=tuple(
            Section(name=name, title=title, statements=getattr(draft, name))
            for name, title in zip(NAMES, titles, strict=True)
        ),
        findings=tuple(found),
        status=status,
        version=version,
        language=language,
        signature=SIGNED if status.is_final else None,
    )


def one_finding(**changed):
    return Finding(
        **{
            "tracking_id": "Finding 1",
            "tracking_uid": InstanceUID("2.25.1"),
            "concept": "lung lesion",
            "code": LESION,
            "provenance": MADE_BY,
            "evidence": Evidence(
                segment_number=2,
                key_slice_index=3,
                segmentation_instance_uid=InstanceUID("1.2.3.5.1"),
            ),
            "site": LUNG,
            "side": "left",
            "measurements": (
                Measurement(
                    concept=VOLUME,
                    value=1.3637219,
                    unit=MILLILITRE,
                    uncertainty=0.1,
                    method=VOXEL_SUM,
                ),
                Measurement(concept=LONG_AXIS, value=23.456789, unit=MILLIMETRE, slice_index=3),
                Measurement(
                    concept=ATTENUATION, value=-61.25, unit=HOUNSFIELD_UNIT, derivation=MEAN
                ),
                Measurement(
                    concept=ATTENUATION,
                    value=12.5,
                    unit=HOUNSFIELD_UNIT,
                    derivation=STANDARD_DEVIATION,
                ),
            ),
        }
        | changed
    )


def one_report(**changed):
    """Return a report of a lesion on the left and one whose side is not known."""
    other = one_finding(
        tracking_id="Finding 2", tracking_uid=InstanceUID("2.25.2"), side=None, warnings=("odd",)
    )
    return report_of((one_finding(), other), NEGATIONS[1:2], **changed)


def numbers(report):
    """Return every number of a report: whose, which side, of what, interval, value and unit."""
    return [
        (
            str(finding.tracking_uid),
            finding.side,
            (measurement.concept.scheme, measurement.concept.value),
            measurement.derivation and measurement.derivation.value,
            measurement.uncertainty,
            measurement.value,
            measurement.unit.value,
        )
        for finding in report.findings
        for measurement in finding.measurements
    ]


def sentences(report):
    """Return the sentences by section, those sections that have some."""
    return [
        [each.text for each in section.statements]
        for section in report.sections
        if section.statements
    ]


def with_statement(report, text):
    """Return the report with one more sentence in its findings."""
    sections = tuple(
        Section(
            name=section.name,
            title=section.title,
            statements=(*section.statements, Statement(text=text))
            if section.name == "findings"
            else section.statements,
        )
        for section in report.sections
    )
    return Report(
        study_instance_uid=report.study_instance_uid,
        context=report.context,
        sections=sections,
        findings=report.findings,
        status=report.status,
        version=report.version,
        language=report.language,
        signature=report.signature,
    )
