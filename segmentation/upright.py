"""Volumes turned to one orientation, so that no rule depends on how an array was stored."""

import itertools
from dataclasses import dataclass
from typing import Self

import numpy as np

from domain.grid import Grid
from domain.volume import Mask, Volume


@dataclass(frozen=True, kw_only=True)
class Upright:
    """A volume with slices from feet to head, rows from front to back, columns from right to left.

    The turn nearest to that: an oblique series stays oblique.
    """

    volume: Volume
    original: Grid

    @classmethod
    def of(cls, volume: Volume) -> Self:
        """Turn a grey volume; the columns then ascend toward the patient's left."""
        axes, flips = turn_to_upright(volume.grid)
        voxels = np.transpose(volume.voxels, axes)
        flipped = tuple(axis for axis, flip in enumerate(flips) if flip)
        turned = Volume(
            voxels=np.ascontiguousarray(np.flip(voxels, flipped)),
            grid=volume.grid.turned(axes, flips),
            modality=volume.modality,
            unit=volume.unit,
        )
        return cls(volume=turned, original=volume.grid)

    def back(self, mask: Mask) -> Mask:
        """Return a mask of the turned volume on the original grid."""
        return mask.on(self.original)


def turn_to_upright(grid: Grid) -> tuple[tuple[int, int, int], tuple[bool, bool, bool]]:
    """Return the axes and flips that bring slices to superior, rows to posterior, columns to left.

    LPS axes are 0 left, 1 posterior, 2 superior; the assignment with the largest sum of cosines
    is taken, so that no axis is used twice on an oblique series.
    """
    directions = grid.affine[:3, :3] / np.linalg.norm(grid.affine[:3, :3], axis=0)
    wanted = (2, 1, 0)

    def agreement(order: tuple[int, ...]) -> float:
        pairs = zip(wanted, order, strict=True)
        return float(sum(abs(directions[world, axis]) for world, axis in pairs))

    best = max(itertools.permutations(range(3)), key=agreement)
    flips = [bool(directions[world, axis] < 0) for world, axis in zip(wanted, best, strict=True)]
    return (best[0], best[1], best[2]), (flips[0], flips[1], flips[2])
