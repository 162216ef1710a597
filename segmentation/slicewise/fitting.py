"""Outlines that fit the box they were asked for.

A person draws a box tightly round a thing, so an outline that fills half of it, or leaks out of
it, has the wrong threshold (tightness, Lempitsky 2009). The threshold is moved, a little, to where
the outline's own box agrees with the one drawn.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from segmentation.slicewise.fusion import connected_to
from segmentation.slicewise.slices import SliceBox
from segmentation.slicewise.targets import box_of

_COST: Final = 0.02  # in agreement, for each unit of log-odds
_STEP: Final = 0.5
_LEAST_SEEN: Final = 0.15  # of the box


@dataclass(frozen=True, kw_only=True)
class Fit:
    """How far a threshold may be moved.

    Attributes
    ----------
    limit
        Largest shift, in log-odds.
    enough
        Overlap of the boxes (intersection over union) beyond which nothing more is gained.
    """

    limit: float
    enough: float


DRAWN: Final = Fit(limit=3.0, enough=0.75)
"""Hands differ by 10 % on each edge: boxes that agree so well are left alone."""

EXPECTED: Final = Fit(limit=1.0, enough=1.0)


def fitting_bias(
    log_odds: NDArray[np.float32], box: SliceBox, seed: NDArray[np.bool_], fit: Fit
) -> float:
    """Return what to add to log-odds (rows, columns) so that what is above 0 fits the box.

    Only what hangs together with ``seed`` counts. Where next to nothing is above 0 the answer is 0:
    a threshold must not make a thing of what nobody saw.
    """
    seen = np.count_nonzero(connected_to(log_odds > 0, seed))
    if seen < _LEAST_SEEN * box.rows * box.columns:
        return 0.0
    best, chosen = -np.inf, 0.0
    count = round(fit.limit / _STEP)
    for bias in sorted(np.arange(-count, count + 1) * _STEP, key=abs):
        inside = log_odds + np.float32(bias) > 0
        if not inside.any():
            continue
        agreement = min(box.overlap(box_of(connected_to(inside, seed))), fit.enough)
        score = agreement - _COST * abs(bias)
        if score > best:
            best, chosen = score, float(bias)
    return chosen
