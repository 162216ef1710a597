"""The scale that holds where a mask lies, on images whose regions have scales of their own."""

from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from domain.grid import Grid
from domain.regions import ImageRegion
from domain.volume import Mask, Volume

OUTSIDE: Final = (
    "the outline does not lie inside one region of the image with a scale: no length or area can "
    "be given"
)
MIXED: Final = (
    "regions of different scale overlap where the outline lies: no length or area can be given"
)
_SAME_SCALE: Final = 0.01


def on_scale(image: Volume, mask: Mask) -> tuple[Mask, str | None]:
    """Return the mask on a grid of the scale where it lies, or without one, and the reason.

    Every marked pixel of every frame lies in one region with a scale, and no other region that
    touches it says anything else.
    """
    if not image.regions or mask.is_empty:
        return mask, None
    marked: NDArray[np.bool_] = np.logical_or.reduce(mask.voxels, axis=0)
    touched = [each for each in image.regions if _part(marked, each).any()]
    count = np.count_nonzero(marked)
    around = [
        each
        for each in touched
        if each.spacing_mm is not None and np.count_nonzero(_part(marked, each)) == count
    ]
    if not around:
        return _uncalibrated(mask), OUTSIDE
    spacing_mm = around[0].spacing_mm
    assert spacing_mm is not None
    if not all(_agrees(each, spacing_mm) for each in touched):
        return _uncalibrated(mask), MIXED
    return Mask(voxels=mask.voxels, grid=_spaced(mask.grid, spacing_mm)), None


def _part(marked: NDArray[np.bool_], region: ImageRegion) -> NDArray[np.bool_]:
    return marked[slice(*region.rows), slice(*region.columns)]


def _agrees(region: ImageRegion, spacing_mm: tuple[float, float]) -> bool:
    return region.spacing_mm is not None and np.allclose(
        region.spacing_mm, spacing_mm, rtol=_SAME_SCALE, atol=0.0
    )


def _uncalibrated(mask: Mask) -> Mask:
    return Mask(voxels=mask.voxels, grid=replace(mask.grid, in_plane_calibrated=False))


def _spaced(grid: Grid, spacing_mm: tuple[float, float]) -> Grid:
    affine = np.array(grid.affine)
    for axis, length_mm in zip((1, 2), spacing_mm, strict=True):
        affine[:3, axis] *= length_mm / np.linalg.norm(affine[:3, axis])
    return replace(grid, affine=affine, in_plane_calibrated=True)
