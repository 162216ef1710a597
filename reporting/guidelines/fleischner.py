"""Incidental pulmonary nodules on CT by the Fleischner Society's 2017 guideline.

Source
------
MacMahon et al., Guidelines for management of incidental pulmonary nodules detected on CT images,
Radiology 2017;284:228-243, table 1; sizes by Bankier et al., Radiology 2017;285:584-600. Thresholds
and intervals are facts of that edition, told in our words; its text is not reproduced.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from domain.errors import CannotDoError, InputError
from reporting.guidelines.table import Ruling, require

EDITION: Final = "Fleischner Society 2017 (MacMahon et al., Radiology 2017;284:228)"
_LEAST_AGE: Final = 35
_SMALL_MM, _LARGE_MM = 6.0, 8.0
_SMALL_MM3, _LARGE_MM3 = 100.0, 250.0
_THIN_MM: Final = 1.5
_NEAR_MM: Final = 1.0

_NONE: Final = "no routine follow-up"
_OPTIONAL: Final = "CT after 12 months is optional"
_SOON: Final = "consider CT after 3 months, PET/CT or tissue sampling"


class Density(StrEnum):
    """How a nodule looks on thin slices."""

    SOLID = "solid"
    PART_SOLID = "part-solid"
    GROUND_GLASS = "ground-glass"


class Risk(StrEnum):
    """The patient's risk of cancer, as the guideline's clinicians judge it."""

    LOW = "low"
    HIGH = "high"


@dataclass(frozen=True, kw_only=True)
class Case:
    """What the table asks for; None where it was not stated.

    Attributes
    ----------
    diameter_mm
        Mean of long and short axis on one slice; of several nodules that of the most suspicious.
    volume_mm3
        Taken before the diameter for solid nodules, where it is given.
    is_excluded
        Whether the patient is screened for lung cancer, has a known cancer, or is
        immunosuppressed: the guideline is not for them.
    """

    density: Density | None = None
    diameter_mm: float | None = None
    volume_mm3: float | None = None
    is_multiple: bool | None = None
    risk: Risk | None = None
    age_years: int | None = None
    is_excluded: bool | None = None
    slice_spacing_mm: float | None = None


_SOLID: Final = {  # (multiple, size, risk)
    (False, 0, Risk.LOW): _NONE,
    (False, 0, Risk.HIGH): _OPTIONAL,
    (False, 1, Risk.LOW): "CT after 6 to 12 months, then consider CT after 18 to 24 months",
    (False, 1, Risk.HIGH): "CT after 6 to 12 months, then CT after 18 to 24 months",
    (False, 2, Risk.LOW): _SOON,
    (False, 2, Risk.HIGH): _SOON,
    (True, 0, Risk.LOW): _NONE,
    (True, 0, Risk.HIGH): _OPTIONAL,
    (True, 1, Risk.LOW): "CT after 3 to 6 months, then consider CT after 18 to 24 months",
    (True, 1, Risk.HIGH): "CT after 3 to 6 months, then CT after 18 to 24 months",
    (True, 2, Risk.LOW): "CT after 3 to 6 months, then consider CT after 18 to 24 months",
    (True, 2, Risk.HIGH): "CT after 3 to 6 months, then CT after 18 to 24 months",
}
_SUBSOLID: Final = {  # (multiple, size from 6 mm, part-solid)
    (False, False, False): _NONE,
    (False, False, True): _NONE,
    (False, True, False): (
        "CT after 6 to 12 months to see whether it persists, then every 2 years until 5 years"
    ),
    (False, True, True): (
        "CT after 3 to 6 months to see whether it persists; unchanged and with a solid part below "
        "6 mm, CT every year for 5 years"
    ),
    (True, False, False): "CT after 3 to 6 months; if stable, consider CT after 2 and 4 years",
    (True, False, True): "CT after 3 to 6 months; if stable, consider CT after 2 and 4 years",
    (True, True, False): "CT after 3 to 6 months, then by the most suspicious nodule",
    (True, True, True): "CT after 3 to 6 months, then by the most suspicious nodule",
}


def ruled(case: Case) -> Ruling:
    """Return the row of a case.

    Raises
    ------
    CannotDoError
        If an input is missing, or the guideline is not for this patient.
    InputError
        For a size or age that cannot be.
    """
    solid = case.density is Density.SOLID
    size = case.volume_mm3 if solid and case.volume_mm3 is not None else case.diameter_mm
    wanted: dict[str, object] = {
        "the density (solid, part-solid, ground-glass)": case.density,
        "the mean diameter in mm" + (" or the volume" if solid else ""): size,
        "whether there are several": case.is_multiple,
        "the age": case.age_years,
        "whether screening, a known cancer or immunosuppression excludes it": case.is_excluded,
    }
    if solid:
        wanted["the risk (low, high)"] = case.risk
    require(EDITION, wanted)
    assert case.density is not None
    assert size is not None
    assert case.age_years is not None
    assert case.is_multiple is not None
    if size <= 0 or case.age_years < 0:
        raise InputError(f"size {size} and age {case.age_years} must be above zero")
    if case.is_excluded or case.age_years < _LEAST_AGE:
        raise CannotDoError(
            f"{EDITION} is not for patients below {_LEAST_AGE} years, for screening, with a known "
            "cancer or immunosuppression: follow the rule that is"
        )
    group, said = _size(case, solid)
    if solid:
        assert case.risk is not None
        says = _SOLID[case.is_multiple, group, case.risk]
        risk = f", {case.risk.value} risk"
    else:
        says = _SUBSOLID[case.is_multiple, group > 0, case.density is Density.PART_SOLID]
        risk = ""
    count = "several" if case.is_multiple else "single"
    return Ruling(
        edition=EDITION,
        category=f"{count} {case.density.value}, {said}{risk}",
        says=says,
        line=f"table 1, {'A' if solid else 'B'}: {count}, {said}{risk}",
        cautions=_cautions(case),
    )


def _size(case: Case, solid: bool) -> tuple[int, str]:
    """Return the size group 0, 1 or 2, and its name. Diameters are rounded to whole mm."""
    if solid and case.volume_mm3 is not None:
        value, small, large, unit = case.volume_mm3, _SMALL_MM3, _LARGE_MM3, "mm³"
    else:
        assert case.diameter_mm is not None
        value, small, large, unit = float(round(case.diameter_mm)), _SMALL_MM, _LARGE_MM, "mm"
    if value < small:
        return 0, f"below {small:.0f} {unit}"
    if not solid:
        return 1, f"{small:.0f} {unit} or more"
    if value <= large:
        return 1, f"{small:.0f} to {large:.0f} {unit}"
    return 2, f"above {large:.0f} {unit}"


def _cautions(case: Case) -> tuple[str, ...]:
    found = []
    if case.slice_spacing_mm is not None and case.slice_spacing_mm > _THIN_MM:
        found.append(
            f"slices are {case.slice_spacing_mm:.1f} mm apart: the guideline measures on slices of "
            f"{_THIN_MM} mm or less"
        )
    limits = (_SMALL_MM, _LARGE_MM) if case.density is Density.SOLID else (_SMALL_MM,)
    size = case.diameter_mm
    found += [
        f"{size:.1f} mm is within {_NEAR_MM:.0f} mm of the limit of {limit:.0f} mm: another reader "
        "may measure across it"
        for limit in limits
        if size is not None and abs(size - limit) < _NEAR_MM
    ]
    return tuple(found)
