"""A report as a FHIR R4B bundle: a DiagnosticReport with an Observation for each number.

A ``collection``, not a ``document``: a document opens with a Composition, which the system that
takes this makes of it. Everything in it is ``preliminary`` until a person has signed, then
``final``, and ``amended`` where it replaces a signed version.

Numbers, units and codes are those of the findings, unrounded. What FHIR has no place for stands
where the SR has it: the side and the derivation (mean, maximum) are components with DICOM's own
concepts. Nothing comes from the clock or from chance: the same findings give the same bundle.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from domain.codes import BILATERAL, LEFT, RIGHT, Code, dcm, sct
from domain.errors import InputError
from domain.measurement import Finding, Measurement
from domain.segment import Provenance
from domain.uids import InstanceUID
from reporting.exports.fhir_values import Names, ReportedStudy, Standing

Json = dict[str, Any]

SYSTEMS: Final = {
    "SCT": "http://snomed.info/sct",
    "LN": "http://loinc.org",
    "DCM": "http://dicom.nema.org/resources/ontology/DCM",
    "UCUM": "http://unitsofmeasure.org",
    "IBSI": "urn:oid:1.2.840.10008.2.16.13",  # PS3.6 table A-1; it has no URI of its own
}
"""Coding schemes of DICOM as FHIR names them."""
SIDES: Final = {"left": LEFT, "right": RIGHT, "both": BILATERAL}
FINDING: Final = dcm("121071", "Finding")
LATERALITY: Final = sct("272741003", "Laterality")
DERIVATION: Final = dcm("121401", "Derivation")
IMAGING_REPORT: Final = Code(value="18748-4", scheme="LN", meaning="Diagnostic imaging study")
_UID_SYSTEM: Final = "urn:dicom:uid"
_V2: Final = "http://terminology.hl7.org/CodeSystem/v2-"
_CATEGORIES: Final = "http://terminology.hl7.org/CodeSystem/observation-category"
_DATE_LENGTH: Final = len("YYYY-MM-DD")


_UNSIGNED: Final = Standing()


def report_bundle(
    study: ReportedStudy,
    findings: Sequence[Finding],
    devices: Mapping[Provenance, InstanceUID],
    conclusion: Sequence[str] = (),
    stands: Standing = _UNSIGNED,
) -> Json:
    """Return the bundle as plain JSON values.

    Parameters
    ----------
    devices
        The Device UID of each engine that made a finding's mask, as in the SEG and SR.
    conclusion
        Sentences of the impression.

    Raises
    ------
    InputError
        If a code's scheme has no name in FHIR, or an engine no Device UID.
    """
    names = Names(study, stands)
    made_by = dict.fromkeys(finding.provenance for finding in findings)
    groups = [_finding(finding, study, names, stands) for finding in findings]
    report = _common("DiagnosticReport", study, stands) | {
        "meta": {"versionId": str(stands.version)} if stands.signature else {},
        "language": stands.language,
        "text": {"status": "generated", "div": stands.narrative} if stands.narrative else {},
        "category": [_concept([(f"{_V2}0074", "RAD", "Radiology")])],
        "code": coded(IMAGING_REPORT),
        "issued": stands.signature.at.isoformat() if stands.signature else "",
        "resultsInterpreter": [{"type": "Practitioner", "display": stands.signature.name}]
        if stands.signature
        else [],
        "imagingStudy": [_reference("ImagingStudy", names.study)],
        "result": [_reference("Observation", names.finding(finding)) for finding in findings],
        "conclusion": "\n".join(conclusion),
    }
    entries = [
        (names.report, report),
        (names.study, _imaging_study(study)),
        *((names.device(each), _device(each, devices)) for each in made_by),
        *(entry for group in groups for entry in group),
    ]
    return {
        "resourceType": "Bundle",
        "type": "collection",
        "entry": [
            {"fullUrl": name, "resource": _without_empty(resource)} for name, resource in entries
        ],
    }


def coded(code: Code) -> Json:
    """Return a CodeableConcept of one code.

    Raises
    ------
    InputError
        If its scheme has no name in FHIR.
    """
    return _concept([(_system(code), code.value, code.meaning)])


def _common(kind: str, study: ReportedStudy, stands: Standing) -> Json:
    """Return what report and observations have in common."""
    ordered = []
    if study.accession_number:
        ordered.append({"type": "ServiceRequest", "identifier": _accession(study)})
    return {
        "resourceType": kind,
        "status": stands.code,
        "basedOn": ordered,
        "subject": _subject(study),
        "effectiveDateTime": study.study_date if _is_date(study.study_date) else "",
    }


def _finding(
    finding: Finding, study: ReportedStudy, names: Names, stands: Standing
) -> list[tuple[str, Json]]:
    """Return the observation of a finding and those of its measurements, with their names."""
    shared = _common("Observation", study, stands) | {
        "category": [_concept([(_CATEGORIES, "imaging", "Imaging")])],
        "bodySite": _site(finding),
        "device": _reference("Device", names.device(finding.provenance)),
        "derivedFrom": [
            _reference("ImagingStudy", names.study) | {"identifier": _uid(study.study_instance_uid)}
        ],
    }
    numbers = [
        (
            names.measurement(finding, number),
            shared | _measurement(measurement, _sided(finding), stands),
        )
        for number, measurement in enumerate(finding.measurements)
    ]
    group = shared | {
        "identifier": [_uid(finding.tracking_uid), {"value": finding.tracking_id}],
        "code": coded(FINDING),
        "valueCodeableConcept": coded(finding.code),
        "component": _sided(finding),
        "note": [{"text": stands.remark(text)} for text in _remarks(finding, stands)],
        "hasMember": [_reference("Observation", name) for name, _ in numbers],
    }
    return [(names.finding(finding), group), *numbers]


def _measurement(measurement: Measurement, sided: Sequence[Json], stands: Standing) -> Json:
    components = list(sided)
    said = measurement.concept.meaning
    if measurement.derivation is not None:
        said = f"{said}, {measurement.derivation.meaning}"
        components.append(_component(DERIVATION, measurement.derivation))
    method: Json = coded(measurement.method) if measurement.method is not None else {}
    if measurement.rule is not None:
        method["text"] = measurement.rule
    return {
        "code": coded(measurement.concept) | {"text": said},
        "valueQuantity": _quantity(measurement.value, measurement.unit),
        "method": method,
        "component": components,
        "note": [{"text": stands.remark(text)} for text in _limits(measurement)],
    }


def _limits(measurement: Measurement) -> Iterable[str]:
    """Yield what stands beside a number: FHIR has no field for it."""
    if measurement.uncertainty is not None:
        yield (
            f"95 % interval: the value plus or minus {measurement.uncertainty!r} "
            f"{measurement.unit.value}"
        )
    if measurement.slice_index is not None:
        yield f"measured on image {measurement.slice_index + 1} of the series, in volume order"


def _remarks(finding: Finding, stands: Standing) -> Iterable[str]:
    evidence = finding.evidence
    if not stands.status.is_final:
        yield "Draft: measured by software, not verified by a person."
    if finding.is_proposal:
        yield "The outline is a proposal: no person has confirmed where it is."
    if evidence.segmentation_instance_uid is not None:
        yield f"segment {evidence.segment_number} of SEG {evidence.segmentation_instance_uid}"
    if evidence.key_instance_uid is not None:
        frame = f", frame {evidence.key_frame_number}" if evidence.key_frame_number else ""
        yield f"largest on image {evidence.key_instance_uid}{frame}"
    yield from finding.warnings
    yield from finding.absent


def _quantity(value: float, unit: Code) -> Json:
    return {
        "value": float(value),
        "unit": unit.meaning,
        "system": _system(unit),
        "code": unit.value,
    }


def _site(finding: Finding) -> Json:
    if finding.site is None:
        return {}
    side = f", {finding.side}" if finding.side else ""
    return coded(finding.site) | {"text": f"{finding.site.meaning}{side}"}


def _sided(finding: Finding) -> list[Json]:
    """Return the side as a component, as TID 1500 has it beside the site; none where none is known.

    Raises
    ------
    InputError
        For a side that has no code: it must not be lost.
    """
    if not finding.side:
        return []
    if finding.side not in SIDES:
        raise InputError(
            f"side {finding.side!r} of {finding.tracking_id} has no code: one of {', '.join(SIDES)}"
        )
    return [_component(LATERALITY, SIDES[finding.side])]


def _component(concept: Code, value: Code) -> Json:
    return {"code": coded(concept), "valueCodeableConcept": coded(value)}


def _imaging_study(study: ReportedStudy) -> Json:
    identifiers = [_uid(study.study_instance_uid)]
    if study.accession_number:
        identifiers.append(_accession(study))
    return {
        "resourceType": "ImagingStudy",
        "identifier": identifiers,
        "status": "available",
        "subject": _subject(study),
        "started": study.study_date if _is_date(study.study_date) else "",
        "series": [
            *(
                [{"uid": study.series_instance_uid, "modality": _modality(study.modality)}]
                if study.series_instance_uid
                else []
            ),
            *(
                {
                    "uid": each.series_instance_uid,
                    "modality": _modality(each.modality),
                    "instance": [
                        {
                            "uid": each.sop_instance_uid,
                            "sopClass": {
                                "system": "urn:ietf:rfc:3986",
                                "code": f"urn:oid:{each.sop_class_uid}",
                            },
                        }
                    ],
                }
                for each in study.objects
            ),
        ],
    }


def _device(provenance: Provenance, devices: Mapping[Provenance, InstanceUID]) -> Json:
    if provenance not in devices:
        raise InputError(f"engine {provenance.engine} {provenance.version} has no Device UID")
    notes = [provenance.algorithm_type.value, provenance.prompt]
    if provenance.directed_by:
        notes.append(f"directed by {provenance.directed_by}")
    if provenance.weights_sha256:
        notes.append(f"weights sha256 {provenance.weights_sha256}")
    return {
        "resourceType": "Device",
        "identifier": [_uid(devices[provenance])],
        "deviceName": [{"name": provenance.engine, "type": "model-name"}],
        "version": [{"value": provenance.version}],
        "note": [{"text": text} for text in notes if text],
    }


def _subject(study: ReportedStudy) -> Json:
    """Return the patient by the identifier of the images alone; no name and no birth date."""
    if not study.patient_id:
        return {"type": "Patient", "display": "not stated by the images"}
    kind = _concept([(f"{_V2}0203", "MR", "Medical record number")])
    return {"type": "Patient", "identifier": {"type": kind, "value": study.patient_id}}


def _accession(study: ReportedStudy) -> Json:
    kind = _concept([(f"{_V2}0203", "ACSN", "Accession ID")])
    return {"type": kind, "value": study.accession_number}


def _uid(uid: str) -> Json:
    return {"system": _UID_SYSTEM, "value": f"urn:oid:{uid}"}


def _reference(kind: str, name: str) -> Json:
    return {"reference": name, "type": kind}


def _modality(modality: str) -> Json:
    return {"system": SYSTEMS["DCM"], "code": modality}


def _concept(codings: Iterable[tuple[str, str, str]]) -> Json:
    return {
        "coding": [
            {"system": system, "code": value, "display": display}
            for system, value, display in codings
        ]
    }


def _system(code: Code) -> str:
    try:
        return SYSTEMS[code.scheme]
    except KeyError:
        raise InputError(
            f"code {code.value!r} is of scheme {code.scheme!r}, which has no name in FHIR here: "
            f"use one of {', '.join(SYSTEMS)}"
        ) from None


def _is_date(text: str) -> bool:
    return len(text) == _DATE_LENGTH and text.replace("-", "").isdigit()


def _without_empty(resource: Json) -> Json:
    """Return a resource without what is empty, which FHIR forbids; a zero is not empty."""
    return {key: value for key, value in resource.items() if value not in ("", [], {})}
