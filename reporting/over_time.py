"""Area and diameters of a mask on a cine, frame by frame: a cine has no volume."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from domain.codes import AREA, MAXIMUM, MINIMUM, SQUARE_MILLIMETRE
from domain.errors import CannotDoError, EmptyMaskError, UncalibratedError
from domain.grid import Grid
from domain.measurement import Measurement
from domain.volume import Mask, Volume
from reporting.diameters import axes_on_slice
from reporting.scale import on_scale

NO_DEPTH_IN_TIME: Final = (
    "the frames of a cine follow one another in time, not in space: areas are given frame by frame"
)


@dataclass(frozen=True, kw_only=True)
class FrameArea:
    """What is marked on one frame.

    Attributes
    ----------
    frame_index
        From 0, in the order of the cine.
    time_ms
        Since the first frame; None where the file does not say.
    pixels
        How many are marked; 0 says that nothing is, not that the thing has no area.
    area_mm2, long_axis_mm, short_axis_mm
        None where nothing is marked, or no scale is known.
    """

    frame_index: int
    time_ms: float | None
    pixels: int
    area_mm2: float | None = None
    long_axis_mm: float | None = None
    short_axis_mm: float | None = None


def areas_over_time(image: Volume, mask: Mask) -> tuple[FrameArea, ...]:
    """Return every frame of a cine, those without a mark included.

    Raises
    ------
    CannotDoError
        If the images follow one another in space.
    """
    if not mask.grid.is_time:
        raise CannotDoError("these images follow one another in space, not in time")
    sized, _ = on_scale(image, mask)
    return tuple(_frame_area(image, sized, index) for index in range(mask.grid.shape[0]))


def _frame_area(image: Volume, mask: Mask, index: int) -> FrameArea:
    pixels = int(np.count_nonzero(mask.voxels[index]))
    time_ms = image.frame_times_ms[index] if image.frame_times_ms else None
    if pixels == 0 or not mask.grid.in_plane_calibrated:
        return FrameArea(frame_index=index, time_ms=time_ms, pixels=pixels)
    axes = axes_on_slice(mask, index)
    return FrameArea(
        frame_index=index,
        time_ms=time_ms,
        pixels=pixels,
        area_mm2=pixels * pixel_area_mm2(mask.grid),
        long_axis_mm=axes.long.length_mm,
        short_axis_mm=axes.short.length_mm,
    )


def area_extremes(mask: Mask) -> tuple[Measurement, Measurement]:
    """Return the largest and the smallest area over the marked frames; of equals, the first.

    Raises
    ------
    EmptyMaskError
        If the mask has no voxel.
    UncalibratedError
        If the image has no pixel spacing at the patient.
    """
    frames = mask.slice_indices()
    if not frames:
        raise EmptyMaskError("the mask is empty: there is nothing to measure")
    if not mask.grid.in_plane_calibrated:
        raise UncalibratedError(
            "the image has no pixel spacing at the patient: an area cannot be given"
        )
    counts = {index: int(np.count_nonzero(mask.voxels[index])) for index in frames}
    largest = max(frames, key=lambda index: counts[index])
    smallest = min(frames, key=lambda index: counts[index])
    found = [
        Measurement(
            concept=AREA,
            value=counts[index] * pixel_area_mm2(mask.grid),
            unit=SQUARE_MILLIMETRE,
            derivation=derivation,
            slice_index=index,
        )
        for index, derivation in ((largest, MAXIMUM), (smallest, MINIMUM))
    ]
    return found[0], found[1]


def pixel_area_mm2(grid: Grid) -> float:
    """Return the area of one pixel of a slice."""
    return float(np.linalg.norm(np.cross(grid.affine[:3, 1], grid.affine[:3, 2])))
