"""What a prompt points at, slice by slice: key boxes, and what lies between and beyond them."""

import math
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from domain.errors import PromptError
from domain.grid import Grid
from domain.prompt import Box, Prompt
from domain.volume import Mask
from segmentation.slices import SliceBox, SlicePoint

_LEAST_PROFILE: Final = 0.25  # a network needs a box of some size on the last slices too


@dataclass(frozen=True, kw_only=True)
class Target:
    """One thing to outline.

    Attributes
    ----------
    keys
        Box by slice, where a person drew it.
    start, stop
        Half-open range of slices outside which nothing may be marked.
    is_range_given
        False when the range was guessed from the box: the result is then a proposal.
    points
        Clicks by slice.
    shapes
        The outline an earlier mask had on a slice; elsewhere an ellipse is expected.
    excluded
        Negative boxes: nothing inside them belongs to it.
    """

    keys: dict[int, SliceBox]
    start: int
    stop: int
    is_range_given: bool
    points: dict[int, tuple[SlicePoint, ...]]
    shapes: dict[int, NDArray[np.bool_]] = field(default_factory=dict)
    excluded: tuple[Box, ...] = ()

    @property
    def key_slices(self) -> tuple[int, ...]:
        """Slices with a box, in order."""
        return tuple(sorted(self.keys))

    @property
    def main_key(self) -> int:
        """The slice with the largest box: where the most is known."""
        return max(self.keys, key=lambda index: self.keys[index].rows * self.keys[index].columns)

    def nearest_key(self, index: int) -> int:
        """Return the key slice that says most about a slice, larger boxes from farther."""
        areas = {key: box.rows * box.columns for key, box in self.keys.items()}
        return max(areas, key=lambda key: areas[key] / max(abs(key - index), 0.5) ** 2)

    def profile(self, index: int) -> float:
        """Return the expected size on a slice, as a fraction of the key boxes: 1 between them.

        Beyond the outer keys it is that of an ellipsoid that ends with the range.
        """
        first, last = self.key_slices[0], self.key_slices[-1]
        if first <= index <= last:
            return 1.0
        nearest = first if index < first else last
        reach = first - self.start + 0.5 if index < first else self.stop - last - 0.5
        return math.sqrt(max(0.0, 1.0 - ((index - nearest) / reach) ** 2))

    def expected_box(self, index: int) -> SliceBox:
        """Return where to look on a slice: keys as drawn, smooth between, shrinking beyond.

        A key speaks for the slices as far as its box is wide: between two keys the centre is
        their mean by inverse squared distance in units of their size, beyond the outer ones that of
        the outermost. Squares of the sides run straight against the squared distance from the
        largest box, as those of an ellipsoid do, through the keys to nothing at the ends of the
        range: a small box drawn near an end then says little about the slices far from it.
        """
        keys = self.key_slices
        if index in self.keys:
            return self.keys[index]
        if len(keys) == 1:
            return self.keys[keys[0]].scaled(max(self.profile(index), _LEAST_PROFILE))
        row, column = self._centre(index)
        high = self._side(index, {key: box.rows for key, box in self.keys.items()})
        wide = self._side(index, {key: box.columns for key, box in self.keys.items()})
        return SliceBox(
            row_start=row - high / 2,
            row_stop=row + high / 2,
            column_start=column - wide / 2,
            column_stop=column + wide / 2,
        )

    def _centre(self, index: int) -> tuple[float, float]:
        """Return the expected centre, from the key below and the key above."""
        below = [key for key in self.key_slices if key < index][-1:]
        above = [key for key in self.key_slices if key > index][:1]
        boxes = {key: self.keys[key] for key in (*below, *above)}
        weights = [box.rows * box.columns / (key - index) ** 2 for key, box in boxes.items()]
        row, column = np.average([box.centre for box in boxes.values()], axis=0, weights=weights)
        return float(row), float(column)

    def _side(self, index: int, sides: dict[int, float]) -> float:
        """Return the expected side in pixels, given those of the key boxes."""
        main = self.main_key
        if index < main:
            ends = {key: sides[key] for key in sides if key <= main} | {self.start - 0.5: 0.0}
        else:
            ends = {key: sides[key] for key in sides if key >= main} | {self.stop - 0.5: 0.0}
        places = sorted(ends, key=lambda place: abs(place - main))
        squares = [ends[place] ** 2 for place in places]
        square = np.interp((index - main) ** 2, [(place - main) ** 2 for place in places], squares)
        nearest = min(sides, key=lambda key: abs(key - index))
        return max(math.sqrt(float(square)), _LEAST_PROFILE * sides[nearest])

    def outer_box(self) -> SliceBox:
        """Return the box round all key boxes."""
        boxes = self.keys.values()
        return SliceBox(
            row_start=min(box.row_start for box in boxes),
            row_stop=max(box.row_stop for box in boxes),
            column_start=min(box.column_start for box in boxes),
            column_stop=max(box.column_stop for box in boxes),
        )

    def exclude(self, voxels: NDArray[np.bool_]) -> None:
        """Clear, in place, what lies outside the range or inside a negative box."""
        voxels[: self.start] = False
        voxels[self.stop :] = False
        for box in self.excluded:
            voxels[
                box.slice_start : box.slice_stop,
                box.row_start : box.row_stop,
                box.column_start : box.column_stop,
            ] = False

    def in_words(self) -> str:
        """Say it for provenance, numbered as the volume's slices, from 0."""
        keys = ", ".join(str(index) for index in self.key_slices)
        what = "box on slice" if len(self.keys) == 1 else "boxes on slices"
        clicks = sum(len(points) for points in self.points.values())
        clicked = f", {clicks} clicks" if clicks else ""
        range_words = "" if self.is_range_given else " (proposed)"
        return f"{what} {keys}{clicked}, slices {self.start} to {self.stop - 1}{range_words}"


def target_of(prompt: Prompt, grid: Grid) -> Target:
    """Return what a prompt with boxes or a mask points at.

    Boxes on one slice are keys; a box over several slices is a key on its middle slice and gives
    the range; each slice of an earlier mask is a key unless a box was drawn there.

    Raises
    ------
    PromptError
        If there is nothing positive in it, two boxes are on one slice, or a box lies outside the
        slice range.
    """
    keys: dict[int, SliceBox] = {}
    shapes: dict[int, NDArray[np.bool_]] = {}
    spans: list[tuple[int, int]] = []
    if prompt.mask is not None and not prompt.mask.is_empty:
        indices = prompt.mask.slice_indices()
        spans.append((indices[0], indices[-1] + 1))
        shapes = {index: prompt.mask.voxels[index] for index in indices}
        keys = {index: box_of(shape) for index, shape in shapes.items()}
    drawn: set[int] = set()
    for box in prompt.boxes:
        if box.positive:
            index = (box.slice_start + box.slice_stop - 1) // 2
            if index in drawn:
                raise PromptError(
                    f"two boxes on slice {index} are two things: ask for one after the other"
                )
            drawn.add(index)
            shapes.pop(index, None)
            keys[index] = slice_box(box)
            spans.append((box.slice_start, box.slice_stop))
    if not keys:
        raise PromptError("the prompt has no positive box: draw one round what is to be outlined")
    points: dict[int, tuple[SlicePoint, ...]] = {}
    for point in prompt.points:
        click = SlicePoint(row=point.row, column=point.column, positive=point.positive)
        points[point.slice_index] = (*points.get(point.slice_index, ()), click)
    start, stop, is_given = _range(prompt, keys, spans, grid)
    return Target(
        keys=keys,
        start=start,
        stop=stop,
        is_range_given=is_given,
        points=points,
        shapes=shapes,
        excluded=tuple(box for box in prompt.boxes if not box.positive),
    )


def _range(
    prompt: Prompt, keys: dict[int, SliceBox], spans: list[tuple[int, int]], grid: Grid
) -> tuple[int, int, bool]:
    first, last = min(keys), max(keys)
    if prompt.slice_range is not None:
        start, stop = prompt.slice_range
        if first < start or last >= stop:
            outside = first if first < start else last
            raise PromptError(
                f"the box on slice {outside} lies outside the slice range {start}:{stop}: "
                "give a range that holds it"
            )
        return start, stop, True
    start, stop = min(span[0] for span in spans), max(span[1] for span in spans)
    if stop - start > 1:
        return start, stop, True
    if grid.shape[0] == 1:
        return 0, 1, True
    reach = guessed_reach(keys[first], grid)
    return max(0, first - reach), min(grid.shape[0], first + reach + 1), False


def guessed_reach(box: SliceBox, grid: Grid) -> int:
    """Return how many slices to each side a thing as deep as it is wide would be seen on."""
    slice_mm, row_mm, column_mm = grid.spacing_mm
    half_mm = math.sqrt(box.rows * row_mm * box.columns * column_mm) / 2
    return max(0, math.floor(half_mm / slice_mm))


def slice_box(box: Box) -> SliceBox:
    """Return a box's edges in its slices."""
    return SliceBox(
        row_start=box.row_start,
        row_stop=box.row_stop,
        column_start=box.column_start,
        column_stop=box.column_stop,
    )


def box_of(image: NDArray[np.bool_]) -> SliceBox:
    """Return the tight box of a mask on one slice, which must not be empty."""
    rows, columns = np.flatnonzero(image.any(axis=1)), np.flatnonzero(image.any(axis=0))
    return SliceBox(
        row_start=int(rows[0]),
        row_stop=int(rows[-1]) + 1,
        column_start=int(columns[0]),
        column_stop=int(columns[-1]) + 1,
    )


def ellipse(shape: tuple[int, int], box: SliceBox) -> NDArray[np.float32]:
    """Return the distance from the centre, where 1 is the ellipse inscribed in the box."""
    row, column = box.centre
    rows = (np.arange(shape[0]) + 0.5 - row) / (box.rows / 2)
    columns = (np.arange(shape[1]) + 0.5 - column) / (box.columns / 2)
    return np.sqrt(rows[:, None] ** 2 + columns[None, :] ** 2).astype(np.float32)


def ellipsoid(target: Target, grid: Grid) -> Mask:
    """Return the plain ellipsoid of a box and a range: what any engine has to beat."""
    voxels = np.zeros(grid.shape, dtype=np.bool_)
    for index in range(target.start, target.stop):
        box = target.expected_box(index)
        if len(target.keys) == 1:
            box = target.keys[target.main_key].scaled(target.profile(index))
        voxels[index] = ellipse((grid.shape[1], grid.shape[2]), box) <= 1
    return Mask(voxels=voxels, grid=grid)
