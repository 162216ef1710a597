"""How far a mask agrees with a reference: Dice, surface Dice, Hausdorff distance, volume.

The surface runs through the cells between eight voxel centres, as in marching cubes; each cell
carries the area of its piece, so that spacing and slice thickness do not change what a
percentile means (Nikolov 2018, arXiv:1809.04430).
"""

from dataclasses import dataclass
from functools import cache
from itertools import product
from typing import Final

import edt
import numpy as np
from numpy.typing import NDArray

from domain.errors import EmptyMaskError, GeometryError
from domain.grid import Grid
from domain.volume import Mask

TOLERANCE_MM: Final = 2.0
"""Surfaces this close count as one."""
HAUSDORFF_SHARE: Final = 0.95

_CORNERS: Final = tuple(product((0, 1), repeat=3))
_SQUARE: Final = ((0, 0), (0, 1), (1, 1), (1, 0))
_AMBIGUOUS: Final = 4
_SKEWED: Final = 1e-3
_ROUNDING_MM: Final = 1e-4  # distances are in single precision


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """One mask against one reference.

    Attributes
    ----------
    surface_dice
        Share of both surfaces that lies within 2 mm of the other; 0 for an empty mask, None where
        lengths are not known or there is a single slice.
    hd95_mm
        Larger of the two directed 95th percentiles of surface distance; None also for an empty
        mask, which is at no distance.
    volume_error
        How much larger than the reference, as a fraction; -1 for an empty mask.
    """

    dice: float
    surface_dice: float | None
    hd95_mm: float | None
    volume_error: float


def agreement(mask: Mask, reference: Mask) -> Agreement:
    """Return how a mask agrees with a reference on the same grid.

    Raises
    ------
    EmptyMaskError
        If the reference is empty: nothing can be said against it.
    GeometryError
        If the grids differ.
    """
    if reference.is_empty:
        raise EmptyMaskError("the reference mask is empty: there is nothing to compare with")
    if not mask.grid.matches(reference.grid):
        raise GeometryError(
            f"mask {mask.grid.shape} and reference {reference.grid.shape} are on different grids"
        )
    surface_dice, hd95_mm = _surfaces(mask, reference)
    return Agreement(
        dice=dice(mask, reference),
        surface_dice=surface_dice,
        hd95_mm=hd95_mm,
        volume_error=volume_error(mask, reference),
    )


def dice(one: Mask, other: Mask) -> float:
    """Return twice the overlap over the sum: 1 for equal masks, also when both are empty."""
    total = one.voxel_count + other.voxel_count
    return 1.0 if not total else 2 * int(np.count_nonzero(one.voxels & other.voxels)) / total


def volume_error(mask: Mask, reference: Mask) -> float:
    """Return how much larger a mask is than a reference that is not empty, as a fraction."""
    return mask.voxel_count / reference.voxel_count - 1


def _surfaces(mask: Mask, reference: Mask) -> tuple[float | None, float | None]:
    grid = reference.grid
    if not grid.in_plane_calibrated or not grid.slice_spacing_known or grid.shape[0] == 1:
        return None, None
    if mask.is_empty:
        return 0.0, None
    spacing_mm = _right_angled_spacing_mm(grid)
    region = _region_round(mask, reference)
    ours, theirs = (_cells(each.voxels[region]) for each in (mask, reference))
    areas = _areas_mm2(spacing_mm)
    to_theirs = _Distances.between(ours, theirs, areas, spacing_mm)
    to_ours = _Distances.between(theirs, ours, areas, spacing_mm)
    near = to_theirs.area_within(TOLERANCE_MM) + to_ours.area_within(TOLERANCE_MM)
    total = to_theirs.area_mm2 + to_ours.area_mm2
    hd95_mm = max(each.percentile_mm(HAUSDORFF_SHARE) for each in (to_theirs, to_ours))
    return near / total, hd95_mm


@dataclass(frozen=True, kw_only=True, eq=False)
class _Distances:
    """Distances of one surface's pieces to the other surface, ascending, with their areas."""

    distances_mm: NDArray[np.float32]
    areas_mm2: NDArray[np.float64]

    @classmethod
    def between(
        cls,
        start: NDArray[np.uint8],
        end: NDArray[np.uint8],
        areas: NDArray[np.float64],
        spacing_mm: tuple[float, float, float],
    ) -> "_Distances":
        away = edt.edt(~_is_cut(end), anisotropy=spacing_mm, black_border=False, parallel=1)
        cut = _is_cut(start)
        distances = np.asarray(away[cut], dtype=np.float32)
        order = np.argsort(distances)
        return cls(distances_mm=distances[order], areas_mm2=areas[start[cut]][order])

    @property
    def area_mm2(self) -> float:
        return float(self.areas_mm2.sum())

    def area_within(self, tolerance_mm: float) -> float:
        return float(self.areas_mm2[self.distances_mm <= tolerance_mm + _ROUNDING_MM].sum())

    def percentile_mm(self, share: float) -> float:
        covered = np.cumsum(self.areas_mm2) / self.area_mm2
        place = min(int(np.searchsorted(covered, share)), len(covered) - 1)
        return float(self.distances_mm[place])


def _right_angled_spacing_mm(grid: Grid) -> tuple[float, float, float]:
    axes = grid.affine[:3, :3] / np.array(grid.spacing_mm)
    if np.abs(axes.T @ axes - np.eye(3)).max() > _SKEWED:
        raise GeometryError("the grid is sheared: resample it upright before measuring distances")
    return grid.spacing_mm


def _region_round(one: Mask, other: Mask) -> tuple[slice, slice, slice]:
    """Return the box round both masks: distances need no more, and a whole CT would cost 4 GB."""
    ends = []
    for axis in range(3):
        others = tuple(other_axis for other_axis in range(3) if other_axis != axis)
        marked = np.flatnonzero(one.voxels.any(axis=others) | other.voxels.any(axis=others))
        ends.append(slice(int(marked[0]), int(marked[-1]) + 1))
    return ends[0], ends[1], ends[2]


def _cells(voxels: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Return which of its eight corners are inside, a bit each, for every cell: one more an axis.

    Beyond the array nothing is inside, so that a mask that ends at the image's edge has a surface
    there.
    """
    padded = np.pad(voxels, 1).view(np.uint8)
    cells = np.zeros([length - 1 for length in padded.shape], dtype=np.uint8)
    for bit, corner in enumerate(_CORNERS):
        window = tuple(slice(c, c + n) for c, n in zip(corner, cells.shape, strict=True))
        cells |= padded[window] << np.uint8(bit)
    return cells


def _is_cut(cells: NDArray[np.uint8]) -> NDArray[np.bool_]:
    return np.asarray((cells != 0) & (cells != 2 ** len(_CORNERS) - 1), dtype=np.bool_)


@cache
def _areas_mm2(spacing_mm: tuple[float, float, float]) -> NDArray[np.float64]:
    """Return the area (256,) of the surface in a cell, by which of its corners are inside."""
    scale = np.array(spacing_mm)
    areas = np.zeros(2 ** len(_CORNERS))
    for code in range(len(areas)):
        for loop in _loops(code):
            points = np.array(loop) * scale
            spokes = points - points.mean(axis=0)
            triangles = np.cross(spokes, np.roll(spokes, -1, axis=0))
            areas[code] += np.linalg.norm(triangles, axis=1).sum() / 2
    areas.setflags(write=False)
    return areas


_Edge = tuple[float, float, float]


def _loops(code: int) -> list[list[_Edge]]:
    """Return the closed lines of the surface in a cell, through the middles of the edges it cuts.

    On a face with two inside corners across from one another, each is cut off on its own.
    """
    links = [link for face in _faces() for link in _links(face, code)]
    loops = []
    while links:
        first, here = links.pop()
        loop = [first]
        while here != first:
            loop.append(here)
            after = next(link for link in links if here in link)
            links.remove(after)
            here = after[1] if after[0] == here else after[0]
        loops.append(loop)
    return loops


def _faces() -> list[list[tuple[int, int, int]]]:
    """Return the four corners of each of the six faces, in turn."""
    faces = []
    for axis, side in product(range(3), (0, 1)):
        corners = []
        for one, other in _SQUARE:
            corner = [one, other]
            corner.insert(axis, side)
            corners.append((corner[0], corner[1], corner[2]))
        faces.append(corners)
    return faces


def _links(face: list[tuple[int, int, int]], code: int) -> list[tuple[_Edge, _Edge]]:
    inside = [bool(code >> _CORNERS.index(corner) & 1) for corner in face]
    middles = [
        ((a[0] + b[0]) / 2, (a[1] + b[1]) / 2, (a[2] + b[2]) / 2)
        for a, b in zip(face, face[1:] + face[:1], strict=True)
    ]
    cut = [place for place in range(4) if inside[place] != inside[(place + 1) % 4]]
    if len(cut) == _AMBIGUOUS:
        return [(middles[place - 1], middles[place]) for place in range(4) if inside[place]]
    return [(middles[cut[0]], middles[cut[1]])] if cut else []
