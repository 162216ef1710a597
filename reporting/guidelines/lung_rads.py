"""The inputs of Lung-RADS v2022, and no category: its table is the ACR's to give.

Source
------
American College of Radiology, Lung-RADS v2022 (November 2022): size is the mean of long and short
axis to one decimal, growth an increase of the mean diameter above 1.5 mm within 12 months. The
table itself may not be reproduced here; these are the facts a reader enters into it.
"""

from dataclasses import dataclass
from typing import Final

from domain.comparison import Change, Lesion, Verdict
from domain.errors import CannotDoError
from reporting.guidelines.fleischner import Density
from reporting.guidelines.table import require

EDITION: Final = "Lung-RADS v2022 (ACR)"
_GROWTH_MM: Final = 1.5
_YEAR_DAYS: Final = 366


@dataclass(frozen=True, kw_only=True)
class LungRadsInputs:
    """What a reader enters.

    ``is_growing`` is None where there is no prior, or more than 12 months lie between.
    """

    density: Density
    mean_diameter_mm: float
    volume_mm3: float | None
    is_new: bool
    is_growing: bool | None
    line: str
    edition: str = EDITION


def lung_rads_inputs(change: Change, density: Density | None, days: int | None) -> LungRadsInputs:
    """Return the inputs for a nodule of the current study.

    Raises
    ------
    CannotDoError
        If the density or a diameter is missing, or the nodule is not on the current study.
    """
    if change.current is None:
        raise CannotDoError(f"{EDITION} is for nodules of the current study: this one is gone")
    if change.verdict is Verdict.AMBIGUOUS:
        raise CannotDoError(f"{EDITION} needs to know which nodule it is: {change.question}")
    now = mean_diameter_mm(change.current)
    require(EDITION, {"the density": density, "long and short axis": now})
    assert density is not None
    assert now is not None
    then = mean_diameter_mm(change.prior) if change.prior else None
    growing: bool | None = None
    line = f"mean diameter {now:.1f} mm"
    if then is not None and days is not None and days <= _YEAR_DAYS:
        growing = round(now - then, 1) > _GROWTH_MM
        line += f", {now - then:+.1f} mm in {days} days (growth is more than {_GROWTH_MM} mm)"
    volume = change.current.volume_ml
    return LungRadsInputs(
        density=density,
        mean_diameter_mm=round(now, 1),
        volume_mm3=None if volume is None else 1000.0 * volume,
        is_new=change.verdict is Verdict.NEW,
        is_growing=growing,
        line=line,
    )


def mean_diameter_mm(lesion: Lesion) -> float | None:
    """Return the mean of long and short axis on one slice; None where one is missing."""
    if lesion.long_axis_mm is None or lesion.short_axis_mm is None:
        return None
    return (lesion.long_axis_mm + lesion.short_axis_mm) / 2
