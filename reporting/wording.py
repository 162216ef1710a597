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
    MILLIMETRE,
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

_UNITS: Final = {
    MILLILITRE: "mL",
    MILLIMETRE: "mm",
    SQUARE_MILLIMETRE: "mm²",
    NO_UNITS: "",
    HOUNSFIELD_UNIT: "HU",
    SUV_BODY_WEIGHT: "g/mL",
}
_SUMMARY: Final = {
    LONG_AXIS: "long axis",
    VOLUME: "volume",
    AREA: "area",
    SUV_BODY_WEIGHT_VALUE: "SUVmax",
}
_SMALL_ML: Final = 10.0
_TINY_ML: Final = 0.1
_EVEN: Final = 1e-9


def number(measurement: Measurement) -> str:
    """Return the value as a reader wants it: "1.36 mL (±0.10)", the second the 95 % interval.

    No more digits than it is worth; the interval is rounded up, so that it never reads as nothing.
    """
    digits = _digits(measurement)
    text = f"{measurement.value:.{digits}f}"
    if float(text) == 0.0:
        text = text.removeprefix("-")
    unit = _UNITS.get(measurement.unit, measurement.unit.value)
    said = f"{text} {unit}".rstrip()
    if measurement.uncertainty is None:
        return said
    rounded = math.ceil(measurement.uncertainty * 10**digits - _EVEN) / 10**digits
    return f"{said} (±{rounded:.{digits}f})"


def _digits(measurement: Measurement) -> int:
    if measurement.unit == MILLILITRE:
        return 3 if measurement.value < _TINY_ML else 2 if measurement.value < _SMALL_ML else 1
    if measurement.unit in {HOUNSFIELD_UNIT, SQUARE_MILLIMETRE}:
        return 0
    if measurement.unit in {SUV_BODY_WEIGHT, NO_UNITS}:
        return 2
    return 1


def name(finding: Finding) -> str:
    """Return what the finding is called: "right kidney", "lung lesion", "lesion"."""
    noun = finding.concept or "lesion"
    return f"{finding.side} {noun}" if finding.side else noun


def capitalised(text: str) -> str:
    """Return the text with its first letter in upper case, the rest as it is."""
    return text[:1].upper() + text[1:]


def described(finding: Finding) -> tuple[str, tuple[Measurement, ...]]:
    """Return a sentence with all numbers of a finding, and the measurements they come from."""
    parts: list[str] = []
    used: list[Measurement] = []

    def say(template: str, *measurements: Measurement | None) -> None:
        found = [measurement for measurement in measurements if measurement is not None]
        if len(found) == len(measurements):
            parts.append(template.format(*[number(measurement) for measurement in found]))
            used.extend(found)

    def statistic(concept: Code, derivation: Code) -> Measurement | None:
        return _derived(finding, concept, derivation)

    say("volume {}", finding.measurement(VOLUME))
    say("area {}", _derived(finding, AREA, None))
    noun = "image"
    for word, derivation in (("largest", MAXIMUM), ("smallest", MINIMUM)):
        area = _derived(finding, AREA, derivation)
        if area is not None and area.slice_index is not None:
            noun = "frame"
            say(f"{word} area {{}} ({noun} {area.slice_index + 1})", area)
    long_axis, short_axis = finding.measurement(LONG_AXIS), finding.measurement(SHORT_AXIS)
    if short_axis is None:
        say("long axis {}", long_axis)
    else:
        say("long x short axis {} x {}", long_axis, short_axis)
    if long_axis is not None and long_axis.slice_index is not None:
        parts[-1] += f" ({noun} {long_axis.slice_index + 1})"
    say(
        "mean attenuation {}, standard deviation {}",
        statistic(ATTENUATION, MEAN),
        statistic(ATTENUATION, STANDARD_DEVIATION),
    )
    say("SUVmax {}", statistic(SUV_BODY_WEIGHT_VALUE, MAXIMUM))
    say("SUVmean {}", statistic(SUV_BODY_WEIGHT_VALUE, MEAN))
    say("SUVpeak {}", statistic(SUV_BODY_WEIGHT_VALUE, PEAK))
    say("metabolic volume at 41 % of SUVmax {}", finding.measurement(METABOLIC_VOLUME))
    numbers = "; ".join(parts) if parts else "no measurement possible"
    return f"{capitalised(name(finding))} ({finding.tracking_id}): {numbers}.", tuple(used)


def summarised(finding: Finding) -> tuple[str, tuple[Measurement, ...]]:
    """Return a short sentence for the impression, and the measurements it uses."""
    used = tuple(
        measurement
        for measurement in (
            finding.measurement(LONG_AXIS),
            finding.measurement(VOLUME) or finding.measurement(AREA),
            _derived(finding, SUV_BODY_WEIGHT_VALUE, MAXIMUM),
        )
        if measurement is not None
    )
    said = ", ".join(f"{_in_short(m)} {number(m)}" for m in used)
    doubt = " Proposed from words alone: to be confirmed." if finding.is_proposal else ""
    return f"{capitalised(name(finding))}{': ' + said if said else ''}.{doubt}", used


def _in_short(measurement: Measurement) -> str:
    noun = _SUMMARY[measurement.concept]
    is_over_time = measurement.concept == AREA and measurement.derivation == MAXIMUM
    return f"largest {noun}" if is_over_time else noun


def _derived(finding: Finding, concept: Code, derivation: Code | None) -> Measurement | None:
    return next(
        (m for m in finding.measurements if m.concept == concept and m.derivation == derivation),
        None,
    )
