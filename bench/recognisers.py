"""Ways of recognising the same recordings, side by side in one run.

``bench.voice --compare``: faster-whisper as its documentation calls it, alone, told the vocabulary
(its ``hotwords``), and repaired by our lexicon; then our engines, reading freely, with the lexicon,
and with the grammar's sentences compared by sound. What a text means is what the grammar makes of
it typed, so that a reading counts as right in all of them alike.
"""

import re
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from faster_whisper import WhisperModel
from rich.table import Table

from copilot.intent.grammar import SpokenGrammar
from copilot.intent.interpretation import interpret
from copilot.intent.numbers import digits_spoken
from domain.command import Command
from domain.speech import Utterance
from voice.engine import WhisperEngine
from voice.lexicon import Lexicon, load_lexicon
from voice.whisper_ct2 import WhisperCt2

_BEAMS: Final = 5
_MOST_HOTWORDS: Final = 60

Read = Callable[[Utterance], tuple[str, Command | None]]
"""Return the words that were heard, and what they mean."""


@dataclass(frozen=True, kw_only=True)
class Way:
    """One way of recognising."""

    name: str
    read: Read


@dataclass(frozen=True, kw_only=True)
class Said:
    """A recording, the words said in it, and whether an answer is what was meant."""

    utterance: Utterance
    text: str
    outcome: Callable[[Command | None], str]


def ways(folder: Path, grammar: SpokenGrammar, threads: int) -> Iterator[Way]:
    """Yield the ways that are installed; ``folder`` holds the weights that all of them use."""
    lexicon = load_lexicon()
    plain = WhisperModel(str(folder), device="cpu", compute_type="int8", cpu_threads=threads)
    vocabulary = " ".join(sorted(grammar.words, key=len, reverse=True)[:_MOST_HOTWORDS])
    yield Way(name="faster-whisper int8", read=_plain(plain, grammar, None, None))
    yield Way(name="faster-whisper int8, vocabulary", read=_plain(plain, grammar, vocabulary, None))
    yield Way(name="faster-whisper int8, lexicon", read=_plain(plain, grammar, None, lexicon))
    yield from _ours("whisper-ct2 int8", WhisperCt2(folder, lexicon, threads), grammar)
    try:
        from voice.whisper_torch import WhisperTorch  # noqa: PLC0415 - an extra
    except ImportError:
        return
    yield from _ours("openai-whisper", WhisperTorch(folder, lexicon, threads), grammar)


def _ours(name: str, engine: WhisperEngine, grammar: SpokenGrammar) -> Iterator[Way]:
    def free(utterance: Utterance) -> tuple[str, Command | None]:
        heard = engine.transcribe(utterance)
        return heard.raw_text, grammar.parse(heard.raw_text)

    def repaired(utterance: Utterance) -> tuple[str, Command | None]:
        heard = engine.transcribe(utterance)
        return heard.text, grammar.parse(heard.text)

    def ranked(utterance: Utterance) -> tuple[str, Command | None]:
        heard = engine.transcribe(utterance, grammar)
        return heard.text, interpret(heard, grammar)

    yield Way(name=f"{name}, read freely", read=free)
    yield Way(name=f"{name}, lexicon", read=repaired)
    yield Way(name=f"{name}, lexicon and grammar", read=ranked)


def _plain(
    model: WhisperModel, grammar: SpokenGrammar, hotwords: str | None, lexicon: Lexicon | None
) -> Read:
    def read(utterance: Utterance) -> tuple[str, Command | None]:
        pieces, _ = model.transcribe(
            utterance.samples, language="en", beam_size=_BEAMS, hotwords=hotwords
        )
        text = " ".join(piece.text.strip() for piece in pieces)
        if lexicon is not None:
            text, _ = lexicon.repair(text)
        return text, grammar.parse(text)

    return read


def compared(recordings: Sequence[Said], found: Iterator[Way]) -> Table:
    """Recognise everything in every way."""
    table = Table(
        "", "words wrong", "right", "asked", "wrong", "dangerous", "CPU s for 1 s", title=""
    )
    sound_s = sum(each.utterance.duration_s for each in recordings)
    for way in found:
        way.read(recordings[0].utterance)  # the weights are read
        outcomes: Counter[str] = Counter()
        errors = words = 0
        begun = time.process_time()
        for each in recordings:
            text, command = way.read(each.utterance)
            outcomes[each.outcome(command)] += 1
            said = _words(each.text)
            errors += edits(_words(text), said)
            words += len(said)
        cpu_s = time.process_time() - begun
        table.add_row(
            way.name,
            f"{100 * errors / words:.1f} %",
            *(str(outcomes[name]) for name in ("right", "asked", "wrong", "dangerous")),
            f"{cpu_s / sound_s:.2f}",
        )
    return table


def _words(text: str) -> list[str]:
    return re.findall(r"[a-z0-9']+", digits_spoken(text.lower()))


def edits(heard: Sequence[str], said: Sequence[str]) -> int:
    """Return how many words were left out, put in or exchanged."""
    row = list(range(len(said) + 1))
    for count, word in enumerate(heard, start=1):
        before, row[0] = row[0], count
        for place, other in enumerate(said, start=1):
            before, row[place] = (
                row[place],
                min(row[place] + 1, row[place - 1] + 1, before + (word != other)),
            )
    return row[-1]
