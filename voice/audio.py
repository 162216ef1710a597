"""Recordings to utterances: any rate, depth and number of channels to 16 kHz mono."""

from pathlib import Path
from typing import Final

import av
import numpy as np
from faster_whisper import decode_audio
from numpy.typing import NDArray

from domain.errors import AudioError
from domain.speech import SAMPLE_RATE_HZ, Utterance

_PCM16_STEPS: Final = 32768.0


def read_utterance(path: Path) -> Utterance:
    """Return the sound of a WAV or FLAC file, or of anything else that ffmpeg reads.

    A telephone's 8 kHz is resampled like any other rate: it works, with less certainty between
    words that differ in "s" and "f".

    Raises
    ------
    AudioError
        If the file does not exist, is no recording or holds no sample.
    """
    if not path.is_file():
        raise AudioError(f"{path}: there is no such file: give a WAV or FLAC recording")
    try:
        samples = decode_audio(str(path), sampling_rate=SAMPLE_RATE_HZ)
    except (av.FFmpegError, IndexError, ValueError) as error:
        raise AudioError(f"{path.name} is not a recording: give a WAV or FLAC file") from error
    return _utterance(samples, path.name)


def utterance_of_pcm16(frames: bytes, sample_rate_hz: int = SAMPLE_RATE_HZ) -> Utterance:
    """Return little-endian 16-bit mono frames, as a page's microphone sends them.

    Raises
    ------
    AudioError
        For an odd number of bytes, no frames, or a rate that is not a rate.
    """
    if len(frames) % 2:
        raise AudioError(f"{len(frames)} bytes are no whole 16-bit samples: send complete frames")
    if sample_rate_hz <= 0:
        raise AudioError(f"a sample rate of {sample_rate_hz} Hz is none: send 16000")
    samples = np.frombuffer(frames, "<i2").astype(np.float32) / np.float32(_PCM16_STEPS)
    if sample_rate_hz != SAMPLE_RATE_HZ and samples.size:
        samples = _resampled(samples, sample_rate_hz)
    return _utterance(samples, "the microphone's sound")


def _resampled(samples: NDArray[np.float32], sample_rate_hz: int) -> NDArray[np.float32]:
    resampler = av.AudioResampler(format="flt", layout="mono", rate=SAMPLE_RATE_HZ)
    frame = av.AudioFrame.from_ndarray(samples[None, :], format="flt", layout="mono")
    frame.sample_rate = sample_rate_hz
    pieces = [piece.to_ndarray()[0] for part in (frame, None) for piece in resampler.resample(part)]
    return np.concatenate(pieces).astype(np.float32)


def _utterance(samples: NDArray[np.float32], name: str) -> Utterance:
    if samples.size == 0:
        raise AudioError(f"no speech in {name}: it holds no samples: record again")
    return Utterance(samples=samples.astype(np.float32, copy=False))
