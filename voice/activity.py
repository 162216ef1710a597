"""Voice activity: where in a recording somebody speaks."""

from typing import Final

import numpy as np
from faster_whisper.vad import VadOptions, get_speech_timestamps

from domain.errors import AudioError
from domain.speech import SAMPLE_RATE_HZ, Utterance

_PADDING_MS: Final = 200
_PAUSE_MS: Final = 2000
_FAINTEST: Final = 1e-4
_LOUDNESS_SOUGHT: Final = 0.1
_MOST_GAIN: Final = 30.0
_THRESHOLDS: Final = (0.5, 0.2)
"""Certainty asked of speech: the second is tried when the first finds none, for faint voices."""


def speech_of(utterance: Utterance, name: str = "the recording") -> Utterance:
    """Return the utterance without the silence before and after what is said.

    Raises
    ------
    AudioError
        If nobody speaks.
    """
    pieces = speech_pieces(utterance, name, longest_s=float("inf"))
    samples = utterance.samples
    return Utterance(samples=samples[pieces[0][0] : pieces[-1][1]])


def speech_pieces(
    utterance: Utterance, name: str = "the recording", *, longest_s: float
) -> list[tuple[int, int]]:
    """Return first and last sample of each stretch of speech, none longer than ``longest_s``.

    Raises
    ------
    AudioError
        If nobody speaks.
    """
    peak = float(np.abs(utterance.samples).max())
    if peak > _FAINTEST:
        audible = utterance.samples * audible_gain(peak)
        for threshold in _THRESHOLDS:
            found = get_speech_timestamps(
                audible,
                VadOptions(
                    threshold=threshold,
                    min_silence_duration_ms=_PAUSE_MS,
                    speech_pad_ms=_PADDING_MS,
                    max_speech_duration_s=longest_s,
                ),
                SAMPLE_RATE_HZ,
            )
            if found:
                return [(int(each["start"]), int(each["end"])) for each in found]
    raise AudioError(
        f"no speech in {name}: {utterance.duration_s:.1f} s were recorded and nobody speaks: "
        "check the microphone, and hold the key while speaking"
    )


def audible_gain(peak: float) -> np.float32:
    """Return what a faint voice is multiplied by, to be noticed."""
    return np.float32(min(_MOST_GAIN, max(1.0, _LOUDNESS_SOUGHT / max(peak, _FAINTEST))))
