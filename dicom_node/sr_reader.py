"""TID 1500 measurement reports to what they say of each lesion: ours, and those of other tools.

The content tree is walked by its concepts alone: templates are followed loosely in the field. Codes
of SNOMED RT (scheme SRT), as older tools write them, mean the same as those of SNOMED CT.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydicom.dataset import Dataset

from dicom_node.files import PARSE_ERRORS, read_dataset
from domain.codes import Code
from domain.errors import InputError, UnreadableFileError
from domain.measurement import Position
from domain.uids import InstanceUID

_Concept = tuple[str, str]
_IMAGING_MEASUREMENTS: Final = ("126010", "DCM")
_GROUP: Final = ("125007", "DCM")
TRACKING_ID: Final = ("112039", "DCM")
TRACKING_UID: Final = ("112040", "DCM")
FINDING: Final = ("121071", "DCM")
ALGORITHM_NAME: Final = ("111001", "DCM")
_SEGMENT: Final = ("121191", "DCM")
SITES: Final = frozenset({("363698007", "SCT"), ("G-C0E3", "SRT")})
_SIDES: Final = {
    ("24028007", "SCT"): "right",
    ("G-A100", "SRT"): "right",
    ("7771000", "SCT"): "left",
    ("G-A101", "SRT"): "left",
    ("51440002", "SCT"): "both",
    ("G-A102", "SRT"): "both",
}
LATERALITIES: Final = frozenset({("272741003", "SCT"), ("G-C171", "SRT")})
VOLUMES: Final = frozenset({("118565006", "SCT"), ("G-D705", "SRT")})
LONG_AXES: Final = frozenset({("103339001", "SCT"), ("G-A185", "SRT")})
SHORT_AXES: Final = frozenset({("103340004", "SCT"), ("G-A186", "SRT")})
_ML: Final = {"ml": 1.0, "mL": 1.0, "cm3": 1.0, "mm3": 1e-3, "l": 1e3, "L": 1e3, "dm3": 1e3}
_MM: Final = {"mm": 1.0, "cm": 10.0, "m": 1000.0}
_AXES: Final = 3
_DEEPEST: Final = 12


@dataclass(frozen=True, kw_only=True)
class ReportedItem:
    """One content item, as it stands.

    Attributes
    ----------
    concept, concept_scheme, name
        Of its concept name; empty where it has none.
    says
        Its value in words: a code's meaning, a text, a number with its unit.
    path
        Its place in the content tree, as PS3.3 C.17.3.2.5 counts it: the root is "1".
    under
        Name of the container it stands in.
    """

    concept: str
    concept_scheme: str
    name: str
    value_type: str
    says: str
    path: str
    under: str = ""


@dataclass(frozen=True, kw_only=True)
class ReportedLesion:
    """One measurement group.

    Attributes
    ----------
    volume_ml, long_axis_mm, short_axis_mm
        As reported; None where they are not, or in a unit that is not known.
    points_lps_mm
        Of its points, lines and contours in the patient; empty where it has none.
    segmentation_uid, segment_number
        The SEG it was measured on.
    items
        All its codes, texts and numbers, where each stands.
    """

    tracking_id: str
    tracking_uid: InstanceUID | None
    finding: Code | None
    site: Code | None
    side: str | None
    volume_ml: float | None = None
    long_axis_mm: float | None = None
    short_axis_mm: float | None = None
    points_lps_mm: tuple[Position, ...] = ()
    segmentation_uid: InstanceUID | None = None
    segment_number: int | None = None
    items: tuple[ReportedItem, ...] = ()

    def item(self, *concepts: _Concept) -> ReportedItem | None:
        """Return the first of its items with one of these concept names."""
        for each in self.items:
            if (each.concept, each.concept_scheme) in concepts:
                return each
        return None


@dataclass(frozen=True, kw_only=True)
class MeasurementReport:
    """A report that was read: who made it, and what of each lesion."""

    sop_instance_uid: InstanceUID
    made_by: str
    lesions: tuple[ReportedLesion, ...]
    content_date: str = ""


def is_measurement_report(header: Dataset) -> bool:
    """Tell whether a data set is a structured report with a content tree."""
    return str(header.get("Modality", "")) == "SR" and "ContentSequence" in header


def read_report(path: Path) -> MeasurementReport:
    """Return the lesions of a measurement report.

    Raises
    ------
    UnreadableFileError
        If it is no structured report, or holds no imaging measurements that can be read.
    """
    dataset = read_dataset(path, with_pixels=True)
    if not is_measurement_report(dataset):
        raise UnreadableFileError(f"{path.name} is no structured report: give an SR file")
    try:
        groups = list(_groups(dataset, 0))
        lesions = tuple(_lesion(group, path) for group, path in groups)
    except PARSE_ERRORS as error:
        raise UnreadableFileError(
            f"{path.name} is a structured report whose content cannot be read: export it again"
        ) from error
    if not lesions:
        raise UnreadableFileError(
            f"{path.name} holds no measurement group (TID 1500): nothing is taken from it"
        )
    return MeasurementReport(
        sop_instance_uid=InstanceUID(str(dataset.SOPInstanceUID)),
        made_by=maker(dataset),
        lesions=lesions,
        content_date=str(dataset.get("ContentDate") or ""),
    )


def maker(header: Dataset) -> str:
    """Return which tool made an object, with its version where it says so."""
    names = [
        str(header.get(keyword) or "").strip()
        for keyword in ("Manufacturer", "ManufacturerModelName", "SoftwareVersions")
    ]
    said = " ".join(dict.fromkeys(name for name in names if name))
    return said or "a tool that does not name itself"


def text_items(path: Path) -> tuple[ReportedItem, ...]:
    """Return the texts of a structured report of any template, in their order.

    Raises
    ------
    UnreadableFileError
        If it is no structured report, or its content cannot be read.
    """
    dataset = read_dataset(path, with_pixels=True)
    if not is_measurement_report(dataset):
        raise UnreadableFileError(f"{path.name} is no structured report: give an SR file")
    try:
        found = tuple(_items(dataset, "1", 0, _name(dataset)))
    except PARSE_ERRORS as error:
        raise UnreadableFileError(
            f"{path.name} is a structured report whose content cannot be read: export it again"
        ) from error
    return tuple(each for each in found if each.value_type == "TEXT")


def _groups(
    item: Dataset, depth: int, inside: bool = False, path: str = "1"
) -> Iterator[tuple[Dataset, str]]:
    for number, child in enumerate(item.get("ContentSequence") or (), start=1):
        concept = _concept(child)
        place = f"{path}.{number}"
        if inside and concept == _GROUP:
            yield child, place
        elif depth < _DEEPEST and str(child.get("ValueType", "")) == "CONTAINER":
            yield from _groups(child, depth + 1, inside or concept == _IMAGING_MEASUREMENTS, place)


def _items(item: Dataset, path: str, depth: int, under: str) -> Iterator[ReportedItem]:
    for number, child in enumerate(item.get("ContentSequence") or (), start=1):
        place = f"{path}.{number}"
        value_type = str(child.get("ValueType", ""))
        says = _said(child, value_type)
        if says:
            concept, scheme = _concept(child)
            yield ReportedItem(
                concept=concept,
                concept_scheme=scheme,
                name=_name(child),
                value_type=value_type,
                says=says,
                path=place,
                under=under,
            )
        if depth < _DEEPEST:
            inner = _name(child) if value_type == "CONTAINER" else under
            yield from _items(child, place, depth + 1, inner)


def _said(item: Dataset, value_type: str) -> str:
    match value_type:
        case "TEXT":
            return str(item.get("TextValue") or "").strip()
        case "UIDREF":
            return str(item.get("UID") or "").strip()
        case "CODE":
            return _meaning(item.get("ConceptCodeSequence"))
        case "NUM":
            measured = list(item.get("MeasuredValueSequence") or ())
            if not measured:
                return ""
            unit, _ = _pair(measured[0].get("MeasurementUnitsCodeSequence"))
            return f"{measured[0].get('NumericValue', '')} {unit}".strip()
        case _:
            return ""


def _name(item: Dataset) -> str:
    return _meaning(item.get("ConceptNameCodeSequence"))


def _meaning(sequence: object) -> str:
    items = list(sequence) if sequence else []  # type: ignore[call-overload]
    return str(items[0].get("CodeMeaning") or "").strip() if items else ""


def _lesion(group: Dataset, path: str) -> ReportedLesion:
    site, side = _site(group)
    segmentation, number = _segment(group)
    finding = next((_coded(each) for each in _children(group) if _concept(each) == FINDING), None)
    uid = _text(group, TRACKING_UID, "UID")
    return ReportedLesion(
        tracking_id=_text(group, TRACKING_ID, "TextValue"),
        tracking_uid=InstanceUID(uid) if uid else None,
        finding=finding,
        site=site,
        side=side,
        volume_ml=_number(group, VOLUMES, _ML),
        long_axis_mm=_number(group, LONG_AXES, _MM),
        short_axis_mm=_number(group, SHORT_AXES, _MM),
        points_lps_mm=tuple(_points(group, 0)),
        segmentation_uid=segmentation,
        segment_number=number,
        items=tuple(_items(group, path, 0, "")),
    )


def _children(item: Dataset) -> tuple[Dataset, ...]:
    return tuple(item.get("ContentSequence") or ())


def _concept(item: Dataset) -> _Concept:
    return _pair(item.get("ConceptNameCodeSequence"))


def _pair(sequence: object) -> _Concept:
    items = list(sequence) if sequence else []  # type: ignore[call-overload]
    if not items:
        return "", ""
    return str(items[0].get("CodeValue", "")), str(items[0].get("CodingSchemeDesignator", ""))


def _coded(item: Dataset) -> Code | None:
    values = list(item.get("ConceptCodeSequence") or ())
    if not values:
        return None
    try:
        return Code(
            value=str(values[0].CodeValue),
            scheme=str(values[0].CodingSchemeDesignator),
            meaning=str(values[0].CodeMeaning),
        )
    except (AttributeError, InputError):
        return None


def _text(group: Dataset, concept: _Concept, attribute: str) -> str:
    for child in _children(group):
        if _concept(child) == concept:
            return str(child.get(attribute) or "").strip()
    return ""


def _site(group: Dataset) -> tuple[Code | None, str | None]:
    for child in _children(group):
        if _concept(child) not in SITES:
            continue
        values = (_pair(each.get("ConceptCodeSequence")) for each in _children(child))
        side = next((_SIDES[value] for value in values if value in _SIDES), None)
        return _coded(child), side
    alone = (child for child in _children(group) if _concept(child) in LATERALITIES)
    sides = (_SIDES.get(_pair(child.get("ConceptCodeSequence"))) for child in alone)
    return None, next((side for side in sides if side), None)


def _segment(group: Dataset) -> tuple[InstanceUID | None, int | None]:
    for child in _children(group):
        if _concept(child) != _SEGMENT or not child.get("ReferencedSOPSequence"):
            continue
        reference = child.ReferencedSOPSequence[0]
        number = reference.get("ReferencedSegmentNumber")
        first = number if isinstance(number, int | None) else number[0]
        return (
            InstanceUID(str(reference.ReferencedSOPInstanceUID)),
            None if first is None else int(first),
        )
    return None, None


def _number(group: Dataset, concepts: frozenset[_Concept], units: dict[str, float]) -> float | None:
    for child in _children(group):
        if _concept(child) not in concepts or not child.get("MeasuredValueSequence"):
            continue
        measured = child.MeasuredValueSequence[0]
        unit, _ = _pair(measured.get("MeasurementUnitsCodeSequence"))
        if unit not in units:
            continue
        value = float(measured.NumericValue) * units[unit]
        if math.isfinite(value) and value > 0:
            return value
    return None


def _points(item: Dataset, depth: int) -> Iterator[Position]:
    for child in _children(item):
        if str(child.get("ValueType", "")) == "SCOORD3D":
            data = [float(each) for each in child.get("GraphicData") or ()]
            for start in range(0, len(data) - len(data) % _AXES, _AXES):
                yield data[start], data[start + 1], data[start + 2]
        elif depth < _DEEPEST:
            yield from _points(child, depth + 1)
