"""What a set of results says together: means over cases, and how far they may be off by chance."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from copilot.evaluation.agreement import Agreement
from copilot.evaluation.trial import CaseResult, Status

LEAST_CASES: Final = 5
TOO_FEW: Final = "too few cases for an interval"
RULE: Final = (
    "Means are over answered cases: an absence counts with Dice 0 and -100 % volume. Refused and "
    "failed cases are in no mean and counted apart. HD95 leaves out absences."
)

_RESAMPLES: Final = 10_000
_PERCENTILES: Final = (2.5, 97.5)


@dataclass(frozen=True, kw_only=True)
class Mean:
    """A mean over cases, with its 95 % bootstrap interval where there are five or more.

    Attributes
    ----------
    value
        None when no case has one.
    interval
        Percentiles 2.5 and 97.5 of the means of cases drawn with replacement (Efron 1979).
    """

    value: float | None
    cases: int
    interval: tuple[float, float] | None = None


@dataclass(frozen=True, kw_only=True)
class Summary:
    """All cases together.

    Attributes
    ----------
    means, plain_means
        By measure, of the engine and of the plain ellipsoid; volume errors without their sign.
    dice_gain
        Dice above the ellipsoid's, case by case.
    """

    counts: dict[Status, int]
    means: dict[str, Mean]
    plain_means: dict[str, Mean]
    dice_gain: Mean


def dice_of(one: Agreement) -> float | None:
    """Return the Dice overlap."""
    return one.dice


def absolute_volume_error_of(one: Agreement) -> float | None:
    """Return the volume error without its sign: errors to both sides must not cancel."""
    return abs(one.volume_error)


MEASURES: Final[dict[str, Callable[[Agreement], float | None]]] = {
    "dice": dice_of,
    "surface_dice_2mm": lambda one: one.surface_dice,
    "hd95_mm": lambda one: one.hd95_mm,
    "absolute_volume_error": absolute_volume_error_of,
}
"""What is averaged, over the runs of a case and then over cases."""


def summarised(results: Sequence[CaseResult], seed: int) -> Summary:
    """Return counts and means; a case with many runs counts once."""
    answered = [result for result in results if result.runs]
    counted = Counter(result.status for result in results)
    means = {
        name: mean_of([of_engine(result, measure) for result in answered], seed)
        for name, measure in MEASURES.items()
    }
    means["cpu_s"] = mean_of([mean(run.cpu_s for run in r.runs) for r in answered], seed)
    gains = []
    for result in answered:
        ours, plain = of_engine(result, dice_of), of_ellipsoid(result, dice_of)
        gains.append(None if ours is None or plain is None else ours - plain)
    return Summary(
        counts={status: counted[status] for status in Status},
        means=means,
        plain_means={
            name: mean_of([of_ellipsoid(result, measure) for result in answered], seed)
            for name, measure in MEASURES.items()
        },
        dice_gain=mean_of(gains, seed),
    )


def of_engine(result: CaseResult, measure: Callable[[Agreement], float | None]) -> float | None:
    """Return a measure of the engine's masks, averaged over the runs that have it."""
    return mean(measure(run.agreement) for run in result.runs)


def of_ellipsoid(result: CaseResult, measure: Callable[[Agreement], float | None]) -> float | None:
    """Return a measure of the plain ellipsoids, averaged over the runs that have it."""
    return mean(measure(run.plain) for run in result.runs if run.plain is not None)


def mean(values: Iterable[float | None]) -> float | None:
    """Return the mean of what is there, or None when nothing is."""
    there = [value for value in values if value is not None]
    return float(np.mean(there)) if there else None


def mean_of(values: Sequence[float | None], seed: int) -> Mean:
    """Return the mean over cases with its interval."""
    there = np.array([value for value in values if value is not None], dtype=np.float64)
    if not there.size:
        return Mean(value=None, cases=0)
    interval = None
    if there.size >= LEAST_CASES:
        random = np.random.default_rng(seed)
        means = [
            float(there[random.integers(there.size, size=there.size)].mean())
            for _ in range(_RESAMPLES)
        ]
        low, high = np.percentile(means, _PERCENTILES)
        interval = (float(low), float(high))
    return Mean(value=float(there.mean()), cases=int(there.size), interval=interval)
