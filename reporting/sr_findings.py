"""Our own measurement reports back to the findings that they were made of.

The inverse of ``reporting.sr``: every number, code, place and word comes back as it was; end points
of lines come back as the 32-bit floats that DICOM keeps them in. Reports of other tools are read by
``dicom_node.sr_reader``, which takes what it knows and leaves the rest.
"""

import re
from collections.abc import Iterator
from typing import Final

from pydicom.dataset import Dataset

from domain.codes import Code
from domain.errors import UnreadableFileError
from domain.measurement import Evidence, Finding, Measurement, Position, Statistic
from domain.segment import AlgorithmType, Provenance
from domain.uids import InstanceUID
from reporting.sr import (
    ALGORITHM_TYPE,
    COMMENT,
    CONCEPT,
    DIRECTED_BY,
    KEY_IMAGE,
    LATERALITY,
    MEASURED_ON,
    NOT_MEASURED,
    NOTE,
    PROPOSAL,
    SIDES,
    STATISTIC,
    UNCERTAINTY,
    WEIGHTS,
)

_Name = tuple[str, str]
_MEASUREMENTS: Final = ("126010", "DCM")
_GROUP: Final = ("125007", "DCM")
_TRACKING_ID: Final = ("112039", "DCM")
_TRACKING_UID: Final = ("112040", "DCM")
_FINDING: Final = ("121071", "DCM")
_SITE: Final = ("363698007", "SCT")
_LATERALITY: Final = (LATERALITY.value, LATERALITY.scheme_designator)
_SEGMENT: Final = ("121191", "DCM")
_ALGORITHM_NAME: Final = ("111001", "DCM")
_ALGORITHM_VERSION: Final = ("111003", "DCM")
_ALGORITHM_PARAMETERS: Final = ("111002", "DCM")
_DERIVATION: Final = ("121401", "DCM")
_METHOD: Final = ("370129005", "SCT")
_COMMENT: Final = (COMMENT.value, COMMENT.scheme_designator)
_SIDE_OF: Final = {(code.value, code.scheme_designator): side for side, code in SIDES.items()}
_KEY: Final = re.compile(r"slice (\d+)(?:, instance ([\d.]+))?(?:, frame (\d+))?")
_STATISTIC: Final = re.compile(r"(.+) = (\S+) \[(\S+) (\S+)\] (.+)")
_AXES: Final = 3


def findings_of(report: Dataset) -> tuple[Finding, ...]:
    """Return the findings of a measurement report that ``reporting.sr`` wrote.

    Raises
    ------
    UnreadableFileError
        If something that we write is not there: the report is of another maker or version.
    """
    try:
        groups = [
            group for part in _children(report, _MEASUREMENTS) for group in _children(part, _GROUP)
        ]
        return tuple([_finding(group) for group in groups])  # an end within must not end these
    except (AttributeError, KeyError, ValueError, StopIteration) as error:
        raise UnreadableFileError(
            f"measurement report {report.get('SOPInstanceUID', '')} lacks what our reports say of "
            "a finding: it was made by another tool, or by an earlier version"
        ) from error


def _finding(group: Dataset) -> Finding:
    remarks = [str(item.TextValue) for item in _children(group, _COMMENT)]
    segment = _first(group, _SEGMENT).ReferencedSOPSequence[0]
    key = _KEY.fullmatch(next(_after(KEY_IMAGE, remarks)))
    if key is None:
        raise ValueError(KEY_IMAGE)
    site = next(_children(group, _SITE), None)
    side = next(_children(group if site is None else site, _LATERALITY), None)
    number = segment.ReferencedSegmentNumber
    return Finding(
        tracking_id=str(_first(group, _TRACKING_ID).TextValue),
        tracking_uid=InstanceUID(str(_first(group, _TRACKING_UID).UID)),
        concept=next(_after(CONCEPT, remarks), None),
        code=_value(_first(group, _FINDING)),
        provenance=_provenance(group),
        evidence=Evidence(
            segment_number=int(number),
            key_slice_index=int(key[1]),
            key_instance_uid=InstanceUID(key[2]) if key[2] else None,
            key_frame_number=int(key[3]) if key[3] else None,
            segmentation_instance_uid=InstanceUID(str(segment.ReferencedSOPInstanceUID)),
        ),
        site=_value(site) if site is not None else None,
        side=_SIDE_OF[_named(side.ConceptCodeSequence[0])] if side is not None else None,
        measurements=tuple(
            _measurement(item) for item in group.ContentSequence if item.ValueType == "NUM"
        ),
        is_proposal=next(_after(PROPOSAL, remarks), None) is not None,
        warnings=tuple(_after(NOTE, remarks)),
        statistics=tuple(_statistic(words) for words in _after(STATISTIC, remarks)),
        absent=tuple(_after(NOT_MEASURED, remarks)),
    )


def _provenance(group: Dataset) -> Provenance:
    said = [str(item.TextValue) for item in _children(group, _ALGORITHM_PARAMETERS)]
    kinds = (ALGORITHM_TYPE, DIRECTED_BY, WEIGHTS)
    marked = next(n for n, words in enumerate(said) if words.startswith(ALGORITHM_TYPE))
    behind = said[marked:]
    if any(not words.startswith(kinds) for words in behind):
        raise ValueError(said)
    return Provenance(
        engine=str(_first(group, _ALGORITHM_NAME).TextValue),
        version=str(_first(group, _ALGORITHM_VERSION).TextValue),
        algorithm_type=AlgorithmType(next(_after(ALGORITHM_TYPE, behind))),
        weights_sha256=next(_after(WEIGHTS, behind), None),
        prompt=said[0] if marked else "",
        directed_by=next(_after(DIRECTED_BY, behind), None),
    )


def _measurement(item: Dataset) -> Measurement:
    measured = item.MeasuredValueSequence[0]
    remarks = [str(each.TextValue) for each in _children(item, _COMMENT)]
    uncertainty = next(_after(UNCERTAINTY, remarks), None)
    measured_on = next(_after(MEASURED_ON, remarks), None)
    rule = next(_children(item, _ALGORITHM_PARAMETERS), None)
    derivation = next(_children(item, _DERIVATION), None)
    method = next(_children(item, _METHOD), None)
    return Measurement(
        concept=_code(item.ConceptNameCodeSequence[0]),
        value=float(measured.get("FloatingPointValue", measured.NumericValue)),
        unit=_code(measured.MeasurementUnitsCodeSequence[0]),
        method=_value(method) if method is not None else None,
        derivation=_value(derivation) if derivation is not None else None,
        slice_index=int(measured_on) if measured_on is not None else None,
        points_lps_mm=_points(item),
        uncertainty=float(uncertainty.partition(" ")[0]) if uncertainty is not None else None,
        rule=str(rule.TextValue) if rule is not None else None,
    )


def _points(item: Dataset) -> tuple[Position, ...]:
    for child in item.get("ContentSequence", ()):
        if child.ValueType == "SCOORD3D":
            flat = [float(value) for value in child.GraphicData]
            triples = [tuple(flat[n : n + _AXES]) for n in range(0, len(flat), _AXES)]
            return tuple((x, y, z) for x, y, z in triples)
    return ()


def _statistic(words: str) -> Statistic:
    found = _STATISTIC.fullmatch(words)
    if found is None:
        raise ValueError(words)
    name, value, scheme, unit, meaning = found.groups()
    return Statistic(
        name=name, value=float(value), unit=Code(value=unit, scheme=scheme, meaning=meaning)
    )


def _after(mark: str, remarks: list[str]) -> Iterator[str]:
    return (words.removeprefix(mark) for words in remarks if words.startswith(mark))


def _children(item: Dataset, name: _Name) -> Iterator[Dataset]:
    for child in item.get("ContentSequence", ()):
        if "ConceptNameCodeSequence" in child and _named(child.ConceptNameCodeSequence[0]) == name:
            yield child


def _first(item: Dataset, name: _Name) -> Dataset:
    return next(_children(item, name))


def _named(item: Dataset) -> _Name:
    return str(item.CodeValue), str(item.CodingSchemeDesignator)


def _value(item: Dataset) -> Code:
    return _code(item.ConceptCodeSequence[0])


def _code(item: Dataset) -> Code:
    return Code(
        value=str(item.CodeValue),
        scheme=str(item.CodingSchemeDesignator),
        meaning=str(item.CodeMeaning),
    )
