"""Surface, sphericity and 3D diameter from a mesh of the mask.

The mesh is that of marching cubes halfway between voxels inside and outside, without smoothing, as
pyradiomics and the Image Biomarker Standardisation Initiative have it.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import ConvexHull
from scipy.spatial.distance import cdist
from skimage.measure import marching_cubes

from domain.codes import (
    MAXIMUM_3D_DIAMETER,
    MESH_VOLUME,
    MILLILITRE,
    MILLIMETRE,
    NO_UNITS,
    SPHERICITY,
    SQUARE_MILLIMETRE,
    SURFACE_AREA,
)
from domain.errors import CannotDoError, UncalibratedError
from domain.measurement import Measurement
from domain.volume import Mask
from reporting.extent import extent
from reporting.over_time import NO_DEPTH_IN_TIME

_marching_cubes: Final[Callable[..., Any]] = marching_cubes  # untyped
_MM3_PER_ML: Final = 1000.0
_HALFWAY: Final = 0.5
_BLOCK: Final = 512
_SLAB: Final = 64
_TRIANGLES: Final = 2**18
_LARGEST_RATIO: Final = 2.0
_FEWEST_VOXELS: Final = 5
_EVEN: Final = 1e-6


@dataclass(frozen=True, kw_only=True, eq=False)
class Mesh:
    """Triangles round a mask: ``vertices`` (n, 3) in LPS millimetres, ``faces`` (m, 3) indices."""

    vertices_lps_mm: NDArray[np.float64] = field(repr=False)
    faces: NDArray[np.int64] = field(repr=False)

    @property
    def area_mm2(self) -> float:
        """Area of all triangles."""
        doubled = (
            np.linalg.norm(np.cross(second - first, third - first), axis=1).sum()
            for first, second, third in self._corners()
        )
        return float(sum(doubled) / 2.0)

    @property
    def volume_mm3(self) -> float:
        """Volume enclosed; below the voxel count, whose corners it cuts."""
        signed = (
            (first * np.cross(second, third)).sum() for first, second, third in self._corners()
        )
        return abs(float(sum(signed) / 6.0))

    @property
    def sphericity(self) -> float:
        """Surface of the ball of equal volume over this surface: at most 1 (IBSI QCFX)."""
        return float(np.cbrt(36.0 * np.pi * self.volume_mm3**2) / self.area_mm2)

    def _corners(self) -> Iterator[tuple[NDArray[np.float64], ...]]:
        """Yield the first, second and third corners of some triangles at a time."""
        centre = self.vertices_lps_mm.mean(axis=0)
        for start in range(0, len(self.faces), _TRIANGLES):
            some = self.faces[start : start + _TRIANGLES]
            yield tuple(self.vertices_lps_mm[some[:, corner]] - centre for corner in range(3))


def mesh(mask: Mask) -> Mesh:
    """Return the mesh of a mask.

    Raises
    ------
    EmptyMaskError
        If the mask has no voxel.
    UncalibratedError
        If pixel spacing or slice distance is not known.
    """
    box = extent(mask)
    if mask.grid.is_time:
        raise UncalibratedError(NO_DEPTH_IN_TIME)
    if not (mask.grid.in_plane_calibrated and mask.grid.slice_spacing_known):
        raise UncalibratedError(
            "pixel spacing or slice distance is not known: a shape in space cannot be given; load "
            "the whole series, of images with pixel spacing"
        )
    vertices, faces = _meshed(np.pad(mask.voxels[box], 1))
    corner = np.array([part.start for part in box]) - 1
    return Mesh(vertices_lps_mm=mask.grid.to_lps_mm(vertices + corner), faces=faces)


def _meshed(voxels: NDArray[np.bool_]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return vertices and faces, some slices at a time: a whole body as numbers would not fit.

    Slabs share a slice, and the vertices on it are there twice.
    """
    vertices: list[NDArray[np.float64]] = []
    faces: list[NDArray[np.int64]] = []
    count = 0
    for start in range(0, len(voxels) - 1, _SLAB):
        slab = voxels[start : start + _SLAB + 1]
        if slab.all() or not slab.any():
            continue
        found, made, _, _ = _marching_cubes(slab.astype(np.float32), _HALFWAY)
        vertices.append(found + np.array([float(start), 0.0, 0.0]))
        faces.append(made.astype(np.int64) + count)
        count += len(found)
    return np.concatenate(vertices), np.concatenate(faces)


def longest_distance(points: NDArray[np.float64]) -> tuple[int, int]:
    """Return the indices of the two of (n, 3) points that are farthest apart."""
    corners = ConvexHull(points).vertices
    hull = points[corners]
    best, ends = -1.0, (0, 0)
    for start in range(0, len(hull), _BLOCK):
        apart = cdist(hull[start : start + _BLOCK], hull, "sqeuclidean")
        farthest = int(np.argmax(apart))
        if apart.flat[farthest] > best:
            row, column = divmod(farthest, len(hull))
            best, ends = float(apart.flat[farthest]), (start + row, column)
    return int(corners[ends[0]]), int(corners[ends[1]])


def maximum_3d_diameter(made: Mesh) -> Measurement:
    """Return the largest distance of two mesh vertices, with its ends (IBSI L0JK).

    It may run through what is not marked, as through the gap between two parts. Along thick slices
    it is right to one slice spacing.
    """
    start, stop = (made.vertices_lps_mm[end] for end in longest_distance(made.vertices_lps_mm))
    return Measurement(
        concept=MAXIMUM_3D_DIAMETER,
        value=float(np.linalg.norm(stop - start)),
        unit=MILLIMETRE,
        points_lps_mm=(
            (float(start[0]), float(start[1]), float(start[2])),
            (float(stop[0]), float(stop[1]), float(stop[2])),
        ),
    )


def surface(mask: Mask, made: Mesh) -> tuple[Measurement, ...]:
    """Return surface area, sphericity and mesh volume where the steps of voxels allow it.

    A mesh of voxels has steps. Over ellipsoids with spacings within a factor of two and five
    voxels or more along each axis its surface came out between 1 % low and 14 % high; beyond, the
    error grew with the ratio (25 % at 8) and with small size fell to -39 %
    (docs/how-to/measurements.md).

    Raises
    ------
    CannotDoError
        If slices are too thick, or too few voxels lie along an axis.
    """
    spacing_mm = mask.grid.spacing_mm
    ratio = max(spacing_mm) / min(spacing_mm)
    if ratio > _LARGEST_RATIO + _EVEN:
        raise CannotDoError(
            f"spacings of {' x '.join(f'{each:.2f}' for each in spacing_mm)} mm differ by a factor "
            f"of {ratio:.1f}: steps between slices would be read as surface (the limit is "
            f"{_LARGEST_RATIO:g}); measure on a thin-slice series"
        )
    fewest = min(part.stop - part.start for part in extent(mask))
    if fewest < _FEWEST_VOXELS:
        raise CannotDoError(
            f"it is {fewest} voxels across, {_FEWEST_VOXELS} are needed for a surface: measure on "
            "a finer series"
        )
    return (
        Measurement(concept=SURFACE_AREA, value=made.area_mm2, unit=SQUARE_MILLIMETRE),
        Measurement(concept=SPHERICITY, value=made.sphericity, unit=NO_UNITS),
        Measurement(concept=MESH_VOLUME, value=made.volume_mm3 / _MM3_PER_ML, unit=MILLILITRE),
    )
