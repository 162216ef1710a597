"""What became of a lesion between two studies."""

import math
from dataclasses import dataclass
from enum import StrEnum

from domain.errors import InputError
from domain.measurement import Position
from domain.uids import InstanceUID


class Verdict(StrEnum):
    """What became of a lesion; the last three say why nothing is said."""

    NEW = "new"
    RESOLVED = "resolved"
    STABLE = "stable"
    LARGER = "larger"
    SMALLER = "smaller"
    OUT_OF_FIELD = "outside the other study's field of view"
    AMBIGUOUS = "ambiguous"
    NOT_COMPARED = "not compared"


class Kind(StrEnum):
    """What sort of lesion limits of change are published for."""

    LUNG_NODULE = "lung nodule"
    LYMPH_NODE = "lymph node"
    OTHER = "lesion"


class Origin(StrEnum):
    """Where the numbers of a lesion come from."""

    OUTLINED = "outlined here"
    REPORTED = "as reported"
    REPORTED_OUTLINE = "measured here on a reported outline"
    REMEASURED = "measured again with the same engine"


@dataclass(frozen=True, kw_only=True)
class Lesion:
    """One lesion on one study, in that study's own millimetres.

    Attributes
    ----------
    volume_ml, uncertainty_ml
        None where it has no volume; half of the 95 % interval of sampling.
    long_axis_mm, short_axis_mm
        Longest diameter on one slice, and across it.
    reported_by
        Tool and version that reported it; None for our own outline.
    outlined_by
        The engine that outlined it; another tool, where that is all that is known.
    """

    label: str
    centre_lps_mm: Position
    volume_ml: float | None
    uncertainty_ml: float | None = None
    long_axis_mm: float | None = None
    short_axis_mm: float | None = None
    slice_spacing_mm: float | None = None
    organ: str | None = None
    side: str | None = None
    kind: Kind = Kind.OTHER
    origin: Origin = Origin.OUTLINED
    reported_by: str | None = None
    outlined_by: str | None = None
    tracking_uid: InstanceUID | None = None

    def __post_init__(self) -> None:
        for name in ("volume_ml", "long_axis_mm", "short_axis_mm"):
            value = getattr(self, name)
            if value is not None and not (math.isfinite(value) and value > 0):
                raise InputError(f"{name} of {self.label} is {value}: a lesion has a size")

    @property
    def as_prior(self) -> str:
        """What it is called beside lesions of the current study, which count from 1 as well."""
        is_said = self.label.lower().startswith("prior ")
        return self.label if is_said else f"the prior's {self.label}"


@dataclass(frozen=True, kw_only=True)
class DoublingTime:
    """Days in which the volume doubles; below zero it halves.

    Attributes
    ----------
    days
        By the two volumes; None where they are equal.
    shortest_days, longest_days
        The 95 % interval; ``longest_days`` is None where no growth at all is within it.
    """

    days: float | None
    shortest_days: float
    longest_days: float | None

    def in_words(self) -> str:
        """Say it: "231 days (180 to 320)", or a bound."""
        if self.days is None or self.longest_days is None:
            if math.isinf(self.shortest_days):
                return "no growth"
            return f"more than {self.shortest_days:.0f} days"
        if self.days < 0:
            return (
                f"halves in {-self.days:.0f} days ({-self.shortest_days:.0f} to "
                f"{-self.longest_days:.0f})"
            )
        return f"{self.days:.0f} days ({self.shortest_days:.0f} to {self.longest_days:.0f})"


@dataclass(frozen=True, kw_only=True)
class ToldPair:
    """What a person says of a lesion: which one of the other study it is, or that it is none.

    Attributes
    ----------
    current, prior
        A lesion's tracking UID or label. Without ``prior`` the current lesion is new; without
        ``current`` the prior's has no partner now.
    by
        Who said it; None where nobody is known, as on the command line.
    is_kept
        Said at an earlier comparison: where it does not fit any more it is left out, with a note.
    """

    current: str | None
    prior: str | None
    by: str | None = None
    is_kept: bool = False

    def __post_init__(self) -> None:
        if self.current is None and self.prior is None:
            raise InputError("a told pair names no lesion: give the current one, the prior's, both")
        for study, name in (("current study", self.current), ("prior", self.prior)):
            if name is not None and not name.strip():
                raise InputError(f"a told pair has an empty name on the {study}: give its label")

    def in_words(self) -> str:
        """Say what was decided, and by whom."""
        if self.prior is None:
            what = "said to be new: none of the prior's lesions"
        elif self.current is None:
            what = "said to be gone: it has no partner now"
        else:
            what = "paired"
        return f"{what}, as told" if self.by is None else f"{what}, by {self.by}"


@dataclass(frozen=True, kw_only=True)
class Answer:
    """One answer to the question of a change: a pair, or a lesion that has no partner.

    Attributes
    ----------
    slice_index
        Of the prior's lesion, on its own images.
    """

    current: Lesion | None
    prior: Lesion | None
    slice_index: int | None = None

    def __post_init__(self) -> None:
        if self.current is None and self.prior is None:
            raise InputError("an answer is of a lesion in at least one of two studies")

    @property
    def told(self) -> ToldPair:
        """What is told by giving this answer; a tracking UID goes before a label."""
        current, prior = (
            None if each is None else each.tracking_uid or each.label
            for each in (self.current, self.prior)
        )
        return ToldPair(current=current, prior=prior)

    def in_words(self) -> str:
        """Say it: "Finding 1 is the prior's Finding 2, 6.1 mm"."""
        if self.prior is None:
            assert self.current is not None
            return f"{self.current.label} is new: none of the prior's"
        prior, size = self.prior.as_prior, self.prior.long_axis_mm
        if self.current is None:
            return f"{prior} is gone: it has no partner now"
        length = "" if size is None else f", {size:.1f} mm"
        return f"{self.current.label} is {prior}{length}"


@dataclass(frozen=True, kw_only=True)
class Change:
    """One lesion in both studies, or in one of them, and what is said of it.

    Attributes
    ----------
    percent, limit_percent
        Change of volume, and how much it must be to count.
    reasons
        The lines that led to the verdict, in words.
    question
        What a person must decide, where the verdict is open.
    answers
        What can be told in answer to it.
    told
        What a person told of this lesion; it went before matching.
    """

    verdict: Verdict
    current: Lesion | None
    prior: Lesion | None
    reasons: tuple[str, ...]
    percent: float | None = None
    limit_percent: tuple[float, float] | None = None
    doubling: DoublingTime | None = None
    question: str | None = None
    answers: tuple[Answer, ...] = ()
    told: ToldPair | None = None
    warnings: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.current is None and self.prior is None:
            raise InputError("a change is of a lesion in at least one of two studies")
        if not self.reasons:
            raise InputError(f"a verdict {self.verdict} without a reason cannot be checked")
