"""What Whisper hears: the log-mel spectrogram of an utterance."""

from functools import lru_cache
from typing import Final

import numpy as np
from faster_whisper.feature_extractor import FeatureExtractor
from numpy.typing import NDArray

from domain.speech import SAMPLE_RATE_HZ

SECONDS_PER_FRAME: Final = 0.01
LEAST_FRAMES: Final = 800
"""Below about 8 s the model repeats itself."""

MOST_FRAMES: Final = 3000
_SILENCE_AFTER_FRAMES: Final = 50
_SAMPLES_PER_FRAME: Final = int(SAMPLE_RATE_HZ * SECONDS_PER_FRAME)


@lru_cache(maxsize=1)
def _extractor() -> FeatureExtractor:
    return FeatureExtractor()


def log_mel(
    samples: NDArray[np.float32], frames: int | None = None
) -> tuple[NDArray[np.float32], int]:
    """Return the spectrogram, shape (80, frames), and how many frames hold the utterance.

    Silence is added up to ``frames``, or only as much as the model needs: what was said is
    encoded, not half a minute.
    """
    spoken = -(-samples.size // _SAMPLES_PER_FRAME)
    wanted = frames or min(MOST_FRAMES, max(LEAST_FRAMES, spoken + _SILENCE_AFTER_FRAMES))
    wanted += wanted % 2
    padded = np.zeros(wanted * _SAMPLES_PER_FRAME, np.float32)
    kept = min(samples.size, padded.size)
    padded[:kept] = samples[:kept]
    mel = _extractor()(padded, padding=0)[:, :wanted]
    return mel.astype(np.float32), min(spoken, wanted)
