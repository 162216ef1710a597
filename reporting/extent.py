"""The part of a grid that a mask covers: what is measured need not touch the rest."""

import numpy as np
from numpy.typing import NDArray

from domain.errors import EmptyMaskError
from domain.measurement import Position
from domain.volume import Mask


def extent(mask: Mask) -> tuple[slice, slice, slice]:
    """Return the smallest box of slices, rows and columns that holds the mask.

    Raises
    ------
    EmptyMaskError
        If the mask has no voxel.
    """
    slices = np.flatnonzero(mask.voxels.any(axis=(1, 2)))
    if slices.size == 0:
        raise EmptyMaskError("the mask is empty: there is nothing to measure")
    first, last = int(slices[0]), int(slices[-1]) + 1
    shown: NDArray[np.bool_] = np.logical_or.reduce(mask.voxels[first:last], axis=0)
    rows, columns = _span(shown), _span(shown.T)
    return slice(first, last), rows, columns


def middle_lps_mm(mask: Mask) -> Position:
    """Return the centre of a marked voxel near the centre of mass, in LPS mm.

    It is the nearest one of the nearest slice: always in the mask, where the centre of mass of a
    ring or of two kidneys is not.

    Raises
    ------
    EmptyMaskError
        If the mask has no voxel.
    """
    box = extent(mask)
    inside = mask.voxels[box]
    middle = [_mean_place(inside, axis) for axis in range(inside.ndim)]
    slices = np.flatnonzero(inside.any(axis=(1, 2)))
    nearest = int(slices[np.abs(slices - middle[0]).argmin()])
    marked = np.argwhere(inside[nearest])
    marked = np.insert(marked, 0, nearest, axis=1)
    corner = np.array([part.start for part in box])
    places, centre = mask.grid.to_lps_mm(marked + corner), mask.grid.to_lps_mm(middle + corner)
    x, y, z = places[int(np.linalg.norm(places - centre, axis=1).argmin())]
    return float(x), float(y), float(z)


def _mean_place(marked: NDArray[np.bool_], axis: int) -> float:
    """Return the mean index along an axis of what is marked."""
    others = tuple(each for each in range(marked.ndim) if each != axis)
    counts = np.count_nonzero(marked, axis=others)
    return float(np.average(np.arange(len(counts)), weights=counts))


def _span(marked: NDArray[np.bool_]) -> slice:
    """Return the first to the last row of a plane in which something is marked."""
    places = np.flatnonzero(marked.any(axis=1))
    return slice(int(places[0]), int(places[-1]) + 1)
