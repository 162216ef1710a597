"""Whisper by CTranslate2: int8 on a reading station's processor, without torch."""

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import ctranslate2
import numpy as np
from numpy.typing import NDArray

from domain.errors import ModelMissingError
from domain.speech import Hypothesis, Word
from voice.engine import (
    BEAMS,
    IMPOSSIBLE,
    NO_TIMES,
    START,
    WhisperEngine,
    others_than,
    words_of_tokens,
)
from voice.features import SECONDS_PER_FRAME, log_mel
from voice.lexicon import Lexicon
from voice.tokens import Tokens

_FILES: Final = ("model.bin", "config.json", "vocabulary.txt")
_TOKENS_PER_SECOND: Final = 16
_LEAST_TOKENS: Final = 48
_SECONDS_PER_ENCODED_FRAME: Final = 2 * SECONDS_PER_FRAME


class WhisperCt2(WhisperEngine):
    """Implements the ``Transcriber`` port; the weights are read at the first utterance.

    Parameters
    ----------
    model_folder
        Holds ``model.bin``, ``config.json`` and ``vocabulary.txt`` of a converted Whisper.
    """

    def __init__(self, model_folder: Path, lexicon: Lexicon, threads: int) -> None:
        super().__init__(lexicon)
        self._folder = model_folder
        self._threads = threads
        self._lock = threading.Lock()
        self._loaded: tuple[Any, Tokens] | None = None

    @property
    def name(self) -> str:
        """The engine's name, as a transcript carries it."""
        return f"whisper-ct2:{self._folder.name}"

    def hear(self, samples: NDArray[np.float32]) -> "_Heard":
        """Return one piece of speech, encoded."""
        model, tokens = self._model()
        mel, frames = log_mel(samples)
        features = ctranslate2.StorageView.from_array(np.ascontiguousarray(mel[None]))
        return _Heard(model, tokens, model.encode(features), frames)

    def _model(self) -> tuple[Any, Tokens]:
        with self._lock:
            if self._loaded is None:
                self._loaded = (self._read(), Tokens.read(self._folder))
            return self._loaded

    def _read(self) -> Any:  # noqa: ANN401 - CTranslate2 is untyped
        for name in _FILES:
            if not (self._folder / name).is_file():
                raise ModelMissingError(
                    f"{self._folder / name} is missing: run: radcopilot models install default"
                )
        try:
            return ctranslate2.models.Whisper(
                str(self._folder),
                device="cpu",
                compute_type="int8",
                intra_threads=self._threads,
            )
        except (RuntimeError, ValueError) as error:
            raise ModelMissingError(
                f"{self._folder} holds no Whisper that can be read: run: radcopilot models install "
                "default"
            ) from error


class _Heard:
    """One piece of speech, encoded."""

    def __init__(self, model: Any, tokens: Tokens, encoded: Any, frames: int) -> None:  # noqa: ANN401
        self._model = model
        self._tokens = tokens
        self._encoded = encoded
        self._frames = frames
        self._start = [tokens.special(name) for name in START]

    def hypotheses(self, words: frozenset[str] | None = None) -> tuple[Hypothesis, ...]:
        seconds = self._frames * SECONDS_PER_FRAME
        (result,) = self._model.generate(
            self._encoded,
            [[*self._start, self._tokens.special(NO_TIMES)]],
            beam_size=BEAMS,
            num_hypotheses=BEAMS,
            max_length=int(_LEAST_TOKENS + _TOKENS_PER_SECOND * seconds),
            return_scores=True,
            suppress_tokens=[-1] if words is None else others_than(words, self._tokens),
        )
        return tuple(
            Hypothesis(text=self._tokens.decode(numbers).strip(), log_probability=score)
            for numbers, score in zip(result.sequences_ids, result.scores, strict=True)
        )

    def log_probabilities(self, texts: Sequence[str]) -> list[float]:
        return [
            float(np.log(np.maximum(self._align(text).text_token_probs, IMPOSSIBLE)).sum())
            for text in texts
        ]

    def words(self, text: str) -> tuple[Word, ...]:
        numbers = self._tokens.encode(f" {text}")
        if not numbers:
            return ()
        aligned = self._align(text)
        starts_s = {
            token: frame * _SECONDS_PER_ENCODED_FRAME
            for token, frame in reversed(aligned.alignments)
        }
        return words_of_tokens(
            self._tokens, numbers, starts_s, aligned.text_token_probs, self._frames
        )

    def _align(self, text: str) -> Any:  # noqa: ANN401
        numbers = self._tokens.encode(f" {text}")
        (aligned,) = self._model.align(self._encoded, self._start, [numbers], self._frames)
        return aligned
