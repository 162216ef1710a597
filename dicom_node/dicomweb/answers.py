"""The answer to a search: one DICOM JSON object for each study, series or instance."""

import json
import warnings
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from pydicom.datadict import tag_for_keyword

from dicom_node.dicom_json import elements_json
from dicom_node.dicomweb.query import Query, Scope
from dicom_node.files import read_dataset
from dicom_node.index_search import Found, Level
from dicom_node.index_table import INSTANCE_KEYWORDS, SERIES_KEYWORDS, STUDY_KEYWORDS

_MORE_OF_STUDY: Final = (
    "NameOfPhysiciansReadingStudy",
    "AdmittingDiagnosesDescription",
    "ProcedureCodeSequence",
    "ReferencedStudySequence",
    "InstitutionName",
    "PatientAge",
    "PatientSize",
    "PatientWeight",
    "PatientBirthTime",
    "OtherPatientIDs",
    "OtherPatientIDsSequence",
    "OtherPatientNames",
    "EthnicGroup",
    "Occupation",
    "PatientComments",
    "AdditionalPatientHistory",
    "PatientIdentityRemoved",
    "DeidentificationMethod",
)
_MORE_OF_SERIES: Final = (
    "SeriesDate",
    "SeriesTime",
    "Manufacturer",
    "ManufacturerModelName",
    "StationName",
    "DeviceSerialNumber",
    "SoftwareVersions",
    "OperatorsName",
    "PerformingPhysicianName",
    "ProtocolName",
    "PatientPosition",
    "FrameOfReferenceUID",
    "PositionReferenceIndicator",
    "PerformedProcedureStepID",
    "PerformedProcedureStepDescription",
    "SeriesDescriptionCodeSequence",
)
_UIDS: Final = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")


def _tags(keywords: Iterable[str]) -> frozenset[int]:
    return frozenset(tag for each in keywords if (tag := tag_for_keyword(each)) is not None)


_USUAL: Final = {
    Level.STUDY: _tags(STUDY_KEYWORDS),
    Level.SERIES: _tags(SERIES_KEYWORDS),
    Level.INSTANCE: _tags(INSTANCE_KEYWORDS),
}
_STUDY_WIDE: Final = _USUAL[Level.STUDY] | _tags(_MORE_OF_STUDY)
_SERIES_WIDE: Final = _STUDY_WIDE | _USUAL[Level.SERIES] | _tags(_MORE_OF_SERIES)


def answer(found: Iterable[Found], query: Query, scope: Scope, base_url: str) -> Iterator[str]:
    """Yield the pieces of a JSON array; read from files only what the index does not hold."""
    before = "["
    for each in found:
        yield before + _one(each, query, scope, base_url)
        before = ","
    yield "]" if before == "," else "[]"


def _one(found: Found, query: Query, scope: Scope, base_url: str) -> str:
    held = {tag: found.attributes[tag] for tag in _usual(scope) if tag in found.attributes}
    said = {tag: _compact(value) for tag, value in held.items()}
    said |= _extra(found, query, scope.level)
    said |= {tag: _compact(value) for tag, value in _computed(found, scope.level, base_url).items()}
    return "{" + ",".join(f'"{tag}":{said[tag]}' for tag in sorted(said)) + "}"


def _compact(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))


def _usual(scope: Scope) -> list[str]:
    """Return the tags that are shown: of the level, and of those above that the URL leaves open."""
    tags = set(_USUAL[scope.level])
    if scope.study is None:
        tags |= _USUAL[Level.STUDY]
    if scope.series is None and scope.level == Level.INSTANCE:
        tags |= _USUAL[Level.SERIES]
    tags |= _tags(_UIDS[: scope.level])
    return [f"{tag:08X}" for tag in tags]


def _extra(found: Found, query: Query, level: Level) -> Mapping[str, str]:
    """Return what was asked for besides, where it is an attribute of the level or above.

    An attribute of single instances is never said of a study or series: it would be that of
    any one of them.
    """
    if not query.include and not query.include_all:
        return {}
    wide = {Level.STUDY: _STUDY_WIDE, Level.SERIES: _SERIES_WIDE, Level.INSTANCE: None}[level]
    asked = frozenset(query.include)
    wanted = wide if query.include_all else asked & wide if wide is not None else asked
    if wanted is not None and not wanted:
        return {}
    header = read_dataset(found.path, with_pixels=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # odd values are said as they are
        return elements_json(header, tags=wanted)


def _computed(found: Found, level: Level, base_url: str) -> Mapping[str, Any]:
    url = f"{base_url}/studies/{found.study_instance_uid}"
    said: dict[str, Any] = {"00080056": {"vr": "CS", "Value": ["ONLINE"]}}
    match level:
        case Level.STUDY:
            said["00080061"] = _value("CS", *found.modalities)
            said["00080062"] = _value("UI", *found.sop_classes)
            said["00201206"] = _value("IS", found.series)
            said["00201208"] = _value("IS", found.instances)
        case Level.SERIES:
            url += f"/series/{found.series_instance_uid}"
            said["00201209"] = _value("IS", found.instances)
        case Level.INSTANCE:
            url += f"/series/{found.series_instance_uid}/instances/{found.sop_instance_uid}"
            said["00083002"] = _value("UI", found.transfer_syntax_uid)
    said["00081190"] = _value("UR", url)
    return said


def _value(vr: str, *values: str | int) -> dict[str, Any]:
    given = [value for value in values if value != ""]
    return {"vr": vr, "Value": given} if given else {"vr": vr}
