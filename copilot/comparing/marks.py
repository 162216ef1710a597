"""What was pointed at, one lesion at a time."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import edt
import numpy as np

from copilot.hints import Hints
from domain.grid import Grid
from domain.prompt import Box, Point, Prompt
from domain.volume import Mask, Volume

_AIR_HU: Final = -750.0
_MIDDLE: Final = 0.6
_CLICK_PX: Final = 2
_BESIDE: Final = 1


def prompts_of(hints: Hints, asked: Prompt, volume: Volume) -> tuple[Prompt, ...]:
    """Return a prompt for each lesion pointed at.

    Boxes that overlap on their slices and are no further apart than they are wide are of one
    lesion; a click belongs to the box that holds it, else it is a lesion of its own. Lines and
    scribbles are each a lesion; what says "not this" goes with every lesion.

    Parameters
    ----------
    asked
        What they are called, and on which side.

    Raises
    ------
    PromptError
        For a hint outside the volume.
    """
    not_points = tuple(each for each in hints.points if not each.positive)
    not_boxes = tuple(each for each in hints.boxes if not each.positive)
    blank = replace(asked, slice_range=hints.slice_range)
    groups = _grouped([each for each in hints.boxes if each.positive], volume.grid)
    found: list[Prompt] = []
    free = [each for each in hints.points if each.positive]
    for group in groups:
        inside = [each for each in free if any(_holds(box, each) for box in group)]
        free = [each for each in free if each not in inside]
        found.append(replace(blank, boxes=(*group, *not_boxes)))
    found += [replace(blank, points=(each, *not_points), boxes=not_boxes) for each in free]
    found += [replace(blank, lines=(each,)) for each in hints.lines]
    strokes = [each for each in hints.scribbles if each.positive]
    against = tuple(each for each in hints.scribbles if not each.positive)
    found += [replace(blank, scribbles=(each, *against)) for each in strokes]
    for prompt in found:
        prompt.check_inside(volume.grid.shape)
    return tuple(found)


def middle(prompt: Prompt) -> tuple[float, float, float]:
    """Return the index (slice, row, column) in the middle of what was pointed at."""
    for box in prompt.boxes:
        if box.positive:
            return (
                (box.slice_start + box.slice_stop - 1) / 2,
                (box.row_start + box.row_stop - 1) / 2,
                (box.column_start + box.column_stop - 1) / 2,
            )
    for point in prompt.points:
        if point.positive:
            return float(point.slice_index), float(point.row), float(point.column)
    stroke = [(each.slice_index, each.places) for each in prompt.lines]
    stroke += [(each.slice_index, each.path) for each in prompt.scribbles]
    index, places = stroke[0]
    rows, columns = np.array(places).mean(axis=0)
    return float(index), float(rows), float(columns)


def is_air(volume: Volume, prompt: Prompt) -> bool:
    """Tell whether what was pointed at on a CT is air alone: aerated lung, nothing in it."""
    if volume.modality != "CT":
        return False
    index, row, column = (round(each) for each in middle(prompt))
    half = [_CLICK_PX, _CLICK_PX]
    for box in prompt.boxes:
        if box.positive:
            sizes = (box.row_stop - box.row_start, box.column_stop - box.column_start)
            half = [max(_CLICK_PX, int(size * _MIDDLE / 2)) for size in sizes]
            break
    near = volume.voxels[
        index,
        max(0, row - half[0]) : row + half[0] + 1,
        max(0, column - half[1]) : column + half[1] + 1,
    ]
    return float(np.median(near)) < _AIR_HU


def click_in(prompt: Prompt) -> Prompt | None:
    """Return a click in the middle of a single box without a range, or None for other prompts.

    A box on one slice does not say how far a thing goes; a click leaves that to the image.
    """
    if (
        len(prompt.boxes) != 1
        or prompt.slice_range is not None
        or prompt.points
        or prompt.scribbles
    ):
        return None
    index, row, column = (round(each) for each in middle(prompt))
    click = Point(slice_index=index, row=row, column=column)
    return Prompt(concept=prompt.concept, side=prompt.side, points=(click,))


def moved(prompt: Prompt, place: tuple[float, float, float], volume: Volume) -> Prompt | None:
    """Return a prompt as drawn round another place, or None where that is outside the volume.

    A box keeps its size in pixels: both studies show the patient at nearly one scale.
    """
    index, row, column = (round(each) for each in place)
    shape = volume.grid.shape
    if not all(0 <= at < length for at, length in zip((index, row, column), shape, strict=True)):
        return None
    box = next((each for each in prompt.boxes if each.positive), None)
    blank = Prompt(concept=prompt.concept, side=prompt.side)
    if box is None:
        return replace(blank, points=(Point(slice_index=index, row=row, column=column),))
    rows, columns = box.row_stop - box.row_start, box.column_stop - box.column_start
    top, left = max(0, row - rows // 2), max(0, column - columns // 2)
    made = Box.on_slice(
        index, (top, min(shape[1], top + rows)), (left, min(shape[2], left + columns))
    )
    return replace(blank, boxes=(made,))


def prompt_on(core: Mask, like: Prompt, reach: tuple[int, int]) -> Prompt:
    """Return the prompt that asks for what ``core`` shows, in the manner of ``like``.

    Parameters
    ----------
    reach
        Half-open range of slices for a box: how far it goes is known from the other study.
    """
    counts = np.count_nonzero(core.voxels, axis=(1, 2))
    index = int(counts.argmax())
    blank = Prompt(concept=like.concept, side=like.side)
    if like.points or like.scribbles:
        depth = edt.edt(
            np.ascontiguousarray(np.pad(core.voxels[index], 1)),
            anisotropy=core.grid.spacing_mm[1:],
        )[1:-1, 1:-1]
        row, column = np.unravel_index(int(depth.argmax()), depth.shape)
        click = Point(slice_index=index, row=int(row), column=int(column))
        return replace(blank, points=(click,))
    rows = np.flatnonzero(core.voxels[index].any(axis=1))
    columns = np.flatnonzero(core.voxels[index].any(axis=0))
    box = Box.on_slice(
        index, (int(rows[0]), int(rows[-1]) + 1), (int(columns[0]), int(columns[-1]) + 1)
    )
    return replace(blank, boxes=(box,), slice_range=reach)


def _grouped(boxes: Sequence[Box], grid: Grid) -> list[tuple[Box, ...]]:
    groups: list[list[Box]] = []
    for box in boxes:
        touching = [group for group in groups if any(_is_one(box, each, grid) for each in group)]
        joined = [box, *(each for group in touching for each in group)]
        groups = [group for group in groups if group not in touching]
        groups.append(joined)
    return [tuple(sorted(group, key=lambda each: each.slice_start)) for group in groups]


def _is_one(one: Box, other: Box, grid: Grid) -> bool:
    rows = min(one.row_stop, other.row_stop) - max(one.row_start, other.row_start)
    columns = min(one.column_stop, other.column_stop) - max(one.column_start, other.column_start)
    if rows <= 0 or columns <= 0:
        return False
    slice_mm, row_mm, column_mm = grid.spacing_mm
    apart = max(one.slice_start, other.slice_start) - min(one.slice_stop, other.slice_stop)
    widths = [
        side
        for box in (one, other)
        for side in (
            (box.row_stop - box.row_start) * row_mm,
            (box.column_stop - box.column_start) * column_mm,
        )
    ]
    return apart * slice_mm <= max(widths)


def _holds(box: Box, point: Point) -> bool:
    return (
        box.slice_start - _BESIDE <= point.slice_index < box.slice_stop + _BESIDE
        and box.row_start <= point.row < box.row_stop
        and box.column_start <= point.column < box.column_stop
    )
