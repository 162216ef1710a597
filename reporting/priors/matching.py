"""Which lesion of the prior is which of the current study: one to one, or a question."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from domain.comparison import Lesion

_REACH_MM: Final = 10.0
_MARGIN: Final = 0.5
_VOLUME_WEIGHT: Final = 0.25
_OVERLAP_WEIGHT: Final = 0.5
_NEVER: Final = 1e6
_SPHERE: Final = 3.0 / (4.0 * math.pi)


@dataclass(frozen=True, kw_only=True)
class Pair:
    """Two lesions that are one, by their places in the two lists.

    Attributes
    ----------
    distance_mm
        Between their centres, after alignment.
    rivals
        Pairs that would fit nearly as well; empty where the pair is clear.
    """

    current: int
    prior: int
    distance_mm: float
    rivals: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, kw_only=True)
class Matching:
    """Pairs, and what is in one study only."""

    pairs: tuple[Pair, ...]
    only_current: tuple[int, ...]
    only_prior: tuple[int, ...]


Overlap = Callable[[int, int], float]


def matched(
    current: Sequence[Lesion], prior: Sequence[Lesion], overlap: Overlap | None = None
) -> Matching:
    """Return the pairing of least cost (Kuhn 1955; Jonker and Volgenant 1987).

    A pair costs its distance over what is allowed for its size, a quarter of the logarithm of its
    ratio of volumes, and half of what does not overlap. Beyond ``reach_mm`` no pair is made, nor
    of different sides. A pair is ambiguous when the best pairing without it costs less than 0.5
    more: then the rival is named.

    Parameters
    ----------
    prior
        With centres in the current study's millimetres: aligned before.
    overlap
        Dice of two outlines after alignment by their places; None where there are no outlines.
    """
    cost = np.full((len(current), len(prior)), _NEVER)
    for row, here in enumerate(current):
        for column, there in enumerate(prior):
            cost[row, column] = _cost(here, there, overlap(row, column) if overlap else None)
    chosen = _assigned(cost)
    total = _total(cost, chosen)
    pairs = []
    for row, column in chosen:
        without = cost.copy()
        without[row, column] = _NEVER
        other = _assigned(without)
        is_close = _total(without, other) - total < _MARGIN
        rivals = tuple(pair for pair in other if row == pair[0] or column == pair[1])
        pairs.append(
            Pair(
                current=row,
                prior=column,
                distance_mm=math.dist(current[row].centre_lps_mm, prior[column].centre_lps_mm),
                rivals=rivals if is_close else (),
            )
        )
    return Matching(
        pairs=tuple(pairs),
        only_current=_left(len(current), [row for row, _ in chosen]),
        only_prior=_left(len(prior), [column for _, column in chosen]),
    )


def reach_mm(current: Lesion, prior: Lesion) -> float:
    """Return how far apart two centres may be: 10 mm, or the larger lesion's radius."""
    return max(_REACH_MM, _radius_mm(current), _radius_mm(prior))


def _radius_mm(lesion: Lesion) -> float:
    if lesion.volume_ml is not None:
        return float(np.cbrt(1000.0 * lesion.volume_ml * _SPHERE))
    return (lesion.long_axis_mm or 0.0) / 2


def _cost(here: Lesion, there: Lesion, overlap: float | None) -> float:
    distance = math.dist(here.centre_lps_mm, there.centre_lps_mm)
    reach = reach_mm(here, there)
    if distance > reach or (here.side and there.side and here.side != there.side):
        return _NEVER
    cost = distance / reach
    if here.volume_ml is not None and there.volume_ml is not None:
        cost += _VOLUME_WEIGHT * abs(math.log(here.volume_ml / there.volume_ml))
    return cost + _OVERLAP_WEIGHT * (1.0 - (overlap or 0.0))


def _assigned(cost: NDArray[np.float64]) -> tuple[tuple[int, int], ...]:
    rows, columns = linear_sum_assignment(cost)
    return tuple(
        (int(row), int(column))
        for row, column in zip(rows, columns, strict=True)
        if cost[row, column] < _NEVER
    )


def _total(cost: NDArray[np.float64], chosen: tuple[tuple[int, int], ...]) -> float:
    """Return the cost of a pairing, each pair that could be made and was not costing _NEVER."""
    missing = min(cost.shape, default=0) - len(chosen)
    return float(sum(cost[pair] for pair in chosen)) + _NEVER * missing


def _left(count: int, used: Sequence[int]) -> tuple[int, ...]:
    return tuple(each for each in range(count) if each not in set(used))
