"""CTranslate2's Whisper weights back in openai-whisper's layout.

CTranslate2 keeps query, key and value of an attention as one matrix, and key and value of a
cross-attention as another; openai-whisper keeps them apart, with no bias for the key. The numbers
are the same: nothing is trained or rounded here but half to single precision.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from domain.errors import ModelMissingError
from voice.ct2_file import read_ct2_file

Weights = Mapping[str, NDArray[np.generic]]
Named = Iterator[tuple[str, NDArray[np.generic]]]

_LEAST_KEY_BIAS: Final = 1e-6


@dataclass(frozen=True, kw_only=True)
class OpenaiCheckpoint:
    """What openai-whisper loads, as numpy arrays; alignment heads are (layer, head)."""

    dims: Mapping[str, int]
    state: Mapping[str, NDArray[np.float32]]
    alignment_heads: tuple[tuple[int, int], ...]


def openai_checkpoint(model_folder: Path) -> OpenaiCheckpoint:
    """Return the weights of a folder with CTranslate2's ``model.bin`` and ``config.json``.

    Raises
    ------
    ModelMissingError
        If a file is missing or damaged, or is no Whisper.
    """
    weights = read_ct2_file(model_folder / "model.bin")
    try:
        config: dict[str, Any] = json.loads(
            (model_folder / "config.json").read_text(encoding="utf-8")
        )
        heads = tuple((int(layer), int(head)) for layer, head in config["alignment_heads"])
        state = dict(_encoder(weights)) | dict(_decoder(weights))
        return OpenaiCheckpoint(
            dims=_dims(weights),
            state={name: np.asarray(value, np.float32) for name, value in state.items()},
            alignment_heads=heads,
        )
    except (OSError, ValueError, KeyError) as error:
        raise ModelMissingError(
            f"{model_folder} holds no whole Whisper ({error}): run: radcopilot models install "
            "default"
        ) from error


def _dims(weights: Weights) -> dict[str, int]:
    audio_context, audio_state = weights["encoder/position_encodings/encodings"].shape
    text_context, text_state = weights["decoder/position_encodings/encodings"].shape
    return {
        "n_mels": weights["encoder/conv1/weight"].shape[1],
        "n_audio_ctx": audio_context,
        "n_audio_state": audio_state,
        "n_audio_head": int(weights["encoder/num_heads"]),
        "n_audio_layer": _layers(weights, "encoder"),
        "n_vocab": weights["decoder/embeddings/weight"].shape[0],
        "n_text_ctx": text_context,
        "n_text_state": text_state,
        "n_text_head": int(weights["decoder/num_heads"]),
        "n_text_layer": _layers(weights, "decoder"),
    }


def _layers(weights: Weights, part: str) -> int:
    return len({name.split("/")[1] for name in weights if name.startswith(f"{part}/layer_")} - {
        "layer_norm"
    })  # fmt: skip


def _encoder(weights: Weights) -> Named:
    for name in ("conv1", "conv2"):
        yield from _linear(weights, f"encoder/{name}", f"encoder.{name}")
    yield "encoder.positional_embedding", weights["encoder/position_encodings/encodings"]
    yield from _norm(weights, "encoder/layer_norm", "encoder.ln_post")
    for layer in range(_layers(weights, "encoder")):
        source, target = f"encoder/layer_{layer}", f"encoder.blocks.{layer}"
        yield from _self_attention(weights, f"{source}/self_attention", target)
        yield from _perceptron(weights, f"{source}/ffn", target)


def _decoder(weights: Weights) -> Named:
    yield "decoder.token_embedding.weight", weights["decoder/embeddings/weight"]
    yield "decoder.positional_embedding", weights["decoder/position_encodings/encodings"]
    yield from _norm(weights, "decoder/layer_norm", "decoder.ln")
    for layer in range(_layers(weights, "decoder")):
        source, target = f"decoder/layer_{layer}", f"decoder.blocks.{layer}"
        yield from _self_attention(weights, f"{source}/self_attention", target)
        yield from _cross_attention(weights, f"{source}/attention", target)
        yield from _perceptron(weights, f"{source}/ffn", target)


def _self_attention(weights: Weights, source: str, target: str) -> Named:
    yield from _norm(weights, f"{source}/layer_norm", f"{target}.attn_ln")
    matrix = np.split(weights[f"{source}/linear_0/weight"], 3)
    bias = np.split(weights[f"{source}/linear_0/bias"], 3)
    yield f"{target}.attn.query.weight", matrix[0]
    yield f"{target}.attn.query.bias", bias[0]
    yield from _key_and_value(matrix[1:], bias[1:], f"{target}.attn")
    yield from _linear(weights, f"{source}/linear_1", f"{target}.attn.out")


def _cross_attention(weights: Weights, source: str, target: str) -> Named:
    yield from _norm(weights, f"{source}/layer_norm", f"{target}.cross_attn_ln")
    yield from _linear(weights, f"{source}/linear_0", f"{target}.cross_attn.query")
    matrix = np.split(weights[f"{source}/linear_1/weight"], 2)
    bias = np.split(weights[f"{source}/linear_1/bias"], 2)
    yield from _key_and_value(matrix, bias, f"{target}.cross_attn")
    yield from _linear(weights, f"{source}/linear_2", f"{target}.cross_attn.out")


def _key_and_value(
    matrix: list[NDArray[np.generic]], bias: list[NDArray[np.generic]], target: str
) -> Named:
    if float(np.abs(np.asarray(bias[0], np.float32)).max()) > _LEAST_KEY_BIAS:
        raise ValueError(f"the key of {target} has a bias, which openai-whisper has no place for")
    yield f"{target}.key.weight", matrix[0]
    yield f"{target}.value.weight", matrix[1]
    yield f"{target}.value.bias", bias[1]


def _perceptron(weights: Weights, source: str, target: str) -> Named:
    yield from _norm(weights, f"{source}/layer_norm", f"{target}.mlp_ln")
    yield from _linear(weights, f"{source}/linear_0", f"{target}.mlp.0")
    yield from _linear(weights, f"{source}/linear_1", f"{target}.mlp.2")


def _linear(weights: Weights, source: str, target: str) -> Named:
    yield f"{target}.weight", weights[f"{source}/weight"]
    yield f"{target}.bias", weights[f"{source}/bias"]


def _norm(weights: Weights, source: str, target: str) -> Named:
    yield f"{target}.weight", weights[f"{source}/gamma"]
    yield f"{target}.bias", weights[f"{source}/beta"]
