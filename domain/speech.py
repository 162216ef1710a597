"""Sound and its words."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from domain.errors import AudioError

SAMPLE_RATE_HZ: Final = 16_000


@dataclass(frozen=True, kw_only=True, eq=False)
class Utterance:
    """Mono speech, float32 in -1..1 at 16 kHz; kept in memory only, unless the site says so."""

    samples: NDArray[np.float32]

    def __post_init__(self) -> None:
        if self.samples.ndim != 1 or self.samples.dtype != np.float32:
            raise AudioError(
                f"speech must be one channel of float32, got {self.samples.dtype} "
                f"of shape {self.samples.shape}"
            )
        if self.samples.size == 0:
            raise AudioError("the recording is empty: hold the key while speaking")
        if not np.isfinite(self.samples).all():
            raise AudioError("the recording holds values that are not numbers: record it again")

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return self.samples.size / SAMPLE_RATE_HZ


@dataclass(frozen=True, kw_only=True)
class Word:
    """A recognised word with its time in seconds and the engine's probability."""

    text: str
    start_s: float
    end_s: float
    probability: float


@dataclass(frozen=True, kw_only=True)
class Hypothesis:
    """One reading of what was said; ``log_probability`` is the mean per token."""

    text: str
    log_probability: float


@dataclass(frozen=True, kw_only=True)
class Transcript:
    """What was heard.

    Attributes
    ----------
    text
        The reading chosen, after repair by the lexicon.
    raw_text
        The engine's own first reading, said once where the engine repeats itself.
    hypotheses
        Other readings, best first.
    rivals
        Readings too close to ``text`` to tell apart by sound: the caller asks instead of acting
        when they mean different commands.
    repairs
        "PAX -> PACS": what the lexicon changed.
    """

    text: str
    raw_text: str
    engine: str
    words: tuple[Word, ...] = ()
    hypotheses: tuple[Hypothesis, ...] = ()
    rivals: tuple[str, ...] = ()
    repairs: tuple[str, ...] = ()
    confidence: float | None = None
