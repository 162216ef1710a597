"""Numbers and findings in words; every number that is written comes from a Measurement."""

import math
from typing import Final

from domain.codes import (
    AREA,
    ATTENUATION,
    HOUNSFIELD_UNIT,
    LONG_AXIS,
    MAXIMUM,
    MEAN,
    METABOLIC_VOLUME,
    MILLILITRE,
    MINIMUM,
    NO_UNITS,
    PEAK,
    SHORT_AXIS,
    SQUARE_MILLIMETRE,
    STANDARD_DEVIATION,
    SUV_BODY_WEIGHT,
    SUV_BODY_WEIGHT_VALUE,
    VOLUME,
    Code,
)
from domain.measurement import Finding, Measurement
from reporting.language import Language, language

_SUMMARY: Final = {
    LONG_AXIS: "in_short_long_axis",
    VOLUME: "in_short_volume",
    AREA: "in_short_area",
    SUV_BODY_WEIGHT_VALUE: "in_short_suv_max",
}
_SMALL_ML: Final = 10.0
_TINY_ML: Final = 0.1
_EVEN: Final = 1e-9


def number(measurement: Measurement, words: Language | None = None) -> str:
    """Return the value as a reader wants it: "1.36 mL (±0.10)", the second the 95 % interval.

    No more digits than it is worth; the interval is rounded up, so that it never reads as nothing.
    """
    words = words or language()
    digits = _digits(measurement)
    text = f"{measurement.value:.{digits}f}"
    if float(text) == 0.0:
        text = text.removeprefix("-")
    said = words.quantity(text, measurement.unit.value)
    if measurement.uncertainty is None:
        return said
    rounded = math.ceil(measurement.uncertainty * 10**digits - _EVEN) / 10**digits
    return f"{said} (±{words.digits(f'{rounded:.{digits}f}')})"


def _digits(measurement: Measurement) -> int:
    if measurement.unit == MILLILITRE:
        return 3 if measurement.value < _TINY_ML else 2 if measurement.value < _SMALL_ML else 1
    if measurement.unit in {HOUNSFIELD_UNIT, SQUARE_MILLIMETRE}:
        return 0
    if measurement.unit in {SUV_BODY_WEIGHT, NO_UNITS}:
        return 2
    return 1


def name(finding: Finding, words: Language | None = None) -> str:
    """Return what the finding is called: "right kidney", "lung lesion", "lesion"."""
    return (words or language()).called(finding.concept, finding.side)


def capitalised(text: str) -> str:
    """Return the text with its first letter in upper case, the rest as it is."""
    return text[:1].upper() + text[1:]


def described(
    finding: Finding, words: Language | None = None
) -> tuple[str, tuple[Measurement, ...]]:
    """Return a sentence with all numbers of a finding, and the measurements they come from."""
    words = words or language()
    patterns = words.sentences
    noun = "image"
    parts: list[str] = []
    used: list[Measurement] = []

    def say(pattern: str, *measurements: Measurement | None) -> None:
        found = [measurement for measurement in measurements if measurement is not None]
        if len(found) == len(measurements):
            said = [number(measurement, words) for measurement in found]
            parts.append(patterns[pattern].format(*said))
            used.extend(found)

    def statistic(concept: Code, derivation: Code) -> Measurement | None:
        return _derived(finding, concept, derivation)

    def place(measurement: Measurement) -> None:
        assert measurement.slice_index is not None
        parts[-1] += f" ({patterns[noun].format(measurement.slice_index + 1)})"

    say("volume", finding.measurement(VOLUME))
    say("area", _derived(finding, AREA, None))
    for pattern, derivation in (("largest_area", MAXIMUM), ("smallest_area", MINIMUM)):
        area = _derived(finding, AREA, derivation)
        if area is not None and area.slice_index is not None:
            noun = "frame"
            say(pattern, area)
            place(area)
    long_axis = finding.measurement(LONG_AXIS)
    short_axis = finding.measurement(SHORT_AXIS)
    if short_axis is None:
        say("long_axis", long_axis)
    else:
        say("axes", long_axis, short_axis)
    if long_axis is not None and long_axis.slice_index is not None:
        place(long_axis)
    say("attenuation", statistic(ATTENUATION, MEAN), statistic(ATTENUATION, STANDARD_DEVIATION))
    say("suv_max", statistic(SUV_BODY_WEIGHT_VALUE, MAXIMUM))
    say("suv_mean", statistic(SUV_BODY_WEIGHT_VALUE, MEAN))
    say("suv_peak", statistic(SUV_BODY_WEIGHT_VALUE, PEAK))
    say("metabolic_volume", finding.measurement(METABOLIC_VOLUME))
    numbers = "; ".join(parts) if parts else patterns["not_measured"]
    text = patterns["finding"].format(
        name=capitalised(name(finding, words)),
        label=words.labelled(finding.tracking_id),
        numbers=numbers,
    )
    return text, tuple(used)


def summarised(
    finding: Finding, words: Language | None = None
) -> tuple[str, tuple[Measurement, ...]]:
    """Return a short sentence for the impression, and the measurements it uses."""
    words = words or language()
    used = tuple(
        measurement
        for measurement in (
            finding.measurement(LONG_AXIS),
            finding.measurement(VOLUME) or finding.measurement(AREA),
            _derived(finding, SUV_BODY_WEIGHT_VALUE, MAXIMUM),
        )
        if measurement is not None
    )
    said = ", ".join(words.sentences[_in_short(m)].format(number(m, words)) for m in used)
    text = words.sentences["impression" if said else "impression_bare"].format(
        name=capitalised(name(finding, words)), numbers=said
    )
    doubt = f" {words.sentences['proposal']}" if finding.is_proposal else ""
    return f"{text}{doubt}", used


def _in_short(measurement: Measurement) -> str:
    is_over_time = measurement.concept == AREA and measurement.derivation == MAXIMUM
    return "in_short_largest_area" if is_over_time else _SUMMARY[measurement.concept]


def _derived(finding: Finding, concept: Code, derivation: Code | None) -> Measurement | None:
    return next(
        (m for m in finding.measurements if m.concept == concept and m.derivation == derivation),
        None,
    )
