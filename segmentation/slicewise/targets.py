"""What a prompt points at, slice by slice: key boxes, and what lies between and beyond them."""

import math
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from domain.errors import PromptError
from domain.grid import Grid
from domain.prompt import Box, Prompt, Scribble
from domain.volume import Mask
from segmentation.slicewise.slices import SliceBox, SlicePoint
from segmentation.slicewise.strokes import line_ellipse, painted

_PLURALS: Final = {"box": "boxes", "line": "lines"}
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
    tilts
        Of the ellipse in a key's box, where a line was drawn; elsewhere 0.
    scribbles
        Strokes by slice.
    earlier
        The outlines of an earlier mask, those of slices drawn on anew included.
    corrected
        Slices of it with a new box, line, click or scribble; empty where all is to be refined.
    noun
        What the first axis counts, in words.
    """

    keys: dict[int, SliceBox]
    start: int
    stop: int
    is_range_given: bool
    points: dict[int, tuple[SlicePoint, ...]]
    shapes: dict[int, NDArray[np.bool_]] = field(default_factory=dict)
    excluded: tuple[Box, ...] = ()
    tilts: dict[int, float] = field(default_factory=dict)
    scribbles: dict[int, tuple[Scribble, ...]] = field(default_factory=dict)
    earlier: dict[int, NDArray[np.bool_]] = field(default_factory=dict)
    corrected: frozenset[int] = frozenset()
    noun: str = "slice"

    @property
    def is_correction(self) -> bool:
        """Whether an earlier mask is kept but for what was pointed at."""
        return bool(self.earlier) and bool(self.corrected or self.excluded)

    @property
    def marked(self) -> tuple[int, ...]:
        """Slices with a positive click or scribble."""
        clicked = {index for index, all_ in self.points.items() if any(p.positive for p in all_)}
        painted_ = {i for i, all_ in self.scribbles.items() if any(s.positive for s in all_)}
        return tuple(sorted(clicked | painted_))

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

    def expected_tilt(self, index: int) -> float:
        """Return the tilt of the ellipse expected on a slice: that of the nearest key."""
        return self.tilts.get(self.nearest_key(index), 0.0) if self.tilts else 0.0

    def outer_box(self) -> SliceBox:
        """Return the box round all key boxes."""
        return round_all(self.keys.values())

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
        kind = "line" if set(self.tilts) == set(self.keys) else "box"
        is_one = len(self.keys) == 1
        what = f"{kind} on {self.noun}" if is_one else f"{_PLURALS[kind]} on {self.noun}s"
        clicks = sum(len(points) for points in self.points.values())
        strokes = sum(len(scribbles) for scribbles in self.scribbles.values())
        clicked = f", {clicks} clicks" if clicks else ""
        clicked += f", {strokes} scribbles" if strokes else ""
        range_words = "" if self.is_range_given else " (proposed)"
        extent = f"{self.noun}s {self.start} to {self.stop - 1}"
        return f"{what} {keys}{clicked}, {extent}{range_words}"


def target_of(prompt: Prompt, grid: Grid) -> Target:
    """Return what a prompt with boxes, lines or a mask points at.

    Boxes on one slice are keys; a box over several slices is a key on its middle slice and gives
    the range; a line is the key of the ellipse about it; each slice of an earlier mask is a key
    unless a box or line was drawn there.

    Raises
    ------
    PromptError
        If there is nothing positive in it, two boxes or lines are on one slice, or something
        positive lies outside the slice range.
    """
    keys: dict[int, SliceBox] = {}
    shapes: dict[int, NDArray[np.bool_]] = {}
    spans: list[tuple[int, int]] = []
    if prompt.mask is not None and not prompt.mask.is_empty:
        indices = prompt.mask.slice_indices()
        if prompt.slice_range is not None:
            indices = tuple(each for each in indices if each in range(*prompt.slice_range))
        if indices:
            spans.append((indices[0], indices[-1] + 1))
        shapes = {index: prompt.mask.voxels[index] for index in indices}
        keys = {index: box_of(shape) for index, shape in shapes.items()}
    earlier = dict(shapes)
    drawn, tilts = _drawn(prompt, grid)
    for index in drawn:
        shapes.pop(index, None)
    keys |= drawn
    spans += [(box.slice_start, box.slice_stop) for box in prompt.boxes if box.positive]
    spans += [(line.slice_index, line.slice_index + 1) for line in prompt.lines]
    if not keys:
        raise PromptError("the prompt has no positive box: draw one round what is to be outlined")
    points: dict[int, tuple[SlicePoint, ...]] = {}
    for point in prompt.points:
        click = SlicePoint(row=point.row, column=point.column, positive=point.positive)
        points[point.slice_index] = (*points.get(point.slice_index, ()), click)
    scribbles: dict[int, tuple[Scribble, ...]] = {}
    for scribble in prompt.scribbles:
        index = scribble.slice_index
        scribbles[index] = (*scribbles.get(index, ()), scribble)
    start, stop, is_given = _range(prompt, keys, spans, grid)
    target = Target(
        keys=keys,
        start=start,
        stop=stop,
        is_range_given=is_given,
        points=points,
        shapes=shapes,
        excluded=tuple(box for box in prompt.boxes if not box.positive),
        tilts=tilts,
        scribbles=scribbles,
        earlier=earlier,
        noun="frame" if grid.is_time else "slice",
    )
    return _correction(target, frozenset(drawn), grid) if earlier else target


def _correction(target: Target, drawn: frozenset[int], grid: Grid) -> Target:
    """Return the target with its corrected slices, each of which is a key that holds its marks."""
    marks: dict[int, list[SliceBox]] = {}
    for index, points in target.points.items():
        marks.setdefault(index, []).extend(_pixel(each) for each in points if each.positive)
    for index, scribbles in target.scribbles.items():
        images = [
            painted((grid.shape[1], grid.shape[2]), each) for each in scribbles if each.positive
        ]
        marks.setdefault(index, []).extend(box_of(image) for image in images if image.any())
    keys = dict(target.keys)
    corrected = set(drawn)
    for index, boxes in marks.items():
        if index in target.earlier or boxes:
            own = [] if index in drawn else [target.expected_box(index)]
            keys[index] = round_all([*own, *boxes]) if index not in drawn else keys[index]
            corrected.add(index)
    return replace(target, keys=keys, corrected=frozenset(corrected))


def _pixel(point: SlicePoint) -> SliceBox:
    row, column = point.row, point.column
    return SliceBox(row_start=row, row_stop=row + 1, column_start=column, column_stop=column + 1)


def _drawn(prompt: Prompt, grid: Grid) -> tuple[dict[int, SliceBox], dict[int, float]]:
    """Return the box drawn on each slice, and the tilts of those that stand for a line."""
    boxes: dict[int, SliceBox] = {}
    tilts: dict[int, float] = {}
    for box in prompt.boxes:
        if box.positive:
            index = (box.slice_start + box.slice_stop - 1) // 2
            if index in boxes:
                raise PromptError(
                    f"two boxes on slice {index} are two things: ask for one after the other"
                )
            boxes[index] = slice_box(box)
    for line in prompt.lines:
        if line.slice_index in boxes:
            raise PromptError(
                f"a line and another line or box on slice {line.slice_index} are two things: ask "
                "for one after the other"
            )
        ellipse_ = line_ellipse(line, grid)
        boxes[line.slice_index] = ellipse_.box
        tilts[line.slice_index] = ellipse_.tilt
    return boxes, tilts


def _range(
    prompt: Prompt, keys: dict[int, SliceBox], spans: list[tuple[int, int]], grid: Grid
) -> tuple[int, int, bool]:
    first, last = min(keys), max(keys)
    marked = {point.slice_index for point in prompt.points if point.positive}
    marked |= {each.slice_index for each in prompt.scribbles if each.positive}
    if prompt.slice_range is not None:
        start, stop = prompt.slice_range
        outside = [index for index in sorted({first, last} | marked) if not start <= index < stop]
        if outside:
            what = "box or line" if outside[0] in keys else "click or scribble"
            raise PromptError(
                f"the {what} on slice {outside[0]} lies outside the slice range {start}:{stop}: "
                "give a range that holds it"
            )
        return start, stop, True
    start, stop = min(span[0] for span in spans), max(span[1] for span in spans)
    if stop - start > 1:
        return min(start, *marked, stop - 1), max(stop, *(index + 1 for index in marked), 0), True
    if grid.shape[0] == 1:
        return 0, 1, True
    if grid.is_time:
        return start, stop, True  # what a frame shows says nothing of the frames beside it
    reach = guessed_reach(keys[first], grid)
    start, stop = min(first - reach, *marked, first), max(first + reach, *marked, first) + 1
    return max(0, start), min(grid.shape[0], stop), False


def pointed_slices(prompt: Prompt) -> tuple[int, ...]:
    """Return every slice that a prompt points at or ranges over, in order."""
    found = {index for box in prompt.boxes for index in range(box.slice_start, box.slice_stop)}
    found |= {point.slice_index for point in prompt.points}
    found |= {line.slice_index for line in prompt.lines}
    found |= {scribble.slice_index for scribble in prompt.scribbles}
    if prompt.mask is not None:
        found |= set(prompt.mask.slice_indices())
    if prompt.slice_range is not None:
        found |= set(range(*prompt.slice_range))
    return tuple(sorted(found))


def guessed_reach(box: SliceBox, grid: Grid) -> int:
    """Return how many slices to each side a thing as deep as it is wide would be seen on."""
    if not grid.slice_spacing_known:
        return 0
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


def round_all(boxes: Collection[SliceBox]) -> SliceBox:
    """Return the box round all of them."""
    return SliceBox(
        row_start=min(box.row_start for box in boxes),
        row_stop=max(box.row_stop for box in boxes),
        column_start=min(box.column_start for box in boxes),
        column_stop=max(box.column_stop for box in boxes),
    )


def whole_box(index: int, box: SliceBox, shape: tuple[int, int]) -> Box:
    """Return the pixels a box touches on a slice."""
    inside = box.clipped(shape)
    return Box.on_slice(
        index,
        (math.floor(inside.row_start), math.ceil(inside.row_stop)),
        (math.floor(inside.column_start), math.ceil(inside.column_stop)),
    )


def pointed_boxes(prompt: Prompt, grid: Grid) -> tuple[Box, ...]:
    """Return the positive boxes of a prompt, and those round the ellipses of its lines."""
    shape = (grid.shape[1], grid.shape[2])
    return (
        *(box for box in prompt.boxes if box.positive),
        *(
            whole_box(line.slice_index, line_ellipse(line, grid).box, shape)
            for line in prompt.lines
        ),
    )


def ellipse(shape: tuple[int, int], box: SliceBox, tilt: float = 0.0) -> NDArray[np.float32]:
    """Return the distance from the centre, where 1 is the ellipse inscribed in the box."""
    row, column = box.centre
    rows = ((np.arange(shape[0]) + 0.5 - row) / (box.rows / 2))[:, None]
    columns = ((np.arange(shape[1]) + 0.5 - column) / (box.columns / 2))[None, :]
    square = (rows**2 - 2 * tilt * rows * columns + columns**2) / (1 - tilt**2)
    return np.sqrt(np.maximum(square, 0)).astype(np.float32)


def ellipsoid(target: Target, grid: Grid) -> Mask:
    """Return the plain ellipsoid of a box or line and a range: what any engine has to beat."""
    voxels = np.zeros(grid.shape, dtype=np.bool_)
    for index in range(target.start, target.stop):
        box = target.expected_box(index)
        if len(target.keys) == 1:
            box = target.keys[target.main_key].scaled(target.profile(index))
        tilt = target.expected_tilt(index)
        voxels[index] = ellipse((grid.shape[1], grid.shape[2]), box, tilt) <= 1
    return Mask(voxels=voxels, grid=grid)
