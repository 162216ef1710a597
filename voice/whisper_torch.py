"""Whisper by openai-whisper and torch: the reference engine, behind an extra.

The same weights as the default engine's, converted in memory; slower on a processor, and in single
precision. Importing this module imports torch.
"""

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
import whisper.model
import whisper.timing
from numpy.typing import NDArray

from domain.speech import Hypothesis, Word
from voice.convert import openai_checkpoint
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

_SECONDS_PER_ENCODED_FRAME: Final = 2 * SECONDS_PER_FRAME
_TOKENS_PER_SECOND: Final = 8
_LEAST_TOKENS: Final = 24
_MEDIAN_WIDTH: Final = 7


class WhisperTorch(WhisperEngine):
    """Implements the ``Transcriber`` port; the weights are read at the first utterance.

    Parameters
    ----------
    model_folder
        Holds ``model.bin``, ``config.json`` and ``vocabulary.txt``, as for the default engine.
    """

    def __init__(self, model_folder: Path, lexicon: Lexicon, threads: int) -> None:
        super().__init__(lexicon)
        self._folder = model_folder
        self._threads = threads
        self._lock = threading.Lock()
        self._loaded: tuple[Any, Tokens, tuple[tuple[int, int], ...]] | None = None

    @property
    def name(self) -> str:
        """The engine's name, as a transcript carries it."""
        return f"openai-whisper:{self._folder.name}"

    def hear(self, samples: NDArray[np.float32]) -> "_Heard":
        """Return one piece of speech, encoded."""
        with self._lock:
            if self._loaded is None:
                self._loaded = self._read()
        model, tokens, heads = self._loaded
        mel, frames = log_mel(samples)
        with torch.inference_mode():
            encoded = _encode(model.encoder, torch.from_numpy(mel[None]))
        return _Heard(model, tokens, encoded, frames, heads)

    def _read(self) -> tuple[Any, Tokens, tuple[tuple[int, int], ...]]:
        torch.set_num_threads(self._threads)
        checkpoint = openai_checkpoint(self._folder)
        model = whisper.model.Whisper(whisper.model.ModelDimensions(**checkpoint.dims))
        state = {name: torch.from_numpy(value) for name, value in checkpoint.state.items()}
        model.load_state_dict(state)
        return model.eval(), Tokens.read(self._folder), checkpoint.alignment_heads


def _encode(encoder: Any, mel: Any) -> Any:  # noqa: ANN401 - openai-whisper is untyped
    """Return the encoded sound, shape (1, frames / 2, state), of less than half a minute.

    The encoder's own ``forward`` insists on 3,000 frames; its layers do not.
    """
    gelu = torch.nn.functional.gelu
    hidden = gelu(encoder.conv2(gelu(encoder.conv1(mel)))).permute(0, 2, 1)
    hidden = hidden + encoder.positional_embedding[: hidden.shape[1]]
    for block in encoder.blocks:
        hidden = block(hidden)
    return encoder.ln_post(hidden)


class _Heard:
    """One piece of speech, encoded."""

    def __init__(
        self,
        model: Any,  # noqa: ANN401
        tokens: Tokens,
        encoded: Any,  # noqa: ANN401
        frames: int,
        heads: tuple[tuple[int, int], ...],
    ) -> None:
        self._model = model
        self._tokens = tokens
        self._encoded = encoded
        self._frames = frames
        self._heads = heads
        self._start = [*(tokens.special(name) for name in START), tokens.special(NO_TIMES)]

    def hypotheses(self, words: frozenset[str] | None = None) -> tuple[Hypothesis, ...]:
        """Return the readings of a beam search, the likeliest for each token first."""
        others = [] if words is None else others_than(words, self._tokens)
        end, blank = self._tokens.end, self._tokens.encode(" ")[0]
        longest = _LEAST_TOKENS + int(_TOKENS_PER_SECOND * self._frames * SECONDS_PER_FRAME)
        beams: list[tuple[float, list[int]]] = [(0.0, [])]
        ended: list[tuple[float, list[int]]] = []
        for length in range(1, longest + 1):
            following = self._next_log_probabilities([numbers for _, numbers in beams])
            following[:, end + 1 :] = -torch.inf
            following[:, others] = -torch.inf
            if length == 1:
                following[:, [end, blank]] = -torch.inf
            best = following.topk(BEAMS + 1)
            grown = sorted(
                (
                    (score + float(value), [*numbers, int(number)])
                    for (score, numbers), values, indices in zip(beams, *best, strict=True)
                    for value, number in zip(values, indices, strict=True)
                ),
                reverse=True,
            )
            ended += [(score, numbers) for score, numbers in grown[:BEAMS] if numbers[-1] == end]
            beams = [each for each in grown if each[1][-1] != end][:BEAMS]
            if len(ended) >= BEAMS:
                break
        ranked = sorted(ended or beams, key=lambda each: -each[0] / len(each[1]))
        return tuple(
            Hypothesis(
                text=self._tokens.decode(numbers).strip(), log_probability=score / len(numbers)
            )
            for score, numbers in ranked[:BEAMS]
        )

    def log_probabilities(self, texts: Sequence[str]) -> list[float]:
        encoded = [self._tokens.encode(f" {text}") for text in texts]
        return [
            float(np.log(np.maximum(each, IMPOSSIBLE)).sum())
            for each in self._token_probabilities(encoded)
        ]

    def words(self, text: str) -> tuple[Word, ...]:
        numbers = self._tokens.encode(f" {text}")
        if not numbers:
            return ()
        (probabilities,) = self._token_probabilities([numbers])
        return words_of_tokens(
            self._tokens, numbers, self._starts_s(numbers), probabilities.tolist(), self._frames
        )

    def _logits(self, sequences: Sequence[Sequence[int]]) -> Any:  # noqa: ANN401
        """Return logits, shape (sequences, tokens, vocabulary), padded to one length."""
        longest = max(len(each) for each in sequences)
        padded = [
            [*self._start, *each, *[self._tokens.end] * (longest - len(each))] for each in sequences
        ]
        with torch.inference_mode():
            return self._model.decoder(
                torch.tensor(padded), self._encoded.expand(len(padded), -1, -1)
            ).clone()

    def _next_log_probabilities(self, sequences: Sequence[Sequence[int]]) -> Any:  # noqa: ANN401
        return self._logits(sequences)[:, -1].log_softmax(-1)

    def _token_probabilities(self, sequences: Sequence[Sequence[int]]) -> list[NDArray[np.float32]]:
        """Return each token's probability among those that are text."""
        if not sequences:
            return []
        text = self._logits(sequences)[:, len(self._start) - 1 :, : self._tokens.end].softmax(-1)
        return [
            text[row, torch.arange(len(numbers)), torch.tensor(numbers)].numpy()
            for row, numbers in enumerate(sequences)
        ]

    def _starts_s(self, numbers: Sequence[int]) -> dict[int, float]:
        """Return when each token begins: the heads that follow time, warped (openai-whisper)."""
        attention: list[Any] = [None] * len(self._model.decoder.blocks)

        def keep(layer: int) -> Any:  # noqa: ANN401
            def hook(_module: Any, _given: Any, returned: Any) -> None:  # noqa: ANN401
                attention[layer] = returned[-1][0]

            return hook

        hooks = [
            block.cross_attn.register_forward_hook(keep(layer))
            for layer, block in enumerate(self._model.decoder.blocks)
        ]
        try:
            with whisper.model.disable_sdpa():
                self._logits([[*numbers, self._tokens.end]])
        finally:
            for hook in hooks:
                hook.remove()
        weights = torch.stack([attention[layer][head] for layer, head in self._heads])
        weights = weights[:, :, : max(1, self._frames // 2)].softmax(-1)
        spread, mean = torch.std_mean(weights, dim=-2, keepdim=True, unbiased=False)
        weights = whisper.timing.median_filter((weights - mean) / spread, _MEDIAN_WIDTH)
        costs = -weights.mean(0)[len(self._start) - 1 : -1]
        tokens, frames = whisper.timing.dtw(costs)
        starts_s: dict[int, float] = {}
        for token, frame in zip(tokens.tolist(), frames.tolist(), strict=True):
            starts_s.setdefault(token, frame * _SECONDS_PER_ENCODED_FRAME)
        return starts_s
