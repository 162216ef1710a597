"""Results as plain JSON values: what ``--json`` prints and the web API returns."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from copilot.analysis import Analysis, Marked
from copilot.doubt import printed_confidence
from copilot.keys import measurement_name
from copilot.over_time import printed_areas
from domain.candidate import Candidate
from domain.codes import VOLUME
from domain.command import as_json
from domain.measurement import Finding, Measurement, Statistic
from domain.segment import Provenance
from reporting.wording import described, summarised


def printed_measurement(measurement: Measurement, segment_number: int) -> dict[str, Any]:
    """Return one measurement: value, unit, codes and place."""
    printed: dict[str, Any] = {
        "segment": segment_number,
        "name": measurement_name(measurement),
        "value": measurement.value,
        "unit": measurement.unit.value,
        "code": {
            "value": measurement.concept.value,
            "scheme": measurement.concept.scheme,
            "meaning": measurement.concept.meaning,
        },
    }
    if measurement.uncertainty is not None:
        printed["uncertainty_95"] = measurement.uncertainty
    if measurement.rule is not None:
        printed["rule"] = measurement.rule
    if measurement.slice_index is not None:
        printed["slice"] = measurement.slice_index
    if measurement.points_lps_mm:
        printed["points_lps_mm"] = [list(point) for point in measurement.points_lps_mm]
    return printed


def printed_measurements(finding: Finding) -> list[dict[str, Any]]:
    """Return every measurement of a finding."""
    number = finding.evidence.segment_number
    return [printed_measurement(measurement, number) for measurement in finding.measurements]


def printed_statistics(statistics: Sequence[Statistic]) -> list[dict[str, Any]]:
    """Return the numbers without codes."""
    return [
        {"name": each.name, "value": each.value, "unit": each.unit.value} for each in statistics
    ]


def printed_analysis(
    analysis: Analysis, files: Mapping[str, Path], text: str | None = None
) -> dict[str, Any]:
    """Return the document that ``radcopilot ask --json`` prints."""
    return {
        "text": text,
        "command": as_json(analysis.command),
        "engine": analysis.engine,
        "hints": analysis.hints.as_json(),
        "masks": [_mask(marked) for marked in analysis.marked],
        "measurements": [
            printed
            for marked in analysis.marked
            for printed in printed_measurements(marked.finding)
        ],
        "candidates": [
            _candidate(number, each) for number, each in enumerate(analysis.candidates, start=1)
        ],
        "technique": analysis.draft.context.technique if analysis.draft else None,
        "absent": list(analysis.absences),
        "refusals": list(analysis.refusals),
        "warnings": list(analysis.warnings),
        "files": {kind: str(path) for kind, path in files.items()},
        "timings_s": dict(analysis.timings_s),
    }


def _candidate(number: int, candidate: Candidate) -> dict[str, Any]:
    """Return a candidate; "box" and "slices" are what --box and --slices take."""
    at, box = candidate.centre, candidate.box
    return {
        "number": number,
        "slice": at.slice_index,
        "row": at.row,
        "column": at.column,
        "box": [at.slice_index, box.row_start, box.column_start, box.row_stop, box.column_stop],
        "slices": [box.slice_start, box.slice_stop],
        "side": candidate.side,
        "diameter_mm": candidate.diameter_mm,
        "volume_ml": candidate.volume_ml,
        "score": candidate.score,
    }


def _mask(marked: Marked) -> dict[str, Any]:
    segment, finding = marked.segment, marked.finding
    slices = segment.mask.slice_indices()
    volume = finding.measurement(VOLUME)
    return {
        "segment": finding.evidence.segment_number,
        "tracking_id": finding.tracking_id,
        "tracking_uid": finding.tracking_uid,
        "concept": segment.concept,
        "side": segment.side,
        "voxels": segment.mask.voxel_count,
        "volume_ml": volume.value if volume else None,
        "slices": [slices[0], slices[-1] + 1],
        "key_slice": finding.evidence.key_slice_index,
        "areas_over_time": printed_areas(marked.areas) or None,
        "is_proposal": segment.is_proposal,
        "score": segment.score,
        "slice_profile": list(segment.slice_profile),
        "confidence": printed_confidence(segment.confidence),
        "statistics": printed_statistics(finding.statistics),
        "not_measured": list(finding.absent),
        "warnings": list(finding.warnings),
        "sentences": _sentences(finding),
        "made_by": _made_by(segment.provenance),
    }


def _sentences(finding: Finding) -> dict[str, str]:
    """Return what a report says of a finding once a radiologist has confirmed it."""
    confirmed = replace(finding, is_proposal=False)
    said, _ = described(confirmed)
    summary, _ = summarised(confirmed)
    return {
        "finding": said.replace(f" ({finding.tracking_id})", "", 1),
        "impression": summary,
    }


def _made_by(provenance: Provenance) -> dict[str, Any]:
    return {
        "engine": provenance.engine,
        "version": provenance.version,
        "algorithm_type": provenance.algorithm_type.value,
        "weights_sha256": provenance.weights_sha256,
        "prompt": provenance.prompt,
        "directed_by": provenance.directed_by,
    }
