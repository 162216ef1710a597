"""PET values to standardized uptake values by body weight, or the reason why not.

The rules are those of the Quantitative Imaging Biomarkers Alliance (FDG-PET/CT profile,
vendor-neutral SUV calculation). A wrong SUV looks like a right one: what is missing, implausible or
contradicts itself leaves the values as they are, and says which attribute it was.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from pydicom.datadict import dictionary_description, tag_for_keyword
from pydicom.dataset import Dataset
from pydicom.tag import Tag

from dicom_node.suv_times import decay_seconds
from domain.codes import BECQUEREL_PER_MILLILITRE, NO_UNITS, SUV_BODY_WEIGHT, Code
from domain.errors import CannotDoError

_GRAM_PER_KG: Final = 1000.0
_BQ_PER_MBQ: Final = 1e6
_LEAST_DOSE_BQ: Final = 1e6
_LARGEST_DOSE_BQ: Final = 1e11
_LARGEST_WEIGHT_KG: Final = 500.0
_LARGEST_DECAY: Final = 10.0  # half-lives
_PHILIPS: Final = (0x7053, "Philips PET Private Group")
_PHILIPS_SUV: Final = 0x00
_PHILIPS_ACTIVITY: Final = 0x09
_FIXED: Final = (
    "Units",
    "SUVType",
    "DecayCorrection",
    "CorrectedImage",
    "PatientWeight",
    "SeriesDate",
    "SeriesTime",
)
_FIXED_DOSE: Final = (
    "RadionuclideTotalDose",
    "RadionuclideHalfLife",
    "RadiopharmaceuticalStartTime",
    "RadiopharmaceuticalStartDateTime",
)


@dataclass(frozen=True, kw_only=True)
class PetValues:
    """What the rescaled values of a PET series are.

    Attributes
    ----------
    factor
        By which they are multiplied to be in ``unit``.
    notes
        How SUV was made, or why it was not.
    """

    unit: Code
    factor: float = 1.0
    notes: tuple[str, ...] = ()


def pet_values(headers: Sequence[Dataset]) -> PetValues:
    """Return the unit of a PET series and the factor that brings its rescaled values there."""
    try:
        _check_alike(headers)
        return _suv(headers)
    except CannotDoError as error:
        reason = str(error)
    except (ValueError, TypeError):
        reason = "an attribute of activity, time or weight is not readable"
    units = {str(header.get("Units", "")) for header in headers}
    unit = BECQUEREL_PER_MILLILITRE if units == {"BQML"} else NO_UNITS
    return PetValues(unit=unit, notes=(f"no SUV: {reason}",))


def _suv(headers: Sequence[Dataset]) -> PetValues:
    first = headers[0]
    units = str(first.get("Units") or "")
    if units == "GML":
        kind = str(first.get("SUVType") or "BW")  # PS3.3 C.8.9.1: absent means body weight
        if kind != "BW":
            raise CannotDoError(
                f"{_named('SUVType')} is {kind}: only SUV by body weight is measured"
            )
        return PetValues(unit=SUV_BODY_WEIGHT)
    if units not in {"BQML", "CNTS"}:
        given = f"is {units}" if units else "is missing"
        raise CannotDoError(f"{_named('Units')} {given}: SUV is made from BQML, or given as GML")
    _check_corrected(first)
    if units == "BQML":
        factor, decay_s = _body_weight_factor(headers)
        return _made(factor, decay_s)
    counts = _private(headers, _PHILIPS_SUV)
    if counts is not None:
        return PetValues(
            unit=SUV_BODY_WEIGHT,
            factor=counts,
            notes=("SUV by body weight from counts, by the maker's factor (7053,xx00)",),
        )
    activity = _private(headers, _PHILIPS_ACTIVITY)
    if activity is None:
        raise CannotDoError(
            f"{_named('Units')} is CNTS and the maker's factors (7053,xx00) and (7053,xx09) are "
            "missing: export the series with its private attributes"
        )
    factor, decay_s = _body_weight_factor(headers)
    return _made(activity * factor, decay_s)


def _made(factor: float, decay_s: float) -> PetValues:
    note = (
        "SUV by body weight computed from Bq/mL, administered activity decayed over "
        f"{decay_s / 60.0:.1f} min"
    )
    return PetValues(unit=SUV_BODY_WEIGHT, factor=factor, notes=(note,))


def _check_alike(headers: Sequence[Dataset]) -> None:
    for keyword in (*_FIXED, *_FIXED_DOSE):
        found = {str(_dose(header).get(keyword) or header.get(keyword) or "") for header in headers}
        if len(found) > 1:
            raise CannotDoError(f"{_named(keyword)} differs between the images of the series")


def _check_corrected(header: Dataset) -> None:
    stated = header.get("CorrectedImage") or ()
    corrected = {stated} if isinstance(stated, str) else set(stated)
    lacking = [name for name in ("ATTN", "DECY") if name not in corrected]
    if lacking:
        raise CannotDoError(
            f"{_named('CorrectedImage')} lacks {' and '.join(lacking)}: without correction for "
            "attenuation and decay values are no activity"
        )


def _body_weight_factor(headers: Sequence[Dataset]) -> tuple[float, float]:
    """Return g/Bq, and the seconds over which the administered activity has decayed."""
    header = headers[0]
    if len(header.get("RadiopharmaceuticalInformationSequence") or ()) > 1:
        raise CannotDoError(
            f"{_named('RadiopharmaceuticalInformationSequence')} has several items: which tracer "
            "is seen is not said"
        )
    dose = _dose(header)
    correction = str(header.get("DecayCorrection") or "")
    needed = {
        "DecayCorrection": header,
        "PatientWeight": header,
        "RadionuclideTotalDose": dose,
        "RadionuclideHalfLife": dose,
    }
    missing = [_named(keyword) for keyword, where in needed.items() if not where.get(keyword)]
    if missing:
        raise CannotDoError(
            f"{' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} missing"
        )
    weight_kg = _between(header, "PatientWeight", 0.0, _LARGEST_WEIGHT_KG, "kg")
    dose_bq = _between(dose, "RadionuclideTotalDose", _LEAST_DOSE_BQ, _LARGEST_DOSE_BQ, "Bq")
    half_life_s = _between(dose, "RadionuclideHalfLife", 1.0, float("inf"), "s")
    if correction == "ADMIN":
        decay_s = 0.0
    elif correction == "START":
        decay_s = decay_seconds(headers, dose, half_life_s)
    else:
        raise CannotDoError(
            f"{_named('DecayCorrection')} is {correction}: START or ADMIN is needed"
        )
    if not 0.0 <= decay_s <= _LARGEST_DECAY * half_life_s:
        raise CannotDoError(
            f"administration and scan are {decay_s / 60.0:.0f} min apart by their dates and times, "
            f"which is not plausible for a half-life of {half_life_s / 60.0:.0f} min: check "
            f"{_named('RadiopharmaceuticalStartTime')}, "
            f"{_named('RadiopharmaceuticalStartDateTime')} and {_named('SeriesTime')}"
        )
    left_bq = dose_bq * 2.0 ** (-decay_s / half_life_s)
    return weight_kg * _GRAM_PER_KG / left_bq, decay_s


def _between(where: Dataset, keyword: str, low: float, high: float, unit: str) -> float:
    value = _number(where.get(keyword))
    if value is None or not (low <= value <= high and value > 0.0):
        raise CannotDoError(f"{_named(keyword)} is {where.get(keyword)}: not plausible in {unit}")
    return value


def _private(headers: Sequence[Dataset], element: int) -> float | None:
    """Return one factor of the maker for the whole series; None where there is none."""
    group, creator = _PHILIPS
    found: set[float | None] = set()
    for header in headers:
        try:
            found.add(_number(header.private_block(group, creator)[element].value))
        except KeyError:
            found.add(None)
    if len(found) > 1:
        raise CannotDoError(f"(7053,xx{element:02X}) differs between the images of the series")
    value = found.pop()
    return value or None


def _number(value: Any) -> float | None:  # noqa: ANN401 - a DICOM value of any VR
    try:
        return float(value.decode("ascii").strip("\0 ") if isinstance(value, bytes) else value)
    except (TypeError, ValueError):
        return None


def _dose(header: Dataset) -> Dataset:
    items = header.get("RadiopharmaceuticalInformationSequence")
    return items[0] if items else Dataset()


def _named(keyword: str) -> str:
    number = tag_for_keyword(keyword)
    assert number is not None
    tag = Tag(number)
    return f"{dictionary_description(tag)} ({tag.group:04X},{tag.element:04X})"
