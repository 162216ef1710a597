"""The liver: the largest thing of one level right of the spine, under the right lung."""

from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from segmentation.coarse import disc
from segmentation.organs.anatomy import Anatomy
from segmentation.organs.growing import Absent, Found, Grown, Growth, deep_soft, grow

_GROWTH: Final = Growth(deep_mm=12.0, neck_mm=6.0)
_LEFT_END_MM: Final = 100.0
_SEED_RIGHT_MM: Final = 15.0
_BEHIND_MM: Final = -15.0
_LEAST_ML: Final = 100.0
_LEVELS_HU: Final = (10.0, 220.0)
_MIRRORED: Final = 0.6
_INVERTED: Final = 1.5
_REACHES_RIGHT_MM: Final = 70.0
_UNDER_DOME_MM: Final = 20.0  # the heart's floor lies lower than the right dome
_HEART_FROM_MM: Final = -40.0
_VESSELS_ASIDE_MM: Final = 45.0
_VESSELS_BEFORE_MM: Final = 80.0
_LARGEST_VESSEL_CM2: Final = 15.0
_VESSEL_NECK_MM: Final = 4.0


def find_liver(anatomy: Anatomy) -> Found | Absent:
    """Return the liver, or what speaks against every candidate."""
    zone = anatomy.body & (anatomy.depth_mm > anatomy.wall_mm) & (anatomy.left_mm < _LEFT_END_MM)
    before = zone & (anatomy.front_mm > _BEHIND_MM)
    right = grow(anatomy, zone, before & (anatomy.left_mm < -_SEED_RIGHT_MM), _GROWTH)
    if right is None or anatomy.volume_ml(right.voxels) < _LEAST_ML:
        return Absent(reason="no large organ of one density lies to the right of the spine")
    against = _turned(anatomy, right, before) or _against(anatomy, right)
    if against is not None:
        return against
    right_again = grow(
        anatomy, zone & ~_heart(anatomy, right), before & (anatomy.left_mm < -_SEED_RIGHT_MM),
        _GROWTH,
    )  # fmt: skip
    kept = (right if right_again is None else right_again).voxels
    kept = _without_vessels(anatomy, kept)
    if anatomy.volume_ml(kept) < _LEAST_ML:
        return Absent(reason="what lies to the right of the spine is too small for a liver")
    return Found(voxels=kept, level_hu=right.level_hu)


def _turned(anatomy: Anatomy, right: Grown, before: NDArray[np.bool_]) -> Absent | None:
    """Return what says that organs are not on the side, or at the end, where they should be."""
    left = grow(anatomy, before, before & (anatomy.left_mm > _SEED_RIGHT_MM), _GROWTH)
    if left is not None and _left_part(anatomy, left) > _INVERTED * _right_part(anatomy, right):
        return Absent(
            reason="the larger organ lies on the left, so either the organs are on the other side "
            "(situs inversus) or the file's orientation is wrong",
            sides_unsure=True,
        )
    lungs = anatomy.lungs.sum(axis=(1, 2))
    livers = right.voxels.sum(axis=(1, 2))
    slices = np.arange(len(lungs))
    if lungs.any() and np.average(slices, weights=lungs) < np.average(slices, weights=livers):
        return Absent(
            reason="the lungs lie below what looks like the liver, so the file's orientation is "
            "wrong",
            sides_unsure=True,
        )
    return None


def _against(anatomy: Anatomy, right: Grown) -> Absent | None:
    low, high = _LEVELS_HU
    if not low < right.level_hu < high:
        return Absent(
            reason=f"the organ right of the spine has {right.level_hu:.0f} HU, which is not liver"
        )
    if float(anatomy.left_mm[right.voxels].min()) > -_REACHES_RIGHT_MM:
        return Absent(reason="the organ right of the spine stays too near the middle for a liver")
    if _mirrored(anatomy, right) > _MIRRORED:
        return Absent(reason="the same tissue lies on the left as on the right: muscle, not liver")
    return None


def _left_part(anatomy: Anatomy, grown: Grown) -> int:
    return int(np.count_nonzero(grown.voxels & (anatomy.left_mm > _SEED_RIGHT_MM)))


def _right_part(anatomy: Anatomy, grown: Grown) -> int:
    return int(np.count_nonzero(grown.voxels & (anatomy.left_mm < -_SEED_RIGHT_MM)))


def _mirrored(anatomy: Anatomy, right: Grown) -> float:
    """Return the share of the core whose mirror image is deep tissue of the same level."""
    alike = np.abs(anatomy.values - right.level_hu) <= right.tolerance_hu
    deep = deep_soft(anatomy, anatomy.body & alike, _GROWTH.neck_mm)
    slices, rows, columns = np.nonzero(right.core & (anatomy.left_mm < -_SEED_RIGHT_MM))
    if not slices.size:
        return 1.0
    mirrored = columns - 2 * np.rint(anatomy.left_mm[slices, rows, columns] / anatomy.spacing_mm[2])
    mirrored = mirrored.astype(np.int64)
    inside = mirrored < anatomy.values.shape[2]
    hits = deep[slices[inside], rows[inside], mirrored[inside]]
    return float(np.count_nonzero(hits)) / slices.size


def _heart(anatomy: Anatomy, right: Grown) -> NDArray[np.bool_]:
    """Return where the heart may lie: from the middle to the left, above its floor.

    Empty unless the right lung is seen over the liver, so that the dome is known.
    """
    nothing = np.zeros_like(anatomy.body)
    lateral = right.voxels & (anatomy.left_mm < -_SEED_RIGHT_MM - _VESSELS_ASIDE_MM)
    marked = np.flatnonzero(lateral.any(axis=(1, 2)))
    if not marked.size or marked[-1] + 1 >= len(anatomy.body):
        return nothing
    top = int(marked[-1])
    over = anatomy.lungs[top + 1] & (anatomy.left_mm[top + 1] < -_SEED_RIGHT_MM)
    if not over.any():
        return nothing
    floor = max(0, top + 1 - round(_UNDER_DOME_MM / anatomy.spacing_mm[0]))
    nothing[floor:] = anatomy.left_mm[floor:] > _HEART_FROM_MM
    return nothing


def _without_vessels(anatomy: Anatomy, voxels: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Drop the aorta and vena cava, where they are parts of their own before the spine."""
    kept = voxels.copy()
    pixel_cm2 = anatomy.spacing_mm[1] * anatomy.spacing_mm[2] / 100
    neck = disc(_VESSEL_NECK_MM, anatomy.spacing_mm)[0]
    for index, image in enumerate(voxels):
        labels, count = ndimage.label(ndimage.binary_opening(image, neck))
        for number in range(1, count + 1):
            part = labels == number
            aside = abs(float(anatomy.left_mm[index][part].mean()))
            before = float(anatomy.front_mm[index][part].mean())
            is_small = np.count_nonzero(part) * pixel_cm2 < _LARGEST_VESSEL_CM2
            if is_small and aside < _VESSELS_ASIDE_MM and 0 < before < _VESSELS_BEFORE_MM:
                kept[index] &= ~ndimage.binary_dilation(part, neck)
    return kept
