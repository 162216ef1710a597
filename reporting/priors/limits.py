"""How much a volume must change to count: published limits, widened by the slices' own error.

Sources
-------
Lung nodules, 25 %: Callister et al., BTS guidelines for pulmonary nodules, Thorax 2015;70 suppl 2;
van Klaveren et al. (NELSON), N Engl J Med 2009;361:2221.
Other solid lesions by long axis, 39 % from 10 mm, 29 % from 35 mm, 24 % from 50 mm: QIBA CT tumour
volume change for advanced disease profile, 2018. Below 10 mm and for other modalities nothing is
published: the widest of them is taken, and said.
"""

import math
from dataclasses import dataclass
from typing import Final

from domain.comparison import Kind, Lesion

_NODULE: Final = 0.25
_BY_AXIS: Final = ((50.0, 0.24), (35.0, 0.29), (10.0, 0.39))
_WIDEST: Final = 0.39
_THIN_MM: Final = 1.5


@dataclass(frozen=True, kw_only=True)
class Limits:
    """How far the logarithm of a ratio of volumes may be from zero by chance.

    Attributes
    ----------
    half_width
        Half of the 95 % interval of the natural logarithm of the ratio.
    source
        The published limit and what widened it.
    """

    half_width: float
    source: str

    @property
    def percent(self) -> tuple[float, float]:
        """The largest decrease (below zero) and increase that count for nothing."""
        return 100 * math.expm1(-self.half_width), 100 * math.expm1(self.half_width)


def limits(current: Lesion, prior: Lesion, modality: str) -> Limits:
    """Return the limits for two volumes of one lesion.

    Two errors add in square: the published repeatability of a change, which is that of thin slices,
    and of each volume the error of where its slices fell.
    """
    published, source = _published(current, prior, modality)
    squared = math.log1p(published) ** 2
    for lesion in (current, prior):
        assert lesion.volume_ml is not None
        squared += math.log1p((lesion.uncertainty_ml or 0.0) / lesion.volume_ml) ** 2
    half_width = math.sqrt(squared)
    widest_mm = max(each.slice_spacing_mm or 0.0 for each in (current, prior))
    if widest_mm > _THIN_MM:
        source += (
            f"; slices {widest_mm:.1f} mm apart widen it to {100 * math.expm1(half_width):.0f} %"
        )
    return Limits(half_width=half_width, source=source)


def _published(current: Lesion, prior: Lesion, modality: str) -> tuple[float, str]:
    if Kind.LUNG_NODULE in {current.kind, prior.kind} and modality == "CT":
        return _NODULE, "lung nodules change by 25 % at least (BTS 2015)"
    axis = max(current.long_axis_mm or 0.0, prior.long_axis_mm or 0.0)
    if modality == "CT":
        for least, share in _BY_AXIS:
            if axis >= least:
                said = f"lesions of {least:.0f} mm or more change by {100 * share:.0f} % at least"
                return share, f"{said} (QIBA 2018)"
    return _WIDEST, (
        "no limit is published for this size and modality: 39 %, that of 10 mm on CT, is taken"
    )
