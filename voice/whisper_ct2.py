"""Whisper by CTranslate2: int8 on a reading station's processor, without torch."""

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import ctranslate2
import numpy as np
from numpy.typing import NDArray

from domain.errors import ModelMissingError
from domain.ports import Grammar
from domain.speech import Hypothesis, Transcript, Utterance, Word
from voice.activity import speech_pieces
from voice.features import SECONDS_PER_FRAME, log_mel
from voice.lexicon import Lexicon
from voice.ranking import transcript_of
from voice.tokens import Tokens

_START: Final = ("<|startoftranscript|>", "<|en|>", "<|transcribe|>")
_NO_TIMES: Final = "<|notimestamps|>"
_FILES: Final = ("model.bin", "config.json", "vocabulary.txt")
_BEAMS: Final = 5
_LONGEST_PIECE_S: Final = 28.0
_TOKENS_PER_SECOND: Final = 8
_LEAST_TOKENS: Final = 24
_IMPOSSIBLE: Final = 1e-9


class WhisperCt2:
    """Implements the ``Transcriber`` port; the weights are read at the first utterance.

    Parameters
    ----------
    model_folder
        Holds ``model.bin``, ``config.json`` and ``vocabulary.txt`` of a converted Whisper.
    """

    def __init__(self, model_folder: Path, lexicon: Lexicon, threads: int) -> None:
        self._folder = model_folder
        self._lexicon = lexicon
        self._threads = threads
        self._lock = threading.Lock()
        self._loaded: tuple[Any, Tokens] | None = None

    @property
    def name(self) -> str:
        """The engine's name, as a transcript carries it."""
        return f"whisper-ct2:{self._folder.name}"

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
        whole = utterance.samples[pieces[0][0] : pieces[-1][1]]
        if whole.size <= _LONGEST_PIECE_S * 16_000:
            return transcript_of(self._hear(whole), grammar, self._lexicon, self.name)
        parts = [
            transcript_of(self._hear(utterance.samples[start:end]), None, self._lexicon, self.name)
            for start, end in pieces
        ]
        return Transcript(
            text=" ".join(part.text for part in parts),
            raw_text=" ".join(part.raw_text for part in parts),
            engine=self.name,
            repairs=tuple(repair for part in parts for repair in part.repairs),
        )

    def _hear(self, samples: NDArray[np.float32]) -> "_Heard":
        model, tokens = self._model()
        mel, frames = log_mel(samples)
        features = ctranslate2.StorageView.from_array(np.ascontiguousarray(mel[None]))
        return _Heard(model, tokens, model.encode(features), frames)

    def _model(self) -> tuple[Any, Tokens]:
        with self._lock:
            if self._loaded is None:
                for name in _FILES:
                    if not (self._folder / name).is_file():
                        raise ModelMissingError(
                            f"{self._folder / name} is missing: run: radcopilot models install "
                            "default"
                        )
                try:
                    model = ctranslate2.models.Whisper(
                        str(self._folder),
                        device="cpu",
                        compute_type="int8",
                        intra_threads=self._threads,
                    )
                except (RuntimeError, ValueError) as error:
                    raise ModelMissingError(
                        f"{self._folder} holds no Whisper that can be read: run: radcopilot models "
                        "install default"
                    ) from error
                self._loaded = (model, Tokens.read(self._folder))
            return self._loaded


class _Heard:
    """One piece of speech, encoded."""

    def __init__(self, model: Any, tokens: Tokens, encoded: Any, frames: int) -> None:  # noqa: ANN401
        self._model = model
        self._tokens = tokens
        self._encoded = encoded
        self._frames = frames
        self._start = [tokens.special(name) for name in _START]

    def hypotheses(self) -> tuple[Hypothesis, ...]:
        seconds = self._frames * SECONDS_PER_FRAME
        (result,) = self._model.generate(
            self._encoded,
            [[*self._start, self._tokens.special(_NO_TIMES)]],
            beam_size=_BEAMS,
            num_hypotheses=_BEAMS,
            max_length=int(_LEAST_TOKENS + _TOKENS_PER_SECOND * seconds),
            return_scores=True,
        )
        return tuple(
            Hypothesis(text=self._tokens.decode(numbers).strip(), log_probability=score)
            for numbers, score in zip(result.sequences_ids, result.scores, strict=True)
        )

    def log_probabilities(self, texts: Sequence[str]) -> list[float]:
        return [
            float(np.log(np.maximum(self._align(text).text_token_probs, _IMPOSSIBLE)).sum())
            for text in texts
        ]

    def words(self, text: str) -> tuple[Word, ...]:
        numbers = self._tokens.encode(f" {text}")
        if not numbers:
            return ()
        aligned = self._align(text)
        starts = dict(reversed([(token, time) for token, time in aligned.alignments]))
        return _words(self._tokens, numbers, starts, aligned.text_token_probs, self._frames)

    def _align(self, text: str) -> Any:  # noqa: ANN401
        numbers = self._tokens.encode(f" {text}")
        (aligned,) = self._model.align(self._encoded, self._start, [numbers], self._frames)
        return aligned


def _words(
    tokens: Tokens,
    numbers: Sequence[int],
    starts: dict[int, int],
    probabilities: Sequence[float],
    frames: int,
) -> tuple[Word, ...]:
    """Return the words that tokens make, each from its first token's time to the next word's."""
    groups: list[list[int]] = []
    for place, number in enumerate(numbers):
        if not groups or tokens.decode([number]).startswith(" "):
            groups.append([])
        groups[-1].append(place)
    frame_s = 2 * SECONDS_PER_FRAME
    times = [starts.get(group[0], 0) * frame_s for group in groups]
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
