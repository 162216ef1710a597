"""A comparison in words: both dates, both values."""

from datetime import date

from domain.alignment import Alignment
from domain.comparison import Change, Lesion, Origin, Verdict
from reporting.wording import capitalised

_TINY_ML = 0.1


def compared_with(prior: date | None, alignment: Alignment | None) -> str:
    """Say what the study was compared with, and how well the two lie on one another."""
    when = "a prior without a date" if prior is None else f"the study of {prior.isoformat()}"
    if alignment is None:
        return f"Compared with {when}: the two could not be aligned."
    kind = "rigid" if alignment.displacement is None else "rigid, then deformable"
    return f"Compared with {when}; aligned ({kind}): {alignment.quality.in_words()}."


def said(change: Change, prior: date | None, current: date | None) -> str:
    """Return a sentence with dates, values and the line that led to the verdict."""
    lesion = change.current or change.prior
    assert lesion is not None
    parts = [f"{capitalised(lesion.label)}: {change.verdict.value}"]
    sizes = [
        f"{_size(each)} on {'an unknown date' if when is None else when.isoformat()}"
        + _origin(each)
        for each, when in ((change.prior, prior), (change.current, current))
        if each is not None
    ]
    parts.append(", then ".join(sizes))
    if change.percent is not None and change.limit_percent is not None:
        low, high = change.limit_percent
        parts.append(f"{change.percent:+.0f} % (limits {low:+.0f} to {high:+.0f} %)")
    if change.doubling is not None:
        parts.append(f"volume doubling time {change.doubling.in_words()}")
    if change.percent is None:
        parts.append(change.reasons[0])
    if change.question is not None:
        parts.append(f"to be decided: {change.question}")
    return "; ".join(parts) + "."


def summary(change: Change) -> str:
    """Return a short sentence for the impression."""
    lesion = change.current or change.prior
    assert lesion is not None
    percent = "" if change.percent is None else f", {change.percent:+.0f} % in volume"
    growth = change.doubling
    rate = ""
    if change.verdict is Verdict.LARGER and growth is not None:
        rate = f", doubling in {growth.in_words()}"
    return f"{capitalised(lesion.label)}: {change.verdict.value}{percent}{rate}."


def _size(lesion: Lesion) -> str:
    if lesion.volume_ml is None:
        axis = lesion.long_axis_mm
        return "of unknown size" if axis is None else f"{axis:.1f} mm"
    digits = 3 if lesion.volume_ml < _TINY_ML else 2
    spread = "" if lesion.uncertainty_ml is None else f" (±{lesion.uncertainty_ml:.{digits}f})"
    return f"{lesion.volume_ml:.{digits}f} mL{spread}"


def _origin(lesion: Lesion) -> str:
    if lesion.origin in {Origin.REPORTED, Origin.REPORTED_OUTLINE}:
        return f" ({lesion.origin.value}, {lesion.reported_by})"
    if lesion.origin is Origin.REMEASURED:
        return f" ({lesion.origin.value})"
    return ""
