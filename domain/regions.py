"""Parts of an image with a scale of their own: B-mode beside a trace, two depths side by side."""

from dataclasses import dataclass

from domain.errors import GeometryError


@dataclass(frozen=True, kw_only=True)
class ImageRegion:
    """A rectangle of an ultrasound image (PS3.3 section C.8.5.5).

    Attributes
    ----------
    rows, columns
        Half-open ranges of pixels.
    spacing_mm
        Between rows, and between columns, of a two-dimensional region of tissue or flow with a
        scale in length; None for every other: M-mode, spectra, traces, tables of colours.
    """

    rows: tuple[int, int]
    columns: tuple[int, int]
    spacing_mm: tuple[float, float] | None

    def __post_init__(self) -> None:
        for name, (start, stop) in (("rows", self.rows), ("columns", self.columns)):
            if not 0 <= start < stop:
                raise GeometryError(f"{name} {start}:{stop} of a region enclose nothing")
        if self.spacing_mm is not None and min(self.spacing_mm) <= 0:
            raise GeometryError(f"spacing {self.spacing_mm} of a region is not above 0")
