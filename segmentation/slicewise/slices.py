"""The port for networks that see one slice at a time, and what they are shown."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

_SNAP: Final = 1.1


@dataclass(frozen=True, kw_only=True)
class SliceBox:
    """A box on one slice by its edges, in pixels; fractions are allowed, stops are edges too."""

    row_start: float
    row_stop: float
    column_start: float
    column_stop: float

    @property
    def rows(self) -> float:
        """Height in pixels."""
        return self.row_stop - self.row_start

    @property
    def columns(self) -> float:
        """Width in pixels."""
        return self.column_stop - self.column_start

    @property
    def centre(self) -> tuple[float, float]:
        """Row and column of the centre, as edges."""
        return (
            (self.row_start + self.row_stop) / 2,
            (self.column_start + self.column_stop) / 2,
        )

    def scaled(self, factor: float) -> "SliceBox":
        """Return the box about the same centre with sides ``factor`` times as long."""
        row, column = self.centre
        half_rows, half_columns = self.rows * factor / 2, self.columns * factor / 2
        return SliceBox(
            row_start=row - half_rows,
            row_stop=row + half_rows,
            column_start=column - half_columns,
            column_stop=column + half_columns,
        )

    def shifted(self, rows: float, columns: float) -> "SliceBox":
        """Return the box moved."""
        return SliceBox(
            row_start=self.row_start + rows,
            row_stop=self.row_stop + rows,
            column_start=self.column_start + columns,
            column_stop=self.column_stop + columns,
        )

    def moved_towards(self, centre: tuple[float, float], share: float) -> "SliceBox":
        """Return the box moved by a share of the way to another centre."""
        row, column = self.centre
        return self.shifted(share * (centre[0] - row), share * (centre[1] - column))

    def snapped(self) -> "SliceBox":
        """Return the nearest of a coarse set of boxes, each side within 5 % of its length.

        Networks hardly see the difference, and what was asked once need not be asked again.
        """
        row, column = self.centre
        rows, columns = _snapped_side(self.rows), _snapped_side(self.columns)
        row, column = _snapped_place(row, rows), _snapped_place(column, columns)
        return SliceBox(
            row_start=row - rows / 2,
            row_stop=row + rows / 2,
            column_start=column - columns / 2,
            column_stop=column + columns / 2,
        )

    def overlap(self, other: "SliceBox") -> float:
        """Return intersection over union."""
        rows = min(self.row_stop, other.row_stop) - max(self.row_start, other.row_start)
        columns = min(self.column_stop, other.column_stop) - max(
            self.column_start, other.column_start
        )
        shared = max(rows, 0.0) * max(columns, 0.0)
        return shared / (self.rows * self.columns + other.rows * other.columns - shared)

    def clipped(self, shape: tuple[int, int]) -> "SliceBox":
        """Return the part inside an image, at least one pixel."""
        row_start = float(np.clip(self.row_start, 0, shape[0] - 1))
        column_start = float(np.clip(self.column_start, 0, shape[1] - 1))
        return SliceBox(
            row_start=row_start,
            row_stop=float(np.clip(self.row_stop, row_start + 1, shape[0])),
            column_start=column_start,
            column_stop=float(np.clip(self.column_stop, column_start + 1, shape[1])),
        )


def _snapped_side(side: float) -> float:
    return float(_SNAP ** round(math.log(side) / math.log(_SNAP)))


def _snapped_place(place: float, side: float) -> float:
    step = side * (_SNAP - 1)
    return round(place / step) * step


@dataclass(frozen=True, kw_only=True)
class SlicePoint:
    """A click at a pixel's centre; negative when it says "not this"."""

    row: float
    column: float
    positive: bool = True


@dataclass(frozen=True, kw_only=True)
class SliceHint:
    """What points at one thing on one slice: a box, clicks, or both."""

    box: SliceBox | None = None
    points: tuple[SlicePoint, ...] = ()


@dataclass(frozen=True, kw_only=True, eq=False)
class Embedding:
    """What a network made of an image.

    Attributes
    ----------
    features
        The network's own, at half precision: what is kept is what is used, so that an answer does
        not depend on whether its slice was seen before.
    image_shape
        Rows and columns of the image it was made of.
    """

    features: NDArray[np.float16]
    image_shape: tuple[int, int]


class SliceSegmenter(Protocol):
    """A network for one slice: embed once, decode any number of hints."""

    @property
    def name(self) -> str:
        """Name for provenance."""
        ...

    @property
    def version(self) -> str:
        """Version for provenance."""
        ...

    @property
    def weights_sha256(self) -> str | None:
        """Digest of the weights."""
        ...

    @property
    def input_px(self) -> int:
        """Longest side of what the network sees."""
        ...

    def embed(self, image: NDArray[np.float32]) -> Embedding:
        """Return the embedding of (rows, columns) grey levels 0..255, the window applied."""
        ...

    def decode(self, embedding: Embedding, hints: Sequence[SliceHint]) -> NDArray[np.float32]:
        """Return logits (hints, rows, columns) at the image's resolution; above 0 is inside."""
        ...
