"""What the web API takes: checked at the door, then plain domain values."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from copilot.analysis import Hints
from domain.prompt import Box, Point

Index = Annotated[int, Field(ge=0)]
_LONGEST_SENTENCE = 1000


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class BoxBody(_Body):
    """A half-open box on one slice, zero-based."""

    slice: Index
    row_start: Index
    column_start: Index
    row_stop: Index
    column_stop: Index

    def box(self) -> Box:
        """Return the domain's box."""
        return Box.on_slice(
            self.slice, (self.row_start, self.row_stop), (self.column_start, self.column_stop)
        )


class PointBody(_Body):
    """A click, zero-based."""

    slice: Index
    row: Index
    column: Index
    positive: bool = True

    def point(self) -> Point:
        """Return the domain's point."""
        return Point(
            slice_index=self.slice, row=self.row, column=self.column, positive=self.positive
        )


class CommandBody(_Body):
    """A sentence and what was pointed at."""

    series_instance_uid: Annotated[str, Field(min_length=1, max_length=64)]
    text: Annotated[str, Field(min_length=1, max_length=_LONGEST_SENTENCE)]
    boxes: tuple[BoxBody, ...] = ()
    points: tuple[PointBody, ...] = ()
    slices: tuple[Index, Index] | None = None
    engine: str | None = None

    def hints(self) -> Hints:
        """Return what was pointed at."""
        return Hints(
            boxes=tuple(box.box() for box in self.boxes),
            points=tuple(point.point() for point in self.points),
            slice_range=self.slices,
        )
