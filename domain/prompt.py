"""What a person points at."""

from dataclasses import dataclass
from typing import Self

from domain.errors import PromptError
from domain.volume import Mask


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
class Prompt:
    """Any mix of hints; empty means not given.

    Attributes
    ----------
    concept
        Canonical lower-case noun phrase; its codes and routes stay in the concept table.
    side
        "left", "right" or "both", the patient's.
    mask
        Start from, or correct, this.
    slice_range
        Half-open range of slices outside which nothing may be marked.
    """

    concept: str | None = None
    side: str | None = None
    boxes: tuple[Box, ...] = ()
    points: tuple[Point, ...] = ()
    mask: Mask | None = None
    slice_range: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        if self.slice_range is not None and not 0 <= self.slice_range[0] < self.slice_range[1]:
            start, stop = self.slice_range
            raise PromptError(f"slice range {start}:{stop} holds no slice: give START:STOP, from 0")

    @property
    def is_text_only(self) -> bool:
        """Whether nothing but words was given."""
        return not self.boxes and not self.points and self.mask is None

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
        if self.slice_range is not None and self.slice_range[1] > shape[0]:
            raise PromptError(f"slice range ends at {self.slice_range[1]}, but {size}")
        if self.mask is not None and self.mask.grid.shape != shape:
            raise PromptError(f"mask of shape {self.mask.grid.shape} was given, but {size}")
