"""Coded concepts: the words that machines agree on.

Values are taken from DICOM PS3.16 and SNOMED CT as DICOM prints it; each is checked against
pydicom's dictionaries by a test.
"""

from dataclasses import dataclass
from typing import Final

from domain.errors import InputError

_LONGEST_VALUE: Final = 16
_LONGEST_MEANING: Final = 64


@dataclass(frozen=True, kw_only=True)
class Code:
    """A code value, its scheme and its meaning (PS3.3 section 8.8).

    Two codes are equal when value and scheme are: meanings are for people.
    """

    value: str
    scheme: str
    meaning: str

    def __post_init__(self) -> None:
        if not 0 < len(self.value) <= _LONGEST_VALUE:
            raise InputError(
                f"code value {self.value!r} must have 1 to {_LONGEST_VALUE} characters"
            )
        if not self.scheme:
            raise InputError(f"code {self.value!r} names no coding scheme")
        if not 0 < len(self.meaning) <= _LONGEST_MEANING:
            raise InputError(
                f"code meaning {self.meaning!r} must have 1 to {_LONGEST_MEANING} characters"
            )

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Code):
            return NotImplemented
        return (self.value, self.scheme) == (other.value, other.scheme)

    def __hash__(self) -> int:
        return hash((self.value, self.scheme))


def sct(value: str, meaning: str) -> Code:
    """Return a SNOMED CT code."""
    return Code(value=value, scheme="SCT", meaning=meaning)


def dcm(value: str, meaning: str) -> Code:
    """Return a code of DICOM's own terminology (PS3.16 annex D)."""
    return Code(value=value, scheme="DCM", meaning=meaning)


def ucum(value: str, meaning: str) -> Code:
    """Return a unit of the Unified Code for Units of Measure."""
    return Code(value=value, scheme="UCUM", meaning=meaning)


def ibsi(value: str, meaning: str) -> Code:
    """Return a feature of the Image Biomarker Standardisation Initiative, as PS3.16 lists it."""
    return Code(value=value, scheme="IBSI", meaning=meaning)


MILLIMETRE: Final = ucum("mm", "mm")
SQUARE_MILLIMETRE: Final = ucum("mm2", "square millimeter")
MILLILITRE: Final = ucum("ml", "milliliter")
HOUNSFIELD_UNIT: Final = ucum("[hnsf'U]", "Hounsfield unit")
NO_UNITS: Final = ucum("1", "no units")
SUV_BODY_WEIGHT: Final = ucum("g/ml{SUVbw}", "Standardized Uptake Value body weight")
BECQUEREL_PER_MILLILITRE: Final = ucum("Bq/ml", "Becquerels/milliliter")

VOLUME: Final = sct("118565006", "Volume")
LONG_AXIS: Final = sct("103339001", "Long axis")
SHORT_AXIS: Final = sct("103340004", "Short axis")
AREA: Final = sct("131184002", "Area of defined region")
MAXIMUM_3D_DIAMETER: Final = ibsi("L0JK", "Maximum 3D Diameter of a Mesh")
MESH_VOLUME: Final = ibsi("RNU0", "Volume of Mesh")
SURFACE_AREA: Final = ibsi("C0JK", "Surface Area of Mesh")
SPHERICITY: Final = ibsi("QCFX", "Sphericity")
METABOLIC_VOLUME: Final = dcm("126032", "Metabolic Volume")
ATTENUATION: Final = dcm("112031", "Attenuation Coefficient")

RIGHT: Final = sct("24028007", "Right")
LEFT: Final = sct("7771000", "Left")
BILATERAL: Final = sct("51440002", "Bilateral")

SUV_BODY_WEIGHT_VALUE: Final = dcm("126401", "SUVbw")
MEAN: Final = sct("373098007", "Mean")
STANDARD_DEVIATION: Final = sct("386136009", "Standard Deviation")
MINIMUM: Final = sct("255605001", "Minimum")
MAXIMUM: Final = sct("56851009", "Maximum")
MEDIAN: Final = sct("373099004", "Median")
PEAK: Final = dcm("126031", "Peak Value Within ROI")
LESION: Final = sct("52988006", "Lesion")
MORPHOLOGICALLY_ABNORMAL: Final = sct("49755003", "Morphologically Abnormal Structure")
VOXEL_SUM: Final = dcm("126030", "Sum of segmented voxel method for volume")
