"""What a person would have pointed at, made from the reference mask, and how hands differ."""

from collections.abc import Callable
from typing import Final

import edt
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from copilot.evaluation.cases import CaseEntry, Gesture
from domain.grid import Grid
from domain.prompt import Box, Point, Prompt
from domain.volume import Mask
from reporting.diameters import axes_on_slice

JITTER: Final = 0.1
"""Each edge moves by up to this share of the side."""


def prompt_of(case: CaseEntry, reference: Mask, concept: str | None) -> Prompt:
    """Return what an engine is asked in a case.

    A given box or point is taken as it is. Else the gesture is made: a tight box on the slice where
    the reference is largest with its slice range; a tight 3D box; a click at the point of that
    slice deepest inside; the longest diameter of that slice, as the box of the circle on it, with
    the slice range; or no gesture, only the name.
    """
    boxes: tuple[Box, ...] = ()
    points: tuple[Point, ...] = ()
    slice_range = case.slices
    if case.box is not None:
        index, row, column, row_stop, column_stop = case.box
        boxes = (Box.on_slice(index, (row, row_stop), (column, column_stop)),)
    if case.point is not None:
        points = (Point(slice_index=case.point[0], row=case.point[1], column=case.point[2]),)
    if case.box is None and case.point is None:
        gesture = case.gesture or "box"
        box = _BOXES[gesture](reference)
        boxes = (box,) if box is not None else ()
        points = (deepest_point(reference),) if gesture == "point" else ()
        if gesture in ("box", "line") and slice_range is None:
            slice_range = range_of(reference)
    return Prompt(
        concept=concept, side=case.side, boxes=boxes, points=points, slice_range=slice_range
    )


def key_slice(mask: Mask) -> int:
    """Return the slice of largest area, the first of equals."""
    return int(np.count_nonzero(mask.voxels, axis=(1, 2)).argmax())


def range_of(mask: Mask) -> tuple[int, int]:
    """Return the half-open range of slices of a mask that is not empty."""
    indices = mask.slice_indices()
    return indices[0], indices[-1] + 1


def tight_box(mask: Mask, slice_index: int | None = None) -> Box:
    """Return the half-open box of a mask on one slice, by default where it is largest."""
    index = key_slice(mask) if slice_index is None else slice_index
    return Box.on_slice(index, *_ends(mask.voxels[index]))


def tight_box_3d(mask: Mask) -> Box:
    """Return the half-open box round all of a mask."""
    start, stop = range_of(mask)
    rows, columns = _ends(np.asarray(mask.voxels.any(axis=0), dtype=np.bool_))
    return Box(
        slice_start=start,
        slice_stop=stop,
        row_start=rows[0],
        row_stop=rows[1],
        column_start=columns[0],
        column_stop=columns[1],
    )


def deepest_point(mask: Mask) -> Point:
    """Return the pixel farthest from the outline on the slice of largest area."""
    index = key_slice(mask)
    image = np.pad(mask.voxels[index], 1)
    depth = edt.edt(image, anisotropy=mask.grid.spacing_mm[1:], black_border=False, parallel=1)
    row, column = np.unravel_index(int(depth.argmax()), depth.shape)
    return Point(slice_index=index, row=int(row) - 1, column=int(column) - 1)


def circle_on_diameter(mask: Mask) -> Box:
    """Return the box of the circle on the longest diameter of the slice of largest area."""
    index = key_slice(mask)
    long = axes_on_slice(mask, index).long
    centre = mask.grid.to_index(np.mean(long.ends_lps_mm, axis=0))[1:]
    reach = long.length_mm / 2 / np.array(mask.grid.spacing_mm[1:])
    edges = centre[:, None] + 0.5 + reach[:, None] * (-1, 1)
    rows, columns = (
        _whole(edge, length) for edge, length in zip(edges, mask.grid.shape[1:], strict=True)
    )
    return Box.on_slice(index, rows, columns)


def jittered(prompt: Prompt, reference: Mask, random: Generator) -> Prompt:
    """Return a prompt as another hand would have given it: words and slice range stay.

    Every edge of a box moves by up to 10 % of its side. A click moves by up to 10 % of the
    reference's box, and stays where it is when it would leave the reference.
    """
    grid = reference.grid
    return Prompt(
        concept=prompt.concept,
        side=prompt.side,
        boxes=tuple(jittered_box(box, grid, random) for box in prompt.boxes),
        points=tuple(_moved(point, reference, random) for point in prompt.points),
        slice_range=prompt.slice_range,
    )


def jittered_box(box: Box, grid: Grid, random: Generator) -> Box:
    """Return a box with each edge moved by up to 10 % of its side; a flat one keeps its slice."""
    spans = [(box.row_start, box.row_stop), (box.column_start, box.column_stop)]
    lengths = list(grid.shape[1:])
    if not box.is_flat:
        spans.insert(0, (box.slice_start, box.slice_stop))
        lengths.insert(0, grid.shape[0])
    ends = []
    for (start, stop), length in zip(spans, lengths, strict=True):
        moved = np.array([start, stop]) + random.uniform(-JITTER, JITTER, 2) * (stop - start)
        ends.append(_whole(moved, length))
    if box.is_flat:
        ends.insert(0, (box.slice_start, box.slice_stop))
    return Box(
        slice_start=ends[0][0],
        slice_stop=ends[0][1],
        row_start=ends[1][0],
        row_stop=ends[1][1],
        column_start=ends[2][0],
        column_stop=ends[2][1],
        positive=box.positive,
    )


def _moved(point: Point, reference: Mask, random: Generator) -> Point:
    if not point.positive or not reference.voxels[point.slice_index].any():
        return point
    box = tight_box(reference, point.slice_index)
    sides = (box.row_stop - box.row_start, box.column_stop - box.column_start)
    shift = np.rint(random.uniform(-JITTER, JITTER, 2) * sides).astype(int)
    row, column = int(point.row + shift[0]), int(point.column + shift[1])
    inside = 0 <= row < reference.grid.shape[1] and 0 <= column < reference.grid.shape[2]
    if not inside or not reference.voxels[point.slice_index, row, column]:
        return point
    return Point(slice_index=point.slice_index, row=row, column=column)


def _ends(image: NDArray[np.bool_]) -> tuple[tuple[int, int], tuple[int, int]]:
    rows, columns = np.flatnonzero(image.any(axis=1)), np.flatnonzero(image.any(axis=0))
    return (int(rows[0]), int(rows[-1]) + 1), (int(columns[0]), int(columns[-1]) + 1)


def _whole(edges: NDArray[np.float64], length: int) -> tuple[int, int]:
    """Return edges as whole pixels inside an image, at least one apart."""
    low = int(np.clip(round(float(edges[0])), 0, length - 1))
    return low, int(np.clip(round(float(edges[1])), low + 1, length))


_BOXES: Final[dict[Gesture, Callable[[Mask], Box | None]]] = {
    "box": tight_box,
    "box3d": tight_box_3d,
    "line": circle_on_diameter,
    "point": lambda _: None,
    "text": lambda _: None,
}
