"""Numbers and findings in words; every number that is written comes from a Measurement."""

from typing import Final

from domain.codes import (
    ATTENUATION,
    HOUNSFIELD_UNIT,
    LONG_AXIS,
    MAXIMUM,
    MEAN,
    MILLILITRE,
    MILLIMETRE,
    SHORT_AXIS,
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
    HOUNSFIELD_UNIT: "HU",
    SUV_BODY_WEIGHT: "g/mL",
}
_SMALL_ML: Final = 10.0
_TINY_ML: Final = 0.1


def number(measurement: Measurement) -> str:
    """Return the value as a reader wants it: no more digits than it is worth, with its unit."""
    unit = _UNITS.get(measurement.unit, measurement.unit.value)
    value = measurement.value
    if measurement.unit == MILLILITRE:
        digits = 3 if value < _TINY_ML else 2 if value < _SMALL_ML else 1
    elif measurement.unit == HOUNSFIELD_UNIT:
        digits = 0
    elif measurement.unit == SUV_BODY_WEIGHT:
        digits = 2
    else:
        digits = 1
    text = f"{value:.{digits}f}"
    if float(text) == 0.0:
        text = text.removeprefix("-")
    return f"{text} {unit}"


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

    say("volume {}", finding.measurement(VOLUME))
    long_axis = finding.measurement(LONG_AXIS)
    say("long axis {}, short axis {}", long_axis, finding.measurement(SHORT_AXIS))
    if long_axis is not None and long_axis.slice_index is not None:
        parts[-1] += f" (image {long_axis.slice_index + 1})"
    say(
        "mean attenuation {}, standard deviation {}",
        _derived(finding, ATTENUATION, MEAN),
        _derived(finding, ATTENUATION, STANDARD_DEVIATION),
    )
    say(
        "SUVbw mean {}, maximum {}",
        _derived(finding, SUV_BODY_WEIGHT_VALUE, MEAN),
        _derived(finding, SUV_BODY_WEIGHT_VALUE, MAXIMUM),
    )
    numbers = "; ".join(parts) if parts else "no measurement possible"
    return f"{capitalised(name(finding))} ({finding.tracking_id}): {numbers}.", tuple(used)


def summarised(finding: Finding) -> tuple[str, tuple[Measurement, ...]]:
    """Return a short sentence for the impression, and the measurements it uses."""
    used = tuple(
        measurement
        for measurement in (finding.measurement(LONG_AXIS), finding.measurement(VOLUME))
        if measurement is not None
    )
    said = ", ".join(
        f"{'long axis' if m.concept == LONG_AXIS else 'volume'} {number(m)}" for m in used
    )
    doubt = " Proposed from words alone: to be confirmed." if finding.is_proposal else ""
    return f"{capitalised(name(finding))}{': ' + said if said else ''}.{doubt}", used


def _derived(finding: Finding, concept: Code, derivation: Code) -> Measurement | None:
    return next(
        (m for m in finding.measurements if m.concept == concept and m.derivation == derivation),
        None,
    )
