"""What both Whisper engines share: pieces of speech in, one transcript out."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from domain.ports import Grammar
from domain.speech import SAMPLE_RATE_HZ, Transcript, Utterance, Word
from voice.activity import speech_pieces
from voice.features import SECONDS_PER_FRAME
from voice.lexicon import Lexicon
from voice.ranking import Heard, spellings, transcript_of
from voice.tokens import Tokens

START: Final = ("<|startoftranscript|>", "<|en|>", "<|transcribe|>")
NO_TIMES: Final = "<|notimestamps|>"
BEAMS: Final = 5
IMPOSSIBLE: Final = 1e-9
"""Least probability a token is given, so that one bad token does not cost infinity."""

_LONGEST_PIECE_S: Final = 28.0


class WhisperEngine(ABC):
    """A ``Transcriber``; what an engine must add is how it hears one piece of speech."""

    def __init__(self, lexicon: Lexicon) -> None:
        self._lexicon = lexicon

    @property
    @abstractmethod
    def name(self) -> str:
        """The engine's name, as a transcript carries it."""

    @abstractmethod
    def hear(self, samples: NDArray[np.float32]) -> Heard:
        """Return one piece of speech, encoded; at most half a minute."""

    def transcribe(self, utterance: Utterance, grammar: Grammar | None = None) -> Transcript:
        """Return what was said; with a grammar, its sentences compete by their sound.

        What is longer than Whisper's half minute is dictation: it is read piece by piece, freely.

        Raises
        ------
        AudioError
            If there is no speech in it.
        ModelMissingError
            If the weights are not installed.
        """
        pieces = speech_pieces(utterance, longest_s=_LONGEST_PIECE_S)
        start, end = pieces[0][0], pieces[-1][1]
        if end - start <= _LONGEST_PIECE_S * SAMPLE_RATE_HZ:
            return self._piece(utterance, start, end, grammar)
        parts = [self._piece(utterance, start, end, None) for start, end in pieces]
        return Transcript(
            text=" ".join(part.text for part in parts),
            raw_text=" ".join(part.raw_text for part in parts),
            engine=self.name,
            words=tuple(word for part in parts for word in part.words),
            repairs=tuple(repair for part in parts for repair in part.repairs),
        )

    def _piece(
        self, utterance: Utterance, start: int, end: int, grammar: Grammar | None
    ) -> Transcript:
        heard = self.hear(utterance.samples[start:end])
        transcript = transcript_of(heard, grammar, self._lexicon, self.name)
        before_s = start / SAMPLE_RATE_HZ
        return replace(
            transcript,
            words=tuple(
                replace(word, start_s=word.start_s + before_s, end_s=word.end_s + before_s)
                for word in transcript.words
            ),
        )


@lru_cache(maxsize=8)
def others_than(words: frozenset[str], tokens: Tokens) -> list[int]:
    """Return the tokens that no sentence of these words, or number, is written with."""
    return sorted(tokens.all_but(spellings(words)))


def words_of_tokens(
    tokens: Tokens,
    numbers: Sequence[int],
    starts_s: Mapping[int, float],
    probabilities: Sequence[float],
    frames: int,
) -> tuple[Word, ...]:
    """Return the words that tokens make, each from its first token's time to the next word's.

    Parameters
    ----------
    starts_s
        Time at which the token at a place begins, where it is known.
    frames
        Length of the piece, in frames.
    """
    groups: list[list[int]] = []
    for place, number in enumerate(numbers):
        if not groups or tokens.decode([number]).startswith(" "):
            groups.append([])
        groups[-1].append(place)
    times = [starts_s.get(group[0], 0.0) for group in groups]
    ends = [*times[1:], frames * SECONDS_PER_FRAME]
    return tuple(
        Word(
            text=tokens.decode([numbers[place] for place in group]).strip(),
            start_s=start,
            end_s=max(start, end),
            probability=min(probabilities[place] for place in group),
        )
        for group, start, end in zip(groups, times, ends, strict=True)
    )
