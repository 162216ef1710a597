"""FHIR bundles: every number, unit, code and side is the finding's, and R4B accepts them."""

import importlib.util
import json
import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain import codes
from domain.codes import LESION, MILLILITRE, VOLUME, Code
from domain.errors import InputError
from domain.measurement import Evidence, Finding, Measurement
from domain.report import ReportStatus
from domain.uids import InstanceUID, SeriesUID, SopClassUID, StudyUID
from reporting.exports.enclosed import StoredObject
from reporting.exports.fhir import SIDES, SYSTEMS, report_bundle
from reporting.exports.fhir_report import report_fhir
from reporting.exports.fhir_values import ReportedStudy
from tests.conftest import missing
from tests.phantoms import MADE_BY
from tests.reporting.exports.readers import fhir_report, fhir_sentences
from tests.reporting.exports.reports import (
    ENCLOSED,
    LUNG,
    OURS,
    measurements,
    one_report,
    reports,
    sentences,
)

STUDY = ReportedStudy(
    study_instance_uid=StudyUID("1.2.3"),
    series_instance_uid=SeriesUID("1.2.3.4"),
    modality="CT",
    patient_id="PHANTOM",
    accession_number="A1",
    study_date="2020-01-02",
    objects=(
        StoredObject(
            modality="SEG",
            series_instance_uid=SeriesUID("1.2.3.5"),
            sop_class_uid=SopClassUID("1.2.840.10008.5.1.4.1.1.66.4"),
            sop_instance_uid=InstanceUID("1.2.3.5.1"),
        ),
    ),
)
DEVICES = {MADE_BY: InstanceUID("2.25.7")}
FINITE = st.floats(allow_nan=False, allow_infinity=False)


@st.composite
def findings(draw):
    number = draw(st.integers(1, 10**6))
    return Finding(
        tracking_id=f"Finding {number}",
        tracking_uid=InstanceUID(f"2.25.{number}"),
        concept="lung lesion",
        code=draw(st.sampled_from([LESION, codes.MORPHOLOGICALLY_ABNORMAL])),
        provenance=MADE_BY,
        evidence=Evidence(
            segment_number=number,
            key_slice_index=3,
            key_instance_uid=InstanceUID("1.2.3.4.9"),
            segmentation_instance_uid=InstanceUID("1.2.3.5.1"),
        ),
        site=draw(st.none() | st.just(LUNG)),
        side=draw(st.sampled_from([None, *SIDES])),
        measurements=tuple(draw(st.lists(measurements(FINITE), max_size=5))),
        is_proposal=draw(st.booleans()),
        warnings=draw(st.sampled_from([(), ("thick slices",)])),
    )


several = st.lists(findings(), max_size=4, unique_by=lambda each: each.tracking_uid)


def observations(bundle):
    by_name = {each["fullUrl"]: each["resource"] for each in bundle["entry"]}
    [report] = [each for each in by_name.values() if each["resourceType"] == "DiagnosticReport"]
    groups = [by_name[each["reference"]] for each in report.get("result", [])]
    return [
        (group, [by_name[each["reference"]] for each in group.get("hasMember", [])])
        for group in groups
    ]


def code_in(concept):
    [coding] = concept["coding"]
    [scheme] = [name for name, system in SYSTEMS.items() if system == coding["system"]]
    return Code(value=coding["code"], scheme=scheme, meaning=coding["display"])


def component(resource, value):
    found = [
        code_in(each["valueCodeableConcept"])
        for each in resource.get("component", [])
        if code_in(each["code"]).value == value
    ]
    assert len(found) <= 1
    return found[0] if found else None


@given(several)
def test_no_number_unit_code_or_side_changes_on_the_way(given_findings):
    text = json.dumps(report_bundle(STUDY, given_findings, DEVICES, ["A sentence."]))
    read = observations(json.loads(text))
    for finding, (group, numbers) in zip(given_findings, read, strict=True):
        side = SIDES.get(finding.side)
        assert code_in(group["valueCodeableConcept"]) == finding.code
        assert group["identifier"][0]["value"] == f"urn:oid:{finding.tracking_uid}"
        for resource in (group, *numbers):
            assert component(resource, "272741003") == side
            site = resource.get("bodySite")
            assert (code_in(site) if site else None) == finding.site
            assert resource["status"] == "preliminary"
        for measurement, number in zip(finding.measurements, numbers, strict=True):
            quantity = number["valueQuantity"]
            assert quantity["value"] == measurement.value
            assert math.copysign(1, quantity["value"]) == math.copysign(1, measurement.value)
            assert quantity["system"] == SYSTEMS["UCUM"]
            assert quantity["code"] == measurement.unit.value
            assert code_in(number["code"]) == measurement.concept
            assert component(number, "121401") == measurement.derivation
            method = number.get("method", {})
            assert method.get("text") == measurement.rule
            assert (code_in(method) if "coding" in method else None) == measurement.method
            notes = " ".join(each["text"] for each in number.get("note", []))
            if measurement.uncertainty is not None:
                assert f"{measurement.uncertainty!r} {measurement.unit.value}" in notes


@given(several)
def test_every_reference_is_in_the_bundle_or_names_what_it_is(given_findings):
    bundle = report_bundle(STUDY, given_findings, DEVICES)
    names = [each["fullUrl"] for each in bundle["entry"]]
    assert len(set(names)) == len(names)

    def references(value):
        if isinstance(value, dict):
            if "reference" in value:
                yield value["reference"]
            for each in value.values():
                yield from references(each)
        elif isinstance(value, list):
            for each in value:
                yield from references(each)

    assert set(references(bundle)) <= set(names)


@pytest.fixture(scope="module")
def r4b():
    if importlib.util.find_spec("fhir") is None:
        missing("fhir.resources is not installed")
    from fhir.resources.R4B.bundle import Bundle  # noqa: PLC0415 - of the extra [dev]

    return Bundle


def test_r4b_accepts_what_we_write(r4b):
    @settings(max_examples=40, deadline=None)
    @given(several, st.sampled_from(["", "A1"]), st.sampled_from(["", "2020-01-02", "unknown"]))
    def accepted(given_findings, accession, date):
        study = ReportedStudy(
            study_instance_uid=STUDY.study_instance_uid,
            series_instance_uid=STUDY.series_instance_uid,
            modality="CT",
            patient_id=accession,
            accession_number=accession,
            study_date=date,
            objects=STUDY.objects,
        )
        bundle = report_bundle(study, given_findings, DEVICES, ["A sentence."])
        read = r4b.model_validate_json(json.dumps(bundle))
        kinds = [each.resource.get_resource_type() for each in read.entry]
        assert kinds.count("DiagnosticReport") == kinds.count("ImagingStudy") == 1
        assert kinds.count("Observation") == sum(1 + len(f.measurements) for f in given_findings)

    accepted()


def test_r4b_would_refuse_a_wrong_status_and_an_unknown_field(r4b):
    bundle = report_bundle(STUDY, [], DEVICES)
    bundle["entry"][0]["resource"]["invented"] = 1
    with pytest.raises(ValueError, match="invented"):
        r4b.model_validate_json(json.dumps(bundle))


def test_the_same_findings_give_the_same_bundle():
    finding = one_finding()
    assert report_bundle(STUDY, [finding], DEVICES) == report_bundle(STUDY, [finding], DEVICES)


def test_nothing_is_final_and_a_proposal_says_so():
    bundle = report_bundle(STUDY, [one_finding(is_proposal=True)], DEVICES)
    states = {each["resource"].get("status") for each in bundle["entry"]}
    assert states == {"preliminary", "available", None}
    [(group, _)] = observations(bundle)
    said = [each["text"] for each in group["note"]]
    assert "The outline is a proposal: no person has confirmed where it is." in said
    assert "segment 2 of SEG 1.2.3.5.1" in said


def test_the_patient_is_named_by_the_identifier_alone():
    text = json.dumps(report_bundle(STUDY, [one_finding()], DEVICES))
    subjects = [
        each["resource"]["subject"]
        for each in json.loads(text)["entry"]
        if "subject" in each["resource"]
    ]
    assert {each["identifier"]["value"] for each in subjects} == {"PHANTOM"}
    assert all(set(each) == {"type", "identifier"} for each in subjects)


def test_a_code_that_fhir_cannot_name_is_refused_rather_than_left_out():
    finding = one_finding(code=Code(value="1", scheme="99X", meaning="x"))
    with pytest.raises(InputError, match="scheme '99X'"):
        report_bundle(STUDY, [finding], DEVICES)


def test_a_finding_has_no_side_that_nobody_knows():
    with pytest.raises(InputError, match="left, right, both or none, not port"):
        one_finding(side="port")


def test_every_code_of_ours_has_a_name_in_fhir():
    assert {each.scheme for each in OURS} <= set(SYSTEMS)
    assert len(OURS) > 20


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
            "measurements": (Measurement(concept=VOLUME, value=1.5, unit=MILLILITRE),),
        }
        | changed
    )


@pytest.mark.parametrize(
    ("status", "version", "code"),
    [
        (ReportStatus.DRAFT, 1, "preliminary"),
        (ReportStatus.IN_REVIEW, 1, "preliminary"),
        (ReportStatus.SIGNED, 1, "final"),
        (ReportStatus.AMENDED, 2, "amended"),
    ],
)
def test_the_status_is_that_of_the_report_and_says_who_signed(r4b, status, version, code):
    made = report_fhir(one_report(status=status, version=version, language="de"), ENCLOSED)
    r4b.model_validate_json(made)
    found = [each["resource"] for each in json.loads(made)["entry"]]
    states = {each.get("status") for each in found if each["resourceType"] != "ImagingStudy"}
    assert states == {code, None}
    [report] = [each for each in found if each["resourceType"] == "DiagnosticReport"]
    assert report["language"] == "de"
    notes = [note["text"] for each in found for note in each.get("note", [])]
    assert any(note.startswith("Entwurf:") for note in notes) == (code == "preliminary")
    if code == "preliminary":
        assert not {"issued", "resultsInterpreter", "meta"} & set(report)
    else:
        assert report["issued"] == "2026-01-03T10:05:00+01:00"
        assert report["resultsInterpreter"][0]["display"] == "Dr. Eva O'Neill & Co"
        assert report["meta"]["versionId"] == str(version)


def test_the_conclusion_is_the_impression_and_all_sentences_are_in_the_narrative():
    report = one_report()
    found = fhir_report(report_fhir(report, ENCLOSED))
    assert found["conclusion"].split("\n") == sentences(report)[-1]
    assert fhir_sentences(report_fhir(report, ENCLOSED)) == sentences(report)


def test_r4b_accepts_any_report_of_ours(r4b):
    @settings(max_examples=15, deadline=None)
    @given(reports())
    def accepted(report):
        r4b.model_validate_json(report_fhir(report, ENCLOSED))
        r4b.model_validate_json(report_fhir(report, replace(ENCLOSED, series_instance_uid=None)))

    accepted()
