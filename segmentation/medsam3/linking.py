"""Things found slice by slice, linked to things in three dimensions.

A thing starts where the network is sure, and goes on along the slices while it is not unsure:
hysteresis, so that a score that wavers round one threshold neither cuts a thing in pieces nor
starts one from noise.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

SURE: Final = 0.5
NOT_UNSURE: Final = 0.3
_LEAST_SHARED: Final = 0.5  # of the smaller outline, to be the same thing on the next slice


@dataclass(frozen=True, kw_only=True, eq=False)
class Outline:
    """One thing on one slice: bool (rows, columns), and its score."""

    inside: NDArray[np.bool_]
    score: float


@dataclass(kw_only=True, eq=False)
class Track:
    """One thing on neighbouring slices."""

    outlines: dict[int, Outline] = field(default_factory=dict)

    @property
    def last(self) -> int:
        """Its last slice so far."""
        return max(self.outlines)

    @property
    def best(self) -> float:
        """Score where the network is surest."""
        return max(each.score for each in self.outlines.values())

    @property
    def profile(self) -> tuple[float, ...]:
        """Score of each slice from first to last."""
        return tuple(self.outlines[index].score for index in sorted(self.outlines))

    def voxels(self, shape: tuple[int, int, int]) -> NDArray[np.bool_]:
        """Return its mask on a volume."""
        marked = np.zeros(shape, dtype=np.bool_)
        for index, each in self.outlines.items():
            marked[index] = each.inside
        return marked


def linked(
    slices: Mapping[int, Sequence[Outline]],
    sure: float = SURE,
    not_unsure: float = NOT_UNSURE,
) -> tuple[Track, ...]:
    """Return the things that are sure on some slice, the surest first.

    An outline goes to the thing on the slice before with which it shares most; each thing has one
    outline a slice. Outlines below ``not_unsure`` end a thing.
    """
    tracks: list[Track] = []
    for index in sorted(slices):
        outlines = [each for each in slices[index] if each.score >= not_unsure]
        outlines = [each for each in outlines if each.inside.any()]
        before = [track for track in tracks if track.last == index - 1]
        taken: set[int] = set()
        for shared, place, number in _pairs(outlines, before):
            follows = place not in taken and before[number].last == index - 1
            if shared >= _LEAST_SHARED and follows:
                before[number].outlines[index] = outlines[place]
                taken.add(place)
        tracks += [
            Track(outlines={index: each})
            for place, each in enumerate(outlines)
            if place not in taken
        ]
    return tuple(
        sorted((each for each in tracks if each.best >= sure), key=lambda each: -each.best)
    )


def _pairs(outlines: Sequence[Outline], before: Sequence[Track]) -> list[tuple[float, int, int]]:
    """Return (share of the smaller, outline, track), those that share most first."""
    pairs = []
    for place, outline in enumerate(outlines):
        for number, track in enumerate(before):
            other = track.outlines[track.last].inside
            smaller = min(np.count_nonzero(outline.inside), np.count_nonzero(other))
            shared = np.count_nonzero(outline.inside & other) / smaller
            pairs.append((float(shared), place, number))
    return sorted(pairs, reverse=True)
