"""What a person would have pointed at, made from the reference mask, and how hands differ."""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Final

import edt
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from copilot.evaluation.cases import CaseEntry, Gesture
from domain.grid import Grid
from domain.prompt import Box, Line, Place, Point, Prompt, Scribble
from domain.volume import Mask
from reporting.diameters import axes_on_slice

JITTER: Final = 0.1
"""Each edge moves by up to this share of the side."""

_STROKE: Final = 0.7  # of the longest diameter: hands stop before the edge
_STROKE_CORNERS: Final = 7


def prompt_of(case: CaseEntry, reference: Mask, concept: str | None) -> Prompt:
    """Return what an engine is asked in a case.

    A given box or point is taken as it is. Else the gesture is made: a tight box on the slice where
    the reference is largest with its slice range; a tight 3D box; a click at the point of that
    slice deepest inside; the longest diameter of that slice, or a stroke along its middle, with the
    slice range; or no gesture, only the name.
    """
    boxes: tuple[Box, ...] = ()
    points: tuple[Point, ...] = ()
    lines: tuple[Line, ...] = ()
    scribbles: tuple[Scribble, ...] = ()
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
        lines = (longest_line(reference),) if gesture == "line" else ()
        scribbles = (middle_stroke(reference),) if gesture == "scribble" else ()
        if gesture in ("box", "line", "scribble") and slice_range is None:
            slice_range = range_of(reference)
    return Prompt(
        concept=concept,
        side=case.side,
        boxes=boxes,
        points=points,
        lines=lines,
        scribbles=scribbles,
        slice_range=slice_range,
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


def longest_line(mask: Mask) -> Line:
    """Return the longest diameter of the slice of largest area, between outer edges."""
    index = key_slice(mask)
    long = axes_on_slice(mask, index).long
    start, stop = (mask.grid.to_index(end)[1:].tolist() for end in long.ends_lps_mm)
    return Line(slice_index=index, start=(start[0], start[1]), stop=(stop[0], stop[1]))


def middle_stroke(mask: Mask) -> Scribble:
    """Return a stroke along the middle of the slice of largest area.

    It goes along the middle 70 % of the longest diameter, half-way between the two sides, where the
    thing reaches so far; each corner lies inside.
    """
    line = longest_line(mask)
    image = mask.voxels[line.slice_index]
    start, stop = np.array(line.start), np.array(line.stop)
    along = stop - start
    across = np.array((-along[1], along[0]))
    path = []
    for share in np.linspace((1 - _STROKE) / 2, (1 + _STROKE) / 2, _STROKE_CORNERS):
        steps = np.linspace(-0.5, 0.5, 2 * int(np.hypot(*along)) + 3)
        places = np.rint(start + share * along + steps[:, None] * across).astype(int)
        places = places[((places >= 0) & (places < image.shape)).all(axis=1)]
        inside = places[image[places[:, 0], places[:, 1]]]
        if len(inside):
            row, column = inside[len(inside) // 2]
            path.append((float(row), float(column)))
    if not path:
        point = deepest_point(mask)
        path = [(float(point.row), float(point.column))]
    return Scribble(slice_index=line.slice_index, path=tuple(path))


def jittered(prompt: Prompt, reference: Mask, random: Generator) -> Prompt:
    """Return a prompt as another hand would have given it: words and slice range stay.

    Every edge of a box moves by up to 10 % of its side, every end of a line by up to 10 % of its
    length along and across it. A click or a corner of a scribble moves by up to 10 % of the
    reference's box, and stays where it is when it would leave the reference.
    """
    grid = reference.grid
    return Prompt(
        concept=prompt.concept,
        side=prompt.side,
        boxes=tuple(jittered_box(box, grid, random) for box in prompt.boxes),
        points=tuple(_moved(point, reference, random) for point in prompt.points),
        lines=tuple(_jittered_line(line, grid, random) for line in prompt.lines),
        scribbles=tuple(_moved_stroke(each, reference, random) for each in prompt.scribbles),
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


def _jittered_line(line: Line, grid: Grid, random: Generator) -> Line:
    reach = JITTER * math.dist(line.start, line.stop) / math.sqrt(2)
    lowest, highest = np.array((-0.5, -0.5)), np.array(grid.shape[1:]) - 0.5

    def moved(place: Place) -> Place:
        there = np.clip(np.array(place) + random.uniform(-reach, reach, 2), lowest, highest)
        return float(there[0]), float(there[1])

    return replace(line, start=moved(line.start), stop=moved(line.stop))


def _moved_stroke(scribble: Scribble, reference: Mask, random: Generator) -> Scribble:
    index, path = scribble.slice_index, []
    for row, column in scribble.path:
        corner = Point(slice_index=index, row=round(row), column=round(column))
        moved = _moved(replace(corner, positive=scribble.positive), reference, random)
        path.append((float(moved.row), float(moved.column)))
    return replace(scribble, path=tuple(path))


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
    "line": lambda _: None,
    "scribble": lambda _: None,
    "point": lambda _: None,
    "text": lambda _: None,
}
