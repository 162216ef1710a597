"""Frames to one regular grid, from positions alone, or a named error before any inference.

Slice Thickness is never used for distance: real files are wrong by 25 to 50 %.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dicom_node.frames import FramePlane
from domain.errors import (
    DuplicateSliceError,
    GeometryError,
    MixedOrientationError,
    SliceGapError,
    TiltedGantryError,
)
from domain.grid import Grid
from domain.uids import FrameOfReferenceUID

_SAME_DIRECTION: Final = 1e-3
_SAME_SPACING: Final = 1e-3
_SAME_PLACE_MM: Final = 0.01
_EVEN_SHARE: Final = 0.02
_EVEN_MM: Final = 0.02
_LARGEST_TILT_DEG: Final = 0.1


def stack(
    frames: Sequence[FramePlane],
    frame_of_reference: FrameOfReferenceUID | None,
    *,
    is_cine: bool = False,
) -> tuple[Grid, tuple[int, ...]]:
    """Return the grid and the order of frames along it (indices into ``frames``).

    Slices ascend along the cross product of row and column direction; frames without positions
    stay in stored order.

    Parameters
    ----------
    is_cine
        Whether frames without positions follow one another in time.

    Raises
    ------
    MixedOrientationError, TiltedGantryError, DuplicateSliceError, SliceGapError, GeometryError
        See domain.errors; each message gives the values that were found.
    """
    _check_alike(frames)
    first = frames[0]
    if first.position_lps_mm is None:
        return _without_positions(frames, is_cine=is_cine)
    positions = _positions(frames)
    assert first.row_direction is not None
    assert first.column_direction is not None
    normal = np.cross(first.row_direction, first.column_direction)
    along = positions @ normal
    order = np.argsort(along, kind="stable")
    positions, along = positions[order], along[order]
    if len(frames) == 1:
        step = normal * (first.nominal_depth_mm or 1.0)
    else:
        _check_even(along, positions, normal)
        step = (positions[-1] - positions[0]) / (len(frames) - 1)
    return (
        _grid(first, positions[0], step, len(frames), frame_of_reference),
        tuple(int(place) for place in order),
    )


def _grid(
    plane: FramePlane,
    origin: NDArray[np.float64],
    step: NDArray[np.float64],
    slices: int,
    frame_of_reference: FrameOfReferenceUID | None,
) -> Grid:
    rows_mm, columns_mm = plane.spacing_mm or (1.0, 1.0)
    assert plane.row_direction is not None
    assert plane.column_direction is not None
    affine = np.eye(4)
    affine[:3, 0] = step
    affine[:3, 1] = plane.column_direction * rows_mm
    affine[:3, 2] = plane.row_direction * columns_mm
    affine[:3, 3] = origin
    return Grid(
        affine=affine,
        shape=(slices, plane.rows, plane.columns),
        frame_of_reference_uid=frame_of_reference,
        in_plane_calibrated=plane.spacing_mm is not None,
        slice_spacing_known=slices > 1,
    )


def _without_positions(
    frames: Sequence[FramePlane], *, is_cine: bool
) -> tuple[Grid, tuple[int, ...]]:
    """Stack the frames of one ultrasound or X-ray object in stored order: no depth is known.

    Such a grid has no place in the patient, whatever frame of reference the object names.
    """
    if len({frame.dataset_index for frame in frames}) > 1:
        raise GeometryError(
            f"{len(frames)} images without Image Position (Patient) make no volume: open one image"
        )
    rows_mm, columns_mm = frames[0].spacing_mm or (1.0, 1.0)
    grid = Grid(
        affine=np.array(
            [[0, 0, columns_mm, 0], [0, rows_mm, 0, 0], [1, 0, 0, 0], [0, 0, 0, 1]],
            dtype=np.float64,
        ),
        shape=(len(frames), frames[0].rows, frames[0].columns),
        in_plane_calibrated=frames[0].spacing_mm is not None,
        slice_spacing_known=False,
        is_time=is_cine and len(frames) > 1,
    )
    return grid, tuple(range(len(frames)))


def _positions(frames: Sequence[FramePlane]) -> NDArray[np.float64]:
    found = [frame.position_lps_mm for frame in frames]
    missing = sum(position is None for position in found)
    if missing:
        raise GeometryError(f"{missing} of {len(frames)} images have no Image Position (Patient)")
    return np.array(found, dtype=np.float64)


def _check_alike(frames: Sequence[FramePlane]) -> None:
    sizes = {(frame.rows, frame.columns) for frame in frames}
    if len(sizes) > 1:
        raise MixedOrientationError(f"images of different sizes in one series: {sorted(sizes)}")
    if len({frame.position_lps_mm is None for frame in frames}) > 1:
        raise GeometryError("some images have a position and some have none: split the series")
    spacings = [frame.spacing_mm for frame in frames]
    if any(_differs(spacing, spacings[0]) for spacing in spacings):
        shown = sorted({str(spacing) for spacing in spacings})
        raise MixedOrientationError(f"different pixel spacings in one series: {', '.join(shown)}")
    for direction in ("row_direction", "column_direction"):
        vectors = [getattr(frame, direction) for frame in frames]
        if vectors[0] is None:
            continue
        apart = max(float(np.abs(vector - vectors[0]).max()) for vector in vectors)
        if apart > _SAME_DIRECTION:
            raise MixedOrientationError(
                f"slices of different orientation in one series (direction cosines differ by "
                f"{apart:.3f}): a localiser or several stacks; choose one orientation"
            )


def _differs(one: tuple[float, float] | None, other: tuple[float, float] | None) -> bool:
    if one is None or other is None:
        return one is not other
    return bool(np.abs(np.subtract(one, other)).max() > _SAME_SPACING * max(other))


def _check_even(
    along: NDArray[np.float64], positions: NDArray[np.float64], normal: NDArray[np.float64]
) -> None:
    gaps = np.diff(along)
    twins = int(np.count_nonzero(gaps < _SAME_PLACE_MM))
    if twins:
        raise DuplicateSliceError(
            f"{twins} of {len(along)} slices share their position with another "
            f"(first at {along[int(np.argmin(gaps))]:.2f} mm along the normal): several phases, "
            "echoes or reconstructions in one series; choose one"
        )
    travel = positions[-1] - positions[0]
    height = float(travel @ normal)
    shift = float(np.linalg.norm(travel - height * normal))
    tilt_deg = float(np.degrees(np.arctan2(shift, height)))
    if tilt_deg > _LARGEST_TILT_DEG:
        raise TiltedGantryError(
            f"slices are sheared by {tilt_deg:.1f} degrees (gantry tilt): resample the series "
            "upright before segmenting or measuring it"
        )
    spacing = float(np.median(gaps))
    uneven = np.abs(gaps - spacing)
    worst = int(np.argmax(uneven))
    if uneven[worst] > max(_EVEN_SHARE * spacing, _EVEN_MM):
        raise SliceGapError(
            f"slices {worst} and {worst + 1} are {gaps[worst]:.2f} mm apart, the others "
            f"{spacing:.2f}: slices are missing or unevenly spaced; ask for the complete series"
        )
