"""What is left to do when the key is let go, where reading began while it was held.

``bench.voice --held`` feeds sentences to a listener as fast as they are spoken, with a third of a
second of quiet before the key is let go, and reads the same sound at once for comparison.
"""

import queue
import statistics
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from copilot.intent.grammar import SpokenGrammar
from copilot.intent.interpretation import interpret
from copilot.listening import FinalText, Listener, PartialText, Told
from copilot.saying import Order
from domain.speech import SAMPLE_RATE_HZ, Utterance
from voice.audio import read_utterance
from voice.whisper_ct2 import WhisperCt2

_FRAME: Final = 800
_FRAME_S: Final = _FRAME / SAMPLE_RATE_HZ
_LENGTH_S: Final = 3.0
_QUIET_S: Final = 0.4
_FADE: Final = 1600
_ANSWER_S: Final = 120.0


@dataclass(frozen=True, kw_only=True)
class Held:
    """CPU seconds: of reading it at once, after the key was let go, and in all while held."""

    sound_s: float
    plain_s: float
    after_release_s: float
    all_s: float
    waited_s: float
    same: bool


def measured(paths: Iterable[Path], engine: WhisperCt2, grammar: SpokenGrammar) -> list[Held]:
    """Say each recording to a listener, in real time."""
    told: queue.Queue[Told] = queue.Queue()
    with Listener(lambda: engine, grammar) as listener:
        station = listener.station(told.put)
        found = []
        for path in paths:
            utterance = let_go(read_utterance(path))
            begun = time.process_time()
            plain = interpret(engine.transcribe(utterance, grammar), grammar)
            plain_s = time.process_time() - begun
            frames = (utterance.samples * 32767).astype("<i2").tobytes()
            begun, start_s = time.process_time(), time.monotonic()
            station.start(Order())
            for number, place in enumerate(range(0, len(frames), 2 * _FRAME), start=1):
                station.hear(frames[place : place + 2 * _FRAME])
                time.sleep(max(0.0, start_s + number * _FRAME_S - time.monotonic()))
            released, released_s = time.process_time(), time.monotonic()
            station.stop()
            final = _final(told)
            ended = time.process_time()
            found.append(
                Held(
                    sound_s=utterance.duration_s,
                    plain_s=plain_s,
                    after_release_s=ended - released,
                    all_s=ended - begun,
                    waited_s=time.monotonic() - released_s,
                    same=final.heard["command"]["action"] == plain.action,
                )
            )
    return found


def nearest_length(paths: Iterable[Path], count: int) -> list[Path]:
    """Return the recordings nearest to three seconds, as they are let go."""
    lengths_s = {path: let_go(read_utterance(path)).duration_s for path in paths}
    return sorted(lengths_s, key=lambda path: abs(lengths_s[path] - _LENGTH_S))[:count]


def shown(found: list[Held]) -> str:
    """Return the medians as lines of text."""
    plain_s = statistics.median(each.plain_s for each in found)
    after_s = statistics.median(each.after_release_s for each in found)
    return (
        f"{len(found)} sentences of {statistics.median(each.sound_s for each in found):.1f} s, "
        f"medians: read at once {plain_s:.2f} CPU s; begun while held {after_s:.2f} CPU s after "
        f"release ({statistics.median(each.waited_s for each in found):.2f} s), "
        f"{statistics.median(each.all_s for each in found):.2f} CPU s in all; "
        f"{sum(each.same for each in found)} with the same action"
    )


def _final(told: "queue.Queue[Told]") -> FinalText:
    while isinstance(got := told.get(timeout=_ANSWER_S), PartialText):
        pass
    assert isinstance(got, FinalText), got
    return got


def let_go(utterance: Utterance) -> Utterance:
    """Return it with quiet at its end, as long as people take to let a key go."""
    samples = utterance.samples
    loud = int(np.flatnonzero(np.abs(samples) > 0.02 * np.abs(samples).max())[-1])
    quiet = np.zeros(int(_QUIET_S * SAMPLE_RATE_HZ), np.float32)
    return Utterance(samples=np.concatenate([samples[: loud + _FADE], quiet]))
