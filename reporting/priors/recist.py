"""Response by RECIST 1.1 from target lesions, with the volumes beside it.

Source
------
Eisenhauer et al., New response evaluation criteria in solid tumours: revised RECIST guideline
(version 1.1), Eur J Cancer 2009;45:228-247: measurability section 3.1, targets 4.2.1, response
4.3.1 and 4.3.2; slice thickness appendix II.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from domain.comparison import Change, Kind, Lesion, Verdict

EDITION: Final = "RECIST 1.1 (Eisenhauer 2009)"
MOST_TARGETS: Final = 5
MOST_AN_ORGAN: Final = 2
_LEAST_MM: Final = 10.0
_LEAST_NODE_MM: Final = 15.0
_NORMAL_NODE_MM: Final = 10.0
_THICK_MM: Final = 5.0
_TOO_SMALL_MM: Final = 5.0
_DECREASE: Final = 0.30
_INCREASE: Final = 0.20
_INCREASE_MM: Final = 5.0
_EVEN: Final = 1e-9


class Response(StrEnum):
    """Response of the target lesions, and of all that was compared."""

    COMPLETE = "CR"
    PARTIAL = "PR"
    STABLE = "SD"
    PROGRESSIVE = "PD"
    NOT_EVALUABLE = "NE"


@dataclass(frozen=True, kw_only=True)
class Target:
    """A target lesion: diameters in mm, the short axis of a node; None where not measured."""

    label: str
    organ: str
    is_node: bool
    prior_mm: float
    current_mm: float | None
    prior_ml: float | None = None
    current_ml: float | None = None


@dataclass(frozen=True, kw_only=True)
class Assessment:
    """Response with its reasons.

    Attributes
    ----------
    baseline_mm, nadir_mm, current_mm
        Sums of diameters; ``current_mm`` is None where a target was not measured.
    prior_ml, current_ml
        Sums of volumes of the same targets, for reading beside; no part of RECIST.
    not_targets
        Lesions left out, each with its reason.
    """

    response: Response
    reasons: tuple[str, ...]
    targets: tuple[Target, ...]
    baseline_mm: float
    nadir_mm: float
    current_mm: float | None
    prior_ml: float | None = None
    current_ml: float | None = None
    not_targets: tuple[str, ...] = ()
    edition: str = EDITION


def assessed(
    changes: Sequence[Change], baseline_mm: float | None = None, nadir_mm: float | None = None
) -> Assessment | None:
    """Return the response, or None where the prior shows no measurable lesion.

    Parameters
    ----------
    baseline_mm, nadir_mm
        Sums of earlier studies; the prior's sum where they are not given.
    """
    targets, left_out = _targets(changes)
    if not targets:
        return None
    prior_mm = sum(each.prior_mm for each in targets)
    baseline = prior_mm if baseline_mm is None else baseline_mm
    nadir = min(baseline, prior_mm) if nadir_mm is None else min(baseline, prior_mm, nadir_mm)
    measured = [each.current_mm for each in targets]
    current = None if None in measured else sum(each for each in measured if each is not None)
    reasons = [f"{len(targets)} targets, sum {prior_mm:.1f} mm on the prior"]
    if baseline_mm is None:
        reasons.append("the prior is taken as baseline and as the smallest sum so far")
    reasons += [
        f"{each.label} measures {each.current_mm:.1f} mm, which counts; a reader who takes it as "
        f"present but too small to measure writes {_TOO_SMALL_MM:.0f} mm (section 4.3.2)"
        for each in targets
        if each.current_mm is not None and 0.0 < each.current_mm < _TOO_SMALL_MM
    ]
    response = _response(targets, baseline, nadir, current, reasons)
    new = [each.current.label for each in changes if each.verdict is Verdict.NEW and each.current]
    if new:
        response = Response.PROGRESSIVE
        reasons.append(
            f"new: {', '.join(new)}. A new lesion is progression whatever the sum, when a reader "
            "finds it unequivocal and no other cause explains it (section 4.3.5)"
        )
    return Assessment(
        response=response,
        reasons=tuple(reasons),
        targets=targets,
        baseline_mm=baseline,
        nadir_mm=nadir,
        current_mm=current,
        prior_ml=_total([each.prior_ml for each in targets]),
        current_ml=_total([each.current_ml for each in targets]),
        not_targets=tuple(left_out),
    )


def _response(
    targets: Sequence[Target],
    baseline: float,
    nadir: float,
    current: float | None,
    reasons: list[str],
) -> Response:
    if current is None:
        missing = [each.label for each in targets if each.current_mm is None]
        reasons.append(f"not measured on the current study: {', '.join(missing)}")
        return Response.NOT_EVALUABLE
    from_baseline = current / baseline - 1.0
    from_nadir = current / nadir - 1.0 if nadir > 0 else float(current > 0)
    reasons.append(
        f"sum {current:.1f} mm now: {100 * from_baseline:+.0f} % of the baseline, "
        f"{100 * from_nadir:+.0f} % and {current - nadir:+.1f} mm of the smallest sum"
    )
    gone = all(
        each.current_mm == 0.0 or (each.is_node and (each.current_mm or 0.0) < _NORMAL_NODE_MM)
        for each in targets
    )
    if gone:
        reasons.append("every target is gone, or a node below 10 mm")
        return Response.COMPLETE
    if from_nadir >= _INCREASE - _EVEN and current - nadir >= _INCREASE_MM - _EVEN:
        reasons.append("at least 20 % and at least 5 mm above the smallest sum")
        return Response.PROGRESSIVE
    if from_baseline <= -_DECREASE + _EVEN:
        reasons.append("at least 30 % below the baseline")
        return Response.PARTIAL
    reasons.append("neither 30 % less than the baseline nor 20 % and 5 mm more than the smallest")
    return Response.STABLE


def _targets(changes: Sequence[Change]) -> tuple[tuple[Target, ...], list[str]]:
    """Return the largest measurable lesions of the prior, two an organ and five in all."""
    found: list[Target] = []
    left_out: list[str] = []
    organs: Counter[str] = Counter()
    seen = [(each, each.prior) for each in changes if each.prior is not None]
    seen.sort(key=lambda pair: -_diameter_mm(pair[1]))
    for change, prior in seen:
        organ = prior.organ or "organ not known"
        reason = _unmeasurable(prior)
        if reason is None and len(found) >= MOST_TARGETS:
            reason = f"{MOST_TARGETS} targets are taken"
        if reason is None and organs[organ] >= MOST_AN_ORGAN:
            reason = f"{MOST_AN_ORGAN} targets of the {organ} are taken"
        if reason is not None:
            left_out.append(f"{prior.label}: {reason}")
            continue
        organs[organ] += 1
        found.append(_target(change, prior, organ))
    return tuple(found), left_out


def _target(change: Change, prior: Lesion, organ: str) -> Target:
    now: float | None = None
    volume: float | None = None
    if change.verdict is Verdict.RESOLVED:
        now, volume = 0.0, 0.0
    elif change.current is not None and change.verdict is not Verdict.AMBIGUOUS:
        now, volume = _diameter_mm(change.current) or None, change.current.volume_ml
    return Target(
        label=prior.label,
        organ=organ,
        is_node=prior.kind is Kind.LYMPH_NODE,
        prior_mm=_diameter_mm(prior),
        current_mm=now,
        prior_ml=prior.volume_ml,
        current_ml=volume,
    )


def _unmeasurable(lesion: Lesion) -> str | None:
    size = _diameter_mm(lesion)
    if size == 0.0:
        return "no diameter is known"
    least = _LEAST_NODE_MM if lesion.kind is Kind.LYMPH_NODE else _LEAST_MM
    spacing = lesion.slice_spacing_mm or 0.0
    if spacing > _THICK_MM:
        least = max(least, 2.0 * spacing)
    if size < least:
        axis = "short" if lesion.kind is Kind.LYMPH_NODE else "long"
        return f"{axis} axis {size:.1f} mm is below {least:.0f} mm"
    return None


def _diameter_mm(lesion: Lesion) -> float:
    axis = lesion.short_axis_mm if lesion.kind is Kind.LYMPH_NODE else lesion.long_axis_mm
    return axis or 0.0


def _total(volumes: Sequence[float | None]) -> float | None:
    known = [each for each in volumes if each is not None]
    return sum(known) if len(known) == len(volumes) else None
