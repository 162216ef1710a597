"""From clicks and scribbles alone to boxes: what a network finds round the marks on their slice."""

import math
from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from domain.grid import Grid
from domain.prompt import Box, Point, Prompt, Scribble
from segmentation.slicewise.fusion import connected_to
from segmentation.slicewise.slices import SliceBox, SliceHint, SlicePoint
from segmentation.slicewise.strokes import painted
from segmentation.slicewise.targets import box_of, whole_box
from segmentation.slicewise.views import SeriesView, crop_round

_REACH_MM: Final = 10.0
_MARGINS: Final = (0.1, 0.2, 0.3, 0.45, 0.6)  # of the stroke's diagonal
_GROWTH: Final = 1.15  # as boxes drawn by hand, on average
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
    scribbles = [each for each in prompt.scribbles if each.slice_index == index and each.positive]
    part = _at_stroke(view, index, scribbles) if scribbles else _at_click(view, prompt, index)
    if part is None or part.mean() > _LARGEST_SHARE:
        return None
    return whole_box(index, box_of(part), view.shape)


def _at_click(view: SeriesView, prompt: Prompt, index: int) -> NDArray[np.bool_] | None:
    """Return what the network finds at clicks alone."""
    points = [each for each in prompt.points if each.slice_index == index]
    seed = np.zeros(view.shape, dtype=np.bool_)
    for point in points:
        seed[point.row, point.column] |= point.positive
    hint = SliceHint(points=tuple(_slice_point(each) for each in points))
    whole = (slice(0, view.shape[0]), slice(0, view.shape[1]))
    inside = view.logits(index, [hint], whole) > 0
    return connected_to(inside, seed) if (inside & seed).any() else None


def _at_stroke(view: SeriesView, index: int, scribbles: list[Scribble]) -> NDArray[np.bool_] | None:
    """Return what the network finds round strokes, asked with boxes of several sizes about them.

    How much of a thing a stroke covers is not known: the box counts of whose answer the network is
    surest. It is asked once more with the box of that answer.
    """
    seed = np.any([painted(view.shape, each) for each in scribbles], axis=0)
    stroke = box_of(seed)
    across = math.hypot(stroke.rows, stroke.columns)
    found = [_at_box(view, index, _grown(stroke, each * across), seed) for each in _MARGINS]
    likely = [each for each in found if each is not None]
    if not likely:
        return None
    first = max(likely, key=lambda each: each[0])[1]
    again = _at_box(view, index, box_of(first | seed), seed)
    return np.asarray((first if again is None else again[1]) | seed, dtype=np.bool_)


def _at_box(
    view: SeriesView, index: int, box: SliceBox, seed: NDArray[np.bool_]
) -> tuple[float, NDArray[np.bool_]] | None:
    """Return the part round the seed and its mean probability; None where the seed is outside."""
    asked = box.clipped(view.shape)
    crop = crop_round(asked, view.shape, view.network.input_px)
    logits = view.logits(index, [SliceHint(box=asked.scaled(_GROWTH))], crop)
    if not ((logits > 0) & seed).any():
        return None
    part = connected_to(logits > 0, seed)
    return float((1 / (1 + np.exp(-logits[part]))).mean()), part


def _grown(box: SliceBox, margin_px: float) -> SliceBox:
    return SliceBox(
        row_start=box.row_start - margin_px,
        row_stop=box.row_stop + margin_px,
        column_start=box.column_start - margin_px,
        column_stop=box.column_stop + margin_px,
    )


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
