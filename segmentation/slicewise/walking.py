"""How far a thing reaches that was pointed at on one slice only: a proposal, read off the image.

From the key slices outward the thing is looked for slice after slice, up to twice as far as a thing
as deep as it is wide would reach. It ends where it is not found on two slices running: where little
of its area is left, or where nothing overlaps what the slice before had.
"""

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from domain.grid import Grid
from segmentation.slicewise.targets import Target, guessed_reach

FARTHEST: Final = 2
_LEAST_AREA: Final = 0.1  # of the key slice's
_MISSES: Final = 2

Look = Callable[[int, NDArray[np.bool_]], NDArray[np.bool_]]
"""Return the thing on a slice, from where the slice before had it."""


def walked_range(
    target: Target, grid: Grid, inside: dict[int, NDArray[np.bool_]], look: Look
) -> tuple[int, int]:
    """Return the half-open range of slices a thing is found on.

    Parameters
    ----------
    inside
        The outlines of the key slices.
    """
    first, last = target.key_slices[0], target.key_slices[-1]
    ends = [target.marked[0], target.marked[-1]] if target.marked else []
    for key, step in ((first, -1), (last, 1)):
        farthest = FARTHEST * guessed_reach(target.keys[key], grid)
        places = [key + step * distance for distance in range(1, farthest + 1)]
        there = [index for index in places if 0 <= index < grid.shape[0]]
        end = _last_found(there, inside[key], look)
        ends += [key, end if end is not None else key]
    return min(ends), max(ends) + 1


def _last_found(indices: list[int], key: NDArray[np.bool_], look: Look) -> int | None:
    """Return the last slice the thing is found on, or None where it is on none of them."""
    found, misses, before = None, 0, key
    least = _LEAST_AREA * np.count_nonzero(key)
    for index in indices:
        there = look(index, before)
        if np.count_nonzero(there) >= max(least, 1) and (there & before).any():
            found, misses, before = index, 0, there
            continue
        misses += 1
        if misses == _MISSES:
            break
    return found
