"""The part of a grid that a mask covers: what is measured need not touch the rest."""

import numpy as np
from numpy.typing import NDArray

from domain.errors import EmptyMaskError
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


def _span(marked: NDArray[np.bool_]) -> slice:
    """Return the first to the last row of a plane in which something is marked."""
    places = np.flatnonzero(marked.any(axis=1))
    return slice(int(places[0]), int(places[-1]) + 1)
