"""Where voxels stand in the patient: indices to millimetres.

One convention inside the house: an *index* is ``(slice, row, column)``, zero-based, at voxel
centres; a *position* is LPS millimetres (to the patient's Left, Posterior, Superior).
"""

from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from domain.errors import GeometryError
from domain.uids import FrameOfReferenceUID

_SAME_MM: Final = 1e-2
_LPS_TO_RAS: Final = np.diag([-1.0, -1.0, 1.0, 1.0])


def lps_to_ras(affine: NDArray[np.float64]) -> NDArray[np.float64]:
    """Turn a (4, 4) affine between LPS and RAS world axes; its own inverse."""
    return np.asarray(_LPS_TO_RAS @ affine, dtype=np.float64)


@dataclass(frozen=True, kw_only=True, eq=False)
class Grid:
    """A regular lattice of voxels.

    Attributes
    ----------
    affine
        (4, 4) float64: maps ``(slice, row, column, 1)`` to LPS millimetres.
    shape
        Number of slices, rows and columns.
    frame_of_reference_uid
        Grids of one frame of reference share a coordinate system; None where the file has none.
    in_plane_calibrated
        False when the file gives no pixel spacing: rows and columns are then one unit apart, and
        no length may be reported.
    slice_spacing_known
        False for a single image: its depth is one unit, and no volume may be reported.
    is_time
        True for a cine: the first axis counts frames in time, all of one plane as far as is known.
        It has no length, and no voxel has a place in the patient.
    """

    affine: NDArray[np.float64]
    shape: tuple[int, int, int]
    frame_of_reference_uid: FrameOfReferenceUID | None = None
    in_plane_calibrated: bool = True
    slice_spacing_known: bool = True
    is_time: bool = False

    def __post_init__(self) -> None:
        if self.is_time and self.slice_spacing_known:
            raise GeometryError(
                "frames of a cine have no distance: slice_spacing_known must be False"
            )
        affine = np.array(self.affine, dtype=np.float64)
        if affine.shape != (4, 4) or not np.isfinite(affine).all():
            raise GeometryError(f"affine must be 4 x 4 and finite, got shape {affine.shape}")
        if not np.array_equal(affine[3], (0, 0, 0, 1)):
            raise GeometryError(f"affine's last row must be 0 0 0 1, got {affine[3].tolist()}")
        if abs(np.linalg.det(affine[:3, :3])) < np.finfo(np.float64).tiny:
            raise GeometryError("affine is singular: two axes coincide or a spacing is zero")
        if min(self.shape) < 1:
            raise GeometryError(f"shape must be three positive numbers, got {self.shape}")
        affine.setflags(write=False)
        object.__setattr__(self, "affine", affine)

    @property
    def spacing_mm(self) -> tuple[float, float, float]:
        """Distance between neighbours along slices, rows and columns, in millimetres."""
        slices, rows, columns = np.linalg.norm(self.affine[:3, :3], axis=0)
        return float(slices), float(rows), float(columns)

    @property
    def voxel_volume_mm3(self) -> float:
        """Volume of one voxel, right for sheared lattices too."""
        return float(abs(np.linalg.det(self.affine[:3, :3])))

    @property
    def normal(self) -> NDArray[np.float64]:
        """Unit vector from the first slice to the last, perpendicular to the slices, (3,) LPS."""
        normal = np.cross(self.affine[:3, 2], self.affine[:3, 1])
        normal = normal / np.linalg.norm(normal)
        return normal if normal @ self.affine[:3, 0] >= 0 else -normal

    def to_lps_mm(self, indices: ArrayLike) -> NDArray[np.float64]:
        """Return the positions (..., 3) of indices (..., 3); fractions are allowed."""
        points = np.asarray(indices, dtype=np.float64)
        return np.asarray(points @ self.affine[:3, :3].T + self.affine[:3, 3], dtype=np.float64)

    def to_index(self, positions_lps_mm: ArrayLike) -> NDArray[np.float64]:
        """Return the fractional indices (..., 3) of positions (..., 3)."""
        points = np.asarray(positions_lps_mm, dtype=np.float64) - self.affine[:3, 3]
        return np.asarray(points @ np.linalg.inv(self.affine[:3, :3]).T, dtype=np.float64)

    def corners_lps_mm(self) -> NDArray[np.float64]:
        """Return the centres (8, 3) of the eight corner voxels."""
        ends = np.array(np.meshgrid(*[(0, n - 1) for n in self.shape], indexing="ij"))
        return self.to_lps_mm(ends.reshape(3, -1).T)

    def matches(self, other: "Grid", tolerance_mm: float = _SAME_MM) -> bool:
        """Tell whether both lattices are one: same shape, every corner within the tolerance."""
        if self.shape != other.shape or self.is_time != other.is_time:
            return False
        apart = np.abs(self.corners_lps_mm() - other.corners_lps_mm()).max()
        return bool(apart <= tolerance_mm)

    def turned(self, axes: tuple[int, int, int], flips: tuple[bool, bool, bool]) -> Self:
        """Return the lattice of an array transposed by ``axes`` and then flipped by ``flips``.

        Raises
        ------
        GeometryError
            If time would become an axis of space, or run backward.
        """
        if self.is_time and (axes[0] != 0 or flips[0]):
            raise GeometryError("the first axis of a cine is time: it cannot be turned")
        affine = self.affine[:, [*axes, 3]].copy()
        shape = tuple(self.shape[axis] for axis in axes)
        for axis, flip in enumerate(flips):
            if flip:
                affine[:, 3] += affine[:, axis] * (shape[axis] - 1)
                affine[:, axis] *= -1
        return type(self)(
            affine=affine,
            shape=(shape[0], shape[1], shape[2]),
            frame_of_reference_uid=self.frame_of_reference_uid,
            in_plane_calibrated=self.in_plane_calibrated,
            slice_spacing_known=self.slice_spacing_known,
            is_time=self.is_time,
        )
