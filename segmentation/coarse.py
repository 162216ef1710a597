"""A copy of about 3 mm on which shapes are found, and what rules do with shapes on it."""

from collections.abc import Callable
from typing import Final

import edt
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from domain.volume import Volume

BODY_ABOVE_HU: Final = -300.0

_COARSE_MM: Final = 3.0
_TABLE_OPENING_MM: Final = 6.0
_FLAT_MM: Final = 1e9  # a spacing no ball reaches across: slice by slice


def steps_of(volume: Volume) -> tuple[int, int, int]:
    """Return how many voxels make one of the 3 mm copy, along each axis."""
    steps = [max(1, round(_COARSE_MM / mm)) for mm in volume.grid.spacing_mm]
    return steps[0], steps[1], steps[2]


def coarse_spacing_mm(volume: Volume, steps: tuple[int, int, int]) -> tuple[float, float, float]:
    """Return the spacing of the copy."""
    slice_mm, row_mm, column_mm = volume.grid.spacing_mm
    return slice_mm * steps[0], row_mm * steps[1], column_mm * steps[2]


def block_means(volume: Volume, steps: tuple[int, int, int]) -> NDArray[np.float32]:
    """Return block means; the last block of an axis may be made of repeated edges.

    One slab after another: of a long series no second whole is ever held.
    """
    count, rows, columns = volume.grid.shape
    step, *in_plane = steps
    padding = [(0, 0), *((0, -n % s) for n, s in zip((rows, columns), in_plane, strict=True))]
    made = []
    for start in range(0, count, step):
        slab = volume.voxels[start : start + step]
        slab = np.pad(slab, [(0, step - len(slab)), *padding[1:]], mode="edge")
        blocks = slab.reshape(
            step,
            slab.shape[1] // in_plane[0],
            in_plane[0],
            slab.shape[2] // in_plane[1],
            in_plane[1],
        )
        made.append(blocks.mean(axis=(0, 2, 4), dtype=np.float64).astype(np.float32))
    return np.stack(made)


def fine(
    voxels: NDArray[np.bool_], steps: tuple[int, int, int], shape: tuple[int, int, int]
) -> NDArray[np.bool_]:
    """Return a mask of the copy on the volume it was made of."""
    for axis, step in enumerate(steps):
        voxels = np.repeat(voxels, step, axis=axis)
    return voxels[: shape[0], : shape[1], : shape[2]]


def ball(radius_mm: float, spacing_mm: tuple[float, ...]) -> NDArray[np.bool_]:
    """Return a structuring element."""
    reach = [int(radius_mm // mm) for mm in spacing_mm]
    axes = np.meshgrid(*[np.arange(-n, n + 1) for n in reach], indexing="ij")
    distance = sum((axis * mm) ** 2 for axis, mm in zip(axes, spacing_mm, strict=True))
    return np.asarray(distance <= radius_mm**2, dtype=np.bool_)


def disc(radius_mm: float, spacing_mm: tuple[float, float, float]) -> NDArray[np.bool_]:
    """Return a structuring element of one slice."""
    return ball(radius_mm, (_FLAT_MM, *spacing_mm[1:]))


def largest(voxels: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the largest part."""
    labels, count = ndimage.label(voxels)
    if not count:
        return voxels
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    return np.asarray(labels == sizes.argmax(), dtype=np.bool_)


def filled(voxels: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Fill holes slice by slice."""
    return np.stack([ndimage.binary_fill_holes(image) for image in voxels])


def coarse_body(
    values: NDArray[np.float32], spacing_mm: tuple[float, float, float]
) -> NDArray[np.bool_]:
    """Return the body, filled: the largest thing that is not air, without table and clothes.

    It is filled before it is opened: a chest wall may be thinner than a table is.
    """
    whole = filled(largest(values > BODY_ABOVE_HU))
    opened = ndimage.binary_opening(whole, disc(_TABLE_OPENING_MM, spacing_mm))
    return filled(largest(np.asarray(opened, dtype=np.bool_)))


def opened(voxels: NDArray[np.bool_], element: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Open as if the array went on beyond its edges."""
    return _padded(ndimage.binary_opening, voxels, element)


def closed(voxels: NDArray[np.bool_], element: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Close as if the array went on beyond its edges."""
    return _padded(ndimage.binary_closing, voxels, element)


def _padded(
    act: Callable[..., NDArray[np.bool_]],
    voxels: NDArray[np.bool_],
    element: NDArray[np.bool_],
) -> NDArray[np.bool_]:
    reach = element.shape
    made = act(np.pad(voxels, [(each, each) for each in reach], mode="edge"), element)
    cut = tuple(slice(each, made.shape[axis] - each) for axis, each in enumerate(reach))
    return np.asarray(made[cut], dtype=np.bool_)


def depth_mm(voxels: NDArray[np.bool_], spacing_mm: tuple[float, ...]) -> NDArray[np.float32]:
    """Return how far each voxel inside a mask is from its outside, 0 outside.

    What the edge of the array cuts off counts as more of the same.
    """
    if voxels.all():
        return np.full(voxels.shape, np.inf, dtype=np.float32)
    found = edt.edt(np.ascontiguousarray(voxels), anisotropy=spacing_mm, black_border=False)
    return np.asarray(found, dtype=np.float32)


def within(
    voxels: NDArray[np.bool_], reach_mm: float, spacing_mm: tuple[float, ...]
) -> NDArray[np.bool_]:
    """Return what lies in a mask or no further than ``reach_mm`` from it."""
    return np.asarray(depth_mm(~voxels, spacing_mm) <= reach_mm, dtype=np.bool_)
