"""Signals beside a mask in words; they say where to look, never how likely it is to be right."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Final

from domain.segment import Confidence

NOT_CALIBRATED: Final = "not calibrated: too few cases with such signals were measured"

LEAST_STABILITY: Final = 0.9
"""The moved boxes agree among themselves by Dice 0.81: below, an outline moves half as much."""

LEAST_AGREEMENT: Final = 0.6
LEAST_WINDOW_STABILITY: Final = 0.9


def doubts(confidence: Confidence) -> tuple[str, ...]:
    """Return what speaks against an outline, with the images to look at; empty when nothing does.

    Images are numbered from 1, as on the pictures; slice indices from 0, as in the JSON.
    """
    reasons = []
    main = confidence.main_slice
    where = "" if main is None else f" on {in_words((main,))}"
    if _is_below(confidence.jitter_stability, LEAST_STABILITY):
        reasons.append(
            "the outline is unstable under small changes of the box "
            f"(Dice {confidence.jitter_stability:.2f}{where})"
        )
    if _is_below(confidence.window_stability, LEAST_WINDOW_STABILITY):
        reasons.append(
            "the outline is unstable under small changes of the window "
            f"(Dice {confidence.window_stability:.2f}{where})"
        )
    if _is_below(confidence.agreement, LEAST_AGREEMENT):
        reasons.append(
            f"a second method outlines it otherwise (Dice {confidence.agreement:.2f}{where})"
        )
    if confidence.weak_slices:
        weak = in_words(confidence.weak_slices)
        reasons.append(f"the image supports the outline least on {weak}: look there")
    return tuple(reasons)


def worded(confidence: Confidence) -> str:
    """Return the signals as one sentence."""
    said = "; ".join(doubts(confidence)) or "no signal speaks against the outline"
    expected = confidence.expected
    if expected is None:
        return f"{said}; {NOT_CALIBRATED}"
    return (
        f"{said}; {expected.cases} things in {expected.patients} patients outlined with such "
        f"signals agreed with their reference by Dice {expected.dice:.2f} on average, "
        f"{expected.lowest_dice:.2f} at worst, on one slice"
    )


def printed_confidence(confidence: Confidence | None) -> dict[str, Any] | None:
    """Return plain JSON values; slices count from 0."""
    if confidence is None:
        return None
    expected = confidence.expected
    return {
        "main_slice": confidence.main_slice,
        "agreement": confidence.agreement,
        "jitter_stability": confidence.jitter_stability,
        "window_stability": confidence.window_stability,
        "weak_slices": list(confidence.weak_slices),
        "calibrated": None
        if expected is None
        else {
            "expected_dice": expected.dice,
            "lowest_dice": expected.lowest_dice,
            "cases": expected.cases,
            "patients": expected.patients,
        },
        "words": worded(confidence),
    }


def in_words(indices: Sequence[int]) -> str:
    """Return slices for a reader: "images 13 to 15 (slice indices 12 to 14)"."""
    noun, index = ("image", "index") if len(indices) == 1 else ("images", "indices")
    return f"{noun} {_runs(indices, 1)} (slice {index} {_runs(indices, 0)})"


def _runs(indices: Sequence[int], first: int) -> str:
    """Return numbers from ``first`` on, neighbours as a range."""
    starts = [indices[0], *(after for before, after in pairwise(indices) if after > before + 1)]
    stops = [*(before for before, after in pairwise(indices) if after > before + 1), indices[-1]]
    return ", ".join(
        f"{start + first}" if start == stop else f"{start + first} to {stop + first}"
        for start, stop in zip(starts, stops, strict=True)
    )


def _is_below(value: float | None, least: float) -> bool:
    return value is not None and value < least
