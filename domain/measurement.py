"""Numbers with their meaning, and findings made of them."""

import math
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from domain.codes import Code
from domain.errors import InputError
from domain.segment import Provenance
from domain.uids import InstanceUID

Position: TypeAlias = tuple[float, float, float]
SIDES: Final = frozenset({None, "left", "right", "both"})


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """A value that a person may read, with unit, method and place.

    Attributes
    ----------
    derivation
        Mean, maximum...: code of PS3.16 CID 7464; None for a plain measurement.
    slice_index
        The slice it was measured on; None for the whole mask.
    points_lps_mm
        End points of a diameter; of a volume one point in it, near its middle. LPS millimetres.
    uncertainty
        Half the width of the 95 % interval round ``value``, in ``unit``; None where no model says.
    rule
        What the codes leave open: "41 % of SUVmax". Written as a parameter of the algorithm.
    """

    concept: Code
    value: float
    unit: Code
    method: Code | None = None
    derivation: Code | None = None
    slice_index: int | None = None
    points_lps_mm: tuple[Position, ...] = ()
    uncertainty: float | None = None
    rule: str | None = None

    def __post_init__(self) -> None:
        if not math.isfinite(self.value):
            raise InputError(f"measurement {self.concept.meaning!r} is {self.value}, not a number")
        if self.uncertainty is not None and not 0.0 <= self.uncertainty < math.inf:
            raise InputError(
                f"uncertainty of {self.concept.meaning!r} is {self.uncertainty}: half an interval "
                "is a number from 0"
            )


@dataclass(frozen=True, kw_only=True)
class Statistic:
    """A number of the values inside for which PS3.16 has no code: printed, never in an SR."""

    name: str
    value: float
    unit: Code

    def __post_init__(self) -> None:
        if not math.isfinite(self.value):
            raise InputError(f"statistic {self.name!r} is {self.value}, not a number")


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """Where a reader looks to check a number.

    Attributes
    ----------
    segment_number
        Number of the segment in the SEG, from 1 (PS3.3).
    key_slice_index
        The slice of largest area, in volume order.
    key_instance_uid
        The source image of that slice; None for images not from DICOM.
    segmentation_instance_uid
        The stored SEG; None until it is written.
    """

    segment_number: int
    key_slice_index: int
    key_instance_uid: InstanceUID | None = None
    key_frame_number: int | None = None
    segmentation_instance_uid: InstanceUID | None = None


@dataclass(frozen=True, kw_only=True)
class Finding:
    """Something seen, measured, and traceable.

    Attributes
    ----------
    tracking_id
        Short name for people: "Lesion 1".
    tracking_uid
        Follows the lesion over time.
    concept
        Canonical phrase, or None for "this lesion".
    code, site
        The finding's type and, where the concept has one, its anatomic place.
    side
        "left", "right" or "both", the patient's; None where there is none or it is not known.
    warnings
        What stands between this and being believed.
    statistics
        Further numbers of the values inside, without codes.
    absent
        What was not measured, each with its reason.
    """

    tracking_id: str
    tracking_uid: InstanceUID
    concept: str | None
    code: Code
    provenance: Provenance
    evidence: Evidence
    site: Code | None = None
    side: str | None = None
    measurements: tuple[Measurement, ...] = ()
    is_proposal: bool = False
    warnings: tuple[str, ...] = field(default=())
    statistics: tuple[Statistic, ...] = ()
    absent: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.side not in SIDES:
            raise InputError(f"the side of a finding is left, right, both or none, not {self.side}")

    def measurement(self, concept: Code) -> Measurement | None:
        """Return the first measurement of this kind, or None."""
        return next((m for m in self.measurements if m.concept == concept), None)
