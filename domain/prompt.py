"""What a person points at."""

import math
from dataclasses import dataclass
from typing import Final, Self

from domain.concepts import Window
from domain.errors import PromptError
from domain.volume import Mask

Place = tuple[float, float]
"""Row and column on a slice; whole numbers are the centres of pixels, fractions lie between."""

SCRIBBLE_RADIUS_PX: Final = 1.0
_EDGE: Final = 0.5
_LEAST_LINE_PX: Final = 1.0


@dataclass(frozen=True, kw_only=True)
class Point:
    """A click at the centre of a voxel; negative when it says "not this"."""

    slice_index: int
    row: int
    column: int
    positive: bool = True

    def __post_init__(self) -> None:
        if min(self.slice_index, self.row, self.column) < 0:
            raise PromptError(f"point {self} has a negative index: indices count from 0")


@dataclass(frozen=True, kw_only=True)
class Box:
    """A half-open box in index space: starts belong to it, stops do not.

    On one slice ``slice_stop`` is ``slice_start + 1``.
    """

    slice_start: int
    slice_stop: int
    row_start: int
    row_stop: int
    column_start: int
    column_stop: int
    positive: bool = True

    def __post_init__(self) -> None:
        starts = (self.slice_start, self.row_start, self.column_start)
        stops = (self.slice_stop, self.row_stop, self.column_stop)
        if min(starts) < 0 or any(stop <= start for start, stop in zip(starts, stops, strict=True)):
            raise PromptError(
                f"box slices {self.slice_start}:{self.slice_stop}, rows {self.row_start}:"
                f"{self.row_stop}, columns {self.column_start}:{self.column_stop} encloses nothing:"
                " indices count from 0 and each stop must lie beyond its start"
            )

    @classmethod
    def on_slice(cls, slice_index: int, rows: tuple[int, int], columns: tuple[int, int]) -> Self:
        """Return a positive box on one slice; ``rows`` and ``columns`` are half-open."""
        return cls(
            slice_start=slice_index,
            slice_stop=slice_index + 1,
            row_start=rows[0],
            row_stop=rows[1],
            column_start=columns[0],
            column_stop=columns[1],
        )

    @property
    def is_flat(self) -> bool:
        """Whether it lies on a single slice."""
        return self.slice_stop - self.slice_start == 1


@dataclass(frozen=True, kw_only=True)
class Line:
    """The longest diameter of a thing on one slice, from edge to edge (RECIST 1.1).

    Attributes
    ----------
    across
        The ends of a second, short line that crosses it: the width is then known too.
    """

    slice_index: int
    start: Place
    stop: Place
    across: tuple[Place, Place] | None = None

    def __post_init__(self) -> None:
        if self.slice_index < 0:
            raise PromptError(f"line on slice {self.slice_index}: indices count from 0")
        for one, other in ((self.start, self.stop), *((self.across,) if self.across else ())):
            _check_places((one, other), "line")
            length = math.dist(one, other)
            if length < _LEAST_LINE_PX:
                raise PromptError(
                    f"line on slice {self.slice_index} from (row, column) {one} to {other} is "
                    f"{length:.2g} pixels long: draw it from edge to edge of what you mean"
                )

    @property
    def places(self) -> tuple[Place, ...]:
        """All ends."""
        return (self.start, self.stop, *(self.across or ()))


@dataclass(frozen=True, kw_only=True)
class Scribble:
    """A stroke of a brush on one slice; negative when it says "not this".

    Attributes
    ----------
    path
        Corners of the stroke; a single one is a dab.
    radius_px
        Of the brush, in pixels.
    """

    slice_index: int
    path: tuple[Place, ...]
    radius_px: float = SCRIBBLE_RADIUS_PX
    positive: bool = True

    def __post_init__(self) -> None:
        if self.slice_index < 0:
            raise PromptError(f"scribble on slice {self.slice_index}: indices count from 0")
        if not self.path:
            raise PromptError(
                f"scribble on slice {self.slice_index} has no place: give at least one row, column"
            )
        _check_places(self.path, "scribble")
        if not (math.isfinite(self.radius_px) and self.radius_px > 0):
            raise PromptError(f"scribble has a radius of {self.radius_px} pixels: give one above 0")


def _check_places(places: tuple[Place, ...], what: str) -> None:
    for place in places:
        if not all(math.isfinite(each) and each >= -_EDGE for each in place):
            raise PromptError(
                f"{what} has (row, column) {place}: pixels count from 0, and their outer edge is "
                "at -0.5"
            )


@dataclass(frozen=True, kw_only=True)
class Prompt:
    """Any mix of hints; empty means not given.

    Attributes
    ----------
    concept
        Canonical lower-case noun phrase; its codes and routes stay in the concept table.
    side
        "left", "right" or "both", the patient's.
    lines, scribbles
        Each line is the longest diameter of the thing on its slice.
    mask
        Start from, or correct, this.
    slice_range
        Half-open range of slices outside which nothing may be marked.
    window
        Grey levels to look with; None leaves them to the engine, and engines of rules need none.
    """

    concept: str | None = None
    side: str | None = None
    boxes: tuple[Box, ...] = ()
    points: tuple[Point, ...] = ()
    lines: tuple[Line, ...] = ()
    scribbles: tuple[Scribble, ...] = ()
    mask: Mask | None = None
    slice_range: tuple[int, int] | None = None
    window: Window | None = None

    def __post_init__(self) -> None:
        if self.slice_range is not None and not 0 <= self.slice_range[0] < self.slice_range[1]:
            start, stop = self.slice_range
            raise PromptError(f"slice range {start}:{stop} holds no slice: give START:STOP, from 0")

    @property
    def is_text_only(self) -> bool:
        """Whether nothing but words was given."""
        pointed = (self.boxes, self.points, self.lines, self.scribbles)
        return not any(pointed) and self.mask is None

    @property
    def kinds(self) -> frozenset[str]:
        """What is in it, as engines name it: "box", "point", "line", "scribble", "mask"."""
        given = {
            "box": self.boxes,
            "point": self.points,
            "line": self.lines,
            "scribble": self.scribbles,
            "mask": self.mask is not None,
        }
        return frozenset(kind for kind, hints in given.items() if hints)

    def check_inside(self, shape: tuple[int, int, int]) -> None:
        """Refuse hints outside a volume of this shape.

        Raises
        ------
        PromptError
            Naming the hint, its value and the volume's size.
        """
        size = f"the volume has {shape[0]} slices of {shape[1]} x {shape[2]} (rows x columns)"
        for box in self.boxes:
            stops = (box.slice_stop, box.row_stop, box.column_stop)
            if any(stop > length for stop, length in zip(stops, shape, strict=True)):
                raise PromptError(f"box ends at (slice, row, column) {stops}, but {size}")
        for point in self.points:
            place = (point.slice_index, point.row, point.column)
            if any(index >= length for index, length in zip(place, shape, strict=True)):
                raise PromptError(f"point (slice, row, column) {place} is outside: {size}")
        strokes = [("line", line.slice_index, line.places) for line in self.lines]
        strokes += [("scribble", each.slice_index, each.path) for each in self.scribbles]
        for what, index, places in strokes:
            highest = tuple(max(place[axis] for place in places) for axis in (0, 1))
            inside = all(
                reach <= length - _EDGE for reach, length in zip(highest, shape[1:], strict=True)
            )
            if index >= shape[0] or not inside:
                raise PromptError(
                    f"{what} on slice {index} reaches to (row, column) {highest}, but {size}"
                )
        if self.slice_range is not None and self.slice_range[1] > shape[0]:
            raise PromptError(f"slice range ends at {self.slice_range[1]}, but {size}")
        if self.mask is not None and self.mask.grid.shape != shape:
            raise PromptError(f"mask of shape {self.mask.grid.shape} was given, but {size}")
