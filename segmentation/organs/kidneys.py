"""The kidneys: what lies beside the spine in a capsule of fat, as large and as round as a kidney.

No level is asked for, since it runs from 20 HU without contrast to over 200 HU with it. Candidates
are cut at several levels and at necks of several widths; the one with the most fat round it wins.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.segmentation import watershed

from segmentation.coarse import ball, depth_mm, opened, within
from segmentation.organs.anatomy import Anatomy
from segmentation.organs.growing import Absent, Found

_BELOW_HU: Final = 400.0
_PLAIN_HU: Final = 45.0  # without contrast a kidney is darker than liver and muscle
_LEVELS_HU: Final = (
    *((low, high) for high in (_BELOW_HU, _PLAIN_HU) for low in (-20.0, -10.0, 0.0, 10.0)),
    *((low, _BELOW_HU) for low in (20.0, 40.0, 60.0, 80.0, 100.0, 120.0, 150.0)),
)
_NECKS_MM: Final = (3.5, 5.5, 7.5, 9.5)
_SMOOTHING_MM: Final = 4.5
_ASIDE_MM: Final = (15.0, 115.0)
_FRONT_MM: Final = (-50.0, 75.0)
_CAPSULE_HU: Final = -100.0
_LOWEST_EDGE_HU: Final = -20.0  # water at the edge of fat: what is darker is fat in part
_EDGE_MM: Final = 3.1
_LEAST_CORE_ML: Final = 2.0
_FAT_HU: Final = (-160.0, -30.0)
_LEAST_CAPSULE: Final = 0.35  # of the shell that no other organ takes
_ONE_LEVEL_HU: Final = 20.0
_ONE_LEVEL_SHARE: Final = 0.25
_LEAST_ALIKE: Final = 0.75
_LEAST_SOLID: Final = 0.5  # of the ellipsoid of the same moments
_CAPSULE_VOXELS: Final = 2
_WHOLE_ML: Final = (50.0, 500.0)
_CUT_ML: Final = (15.0, 500.0)
_AXES_MM: Final = ((28.0, 85.0), (38.0, 110.0), (38.0, 190.0))
_CUT_AXES_MM: Final = ((15.0, 85.0), (38.0, 110.0), (38.0, 190.0))
_CENTRE_ASIDE_MM: Final = (38.0, 100.0)
_CENTRE_FRONT_MM: Final = (-25.0, 50.0)
_LONGEST_MM: Final = 140.0  # what runs on further is muscle or bowel
_LEAST_AREA_CM2: Final = 8.0
_LARGEST_AREA_CM2: Final = 55.0
_KIDNEY_HU: Final = (3.0, 350.0)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Candidate:
    voxels: NDArray[np.bool_]
    score: float
    level_hu: float


def find_kidney(anatomy: Anatomy, side: str, taken: NDArray[np.bool_]) -> Found | Absent:
    """Return the patient's left or right kidney; ``taken`` belongs to liver and spleen."""
    aside_mm = anatomy.left_mm if side == "left" else -anatomy.left_mm
    zone = (
        anatomy.body
        & ~taken
        & (anatomy.depth_mm > anatomy.wall_mm)
        & (aside_mm > _ASIDE_MM[0])
        & (aside_mm < _ASIDE_MM[1])
        & (anatomy.front_mm > _FRONT_MM[0])
        & (anatomy.front_mm < _FRONT_MM[1])
    )
    if not zone.any():
        return Absent(reason=f"the place beside the spine on the {side} is not on the series")
    near = tuple(slice(part.start, part.stop) for part in ndimage.find_objects(zone.astype(int))[0])
    best: _Candidate | None = None
    for limits in _LEVELS_HU:
        mask = zone[near] & _between(anatomy.values[near], limits)
        for part in _parts(anatomy, mask):
            candidate = _judged(anatomy, part, near, aside_mm[near], taken[near])
            if candidate is not None and (best is None or candidate.score > best.score):
                best = candidate
    if best is None:
        return Absent(
            reason=f"nothing of a kidney's size and shape lies in fat beside the spine on the "
            f"{side}"
        )
    voxels = np.zeros_like(anatomy.body)
    voxels[near] = _to_its_edge(anatomy, best, zone[near], anatomy.values[near])
    return Found(voxels=voxels, level_hu=best.level_hu)


def _to_its_edge(
    anatomy: Anatomy,
    best: _Candidate,
    zone: NDArray[np.bool_],
    values: NDArray[np.float32],
) -> NDArray[np.bool_]:
    """Return a candidate grown to where its level is half-way to that of fat."""
    edge = max((best.level_hu + _CAPSULE_HU) / 2, _LOWEST_EDGE_HU)
    more = within(best.voxels, _EDGE_MM, anatomy.spacing_mm) & zone & (values > edge)
    return opened(more, ball(_SMOOTHING_MM, anatomy.spacing_mm)) | best.voxels


def _parts(anatomy: Anatomy, mask: NDArray[np.bool_]) -> Iterator[NDArray[np.bool_]]:
    """Yield what a mask falls into when it is cut at its necks."""
    if not mask.any():
        return
    depth = depth_mm(mask, anatomy.spacing_mm)
    smoothing = ball(_SMOOTHING_MM, anatomy.spacing_mm)
    for neck_mm in _NECKS_MM:
        labels, count = ndimage.label(depth > neck_mm)
        if not count:
            continue
        sizes_ml = np.bincount(labels.ravel()) * anatomy.voxel_ml
        basins = watershed(-depth, labels, mask=mask)
        for number in np.flatnonzero(sizes_ml >= _LEAST_CORE_ML):
            if number == 0:
                continue
            basin = basins == number
            yield opened(basin, smoothing)
            yield basin & within(labels == number, neck_mm, anatomy.spacing_mm)


def _judged(
    anatomy: Anatomy,
    part: NDArray[np.bool_],
    near: tuple[slice, ...],
    aside_mm: NDArray[np.float32],
    taken: NDArray[np.bool_],
) -> _Candidate | None:
    """Return a part as a candidate, or None where it cannot be a kidney."""
    marked = np.flatnonzero(part.any(axis=(1, 2)))
    if not marked.size:
        return None
    is_cut = marked[0] == 0 or marked[-1] == len(part) - 1
    if (marked[-1] + 1 - marked[0]) * anatomy.spacing_mm[0] > _LONGEST_MM:
        return None
    low_ml, high_ml = _CUT_ML if is_cut else _WHOLE_ML
    pixel_cm2 = anatomy.spacing_mm[1] * anatomy.spacing_mm[2] / 100
    area_cm2 = float(np.count_nonzero(part, axis=(1, 2)).max()) * pixel_cm2
    values = anatomy.values[near]
    level = float(np.median(values[part]))
    fits = (
        low_ml < anatomy.volume_ml(part) < high_ml
        and _LEAST_AREA_CM2 < area_cm2 < _LARGEST_AREA_CM2
        and _is_in(float(aside_mm[part].mean()), _CENTRE_ASIDE_MM)
        and _is_in(float(anatomy.front_mm[near][part].mean()), _CENTRE_FRONT_MM)
        and _is_in(level, _KIDNEY_HU)
    )
    solidity = _solidity(anatomy, part, is_cut=bool(is_cut)) if fits else 0.0
    if solidity < _LEAST_SOLID:
        return None
    shell = ndimage.binary_dilation(part, iterations=_CAPSULE_VOXELS) & ~part & ~taken
    capsule = float(np.mean(_between(values[shell], _FAT_HU))) if shell.any() else 0.0
    reach = max(_ONE_LEVEL_HU, _ONE_LEVEL_SHARE * level)
    alike = float(np.mean(np.abs(values[part] - level) <= reach))
    if capsule < _LEAST_CAPSULE or alike < _LEAST_ALIKE:
        return None
    return _Candidate(voxels=part, score=capsule * alike * solidity, level_hu=level)


def _solidity(anatomy: Anatomy, part: NDArray[np.bool_], *, is_cut: bool) -> float:
    """Return how much of the ellipsoid of the same moments is filled; 0 for other axes."""
    places = np.stack(np.nonzero(part), axis=1) * np.array(anatomy.spacing_mm)
    moments = np.clip(np.linalg.eigvalsh(np.cov(places.T)), 0, None)
    axes_mm = sorted(2 * float(np.sqrt(5 * moment)) for moment in moments)
    limits = _AXES_MM if not is_cut else _CUT_AXES_MM
    if not all(_is_in(axis, limit) for axis, limit in zip(axes_mm, limits, strict=True)):
        return 0.0
    ellipsoid_ml = np.pi / 6 * float(np.prod(axes_mm)) / 1000
    return min(1.0, anatomy.volume_ml(part) / ellipsoid_ml)


def _is_in(value: float, limits: tuple[float, float]) -> bool:
    return limits[0] <= value <= limits[1]


def _between(values: NDArray[np.float32], limits: tuple[float, float]) -> NDArray[np.bool_]:
    return np.asarray((values > limits[0]) & (values < limits[1]), dtype=np.bool_)
