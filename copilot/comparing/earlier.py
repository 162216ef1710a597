"""What was reported of the prior: its SR and SEG, ours or another tool's."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dicom_node.equipment import MANUFACTURER
from dicom_node.files import read_dataset
from dicom_node.seg_reader import LABELMAP_STORAGE, LoadedSegment, read_segmentation
from dicom_node.sr_reader import (
    ALGORITHM_NAME,
    MeasurementReport,
    ReportedLesion,
    is_measurement_report,
    maker,
    read_report,
)
from domain.errors import InputError, UnreadableFileError
from domain.measurement import Position
from domain.segment import AlgorithmType, Provenance, Segment
from domain.uids import InstanceUID
from domain.volume import Volume


@dataclass(frozen=True, kw_only=True, eq=False)
class Earlier:
    """A lesion that was reported on the prior.

    Attributes
    ----------
    segment
        Its outline on the prior's grid; None where only numbers are there.
    centre_lps_mm
        Of outline, points or lines, in the prior's millimetres; None where it has no place.
    outlined_by
        The engine, where our own report names it; else the tool that reported it.
    """

    label: str
    made_by: str
    outlined_by: str
    segment: Segment | None
    centre_lps_mm: Position | None
    reported: ReportedLesion | None
    tracking_uid: InstanceUID | None
    code_meaning: str | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class EarlierReports:
    """All of them, and what could not be used."""

    lesions: tuple[Earlier, ...]
    notes: tuple[str, ...]


def earlier_reports(paths: Sequence[Path], volume: Volume) -> EarlierReports:
    """Return what the SR and SEG files among these say of lesions on a series.

    A report and the SEG it refers to are one. A SEG on another series' grid is left out, said.
    """
    reports: list[MeasurementReport] = []
    segmentations: dict[InstanceUID, tuple[str, dict[int, LoadedSegment]]] = {}
    notes: list[str] = []
    for path in paths:
        try:
            header = read_dataset(path, with_pixels=False)
        except UnreadableFileError:
            continue  # the images' reader says so where it matters
        try:
            if is_measurement_report(header):
                reports.append(read_report(path))
            elif header.get("Modality") == "SEG" or header.SOPClassUID == LABELMAP_STORAGE:
                found = read_segmentation(path, volume.grid)
                by_number = {each.number: each for each in found.segments}
                segmentations[found.sop_instance_uid] = (maker(header), by_number)
                notes += [f"{path.name}: {note}" for note in found.notes]
        except InputError as error:
            notes.append(f"{path.name} of the prior was not used: {error}")
    lesions, unplaced = _joined(reports, segmentations)
    return EarlierReports(lesions=lesions, notes=tuple(dict.fromkeys((*notes, *unplaced))))


def _joined(
    reports: Sequence[MeasurementReport],
    segmentations: dict[InstanceUID, tuple[str, dict[int, LoadedSegment]]],
) -> tuple[tuple[Earlier, ...], list[str]]:
    """Return the lesions of reports with their outlines, and the outlines without a report."""
    lesions: list[Earlier] = []
    notes: list[str] = []
    used: set[tuple[InstanceUID, int]] = set()
    for report in sorted(reports, key=lambda each: each.content_date):
        for lesion in report.lesions:
            place = (lesion.segmentation_uid, lesion.segment_number or 1)
            made = _reported(report, lesion, segmentations)
            if place[0] is not None:
                used.add((place[0], place[1]))
            lesions.append(made)
            if made.centre_lps_mm is None:
                notes.append(
                    f"{made.label} of {made.made_by} has neither outline nor lines here: it cannot "
                    "be placed, nor compared"
                )
    for uid, (made_by, by_number) in segmentations.items():
        lesions += [
            _outlined(segment, made_by)
            for number, segment in by_number.items()
            if (uid, number) not in used and not segment.mask.is_empty
        ]
    return tuple(lesions), notes


def _reported(
    report: MeasurementReport,
    lesion: ReportedLesion,
    segmentations: dict[InstanceUID, tuple[str, dict[int, LoadedSegment]]],
) -> Earlier:
    loaded = None
    if lesion.segmentation_uid in segmentations:
        loaded = segmentations[lesion.segmentation_uid][1].get(lesion.segment_number or 1)
    outlined_by = report.made_by
    if outlined_by.startswith(MANUFACTURER) and (engine := lesion.item(ALGORITHM_NAME)):
        outlined_by = engine.says
    segment = None
    if loaded is not None and not loaded.mask.is_empty:
        segment = _segment(loaded, outlined_by, lesion.side)
    return Earlier(
        label=lesion.tracking_id or "a lesion",
        made_by=report.made_by,
        outlined_by=outlined_by,
        segment=segment,
        centre_lps_mm=_centre(segment, lesion),
        reported=lesion,
        tracking_uid=lesion.tracking_uid,
        code_meaning=lesion.site.meaning if lesion.site else None,
    )


def _outlined(loaded: LoadedSegment, made_by: str) -> Earlier:
    segment = _segment(loaded, made_by, None)
    return Earlier(
        label=loaded.tracking_id or loaded.label or f"segment {loaded.number}",
        made_by=made_by,
        outlined_by=made_by,
        segment=segment,
        centre_lps_mm=_centre(segment, None),
        reported=None,
        tracking_uid=loaded.tracking_uid,
    )


def _segment(loaded: LoadedSegment, outlined_by: str, side: str | None) -> Segment:
    return Segment(
        mask=loaded.mask,
        concept=None,
        side=side,
        provenance=Provenance(
            engine=outlined_by,
            version="as reported",
            algorithm_type=AlgorithmType.MANUAL,
            prompt=f"segment {loaded.number} of the prior's SEG",
        ),
    )


def _centre(segment: Segment | None, lesion: ReportedLesion | None) -> Position | None:
    if segment is not None:
        marked = np.argwhere(segment.mask.voxels).mean(axis=0)
        x, y, z = segment.mask.grid.to_lps_mm(marked)
        return float(x), float(y), float(z)
    if lesion is not None and lesion.points_lps_mm:
        x, y, z = np.array(lesion.points_lps_mm).mean(axis=0)
        return float(x), float(y), float(z)
    return None
