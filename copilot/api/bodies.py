"""What the web API takes: checked at the door, then plain domain values."""

from dataclasses import replace
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from copilot.agent.agent import When
from copilot.hints import EarlierMask, Hints
from copilot.intent.deixis import Context
from domain.comparison import ToldPair
from domain.prompt import SCRIBBLE_RADIUS_PX, Box, Line, Point, Scribble
from domain.uids import SeriesUID

Index = Annotated[int, Field(ge=0)]
Coordinate = Annotated[float, Field(ge=-0.5)]
PlaceBody = tuple[Coordinate, Coordinate]
_MOST_CORNERS = 10_000
_WIDEST_BRUSH_PX = 50
_LONGEST_SENTENCE = 1000
_MOST_FINDINGS = 1000
_LONGEST_NAME = 200


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class BoxBody(_Body):
    """A half-open box on one slice, zero-based."""

    slice: Index
    row_start: Index
    column_start: Index
    row_stop: Index
    column_stop: Index
    positive: bool = True

    def box(self) -> Box:
        """Return the domain's box."""
        box = Box.on_slice(
            self.slice, (self.row_start, self.row_stop), (self.column_start, self.column_stop)
        )
        return replace(box, positive=self.positive)


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


class LineBody(_Body):
    """The longest diameter of a thing, and perhaps a second line across it: (row, column) ends."""

    slice: Index
    start: PlaceBody
    stop: PlaceBody
    across: tuple[PlaceBody, PlaceBody] | None = None

    def line(self) -> Line:
        """Return the domain's line."""
        return Line(slice_index=self.slice, start=self.start, stop=self.stop, across=self.across)


class ScribbleBody(_Body):
    """A stroke of a brush: (row, column) corners."""

    slice: Index
    path: Annotated[tuple[PlaceBody, ...], Field(min_length=1, max_length=_MOST_CORNERS)]
    radius_px: Annotated[float, Field(gt=0, le=_WIDEST_BRUSH_PX)] = SCRIBBLE_RADIUS_PX
    positive: bool = True

    def scribble(self) -> Scribble:
        """Return the domain's scribble."""
        return Scribble(
            slice_index=self.slice,
            path=self.path,
            radius_px=self.radius_px,
            positive=self.positive,
        )


class MaskBody(_Body):
    """The mask of an earlier result, to be corrected; the segment's number where it has several."""

    result: Annotated[str, Field(min_length=1, max_length=64)]
    segment: Annotated[int, Field(ge=1)] | None = None


class ContextBody(_Body):
    """What the page knows of words that point; all of it may be left out."""

    last: Annotated[str, Field(max_length=_LONGEST_SENTENCE)] | None = None
    prior: Annotated[str, Field(min_length=1, max_length=64)] | None = None
    findings: Annotated[tuple[str, ...], Field(max_length=_MOST_FINDINGS)] = ()
    selected: Annotated[int, Field(ge=1)] | None = None
    drawn_s: Annotated[float, Field(ge=0)] | None = None

    def context(self) -> Context:
        """Return the context."""
        prior = None if self.prior is None else SeriesUID(self.prior)
        return Context(
            last=self.last,
            prior=prior,
            findings=self.findings,
            selected=self.selected,
            drawn_s=self.drawn_s,
        )


class PairBody(_Body):
    """What a person says of a lesion of a comparison, by tracking UIDs or labels.

    Without ``prior`` the current lesion is new; without ``current`` the prior's has no partner.
    """

    current: Annotated[str, Field(min_length=1, max_length=_LONGEST_NAME)] | None = None
    prior: Annotated[str, Field(min_length=1, max_length=_LONGEST_NAME)] | None = None

    def told(self, by: str) -> ToldPair:
        """Return the domain's told pair."""
        return ToldPair(current=self.current, prior=self.prior, by=by)


class CommandBody(_Body):
    """A sentence and what was pointed at."""

    series_instance_uid: Annotated[str, Field(min_length=1, max_length=64)]
    text: Annotated[str, Field(min_length=1, max_length=_LONGEST_SENTENCE)]
    boxes: tuple[BoxBody, ...] = ()
    points: tuple[PointBody, ...] = ()
    lines: tuple[LineBody, ...] = ()
    scribbles: tuple[ScribbleBody, ...] = ()
    mask: MaskBody | None = None
    slices: tuple[Index, Index] | None = None
    engine: str | None = None
    agent: When | None = None
    context: ContextBody = ContextBody()
    prior: Annotated[str, Field(min_length=1, max_length=64)] | None = None
    pairs: Annotated[tuple[PairBody, ...], Field(max_length=_MOST_FINDINGS)] | None = None
    wait: bool = True

    def told(self, by: str) -> tuple[ToldPair, ...] | None:
        """Return what is told of lesions; None leaves that to what was told before."""
        return None if self.pairs is None else tuple(each.told(by) for each in self.pairs)

    def hints(self, mask: EarlierMask | None = None) -> Hints:
        """Return what was pointed at, with the earlier mask that ``mask`` names."""
        return Hints(
            boxes=tuple(box.box() for box in self.boxes),
            points=tuple(point.point() for point in self.points),
            lines=tuple(line.line() for line in self.lines),
            scribbles=tuple(each.scribble() for each in self.scribbles),
            mask=mask,
            slice_range=self.slices,
        )


class PrefetchBody(_Body):
    """Whose newest studies are fetched, and from which peer; the patient's ID is never logged."""

    patient_id: Annotated[str, Field(min_length=1, max_length=64)]
    peer: Annotated[str, Field(min_length=1, max_length=16)]
