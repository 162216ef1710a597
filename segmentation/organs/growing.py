"""An organ grown from its core: one grey level, as thick as the organ, cut at its necks."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from segmentation.coarse import depth_mm, within
from segmentation.organs.anatomy import Anatomy

_SOFT_HU: Final = (0.0, 250.0)
_BIN_HU: Final = 2.0
_BIN_SMOOTHING: Final = 2.5
_NEAR_LEVEL_HU: Final = 15.0
_SPREADS: Final = 3.0
_TOLERANCE_HU: Final = (15.0, 30.0)
_MAD_TO_SD: Final = 1.48
_ROUNDING_MM: Final = 1e-3


@dataclass(frozen=True, kw_only=True, eq=False)
class Found:
    """An organ's rough mask (slices, rows, columns) on the copy, and its level."""

    voxels: NDArray[np.bool_]
    level_hu: float


@dataclass(frozen=True, kw_only=True)
class Absent:
    """Why an organ was not found, in words for the user.

    Attributes
    ----------
    sides_unsure
        Left and right, or head and feet, are not where they should be: no organ may be named.
    """

    reason: str
    sides_unsure: bool = False


@dataclass(frozen=True, kw_only=True)
class Growth:
    """How an organ is grown.

    Attributes
    ----------
    deep_mm
        Its level is read no nearer than this to other densities.
    neck_mm
        Half the width of the thinnest part that is kept.
    """

    deep_mm: float
    neck_mm: float


@dataclass(frozen=True, kw_only=True, eq=False)
class Grown:
    """What grew: the cores, the whole, and the level they share."""

    core: NDArray[np.bool_]
    voxels: NDArray[np.bool_]
    level_hu: float
    tolerance_hu: float


def deep_soft(anatomy: Anatomy, zone: NDArray[np.bool_], deep_mm: float) -> NDArray[np.bool_]:
    """Return soft tissue of a zone further than ``deep_mm`` from anything else."""
    low, high = _SOFT_HU
    soft = zone & (anatomy.values > low) & (anatomy.values < high)
    return np.asarray(depth_mm(soft, anatomy.spacing_mm) > deep_mm, dtype=np.bool_)


def grow(
    anatomy: Anatomy, zone: NDArray[np.bool_], seeds: NDArray[np.bool_], growth: Growth
) -> Grown | None:
    """Return the largest thing of one level in a zone whose core reaches into ``seeds``.

    None where nothing is deep enough to read a level from.
    """
    deep = deep_soft(anatomy, zone, growth.deep_mm) & seeds
    if not deep.any():
        return None
    level, spread = _level(anatomy.values[deep])
    tolerance = float(np.clip(_SPREADS * spread, *_TOLERANCE_HU))
    alike = zone & (np.abs(anatomy.values - level) <= tolerance)
    cores = depth_mm(alike, anatomy.spacing_mm) > growth.neck_mm
    labels, count = ndimage.label(cores)
    sizes = np.bincount(labels[seeds], minlength=count + 1)
    sizes[0] = 0
    if not sizes.any():
        return None
    core = np.asarray(labels == sizes.argmax(), dtype=np.bool_)
    voxels = alike & within(core, growth.neck_mm + _ROUNDING_MM, anatomy.spacing_mm)
    return Grown(core=core, voxels=voxels, level_hu=level, tolerance_hu=tolerance)


def _level(values: NDArray[np.float32]) -> tuple[float, float]:
    """Return the commonest level and the spread about it."""
    low, high = _SOFT_HU
    edges = np.arange(low, high + _BIN_HU, _BIN_HU)
    counts = np.histogram(values, bins=edges)[0].astype(np.float64)
    counts = ndimage.gaussian_filter1d(counts, _BIN_SMOOTHING, mode="constant")
    mode = float(edges[int(counts.argmax())] + _BIN_HU / 2)
    near = values[np.abs(values - mode) < _NEAR_LEVEL_HU]
    level = float(np.median(near))
    return level, _MAD_TO_SD * float(np.median(np.abs(near - level)))
