"""From clicks and scribbles alone to boxes: what a network finds round the marks on their slice."""

import math
from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from domain.grid import Grid
from domain.prompt import Box, Prompt, Scribble
from segmentation.slicewise.fusion import connected_to
from segmentation.slicewise.slices import SliceBox, SliceHint
from segmentation.slicewise.strokes import painted
from segmentation.slicewise.targets import box_of, whole_box
from segmentation.slicewise.views import SeriesView, crop_round

_REACH_MM: Final = 10.0
_MARGINS: Final = (0.1, 0.2, 0.3, 0.45, 0.6)  # of the stroke's diagonal
_SIZES_MM: Final = (12.0, 18.0, 27.0, 40.0, 60.0, 90.0)
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
    """Return what the network finds round the first click, asked with boxes of several sizes.

    Boxes, since networks outline clicks alone badly; of several sizes, since a click has none.
    """
    points = [each for each in prompt.points if each.slice_index == index]
    first = next(each for each in points if each.positive)
    seed = np.zeros(view.shape, dtype=np.bool_)
    seed[first.row, first.column] = True
    _, row_mm, column_mm = view.volume.grid.spacing_mm
    click = box_of(seed)
    boxes = [
        SliceBox(
            row_start=click.centre[0] - size_mm / row_mm / 2,
            row_stop=click.centre[0] + size_mm / row_mm / 2,
            column_start=click.centre[1] - size_mm / column_mm / 2,
            column_stop=click.centre[1] + size_mm / column_mm / 2,
        )
        for size_mm in _SIZES_MM
    ]
    part = _surest(view, index, boxes, seed)
    spared = [each for each in points if not each.positive]
    if part is None or any(part[each.row, each.column] for each in spared):
        return None
    return part


def _at_stroke(view: SeriesView, index: int, scribbles: list[Scribble]) -> NDArray[np.bool_] | None:
    """Return what the network finds round strokes, asked with boxes of several sizes about them.

    How much of a thing a stroke covers is not known.
    """
    seed = np.any([painted(view.shape, each) for each in scribbles], axis=0)
    stroke = box_of(seed)
    across = math.hypot(stroke.rows, stroke.columns)
    boxes = [_grown(stroke, each * across) for each in _MARGINS]
    part = _surest(view, index, boxes, seed)
    return None if part is None else np.asarray(part | seed, dtype=np.bool_)


def _surest(
    view: SeriesView, index: int, boxes: Sequence[SliceBox], seed: NDArray[np.bool_]
) -> NDArray[np.bool_] | None:
    """Return the answer the network is surest of, the largest of equals, asked once more."""
    found = [_at_box(view, index, box, seed) for box in boxes]
    likely = [each for each in found if each is not None]
    if not likely:
        return None
    _, first = max(likely, key=lambda each: (round(each[0], 2), np.count_nonzero(each[1])))
    again = _at_box(view, index, box_of(first | seed), seed)
    return first if again is None else again[1]


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
