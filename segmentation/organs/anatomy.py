"""What every finder stands on: body, spine, wall and lungs on a copy of about 3 mm."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from domain.volume import Volume
from segmentation.coarse import (
    ball,
    block_means,
    closed,
    coarse_body,
    coarse_spacing_mm,
    depth_mm,
    disc,
    filled,
    largest,
    opened,
    steps_of,
)

AIR_BELOW_HU: Final = -500.0
FAT_BELOW_HU: Final = -30.0

_LEAST_LUNG_ML: Final = 20.0
_LEAST_LUNG_MM: Final = 4.5
_EMPTY_BELOW_HU: Final = -960.0
_EMPTIEST_PERCENT: Final = 10.0
_SPINE_ABOVE_HU: Final = 120.0  # marrow of the old is hardly denser than enhanced organs
_RIB_ABOVE_HU: Final = 150.0
_BONE_SMOOTHING: Final = 0.7
_LEAST_BODY_CM2: Final = 150.0
_LEAST_VERTEBRA_MM2: Final = 250.0
_SPINE_BAND: Final = 0.2  # of the body's width, to each side of its middle
_SPINE_BEHIND: Final = 0.35  # of the body's depth: the spine lies further back
_LEAST_SPINE_SHARE: Final = 0.5  # of the slices
_SPINE_WINDOW_MM: Final = 60.0
_WALL_CLOSING_MM: Final = 18.0  # over the gaps between muscles of the flank
_RIB_LIMITS_MM: Final = (35.0, 50.0)  # depth, and distance from the spine, of a rib
_THICKEST_RIB_MM: Final = 13.0  # an enhanced kidney is as bright, but thicker
_INNER_RIB_PERCENT: Final = 85.0
_BEHIND_RIBS_MM: Final = 2.0
_WALL_LIMITS_MM: Final = (8.0, 25.0)
_WALL_MM: Final = 14.0
_LEAST_RIB_VOXELS: Final = 50


@dataclass(frozen=True, kw_only=True, eq=False)
class Anatomy:
    """An upright CT as finders see it; all arrays (slices, rows, columns) of the copy.

    Attributes
    ----------
    values
        Smoothed Hounsfield units.
    spacing_mm
        Between neighbours of the copy.
    steps
        Voxels of the volume to one of the copy.
    body
        Body without table.
    left_mm, front_mm
        Distance from the middle of the spine toward the patient's left, and toward the front.
    depth_mm
        Distance, on the slice, from the outside of muscle and bone: skin and the fat under it
        are outside.
    wall_mm
        Depth of the inner side of the ribs.
    lungs
        Air of the size of lungs.
    """

    values: NDArray[np.float32]
    spacing_mm: tuple[float, float, float]
    steps: tuple[int, int, int]
    body: NDArray[np.bool_]
    left_mm: NDArray[np.float32]
    front_mm: NDArray[np.float32]
    depth_mm: NDArray[np.float32]
    wall_mm: float
    lungs: NDArray[np.bool_]

    @property
    def voxel_ml(self) -> float:
        """Volume of a voxel of the copy."""
        return float(np.prod(self.spacing_mm)) / 1000

    def volume_ml(self, voxels: NDArray[np.bool_]) -> float:
        """Return a mask's volume."""
        return float(np.count_nonzero(voxels)) * self.voxel_ml


def anatomy_of(volume: Volume) -> Anatomy | None:
    """Return the anatomy of an upright CT of the trunk, or None where no spine is seen."""
    steps = steps_of(volume)
    spacing_mm = coarse_spacing_mm(volume, steps)
    raw = block_means(volume, steps)
    body = coarse_body(raw, spacing_mm)
    bone = np.where(body, ndimage.gaussian_filter(raw, _BONE_SMOOTHING), -np.inf)
    spine = _spine(bone > _SPINE_ABOVE_HU, body, spacing_mm)
    if spine is None:
        return None
    columns, rows = spine
    left_mm = (np.arange(raw.shape[2])[None, :] - columns[:, None]) * spacing_mm[2]
    front_mm = (rows[:, None] - np.arange(raw.shape[1])[None, :]) * spacing_mm[1]
    left = np.broadcast_to(left_mm[:, None, :].astype(np.float32), raw.shape)
    values = np.asarray(ndimage.median_filter(raw, 3), dtype=np.float32)
    depth = _depth_mm(values, body, spacing_mm)
    reach_mm, aside_mm = _RIB_LIMITS_MM
    dense = bone > _RIB_ABOVE_HU
    thick = opened(dense, ball(_THICKEST_RIB_MM / 2, spacing_mm))
    ribs = dense & ~thick & (depth > 0) & (depth < reach_mm) & (np.abs(left) > aside_mm)
    return Anatomy(
        values=values,
        spacing_mm=spacing_mm,
        steps=steps,
        body=body,
        left_mm=left,
        front_mm=np.broadcast_to(front_mm[:, :, None].astype(np.float32), raw.shape),
        depth_mm=depth,
        wall_mm=_wall_mm(depth[ribs]),
        lungs=_lungs(values, body, spacing_mm),
    )


def _spine(
    bone: NDArray[np.bool_], body: NDArray[np.bool_], spacing_mm: tuple[float, float, float]
) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """Return the column and row of the middle of the vertebra on every slice."""
    found: dict[int, tuple[float, float]] = {}
    for index, image in enumerate(body):
        place = _vertebra(bone[index], image, spacing_mm)
        if place is not None:
            found[index] = place
    if len(found) < _LEAST_SPINE_SHARE * len(body):
        return None
    window = max(3, int(_SPINE_WINDOW_MM / spacing_mm[0]) | 1)
    lines = [
        ndimage.median_filter(
            np.interp(np.arange(len(body)), list(found), [place[axis] for place in found.values()]),
            window,
            mode="nearest",
        )
        for axis in (0, 1)
    ]
    return lines[0], lines[1]


def _vertebra(
    bone: NDArray[np.bool_], body: NDArray[np.bool_], spacing_mm: tuple[float, float, float]
) -> tuple[float, float] | None:
    pixel_mm2 = spacing_mm[1] * spacing_mm[2]
    if np.count_nonzero(body) * pixel_mm2 < _LEAST_BODY_CM2 * 100:
        return None
    rows, columns = np.flatnonzero(body.any(axis=1)), np.flatnonzero(body.any(axis=0))
    middle, width = (columns[0] + columns[-1]) / 2, columns[-1] - columns[0]
    band = np.zeros_like(bone)
    top = int(rows[0] + _SPINE_BEHIND * (rows[-1] - rows[0]))
    reach = slice(int(middle - _SPINE_BAND * width), int(middle + _SPINE_BAND * width) + 1)
    band[top:, reach] = bone[top:, reach]
    vertebra = largest(np.asarray(ndimage.binary_closing(band), dtype=np.bool_))
    if np.count_nonzero(vertebra) * pixel_mm2 < _LEAST_VERTEBRA_MM2:
        return None
    at_rows, at_columns = np.nonzero(vertebra)
    return float(np.median(at_columns)), float(np.median(at_rows))


def _depth_mm(
    values: NDArray[np.float32],
    body: NDArray[np.bool_],
    spacing_mm: tuple[float, float, float],
) -> NDArray[np.float32]:
    lean = (values > FAT_BELOW_HU) & body
    inner = filled(largest(closed(lean, disc(_WALL_CLOSING_MM, spacing_mm))))
    return np.stack([depth_mm(image, spacing_mm[1:]) for image in inner])


def _wall_mm(rib_depths_mm: NDArray[np.float32]) -> float:
    if rib_depths_mm.size < _LEAST_RIB_VOXELS:
        return _WALL_MM
    inner = float(np.percentile(rib_depths_mm, _INNER_RIB_PERCENT)) + _BEHIND_RIBS_MM
    return float(np.clip(inner, *_WALL_LIMITS_MM))


def _lungs(
    values: NDArray[np.float32],
    body: NDArray[np.bool_],
    spacing_mm: tuple[float, float, float],
) -> NDArray[np.bool_]:
    """Return large air that holds some tissue: what is nearly empty is gas in bowel."""
    air = opened((values < AIR_BELOW_HU) & body, ball(_LEAST_LUNG_MM, spacing_mm))
    labels, count = ndimage.label(air)
    sizes_ml = np.bincount(labels.ravel()) * (float(np.prod(spacing_mm)) / 1000)
    kept = [
        number
        for number in range(1, count + 1)
        if sizes_ml[number] >= _LEAST_LUNG_ML
        and np.percentile(values[labels == number], _EMPTIEST_PERCENT) > _EMPTY_BELOW_HU
    ]
    return np.asarray(np.isin(labels, kept), dtype=np.bool_)
