"""A comparison as plain JSON values."""

from typing import Any

from copilot.comparing.comparer import Comparison
from domain.alignment import Alignment
from domain.comparison import Answer, Change, DoublingTime, Lesion, ToldPair
from reporting.priors.difference import BrightnessChange, Part
from reporting.priors.recist import Assessment
from reporting.priors.wording import compared_with, said


def printed_comparison(comparison: Comparison) -> dict[str, Any]:
    """Return the "comparison" of ``radcopilot ask --prior --json``."""
    prior, current = comparison.prior_date, comparison.current_date
    return {
        "prior_date": prior.isoformat() if prior else None,
        "current_date": current.isoformat() if current else None,
        "days_between": comparison.days,
        "says": compared_with(prior, comparison.alignment),
        "alignment": _alignment(comparison.alignment) if comparison.alignment else None,
        "lesions": [
            _change(change) | {"sentence": said(change, prior, current)}
            for change in comparison.changes
        ],
        "brightness": _brightness(comparison.brightness) if comparison.brightness else None,
        "recist": _recist(comparison.recist) if comparison.recist else None,
        "refusal": comparison.refusal,
        "notes": list(comparison.notes),
        "told": [printed_told(each) for each in comparison.told],
    }


def printed_told(told: ToldPair) -> dict[str, str | None]:
    """Return what a person said, as plain values."""
    return {"current": told.current, "prior": told.prior, "by": told.by}


def _alignment(alignment: Alignment) -> dict[str, Any]:
    quality = alignment.quality
    return {
        "current_to_prior_lps_mm": alignment.matrix.tolist(),
        "is_deformable": alignment.displacement is not None,
        "accepted": quality.is_good,
        "quality": {
            "structure": quality.structure,
            "structure_before": quality.structure_before,
            "overlap": quality.overlap,
            "outline": quality.outline,
            "there_and_back_mm": quality.inverse_error_mm,
        },
        "refusal": quality.refusal,
    }


def _change(change: Change) -> dict[str, Any]:
    return {
        "verdict": change.verdict.value,
        "reasons": list(change.reasons),
        "current": _lesion(change.current) if change.current else None,
        "prior": _lesion(change.prior) if change.prior else None,
        "change_percent": change.percent,
        "limits_percent": list(change.limit_percent) if change.limit_percent else None,
        "doubling_time": _doubling(change.doubling) if change.doubling else None,
        "question": change.question,
        "answers": [_answer(each) for each in change.answers],
        "told": printed_told(change.told) if change.told else None,
        "warnings": list(change.warnings),
    }


def _answer(answer: Answer) -> dict[str, Any]:
    told = answer.told
    return {
        "says": answer.in_words(),
        "pair": {"current": told.current, "prior": told.prior},
        "prior": _lesion(answer.prior) if answer.prior else None,
        "slice": answer.slice_index,
    }


def _lesion(lesion: Lesion) -> dict[str, Any]:
    return {
        "label": lesion.label,
        "tracking_uid": lesion.tracking_uid,
        "volume_ml": lesion.volume_ml,
        "uncertainty_95_ml": lesion.uncertainty_ml,
        "long_axis_mm": lesion.long_axis_mm,
        "short_axis_mm": lesion.short_axis_mm,
        "slice_spacing_mm": lesion.slice_spacing_mm,
        "centre_lps_mm": list(lesion.centre_lps_mm),
        "kind": lesion.kind.value,
        "organ": lesion.organ,
        "side": lesion.side,
        "origin": lesion.origin.value,
        "reported_by": lesion.reported_by,
        "outlined_by": lesion.outlined_by,
    }


def _doubling(doubling: DoublingTime) -> dict[str, Any]:
    shortest = doubling.shortest_days
    return {
        "days": doubling.days if doubling.longest_days is not None else None,
        "interval_95_days": [
            None if shortest in {float("inf"), float("-inf")} else shortest,
            doubling.longest_days,
        ],
        "text": doubling.in_words(),
    }


def _brightness(found: BrightnessChange) -> dict[str, Any]:
    return {
        "brighter_ml": found.brighter_ml,
        "brighter_reach_ml": found.brighter_reach_ml,
        "darker_ml": found.darker_ml,
        "searched_ml": found.searched_ml,
        "likeness": found.likeness,
        "brighter": [_part(part) for part in found.brighter],
        "darker": [_part(part) for part in found.darker],
        "is_proposal": True,
        "sentence": found.in_words(),
    }


def _part(part: Part) -> dict[str, Any]:
    return {
        "volume_ml": part.volume_ml,
        "reach_ml": part.reach_ml,
        "centre_lps_mm": list(part.centre_lps_mm),
        "sigmas": part.sigmas,
    }


def _recist(assessment: Assessment) -> dict[str, Any]:
    return {
        "edition": assessment.edition,
        "response": assessment.response.value,
        "reasons": list(assessment.reasons),
        "baseline_mm": assessment.baseline_mm,
        "nadir_mm": assessment.nadir_mm,
        "current_mm": assessment.current_mm,
        "volume_ml": {"prior": assessment.prior_ml, "current": assessment.current_ml},
        "targets": [
            {
                "label": each.label,
                "organ": each.organ,
                "is_node": each.is_node,
                "prior_mm": each.prior_mm,
                "current_mm": each.current_mm,
                "prior_ml": each.prior_ml,
                "current_ml": each.current_ml,
            }
            for each in assessment.targets
        ],
        "not_targets": list(assessment.not_targets),
    }
