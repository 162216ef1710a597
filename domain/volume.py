"""Images and masks on a grid."""

from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from domain.codes import NO_UNITS, Code
from domain.errors import GeometryError
from domain.grid import Grid
from domain.regions import ImageRegion
from domain.uids import InstanceUID, SeriesUID, SopClassUID, StudyUID

_GREY_AXES: Final = 3
_COLOUR_AXES: Final = 4
_COLOURS: Final = 3
_SAME_VOXEL: Final = 0.1


@dataclass(frozen=True, kw_only=True)
class SourceFrame:
    """Where one slice of a volume came from; ``frame_number`` counts from 1 (PS3.3)."""

    sop_class_uid: SopClassUID
    sop_instance_uid: InstanceUID
    frame_number: int | None = None


@dataclass(frozen=True, kw_only=True)
class SeriesReference:
    """Which series a volume is, and what one slice after another was made of."""

    study_instance_uid: StudyUID
    series_instance_uid: SeriesUID
    frames: tuple[SourceFrame, ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class Volume:
    """An image: grey ``(slices, rows, columns)`` or colour ``(slices, rows, columns, 3)`` uint8.

    Attributes
    ----------
    voxels
        In ``unit``: rescale slope and intercept are applied, MONOCHROME1 is turned to bright =
        more.
    modality
        DICOM modality: CT, MR, PT, US, CR...
    unit
        Hounsfield units for CT, SUV or Bq/ml for PET, no units for the rest.
    source
        None for phantoms and files of other formats.
    notes
        What a reader of the numbers must know: "no RescaleSlope: stored values used".
    burned_in_text
        Whether the header says that letters are in the pixels (Burned In Annotation, PS3.3
        C.7.6.1.1.9); None where it says nothing.
    frame_times_ms
        Of a cine: when each frame was taken, from the first; empty where it is not known.
    regions
        Parts of an ultrasound image with scales of their own; empty where one scale, or none, holds
        for all of it.
    """

    voxels: NDArray[Any] = field(repr=False)
    grid: Grid
    modality: str
    unit: Code = NO_UNITS
    source: SeriesReference | None = None
    notes: tuple[str, ...] = ()
    burned_in_text: bool | None = None
    frame_times_ms: tuple[float, ...] = ()
    regions: tuple[ImageRegion, ...] = ()

    def __post_init__(self) -> None:
        if len(self.frame_times_ms) not in {0, self.grid.shape[0]}:
            raise GeometryError(
                f"{len(self.frame_times_ms)} frame times for {self.grid.shape[0]} frames"
            )
        grey = self.voxels.ndim == _GREY_AXES
        colour = self.voxels.ndim == _COLOUR_AXES and self.voxels.shape[3] == _COLOURS
        if not (grey or colour) or self.voxels.shape[:3] != self.grid.shape:
            raise GeometryError(
                f"voxels {self.voxels.shape} do not fill the grid {self.grid.shape}"
            )
        if np.issubdtype(self.voxels.dtype, np.floating) and not np.isfinite(self.voxels).all():
            raise GeometryError("voxels hold NaN or infinity: the pixel data are damaged")
        if self.source is not None and len(self.source.frames) != self.grid.shape[0]:
            raise GeometryError(
                f"{len(self.source.frames)} source frames for {self.grid.shape[0]} slices"
            )

    @property
    def is_colour(self) -> bool:
        """Whether each voxel has red, green and blue."""
        return self.voxels.ndim == _COLOUR_AXES


@dataclass(frozen=True, kw_only=True, eq=False)
class Mask:
    """Which voxels of a grid belong to something: bool ``(slices, rows, columns)``."""

    voxels: NDArray[np.bool_] = field(repr=False)
    grid: Grid

    def __post_init__(self) -> None:
        if self.voxels.dtype != np.bool_:
            raise GeometryError(f"a mask's voxels must be bool, got {self.voxels.dtype}")
        if self.voxels.shape != self.grid.shape:
            raise GeometryError(
                f"mask {self.voxels.shape} does not fill the grid {self.grid.shape}"
            )

    @property
    def voxel_count(self) -> int:
        """Number of voxels inside."""
        return int(np.count_nonzero(self.voxels))

    @property
    def is_empty(self) -> bool:
        """Whether no voxel is inside."""
        return not self.voxels.any()

    def slice_indices(self) -> tuple[int, ...]:
        """Return the slices with at least one voxel inside, in order."""
        return tuple(int(i) for i in np.flatnonzero(self.voxels.any(axis=(1, 2))))

    def turned(self, axes: tuple[int, int, int], flips: tuple[bool, bool, bool]) -> "Mask":
        """Return the same voxels of the patient, stored in another axis order and direction."""
        voxels = np.transpose(self.voxels, axes)
        flipped = tuple(axis for axis, flip in enumerate(flips) if flip)
        return Mask(
            voxels=np.ascontiguousarray(np.flip(voxels, flipped)),
            grid=self.grid.turned(axes, flips),
        )

    def on(self, grid: Grid) -> "Mask":
        """Return this mask stored on ``grid``, of which its own lattice is the whole or a part.

        Axis order and direction may differ; voxels must coincide, nothing is resampled.

        Raises
        ------
        GeometryError
            If the lattices do not share voxels of the patient.
        """
        step = np.linalg.inv(_with_depth_of(grid, self.grid)) @ grid.affine[:3, :3]
        turn = np.rint(step)
        is_turn = (np.abs(turn).sum(axis=0) == 1).all() and (np.abs(turn).sum(axis=1) == 1).all()
        if is_turn and np.abs(step - turn).max() * max(self.grid.shape) <= _SAME_VOXEL:
            order = [int(axis) for axis in np.argmax(np.abs(turn), axis=0)]
            flips = [bool(turn[axis, place] < 0) for place, axis in enumerate(order)]
            turned = self.turned((order[0], order[1], order[2]), (flips[0], flips[1], flips[2]))
            corner = grid.to_index(turned.grid.affine[:3, 3])
            start = np.rint(corner).astype(int)
            stop = start + turned.grid.shape
            fits = start.min() >= 0 and (stop <= grid.shape).all()
            if fits and np.abs(corner - start).max() <= _SAME_VOXEL:
                voxels = np.zeros(grid.shape, dtype=np.bool_)
                voxels[start[0] : stop[0], start[1] : stop[1], start[2] : stop[2]] = turned.voxels
                return Mask(voxels=voxels, grid=grid)
        raise GeometryError(
            f"mask grid {self.grid.shape} at {np.round(self.grid.affine[:3, 3], 2).tolist()} mm "
            f"does not fall on the image grid {grid.shape} at "
            f"{np.round(grid.affine[:3, 3], 2).tolist()} mm: they are of different series"
        )


def _with_depth_of(grid: Grid, mine: Grid) -> NDArray[np.float64]:
    """Return the axes of a mask; a single slice, whose depth says nothing, takes the image's."""
    axes = mine.affine[:3, :3].copy()
    if mine.shape[0] == 1:
        axes[:, 0] = grid.affine[:3, 0]
    return axes
