"""Where something may be: pointed out to be looked at, and nothing more."""

from dataclasses import dataclass

from domain.errors import InputError
from domain.prompt import Box, Point


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A proposal to click on; not a finding until a person has done so.

    Attributes
    ----------
    centre
        A click there outlines it.
    box
        Round it, over all its slices.
    diameter_mm, volume_ml
        Estimates, to choose by; what is reported is measured after the click.
    score
        0 to 1, for ranking alone: not a probability.
    side
        "left" or "right", the patient's; None where it is not known.
    """

    centre: Point
    box: Box
    diameter_mm: float
    volume_ml: float
    score: float
    side: str | None = None

    def __post_init__(self) -> None:
        if not 0.0 <= self.score <= 1.0:
            raise InputError(f"score {self.score} is not between 0 and 1")
        if not (self.diameter_mm > 0 and self.volume_ml > 0):
            raise InputError(
                f"a candidate of {self.diameter_mm} mm and {self.volume_ml} mL has no size"
            )
        if self.side not in {None, "left", "right"}:
            raise InputError(f"side {self.side!r} is none of left, right")
        if not self._holds_centre():
            raise InputError("a candidate's centre lies outside its box")

    def _holds_centre(self) -> bool:
        box, at = self.box, self.centre
        return (
            box.slice_start <= at.slice_index < box.slice_stop
            and box.row_start <= at.row < box.row_stop
            and box.column_start <= at.column < box.column_stop
        )

    def in_words(self) -> str:
        """Say it in one line; slices count from 0, as the command line does."""
        at, box = self.centre, self.box
        where = f"{self.side} lung, " if self.side else ""
        last = box.slice_stop - 1
        over = f"slice {last}" if box.is_flat else f"slices {box.slice_start} to {last}"
        return (
            f"{where}about {self.diameter_mm:.0f} mm, {self.volume_ml:.2f} mL, {over}: "
            f"--point {at.slice_index},{at.row},{at.column}"
        )
