"""Which lesion of the prior is which of the current study: as told, one to one, or a question."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from domain.comparison import Lesion, ToldPair
from domain.errors import InputError

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
Places = tuple[int | None, int | None]


def told_places(
    told: Sequence[ToldPair], current: Sequence[Lesion], prior: Sequence[Lesion]
) -> tuple[Places, ...]:
    """Return told pairs as places in the two lists.

    Raises
    ------
    InputError
        For a lesion that is not there or is told twice, or for two lesions of different sides.
    """
    found: list[Places] = []
    for pair in told:
        row = None if pair.current is None else _place(pair.current, current, "current study")
        column = None if pair.prior is None else _place(pair.prior, prior, "prior")
        for place, before, lesions, study in (
            (row, [each for each, _ in found], current, "current study"),
            (column, [each for _, each in found], prior, "prior"),
        ):
            if place is not None and place in before:
                raise InputError(
                    f"{lesions[place].label} of the {study} is told twice: a lesion has one "
                    "partner or none, so tell it once"
                )
        if row is not None and column is not None:
            _check_sides(current[row], prior[column])
        found.append((row, column))
    return tuple(found)


def matched(
    current: Sequence[Lesion],
    prior: Sequence[Lesion],
    overlap: Overlap | None = None,
    told: Sequence[Places] = (),
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
    told
        Pairs that stand whatever they cost, and lesions that have no partner: see
        ``told_places``. The rest is matched among itself.
    """
    cost = np.full((len(current), len(prior)), _NEVER)
    for row, here in enumerate(current):
        for column, there in enumerate(prior):
            cost[row, column] = _cost(here, there, overlap(row, column) if overlap else None)
    for at_row, at_column in told:
        if at_row is not None:
            cost[at_row, :] = _NEVER
        if at_column is not None:
            cost[:, at_column] = _NEVER
    chosen = _assigned(cost)
    total = _total(cost, chosen)
    pairs = [
        Pair(current=row, prior=column, distance_mm=_apart_mm(current[row], prior[column]))
        for row, column in told
        if row is not None and column is not None
    ]
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
                distance_mm=_apart_mm(current[row], prior[column]),
                rivals=rivals if is_close else (),
            )
        )
    return Matching(
        pairs=tuple(pairs),
        only_current=_left(len(current), [pair.current for pair in pairs]),
        only_prior=_left(len(prior), [pair.prior for pair in pairs]),
    )


def reach_mm(current: Lesion, prior: Lesion) -> float:
    """Return how far apart two centres may be: 10 mm, or the larger lesion's radius."""
    return max(_REACH_MM, _radius_mm(current), _radius_mm(prior))


def _place(name: str, lesions: Sequence[Lesion], study: str) -> int:
    """Return the place of the lesion with a tracking UID or a label, in any case."""
    places = [place for place, each in enumerate(lesions) if each.tracking_uid == name]
    label = name.strip().casefold()
    places = places or [
        place for place, each in enumerate(lesions) if each.label.casefold() == label
    ]
    if len(places) == 1:
        return places[0]
    if places:
        raise InputError(
            f"{len(places)} lesions of the {study} are called {name!r}: give the tracking UID"
        )
    known = ", ".join(each.label for each in lesions) or "none"
    raise InputError(
        f"the {study} has no lesion {name!r} to pair; it has: {known}. Name one of them, or mark it"
    )


def _check_sides(here: Lesion, there: Lesion) -> None:
    if _contradict(here, there):
        raise InputError(
            f"{here.label} is on the {here.side} and {there.label} of the prior on the "
            f"{there.side}: they are not one lesion; correct the side, or tell another pair"
        )


def _contradict(here: Lesion, there: Lesion) -> bool:
    return bool(here.side and there.side and here.side != there.side)


def _apart_mm(here: Lesion, there: Lesion) -> float:
    return math.dist(here.centre_lps_mm, there.centre_lps_mm)


def _radius_mm(lesion: Lesion) -> float:
    if lesion.volume_ml is not None:
        return float(np.cbrt(1000.0 * lesion.volume_ml * _SPHERE))
    return (lesion.long_axis_mm or 0.0) / 2


def _cost(here: Lesion, there: Lesion, overlap: float | None) -> float:
    distance = _apart_mm(here, there)
    reach = reach_mm(here, there)
    if distance > reach or _contradict(here, there):
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
