"""A closed, smooth surface of a mask that encloses the volume of its voxels.

Marching cubes on the mask itself leaves steps and cuts corners: it is biased low. Here the signed
distance to the mask's edge is smoothed, and the level at which it is cut is sought until the
surface encloses what the voxels do. Smoothing rounds the shape; the volume is kept.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import edt
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, label, maximum
from skimage.measure import marching_cubes

from domain.errors import CannotDoError, UncalibratedError
from domain.volume import Mask
from reporting.extent import extent
from reporting.over_time import NO_DEPTH_IN_TIME
from reporting.shape import Mesh

FEWEST_VOXELS: Final = 3
"""Across, along each axis: on two slices of 5 mm a ball's surface missed a tenth of its voxels."""
MOST_VOXELS: Final = 2**26
"""Of the box round a mask: distances, and the list of triangles, must fit the memory."""
_marching_cubes: Final[Callable[..., Any]] = marching_cubes  # untyped
_SMOOTHING_VOXELS: Final = 0.8
_NEAR_ENOUGH: Final = 1e-3
_MOST_STEPS: Final = 40
_MARGIN_VOXELS: Final = 3
_WEAK_OVERLAP: Final = 0.9
_MM3_PER_ML: Final = 1000.0


@dataclass(frozen=True, kw_only=True, eq=False)
class Surface:
    """A mesh whose triangles run anticlockwise seen from outside, and what it was made of.

    Attributes
    ----------
    mask_volume_ml
        Of the voxels: the volume to report.
    overlap
        Dice of the voxels whose centres lie inside the mesh with the mask.
    notes
        Where the shape is not that of the mask: "2 of 5 separate parts are too thin for it".
    """

    mesh: Mesh
    mask_volume_ml: float
    overlap: float
    notes: tuple[str, ...] = ()

    @property
    def volume_ml(self) -> float:
        """Volume that the mesh encloses."""
        return self.mesh.volume_mm3 / _MM3_PER_ML


def surface_of(mask: Mask) -> Surface:
    """Return the surface of a mask, its volume within 0.1 % of the voxels'.

    Raises
    ------
    EmptyMaskError
        If the mask has no voxel.
    UncalibratedError
        If pixel spacing or slice distance is not known.
    CannotDoError
        If it is too few voxels across, too large, or too ragged to be smoothed.
    """
    box = extent(mask)
    _refuse_without_space(mask)
    _refuse_size(box)
    spacing = np.array(mask.grid.spacing_mm)
    margin = np.ceil(spacing.max() / spacing).astype(int) + _MARGIN_VOXELS
    voxels = np.pad(mask.voxels[box], [(int(n), int(n)) for n in margin])
    field = _smoothed_distance(voxels, mask.grid.spacing_mm)
    wanted_mm3 = mask.voxel_count * float(np.prod(spacing))
    level, vertices, faces = _enclosing(field, spacing, wanted_mm3)
    corner = np.array([part.start for part in box]) - margin
    mesh = _outward(
        Mesh(vertices_lps_mm=mask.grid.to_lps_mm(vertices / spacing + corner), faces=faces)
    )
    if not is_closed(mesh):
        raise CannotDoError("the surface of this mask does not close: smooth the mask first")
    inside = field > level
    overlap = 2.0 * np.count_nonzero(inside & voxels) / (inside.sum() + voxels.sum())
    return Surface(
        mesh=mesh,
        mask_volume_ml=mask.voxel_count * mask.grid.voxel_volume_mm3 / _MM3_PER_ML,
        overlap=float(overlap),
        notes=_notes(voxels, field, level, float(overlap)),
    )


def signed_volume_mm3(mesh: Mesh) -> float:
    """Return the volume enclosed: positive where the triangles face outward."""
    first, second, third = _corners(mesh.vertices_lps_mm, mesh.faces)
    return float((first * np.cross(second, third)).sum() / 6.0)


def centroid_lps_mm(mesh: Mesh) -> NDArray[np.float64]:
    """Return the centre (3,) of what a closed mesh encloses, in LPS millimetres."""
    middle = mesh.vertices_lps_mm.mean(axis=0)
    first, second, third = _corners(mesh.vertices_lps_mm, mesh.faces)
    weights = (first * np.cross(second, third)).sum(axis=1)
    moments = ((first + second + third) * weights[:, np.newaxis]).sum(axis=0)
    return np.asarray(middle + moments / (4.0 * weights.sum()), dtype=np.float64)


def is_closed(mesh: Mesh) -> bool:
    """Tell whether every edge belongs to two triangles that run along it in opposite ways."""
    edges = np.concatenate([mesh.faces[:, pair] for pair in ([0, 1], [1, 2], [2, 0])])
    count = np.int64(len(mesh.vertices_lps_mm))
    there = np.sort(edges[:, 0] * count + edges[:, 1])
    back = np.sort(edges[:, 1] * count + edges[:, 0])
    return bool(np.array_equal(there, back) and (np.diff(there) > 0).all())


def _refuse_without_space(mask: Mask) -> None:
    if mask.grid.is_time:
        raise UncalibratedError(NO_DEPTH_IN_TIME)
    if not (mask.grid.in_plane_calibrated and mask.grid.slice_spacing_known):
        raise UncalibratedError(
            "pixel spacing or slice distance is not known: a surface in space cannot be given; "
            "load the whole series, of images with pixel spacing"
        )


def _refuse_size(box: tuple[slice, slice, slice]) -> None:
    across = [part.stop - part.start for part in box]
    if min(across) < FEWEST_VOXELS:
        raise CannotDoError(
            f"it is {min(across)} voxels across, {FEWEST_VOXELS} are needed for a surface: "
            "use a finer series"
        )
    if int(np.prod(across)) > MOST_VOXELS:
        raise CannotDoError(
            f"it spans {' x '.join(map(str, across))} voxels, more than the {MOST_VOXELS} a "
            "surface is made of: use a coarser series"
        )


def _smoothed_distance(
    voxels: NDArray[np.bool_], spacing_mm: tuple[float, float, float]
) -> NDArray[np.float32]:
    """Return millimetres to the edge, positive inside, smoothed by a part of a voxel."""
    inside, outside = (
        edt.edt(np.ascontiguousarray(each), anisotropy=spacing_mm, black_border=False, parallel=1)
        for each in (voxels, ~voxels)
    )
    smoothed = gaussian_filter(inside - outside, _SMOOTHING_VOXELS, mode="nearest")
    return np.asarray(smoothed, dtype=np.float32)


def _enclosing(
    field: NDArray[np.float32], spacing_mm: NDArray[np.float64], wanted_mm3: float
) -> tuple[float, NDArray[np.float64], NDArray[np.int64]]:
    """Return the level whose surface encloses a volume, with vertices in mm from the corner.

    Newton's steps, since the volume falls with the level by about the area; halving where they
    would leave what is known to hold it.
    """
    low, high, level = float(field.min()), float(field.max()), 0.0
    for _ in range(_MOST_STEPS):
        if not low < level < high:
            level = (low + high) / 2.0
        found, made, _, _ = _marching_cubes(field, level)
        vertices = np.asarray(found, dtype=np.float64) * spacing_mm
        mesh = Mesh(vertices_lps_mm=vertices, faces=made.astype(np.int64))
        excess = mesh.volume_mm3 - wanted_mm3
        if abs(excess) <= _NEAR_ENOUGH * wanted_mm3:
            return level, vertices, mesh.faces
        low, high = (level, high) if excess > 0 else (low, level)
        area_mm2 = mesh.area_mm2
        level += excess / area_mm2 if area_mm2 > 0 else math.inf  # a peak's tip: halve
    raise CannotDoError(
        "no smooth surface encloses the volume of this mask: it is too thin or in too many parts; "
        "smooth or separate it first"
    )


def _outward(mesh: Mesh) -> Mesh:
    """Return a mesh with its triangles' corners in the order that faces outward."""
    if signed_volume_mm3(mesh) > 0:
        return mesh
    return Mesh(
        vertices_lps_mm=mesh.vertices_lps_mm, faces=np.ascontiguousarray(mesh.faces[:, ::-1])
    )


def _corners(
    vertices: NDArray[np.float64], faces: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return the corners (m, 3) of the triangles from the middle, where rounding is least."""
    around = vertices - vertices.mean(axis=0)
    return around[faces[:, 0]], around[faces[:, 1]], around[faces[:, 2]]


def _notes(
    voxels: NDArray[np.bool_], field: NDArray[np.float32], level: float, overlap: float
) -> tuple[str, ...]:
    parts, count = label(voxels)
    highest = maximum(field, parts, np.arange(1, count + 1))
    lost = int(np.count_nonzero(np.asarray(highest) <= level))
    notes: list[str] = []
    if lost:
        notes.append(f"{lost} of {count} separate parts are too thin to be in the surface")
    if overlap < _WEAK_OVERLAP:
        notes.append(
            f"the surface follows the mask only to a Dice of {overlap:.2f}: the mask is thin or "
            "ragged beside its voxels"
        )
    return tuple(notes)
