"""The bundle that ``ask --fhir`` writes, beside the SR of the same findings."""

import json

import pytest

from copilot.analysis import Analysis, Marked
from copilot.concepts import load_concepts
from copilot.exporting import write_exports
from dicom_node.context import study_context
from domain.command import SegmentCommand
from reporting.draft import draft_report
from reporting.exports.fhir import SYSTEMS
from reporting.findings import Tracking, located, measured
from tests import twins
from tests.phantoms import segment


@pytest.fixture(scope="module")
def analysis(tmp_path_factory):
    made = twins.result(tmp_path_factory.mktemp("result"))
    origin = made.origin
    outlined = segment(origin.masks[0], side="left")
    item = origin.segmentation.SegmentSequence[0]
    finding = located(
        measured(
            origin.volume,
            outlined,
            twins.LESION_OF_LUNG,
            Tracking(tracking_id="Finding 1", tracking_uid=item.TrackingUID, segment_number=1),
        ),
        origin.segmentation.SOPInstanceUID,
    )
    return Analysis(
        command=SegmentCommand(concept=("lung lesion",)),
        engine="phantom",
        volume=origin.volume,
        marked=(
            Marked(segment=outlined, concept=twins.LESION_OF_LUNG, finding=finding, picture=b""),
        ),
        segmentation=origin.segmentation,
        report=made.report,
        draft=draft_report(study_context(origin.headers[0], origin.volume), [finding]),
    )


def numbers_of_sr(item):
    for child in item.get("ContentSequence", ()):
        if child.ValueType == "NUM":
            value = child.MeasuredValueSequence[0]
            unit = value.MeasurementUnitsCodeSequence[0].CodeValue
            yield child.ConceptNameCodeSequence[0].CodeValue, float(value.NumericValue), unit
        yield from numbers_of_sr(child)


def test_the_bundle_has_the_numbers_of_the_sr(analysis, tmp_path):
    path = write_exports(analysis, tmp_path, ["fhir"])["fhir"]
    assert path.name == "report.fhir.json"
    bundle = json.loads(path.read_text())
    resources = [each["resource"] for each in bundle["entry"]]
    numbers = [
        (
            each["code"]["coding"][0]["code"],
            each["valueQuantity"]["value"],
            each["valueQuantity"]["code"],
        )
        for each in resources
        if "valueQuantity" in each
    ]
    of_sr = list(numbers_of_sr(analysis.report))
    assert [(code, unit) for code, _, unit in numbers] == [(code, unit) for code, _, unit in of_sr]
    assert [value for _, value, _ in numbers] == pytest.approx([value for _, value, _ in of_sr])
    assert len(numbers) > 5


def test_the_bundle_names_study_seg_sr_engine_and_side(analysis, tmp_path):
    bundle = json.loads(write_exports(analysis, tmp_path, ["fhir"])["fhir"].read_text())
    by_kind = {each["resource"]["resourceType"]: each["resource"] for each in bundle["entry"]}
    study = by_kind["ImagingStudy"]
    assert study["identifier"][0]["value"] == f"urn:oid:{analysis.report.StudyInstanceUID}"
    instances = [each["instance"][0]["uid"] for each in study["series"][1:]]
    assert instances == [analysis.segmentation.SOPInstanceUID, analysis.report.SOPInstanceUID]
    devices = [
        f"urn:oid:{each.DeviceUID}"
        for each in analysis.segmentation.ContributingEquipmentSequence
        if "DeviceUID" in each
    ]
    assert [each["value"] for each in by_kind["Device"]["identifier"]] == devices
    sides = [
        each["valueCodeableConcept"]["coding"][0]["code"]
        for each in by_kind["Observation"]["component"]
        if each["code"]["coding"][0]["code"] == "272741003"
    ]
    assert sides == ["7771000"]
    assert by_kind["DiagnosticReport"]["conclusion"] == "\n".join(
        each.text for each in analysis.draft.impression
    )


def test_every_concept_we_ship_has_a_name_in_fhir():
    coded = [
        code
        for concept in load_concepts().concepts
        for code in (concept.code, concept.site)
        if code is not None
    ]
    assert len(coded) > 10
    assert {code.scheme for code in coded} <= set(SYSTEMS)


def test_without_a_draft_nothing_is_written(analysis, tmp_path):
    nothing = Analysis(command=analysis.command, engine="phantom", volume=analysis.volume)
    assert write_exports(nothing, tmp_path, ["fhir"]) == {}
    assert list(tmp_path.iterdir()) == []
