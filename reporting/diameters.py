"""Long and short axis on single slices, as RECIST asks.

Neighbouring slices never mix: a diameter is what a reader could draw on one image.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import ConvexHull
from scipy.spatial.distance import pdist, squareform

from domain.codes import LONG_AXIS, MILLIMETRE, SHORT_AXIS
from domain.errors import EmptyMaskError, UncalibratedError
from domain.grid import Grid
from domain.measurement import Measurement, Position
from domain.volume import Mask

_HALF_VOXEL: Final = 0.5
_SAME_MM: Final = 1e-6


@dataclass(frozen=True, kw_only=True)
class Diameter:
    """A line on one slice, its ends in LPS millimetres."""

    slice_index: int
    length_mm: float
    ends_lps_mm: tuple[Position, Position]


@dataclass(frozen=True, kw_only=True)
class Axes:
    """Long axis of a mask, and the longest perpendicular to it on the same slice."""

    long: Diameter
    short: Diameter


def axes_on_slice(mask: Mask, slice_index: int) -> Axes:
    """Return long and short axis of one slice, between voxel outer edges, as calipers are placed.

    The long axis is the largest distance of two points of the outline; the short axis the longest
    chord of its convex hull perpendicular to that (RECIST 1.1, Eisenhauer 2009, section 3.1).

    Raises
    ------
    EmptyMaskError
        If nothing is marked on the slice.
    UncalibratedError
        If the image has no pixel spacing at the patient.
    """
    if not mask.grid.in_plane_calibrated:
        raise UncalibratedError(
            "the image has no pixel spacing at the patient: a diameter cannot be given"
        )
    edges = _outer_corners(mask.voxels[slice_index])
    if edges.size == 0:
        raise EmptyMaskError(f"nothing is marked on slice {slice_index}")
    _, row_mm, column_mm = mask.grid.spacing_mm
    hull = edges[ConvexHull(edges).vertices] * (row_mm, column_mm)
    distances = squareform(pdist(hull))
    start, stop = np.unravel_index(int(np.argmax(distances)), distances.shape)
    return Axes(
        long=_diameter(mask.grid, slice_index, hull[start], hull[stop]),
        short=_diameter(mask.grid, slice_index, *_widest_chord(hull, hull[start], hull[stop])),
    )


def axes_by_slice(mask: Mask) -> tuple[Axes, ...]:
    """Return the axes of every marked slice, in volume order.

    Raises
    ------
    EmptyMaskError
        If the mask has no voxel.
    UncalibratedError
        If the image has no pixel spacing at the patient.
    """
    slices = mask.slice_indices()
    if not slices:
        raise EmptyMaskError("the mask is empty: there is nothing to measure")
    return tuple(axes_on_slice(mask, index) for index in slices)


def longest_axes(mask: Mask) -> Axes:
    """Return the axes of the slice whose long axis is longest; ties go to the later slice.

    Raises
    ------
    EmptyMaskError
        If the mask has no voxel.
    """
    best: Axes | None = None
    for axes in axes_by_slice(mask):
        if best is None or axes.long.length_mm >= best.long.length_mm - _SAME_MM:
            best = axes
    assert best is not None
    return best


def diameters(mask: Mask) -> tuple[Measurement, Measurement]:
    """Return :func:`longest_axes` as coded measurements with their end points.

    On a cine the ends have no place in the patient, and are left out.
    """
    axes = longest_axes(mask)
    long, short = (
        Measurement(
            concept=concept,
            value=diameter.length_mm,
            unit=MILLIMETRE,
            slice_index=diameter.slice_index,
            points_lps_mm=() if mask.grid.is_time else diameter.ends_lps_mm,
        )
        for concept, diameter in ((LONG_AXIS, axes.long), (SHORT_AXIS, axes.short))
    )
    return long, short


def _outer_corners(marked: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return corners (n, 2) of the first and last marked voxel of each row: enough for the hull."""
    rows = np.flatnonzero(marked.any(axis=1))
    first = marked[rows].argmax(axis=1)
    last = marked.shape[1] - 1 - marked[rows, ::-1].argmax(axis=1)
    ends = np.concatenate([np.stack([rows, first], 1), np.stack([rows, last], 1)]).astype(float)
    steps = _HALF_VOXEL * np.array([(-1, -1), (-1, 1), (1, -1), (1, 1)])
    return (ends[:, np.newaxis] + steps).reshape(-1, 2)


def _widest_chord(
    hull: NDArray[np.float64], start: NDArray[np.float64], stop: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the ends of the longest chord of a convex polygon perpendicular to start-stop.

    Chord length along the axis is piecewise linear and breaks at vertices: one of them is best.
    """
    along = (stop - start) / np.linalg.norm(stop - start)
    across = np.array([-along[1], along[0]])
    places, offsets = (hull - start) @ along, (hull - start) @ across
    following = np.roll(np.arange(len(hull)), -1)
    best = (0.0, 0.0, 0.0)
    for place in places:
        low, high = np.minimum(places, places[following]), np.maximum(places, places[following])
        crossed = np.flatnonzero((low <= place) & (place <= high))
        run = places[following][crossed] - places[crossed]
        flat = np.abs(run) < _SAME_MM
        share = np.where(flat, 0.0, (place - places[crossed]) / np.where(flat, 1.0, run))
        begins, ends = offsets[crossed], offsets[following][crossed]
        reached = np.concatenate([begins + share * (ends - begins), ends[flat]])
        if reached.max() - reached.min() > best[2] - best[1]:
            best = (float(place), float(reached.min()), float(reached.max()))
    foot = start + best[0] * along
    return foot + best[1] * across, foot + best[2] * across


def _diameter(
    grid: Grid, slice_index: int, start_mm: NDArray[np.float64], stop_mm: NDArray[np.float64]
) -> Diameter:
    _, row_mm, column_mm = grid.spacing_mm
    ends = np.array([start_mm, stop_mm]) / (row_mm, column_mm)
    indices = np.column_stack([np.full(2, float(slice_index)), ends])
    first, last = grid.to_lps_mm(indices)
    return Diameter(
        slice_index=slice_index,
        length_mm=float(np.linalg.norm(last - first)),
        ends_lps_mm=(
            (float(first[0]), float(first[1]), float(first[2])),
            (float(last[0]), float(last[1]), float(last[2])),
        ),
    )
