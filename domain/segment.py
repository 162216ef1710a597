"""What an engine answers."""

from dataclasses import dataclass
from enum import StrEnum

from domain.errors import InputError
from domain.volume import Mask


class AlgorithmType(StrEnum):
    """How a mask came about, in the words of PS3.3 section C.8.20.2."""

    AUTOMATIC = "AUTOMATIC"
    SEMIAUTOMATIC = "SEMIAUTOMATIC"
    MANUAL = "MANUAL"


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """What made a mask, so that the same can be made again.

    Attributes
    ----------
    weights_sha256
        Digest of the weights, or None for an engine of rules. The Device UID in our objects is
        derived from engine, version and this.
    prompt
        In words, without patient data: "box on slice 21, slices 17 to 25".
    directed_by
        Where an agent chose the prompt: who decided and by which instructions, with their digest.
    """

    engine: str
    version: str
    algorithm_type: AlgorithmType
    weights_sha256: str | None = None
    prompt: str = ""
    directed_by: str | None = None


@dataclass(frozen=True, kw_only=True)
class ExpectedAgreement:
    """How outlines with signals like these agreed with the reference, and on how few.

    Attributes
    ----------
    dice, lowest_dice
        Mean over the cases, and that of the worst outline, each on its main slice.
    cases, patients
        Distinct things outlined, and the people they are in.
    """

    dice: float
    lowest_dice: float
    cases: int
    patients: int


@dataclass(frozen=True, kw_only=True)
class Confidence:
    """Signals of how far an outline holds, as Dice, 0 to 1; none is a chance of being right.

    Attributes
    ----------
    main_slice
        Where the signals were taken; None where they are of the whole mask.
    agreement
        With an outline by a second method that knows the hint and the image alone, or a rule's.
    jitter_stability
        Among the outlines of the hint as it is and moved by up to 10 % of its size; None where
        nobody drew a box or clicked.
    window_stability
        Among the outlines in four other windows; None where it was not asked for.
    weak_slices
        Slices where the mask is least supported, in the mask's order, from 0.
    expected
        Measured on cases with signals like these; None where too few were.
    """

    main_slice: int | None
    agreement: float | None = None
    jitter_stability: float | None = None
    window_stability: float | None = None
    weak_slices: tuple[int, ...] = ()
    expected: ExpectedAgreement | None = None

    def __post_init__(self) -> None:
        for name in ("agreement", "jitter_stability", "window_stability"):
            value = getattr(self, name)
            if value is not None and not 0.0 <= value <= 1.0:
                raise InputError(f"{name} {value} is not between 0 and 1")


@dataclass(frozen=True, kw_only=True)
class Segment:
    """One mask, or the statement that there is none.

    Attributes
    ----------
    concept
        Canonical phrase of the concept table; None for "this lesion" without a name.
    side
        "left" or "right", the patient's; None where the concept has no side or it is not known.
    score
        The engine's own confidence, 0 to 1; not calibrated unless the engine's docs say so.
    slice_profile
        Score for each slice from the first marked to the last; empty where there is none.
    is_proposal
        True until a person has confirmed where it is (a mask from words alone).
    absent_reason
        Set exactly when the mask is empty: what was searched, and that nothing was found.
    warnings
        Said to the user with the mask: implausible volume, blind propagation.
    confidence
        Signals beside the mask; None for an empty mask and where the engine has none.
    """

    mask: Mask
    concept: str | None
    provenance: Provenance
    side: str | None = None
    score: float | None = None
    slice_profile: tuple[float, ...] = ()
    is_proposal: bool = False
    absent_reason: str | None = None
    warnings: tuple[str, ...] = ()
    confidence: Confidence | None = None

    def __post_init__(self) -> None:
        if self.mask.is_empty != (self.absent_reason is not None):
            raise InputError("a segment is either a mask with voxels or a reason for their absence")
        if self.score is not None and not 0.0 <= self.score <= 1.0:
            raise InputError(f"score {self.score} is not between 0 and 1")
