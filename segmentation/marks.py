"""From clicks and scribbles alone to boxes: what a network finds round the marks on their slice."""

from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from domain.grid import Grid
from domain.prompt import Box, Point, Prompt, Scribble
from segmentation.fusion import connected_to
from segmentation.slices import SliceBox, SliceHint, SlicePoint
from segmentation.strokes import painted, points_along
from segmentation.targets import box_of, whole_box
from segmentation.views import SeriesView

_REACH_MM: Final = 10.0
_LARGEST_SHARE: Final = 0.25


def boxes_at_marks(view: SeriesView, prompt: Prompt) -> tuple[Box, ...]:
    """Return a box on each slice with a positive scribble, or on that of the first click.

    Empty where the network sees no clear outline round the marks.
    """
    slices = sorted({each.slice_index for each in prompt.scribbles if each.positive})
    if not slices:
        slices = [next(point.slice_index for point in prompt.points if point.positive)]
    boxes = (_box_on_slice(view, prompt, index) for index in slices)
    return tuple(box for box in boxes if box is not None)


def _box_on_slice(view: SeriesView, prompt: Prompt, index: int) -> Box | None:
    points = tuple(each for each in prompt.points if each.slice_index == index)
    scribbles = tuple(each for each in prompt.scribbles if each.slice_index == index)
    seed = _under(view.shape, points, scribbles)
    told = tuple(_slice_point(each) for each in points)
    whole = (slice(0, view.shape[0]), slice(0, view.shape[1]))
    hint = SliceHint(points=(*told, *points_along(scribbles)))
    inside = view.logits(index, [hint], whole) > 0
    if not (inside & seed).any():
        return None
    part = connected_to(inside, seed)
    if part.mean() > _LARGEST_SHARE:
        return None
    return whole_box(index, box_of(part | seed), view.shape)


def _under(
    shape: tuple[int, int], points: tuple[Point, ...], scribbles: tuple[Scribble, ...]
) -> NDArray[np.bool_]:
    """Return the pixels under positive clicks and scribbles."""
    seed = np.zeros(shape, dtype=np.bool_)
    for point in points:
        seed[point.row, point.column] |= point.positive
    for scribble in scribbles:
        if scribble.positive:
            seed |= painted(shape, scribble)
    return seed


def boxes_round_marks(prompt: Prompt, grid: Grid) -> Iterator[Box]:
    """Yield a box of a small lesion's margin about each positive click and scribble."""
    shape = (grid.shape[1], grid.shape[2])
    _, row_mm, column_mm = grid.spacing_mm
    for index, box in _marks(prompt, shape):
        yield whole_box(
            index,
            SliceBox(
                row_start=box.row_start - _REACH_MM / row_mm,
                row_stop=box.row_stop + _REACH_MM / row_mm,
                column_start=box.column_start - _REACH_MM / column_mm,
                column_stop=box.column_stop + _REACH_MM / column_mm,
            ),
            shape,
        )


def _marks(prompt: Prompt, shape: tuple[int, int]) -> Iterator[tuple[int, SliceBox]]:
    for point in prompt.points:
        if point.positive:
            row, column = point.row, point.column
            yield (
                point.slice_index,
                SliceBox(
                    row_start=row, row_stop=row + 1, column_start=column, column_stop=column + 1
                ),
            )
    for scribble in prompt.scribbles:
        if scribble.positive:
            yield scribble.slice_index, box_of(painted(shape, scribble))


def _slice_point(point: Point) -> SlicePoint:
    return SlicePoint(row=point.row, column=point.column, positive=point.positive)
