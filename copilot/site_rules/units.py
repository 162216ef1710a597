"""Attributes that may be compared as numbers, each with the unit the standard gives it."""

from collections.abc import Mapping
from typing import Final

from domain.errors import SettingsError

INSTANCES: Final = "Instances"
"""Not an attribute: how many instances of the series are here."""

# PS3.3 and PS3.6; an attribute that is not here has no unit that the standard fixes.
UNITS: Final[Mapping[str, str]] = {
    INSTANCES: "1",
    "Columns": "1",
    "DiffusionBValue": "s/mm2",
    "EchoTime": "ms",
    "ExposureTime": "ms",
    "FlipAngle": "deg",
    "FrameTime": "ms",
    "GantryDetectorTilt": "deg",
    "InversionTime": "ms",
    "KVP": "kV",
    "MagneticFieldStrength": "T",
    "NumberOfFrames": "1",
    "PatientAge": "years",
    "PatientSize": "m",
    "PatientWeight": "kg",
    "PixelSpacing": "mm",
    "ReconstructionDiameter": "mm",
    "RepetitionTime": "ms",
    "Rows": "1",
    "SliceThickness": "mm",
    "SpacingBetweenSlices": "mm",
    "XRayTubeCurrent": "mA",
}
_KINDS: Final[tuple[Mapping[str, float], ...]] = (
    {"mm": 1.0, "cm": 10.0, "m": 1000.0},
    {"ms": 1.0, "s": 1000.0, "min": 60_000.0},
    {"years": 1.0, "months": 1 / 12, "weeks": 7 / 365.25, "days": 1 / 365.25},
    {"kg": 1.0, "g": 0.001},
    {"kV": 1.0, "V": 0.001},
    {"mA": 1.0, "A": 1000.0},
    {"T": 1.0, "mT": 0.001},
    {"deg": 1.0},
    {"s/mm2": 1.0},
    {"1": 1.0},
)


def factor(tag: str, unit: str) -> float:
    """Return what a number in this unit is multiplied by, to be in the attribute's own.

    Raises
    ------
    SettingsError
        If the attribute is no number of known unit, or the unit is none of its kind.
    """
    if tag not in UNITS:
        raise SettingsError(
            f"{tag} cannot be compared as a number: its unit is not known here; those that can: "
            f"{', '.join(sorted(UNITS))}"
        )
    kind = next(each for each in _KINDS if UNITS[tag] in each)
    if unit not in kind:
        given = repr(unit) if unit else "without a unit"
        raise SettingsError(f"{tag} is compared {given}: write unit = one of {', '.join(kind)}")
    return kind[unit] / kind[UNITS[tag]]
