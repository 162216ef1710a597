"""What signals beside an outline were worth, as measured: few cases, so mostly nothing is said.

The table is what ``bench/calibration.py`` printed; ``docs/confidence.md`` tells how to read it.
"""

from dataclasses import dataclass
from typing import Final

from domain.segment import Confidence, ExpectedAgreement

LEAST_CASES: Final = 10
LEAST_PATIENTS: Final = 3
EDGES: Final = (0.0, 0.8, 0.9, 0.95, 1.0)
"""Of the bins of the combined signal; each holds its lower edge, the last its upper one too."""

AGREEMENT_SHARE: Final = 0.1  # stability ranked the cases, agreement added little


@dataclass(frozen=True, kw_only=True)
class Bin:
    """What was measured on outlines whose combined signal is ``low`` or more, below ``high``."""

    low: float
    high: float
    measured: ExpectedAgreement | None

    @property
    def is_calibrated(self) -> bool:
        """Whether enough distinct cases of enough patients are in it."""
        found = self.measured
        return found is not None and found.cases >= LEAST_CASES and found.patients >= LEAST_PATIENTS


MEASURED: Final = (
    Bin(
        low=0.0,
        high=0.8,
        measured=ExpectedAgreement(dice=0.830, lowest_dice=0.577, cases=5, patients=1),
    ),
    Bin(
        low=0.8,
        high=0.9,
        measured=ExpectedAgreement(dice=0.861, lowest_dice=0.646, cases=10, patients=2),
    ),
    Bin(
        low=0.9,
        high=0.95,
        measured=ExpectedAgreement(dice=0.910, lowest_dice=0.819, cases=12, patients=3),
    ),
    Bin(
        low=0.95,
        high=1.0,
        measured=ExpectedAgreement(dice=0.935, lowest_dice=0.831, cases=10, patients=3),
    ),
)
MODALITIES: Final = frozenset({"CT", "MR", "PT"})
"""On which it was measured; nothing is expected of any other."""


def combined(confidence: Confidence) -> float | None:
    """Return one number for the signals, or None where one of them is missing."""
    if confidence.agreement is None or confidence.jitter_stability is None:
        return None
    share = AGREEMENT_SHARE
    return share * confidence.agreement + (1 - share) * confidence.jitter_stability


def expected_of(confidence: Confidence) -> ExpectedAgreement | None:
    """Return what was measured on outlines with such signals, or None for "not calibrated"."""
    signal = combined(confidence)
    if signal is None:
        return None
    for each in MEASURED:
        if each.low <= signal < each.high or signal == each.high == EDGES[-1]:
            return each.measured if each.is_calibrated else None
    return None
