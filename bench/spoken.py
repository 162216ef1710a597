"""Recordings of sentences of our own: ``bench/spoken.toml`` said by Debian's voices, with noise.

``espeak-ng`` and ``flite`` speak; what a sentence means is what the grammar makes of it typed.
"""

import subprocess
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from domain.speech import SAMPLE_RATE_HZ, Utterance

VOICES: Final = (
    "flite:slt",
    "flite:rms",
    "flite:kal16",
    "espeak-ng:en-us+f3",
    "espeak-ng:en-gb-x-rp",
)


@dataclass(frozen=True, kw_only=True)
class Spoken:
    """A sentence, who says it, and the file."""

    text: str
    voice: str
    path: Path


def sentences(kind: str) -> tuple[str, ...]:
    """Return the sentences of a kind: tune, held_back or chatter."""
    table = tomllib.loads(resources.files("bench").joinpath("spoken.toml").read_text())
    return tuple(table[kind])


def speak(kind: str, folder: Path) -> Iterator[Spoken]:
    """Yield each sentence of a kind in each voice, written to a folder."""
    for number, text in enumerate(sentences(kind)):
        for voice in VOICES:
            path = folder / f"{kind}-{number}-{voice.replace(':', '-')}.wav"
            program, name = voice.split(":")
            if program == "flite":
                command = ["flite", "-voice", name, "-t", text, "-o", str(path)]
            else:
                command = ["espeak-ng", "-v", name, "-s", "155", "-w", str(path), text]
            subprocess.run(command, check=True)  # noqa: S603 - fixed programs
            yield Spoken(text=text, voice=voice, path=path)


def with_pink_noise(utterance: Utterance, snr_db: float, seed: int) -> Utterance:
    """Return an utterance in pink noise, at a ratio to the power of its whole length."""
    samples = utterance.samples
    noise = _pink(len(samples), seed)
    power = float(np.mean(samples**2)) / 10 ** (snr_db / 10)
    return Utterance(samples=(samples + noise * np.sqrt(power)).astype(np.float32))


def _pink(count: int, seed: int) -> NDArray[np.float64]:
    """Return noise of power falling as 1/f, of unit power."""
    white = np.fft.rfft(np.random.default_rng(seed).normal(size=count))
    frequency = np.fft.rfftfreq(count, 1 / SAMPLE_RATE_HZ)
    shaped = white / np.sqrt(np.maximum(frequency, SAMPLE_RATE_HZ / max(count, 1)))
    noise: NDArray[np.float64] = np.fft.irfft(shaped, count)
    noise /= np.sqrt(np.mean(noise**2))
    return noise
