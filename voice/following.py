"""Voice activity in sound that still comes in: has somebody spoken, and since when is it quiet."""

from typing import Final

import numpy as np
from faster_whisper.vad import get_vad_model
from numpy.typing import NDArray

from domain.speech import SAMPLE_RATE_HZ
from voice.activity import audible_gain

_WINDOW: Final = 512
_CONTEXT: Final = 64
_STATE: Final = (1, 1, 128)
_BEGINS: Final = 0.5
_GOES_ON: Final = 0.3
"""Certainty asked of speech: to begin, as of a whole recording; less for it to go on."""


class SpeechFollower:
    """Follows one utterance with silero, whose state is kept from one piece to the next.

    Attributes
    ----------
    heard
        Samples taken so far.
    begun
        Whether somebody has spoken.
    last_speech
        Sample after the last that may be speech; 0 before any.
    """

    def __init__(self) -> None:
        self.heard = 0
        self.begun = False
        self.last_speech = 0
        self._followed = 0
        self._rest: NDArray[np.float32] = np.zeros(0, np.float32)
        self._before: NDArray[np.float32] = np.zeros(_CONTEXT, np.float32)
        self._states = (np.zeros(_STATE, np.float32), np.zeros(_STATE, np.float32))
        self._peak = 0.0

    @property
    def silence_s(self) -> float:
        """Seconds since the last speech; all of it where nobody has spoken."""
        return (self.heard - self.last_speech) / SAMPLE_RATE_HZ

    def hear(self, samples: NDArray[np.float32]) -> None:
        """Take what came next: any number of samples."""
        self.heard += samples.size
        self._peak = max(self._peak, float(np.abs(samples).max(initial=0.0)))
        whole = np.concatenate([self._rest, samples])
        windows = whole[: whole.size // _WINDOW * _WINDOW].reshape(-1, _WINDOW)
        self._rest = whole[windows.size :]
        if windows.size:
            self._follow(windows)

    def _follow(self, windows: NDArray[np.float32]) -> None:
        before = np.concatenate([self._before[None], windows[:-1, -_CONTEXT:]])
        self._before = windows[-1, -_CONTEXT:]
        audible = np.concatenate([before, windows], axis=1) * audible_gain(self._peak)
        feed = {"input": audible, "h": self._states[0], "c": self._states[1]}
        certainties, *states = get_vad_model().session.run(None, feed)
        self._states = (states[0], states[1])
        for certainty in np.ravel(certainties):
            self._followed += _WINDOW
            self.begun = self.begun or bool(certainty >= _BEGINS)
            if self.begun and certainty >= _GOES_ON:
                self.last_speech = self._followed
