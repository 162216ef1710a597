"""Findings to a TID 1500 Measurement Report in a Comprehensive 3D SR.

PARTIAL, PRELIMINARY and UNVERIFIED: there is no argument to say otherwise. What a person signed is
made from it by ``reporting.sr_signing``.
The Image Library is left out: it costs 35 ms an image and repeats the headers.

What TID 1500 has no row for stands in Comments that a person can read, each begun with one of the
words below; ``reporting.sr_findings`` reads all of it back.
"""

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import highdicom as hd
import numpy as np
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code as PydicomCode

from domain.codes import AREA, Code
from domain.errors import InputError
from domain.measurement import Finding, Measurement
from domain.ports import UidSource
from domain.segment import Provenance
from domain.uids import InstanceUID
from reporting.wording import described

SERIES_NUMBER: Final = 9002
DRAFT_DESCRIPTION: Final = "radcopilot measurements (draft)"
SIDES: Final = {
    "left": codes.SCT.Left,
    "right": codes.SCT.Right,
    "both": PydicomCode("51440002", "SCT", "Bilateral"),
}
_PROCEDURES: Final = {  # PS3.16 CID 100
    "CT": PydicomCode("25045-6", "LN", "CT unspecified body region"),
    "MR": PydicomCode("25056-3", "LN", "MRI unspecified body region"),
    "PT": PydicomCode("44136-0", "LN", "PET unspecified body region"),
    "CR": PydicomCode("43468-8", "LN", "XR unspecified body region"),
    "DX": PydicomCode("43468-8", "LN", "XR unspecified body region"),
}
_ANY_PROCEDURE: Final = PydicomCode("363679005", "SCT", "Imaging procedure")
_LONGEST_DECIMAL: Final = 16

IN_WORDS: Final = "In words: "
CONCEPT: Final = "Called: "
KEY_IMAGE: Final = "Key image: "
NOT_MEASURED: Final = "Not measured: "
NOTE: Final = "Note: "
AMENDED: Final = "Amended: "
PROPOSAL: Final = "Proposal: "
STATISTIC: Final = "Statistic: "
MEASURED_ON: Final = "Measured on slice "
UNCERTAINTY: Final = "± "
INTERVAL: Final = "half the width of the 95 % interval of voxel sampling, for this outline"
ALGORITHM_TYPE: Final = "algorithm type "
DIRECTED_BY: Final = "directed by "
WEIGHTS: Final = "weights sha256 "
COMMENT: Final = codes.DCM.Comment
LATERALITY: Final = codes.SCT.Laterality


@dataclass(frozen=True, kw_only=True)
class SrAuthor:
    """The device that writes the report, as the SR names it."""

    manufacturer: str
    model_name: str
    version: str
    device_uid: InstanceUID


def measurement_report(
    findings: Sequence[Finding],
    segmentation: Dataset,
    source_headers: Sequence[Dataset],
    author: SrAuthor,
    uids: UidSource,
) -> Dataset:
    """Return the SR of these findings, each referring to its segment of ``segmentation``.

    Raises
    ------
    InputError
        If there is no finding: an empty report would be read as "nothing there".
    """
    if not findings:
        raise InputError("a measurement report needs at least one finding")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # patient and study as the source has them
        return _report(findings, segmentation, source_headers, author, uids)


def _report(
    findings: Sequence[Finding],
    segmentation: Dataset,
    source_headers: Sequence[Dataset],
    author: SrAuthor,
    uids: UidSource,
) -> Dataset:
    report = hd.sr.MeasurementReport(
        observation_context=_observer(author),
        procedure_reported=_procedure(source_headers[0]),
        imaging_measurements=[
            _group(finding, segmentation, source_headers, author) for finding in findings
        ],
        title=codes.DCM.ImagingMeasurementReport,
        language_of_content_item_and_descendants=hd.sr.LanguageOfContentItemAndDescendants(
            hd.sr.CodedConcept("en-US", "RFC5646", "English (United States)")
        ),
    )
    sr = hd.sr.Comprehensive3DSR(
        evidence=[segmentation, *source_headers],
        content=report[0],
        series_instance_uid=uids.new_uid(),
        series_number=SERIES_NUMBER,
        sop_instance_uid=uids.new_uid(),
        instance_number=1,
        manufacturer=author.manufacturer,
        is_complete=False,
        is_final=False,
        is_verified=False,
        series_description=DRAFT_DESCRIPTION,
    )
    sr.ManufacturerModelName = author.model_name
    sr.SoftwareVersions = author.version
    return sr


def _observer(author: SrAuthor) -> hd.sr.ObservationContext:
    return hd.sr.ObservationContext(
        observer_device_context=hd.sr.ObserverContext(
            observer_type=codes.DCM.Device,
            observer_identifying_attributes=hd.sr.DeviceObserverIdentifyingAttributes(
                uid=author.device_uid,
                name=author.model_name,
                manufacturer_name=author.manufacturer,
                model_name=author.model_name,
                serial_number=author.version,
            ),
        )
    )


def _procedure(header: Dataset) -> PydicomCode:
    stated = header.get("ProcedureCodeSequence")
    if stated and stated[0].get("CodeValue") and stated[0].get("CodeMeaning"):
        item = stated[0]
        return PydicomCode(
            str(item.CodeValue), str(item.CodingSchemeDesignator), str(item.CodeMeaning)
        )
    return _PROCEDURES.get(str(header.get("Modality")), _ANY_PROCEDURE)


def _group(
    finding: Finding,
    segmentation: Dataset,
    source_headers: Sequence[Dataset],
    author: SrAuthor,
) -> hd.sr.VolumetricROIMeasurementsAndQualitativeEvaluations:
    group = hd.sr.VolumetricROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=hd.sr.TrackingIdentifier(
            uid=finding.tracking_uid, identifier=finding.tracking_id
        ),
        referenced_segment=hd.sr.ReferencedSegment(
            sop_class_uid=str(segmentation.SOPClassUID),
            sop_instance_uid=str(segmentation.SOPInstanceUID),
            segment_number=finding.evidence.segment_number,
            source_series=hd.sr.SourceSeriesForSegmentation(
                str(source_headers[0].SeriesInstanceUID)
            ),
        ),
        finding_type=_coded(finding.code),
        finding_sites=_sites(finding),
        algorithm_id=_algorithm(finding.provenance),
        measurements=[
            _measurement(measurement, author, source_headers)
            for measurement in finding.measurements
        ],
    )
    container = group[0]
    numbers = [item for item in container.ContentSequence if item.ValueType == "NUM"]
    frame_of_reference = source_headers[0].get("FrameOfReferenceUID")
    for number, measurement in zip(numbers, finding.measurements, strict=True):
        added = [*_place(measurement, frame_of_reference), *_properties(measurement)]
        if added:
            number.ContentSequence = [*number.get("ContentSequence", ()), *added]
        measured = number.MeasuredValueSequence[0]
        if float(measured.NumericValue) != measurement.value:  # PS3.3 C.18.1
            measured.FloatingPointValue = measurement.value
    contains = hd.sr.RelationshipTypeValues.CONTAINS
    said = [comment(words, contains) for words in _remarks(finding)]
    if finding.site is None and finding.side is not None:
        said.append(  # without a site there is nothing that it could modify
            hd.sr.CodeContentItem(
                name=LATERALITY, value=SIDES[finding.side], relationship_type=contains
            )
        )
    container.ContentSequence = [*container.ContentSequence, *said]
    return group


def _place(measurement: Measurement, frame_of_reference: str | None) -> Iterator[Dataset]:
    """Yield where a number is, to stand below it: the ends of a diameter, or a point in a volume.

    TID 1411 is extensible and names no row for them; highdicom leaves it to its user to extend. A
    diameter is inferred from its ends. A volume is not inferred from its point: that is a property.
    """
    points = measurement.points_lps_mm
    if not points or not frame_of_reference:
        return
    if len(points) > 1:
        yield hd.sr.CoordinatesForMeasurement3D(
            graphic_type=hd.sr.GraphicTypeValues3D.POLYLINE,
            graphic_data=np.array(points),
            frame_of_reference_uid=str(frame_of_reference),
        )
    else:
        yield hd.sr.Scoord3DContentItem(
            name=codes.DCM.Center,
            graphic_type=hd.sr.GraphicTypeValues3D.POINT,
            graphic_data=np.array(points),
            frame_of_reference_uid=str(frame_of_reference),
            relationship_type=hd.sr.RelationshipTypeValues.HAS_PROPERTIES,
        )


def _properties(measurement: Measurement) -> Iterator[Dataset]:
    """Yield what a number is worth, and where it was taken.

    CID 225 has a concept for the first, but none says at which confidence it is meant.
    """
    has = hd.sr.RelationshipTypeValues.HAS_PROPERTIES
    if measurement.uncertainty is not None:
        unit = measurement.unit.meaning
        yield comment(f"{UNCERTAINTY}{measurement.uncertainty!r} {unit}, {INTERVAL}", has)
    if measurement.slice_index is not None:
        yield comment(f"{MEASURED_ON}{measurement.slice_index}", has)


def _remarks(finding: Finding) -> Iterator[str]:
    """Yield the comments of a finding; the first is for viewers alone, and not read back.

    OHIF (3.13) lists comments and numbers, and neither site nor side.
    """
    evidence = finding.evidence
    yield f"{IN_WORDS}{described(finding)[0]}"
    if finding.concept is not None:
        yield f"{CONCEPT}{finding.concept}"
    key = f"{KEY_IMAGE}slice {evidence.key_slice_index}"
    if evidence.key_instance_uid is not None:
        key += f", instance {evidence.key_instance_uid}"
    if evidence.key_frame_number is not None:
        key += f", frame {evidence.key_frame_number}"
    yield key
    if finding.is_proposal:
        yield f"{PROPOSAL}from words alone; nobody has confirmed the place"
    yield from (f"{NOTE}{each}" for each in finding.warnings)
    yield from (f"{NOT_MEASURED}{each}" for each in finding.absent)
    for each in finding.statistics:
        unit = each.unit
        yield f"{STATISTIC}{each.name} = {each.value!r} [{unit.scheme} {unit.value}] {unit.meaning}"


def comment(words: str, relationship: hd.sr.RelationshipTypeValues) -> Dataset:
    """Return words that a person can read as a content item."""
    return hd.sr.TextContentItem(name=COMMENT, value=words, relationship_type=relationship)


def _sites(finding: Finding) -> list[hd.sr.FindingSite] | None:
    if finding.site is None:
        return None
    return [
        hd.sr.FindingSite(
            anatomic_location=_coded(finding.site),
            laterality=SIDES[finding.side] if finding.side else None,
        )
    ]


def _algorithm(provenance: Provenance) -> hd.sr.AlgorithmIdentification:
    parameters = [provenance.prompt] if provenance.prompt else []
    parameters.append(f"{ALGORITHM_TYPE}{provenance.algorithm_type.value}")
    if provenance.directed_by:
        parameters.append(f"{DIRECTED_BY}{provenance.directed_by}")
    if provenance.weights_sha256:
        parameters.append(f"{WEIGHTS}{provenance.weights_sha256}")
    return hd.sr.AlgorithmIdentification(
        name=provenance.engine, version=provenance.version, parameters=parameters
    )


def _measurement(
    measurement: Measurement, author: SrAuthor, source_headers: Sequence[Dataset]
) -> hd.sr.Measurement:
    """Return one number. The largest and smallest area over time name their frame."""
    rule = None
    if measurement.rule is not None:
        rule = hd.sr.AlgorithmIdentification(
            name=author.model_name, version=author.version, parameters=[measurement.rule]
        )
    return hd.sr.Measurement(
        name=_coded(measurement.concept),
        value=_decimal(measurement.value),
        unit=_coded(measurement.unit),
        algorithm_id=rule,
        derivation=_coded(measurement.derivation) if measurement.derivation else None,
        method=_coded(measurement.method) if measurement.method else None,
        referenced_images=_frame(measurement, source_headers[0]),
    )


def _frame(
    measurement: Measurement, header: Dataset
) -> list[hd.sr.SourceImageForMeasurement] | None:
    is_over_time = measurement.concept == AREA and measurement.derivation is not None
    if not is_over_time or measurement.slice_index is None:
        return None
    return [
        hd.sr.SourceImageForMeasurement(
            referenced_sop_class_uid=str(header.SOPClassUID),
            referenced_sop_instance_uid=str(header.SOPInstanceUID),
            referenced_frame_numbers=[measurement.slice_index + 1],
        )
    ]


def _decimal(value: float) -> float:
    """Return the value with as many digits as DS has room for (PS3.5: 16 characters)."""
    for digits in range(_LONGEST_DECIMAL, 0, -1):
        text = f"{value:.{digits}g}"
        if len(text) <= _LONGEST_DECIMAL:
            return float(text)
    raise InputError(f"{value} does not fit a decimal string")


def _coded(code: Code) -> PydicomCode:
    return PydicomCode(code.value, code.scheme, code.meaning)
