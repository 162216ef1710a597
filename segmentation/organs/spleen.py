"""The spleen: the thing of one level against the wall behind and to the left."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from segmentation.organs.anatomy import Anatomy
from segmentation.organs.growing import Absent, Found, Grown, Growth, grow

_GROWTH: Final = Growth(deep_mm=9.0, neck_mm=6.0)
_ZONE_LEFT_MM: Final = 30.0
_ZONE_FRONT_MM: Final = (-45.0, 80.0)
_SEED_LEFT_MM: Final = 60.0
_SEED_DEPTH_MM: Final = 60.0
_IN_WALL_MM: Final = 5.0  # the spleen lies against the wall: some of it is within its thickness
_LEAST_ML: Final = 15.0
_LEVELS_HU: Final = (15.0, 250.0)
_AT_WALL_MM: Final = 10.0
_LEAST_AT_WALL: Final = 0.15
_LEAST_ASIDE: Final = 0.55  # of the way from the spine to the side: a kidney lies half-way
_NEAR_LIVER_MM: Final = 60.0
_LARGEST_SHARE: Final = 1.5  # of the liver


def find_spleen(
    anatomy: Anatomy, liver: NDArray[np.bool_] | None, taken: NDArray[np.bool_]
) -> Found | Absent:
    """Return the spleen on a series with the liver or the left lung's base.

    Parameters
    ----------
    anatomy
        Of an upright CT.
    liver
        The liver, if it was found.
    taken
        What belongs to other organs.
    """
    if liver is None and not (anatomy.lungs & (anatomy.left_mm > _ZONE_LEFT_MM)).any():
        return Absent(
            reason="neither the liver nor the base of the left lung is on the series, and "
            "without them the spleen cannot be told from muscle"
        )
    back, front = _ZONE_FRONT_MM
    zone = (
        anatomy.body
        & ~taken
        & (anatomy.depth_mm > max(anatomy.wall_mm - _IN_WALL_MM, 0))
        & (anatomy.left_mm > _ZONE_LEFT_MM)
        & (anatomy.front_mm > back)
        & (anatomy.front_mm < front)
    )
    seeds = zone & (anatomy.left_mm > _SEED_LEFT_MM) & (anatomy.depth_mm < _SEED_DEPTH_MM)
    grown = grow(anatomy, zone, seeds, _GROWTH)
    if grown is None or anatomy.volume_ml(grown.voxels) < _LEAST_ML:
        return Absent(reason="no organ of one density lies against the left wall behind")
    against = _against(anatomy, grown) or _against_beside(anatomy, grown.voxels, liver)
    if against is not None:
        return Absent(reason=against)
    return Found(voxels=grown.voxels, level_hu=grown.level_hu)


def _against(anatomy: Anatomy, grown: Grown) -> str | None:
    voxels = grown.voxels
    low, high = _LEVELS_HU
    if not low < grown.level_hu < high:
        return f"the organ at the left wall has {grown.level_hu:.0f} HU, which is not spleen"
    at_wall = anatomy.depth_mm[voxels] < anatomy.wall_mm + _AT_WALL_MM
    if float(at_wall.mean()) < _LEAST_AT_WALL:
        return "the organ on the left lies away from the wall, which a spleen does not"
    marked = voxels.any(axis=(1, 2))
    side_mm = float(anatomy.left_mm[marked][anatomy.depth_mm[marked] > 0].max())
    if float(anatomy.left_mm[voxels].mean()) < _LEAST_ASIDE * side_mm:
        return "the organ on the left lies half-way to the side, as a kidney does"
    return None


def _against_beside(
    anatomy: Anatomy, voxels: NDArray[np.bool_], liver: NDArray[np.bool_] | None
) -> str | None:
    """Return what speaks against a spleen beside this liver."""
    if liver is None:
        return None
    if np.count_nonzero(voxels) > _LARGEST_SHARE * np.count_nonzero(liver):
        return "the organ at the left wall is larger than the liver"
    ours, livers = (np.flatnonzero(each.any(axis=(1, 2))) for each in (voxels, liver))
    apart = max(ours[0] - livers[-1], livers[0] - ours[-1]) * anatomy.spacing_mm[0]
    if apart > _NEAR_LIVER_MM:
        return f"the organ at the left wall lies {apart:.0f} mm above or below the liver"
    return None
