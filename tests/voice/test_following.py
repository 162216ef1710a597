"""Voice activity of sound that comes in pieces."""

import numpy as np
import pytest

from voice.audio import read_utterance
from voice.following import SpeechFollower

SECOND = 16_000


@pytest.fixture(scope="module")
def spoken(shared_data):
    return read_utterance(shared_data / "speech" / "commands" / "flite-rms_16.wav")


def followed(samples, size):
    follower = SpeechFollower()
    for start in range(0, samples.size, size):
        follower.hear(samples[start : start + size])
    return follower


@pytest.mark.parametrize("size", [160, 512, 1600, 48_000])
def test_the_end_of_speech_is_found_in_pieces_of_any_size(spoken, size):
    quiet = np.zeros(2 * SECOND, np.float32)
    follower = followed(np.concatenate([spoken.samples, quiet]), size)
    loud = np.flatnonzero(np.abs(spoken.samples) > 0.02)[-1]
    assert follower.begun
    assert follower.last_speech == pytest.approx(loud, abs=0.25 * SECOND)
    assert follower.silence_s == pytest.approx(
        2 + (spoken.samples.size - follower.last_speech) / SECOND, abs=0.001
    )


def test_nobody_speaks_in_hiss():
    hiss = np.random.default_rng(2).normal(0, 1e-3, 3 * SECOND).astype(np.float32)
    follower = followed(hiss, 800)
    assert not follower.begun
    assert follower.silence_s == pytest.approx(3)


def test_a_second_sentence_is_speech_again(spoken):
    quiet = np.zeros(SECOND, np.float32)
    first = followed(np.concatenate([spoken.samples, quiet]), 800)
    both = followed(np.concatenate([spoken.samples, quiet, spoken.samples, quiet]), 800)
    assert both.last_speech - first.last_speech == pytest.approx(
        spoken.samples.size + SECOND, abs=0.1 * SECOND
    )
