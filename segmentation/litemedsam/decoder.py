"""SAM's prompt encoder and mask decoder as one ONNX graph (Kirillov 2023, appendix A).

Prompts are points with labels, two of them for a box; one pass answers a batch of prompts on one
image embedding.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import onnx
from numpy.typing import NDArray

from segmentation.litemedsam.graph import GraphBuilder, Weights, attention_scale
from segmentation.litemedsam.names import (
    LABEL_BOX_START,
    LABEL_BOX_STOP,
    LABEL_NEGATIVE,
    LABEL_PADDING,
    LABEL_POSITIVE,
)

PROMPT_PREFIX: Final = "prompt_encoder"
DECODER_PREFIX: Final = "mask_decoder"

_MASK_TOKENS: Final = 4
_LAYERS: Final = 2
_PERCEPTRON_LAYERS: Final = 3


@dataclass(frozen=True, kw_only=True)
class DecoderShape:
    """Sizes of prompt encoder and mask decoder; the defaults are LiteMedSAM's.

    Attributes
    ----------
    input_px, embedding_px
        Rows and columns of the network's image and of its embedding.
    width, heads, perceptron
        Channels, attention heads and hidden width of the two-way transformer.
    mask_channels
        Channels within the mask prompt's encoder.
    """

    input_px: int = 256
    embedding_px: int = 64
    width: int = 256
    heads: int = 8
    perceptron: int = 2048
    mask_channels: int = 16


def build_decoder(weights: Weights, shape: DecoderShape | None = None) -> onnx.ModelProto:
    """Return the graph from embedding and prompts to mask logits.

    Inputs are ``embedding`` (1, width, side, side), ``coordinates`` (batch, points, 2) as x, y in
    pixels of the network's image, ``labels`` (batch, points), ``mask`` (batch, 1, 4 side, 4 side)
    in logits and ``has_mask`` (1,), 0 or 1. Outputs are ``logits`` (batch, 4, 4 side, 4 side), the
    first for a clear prompt and three readings of an ambiguous one, and ``scores`` (batch, 4).
    """
    sizes = DecoderShape() if shape is None else shape
    graph = GraphBuilder("litemedsam_decoder")
    side, width = sizes.embedding_px, sizes.width
    embedding = graph.input("embedding", (1, width, side, side))
    coordinates = graph.input("coordinates", ("batch", "points", 2))
    labels = graph.input("labels", ("batch", "points"))
    mask = graph.input("mask", ("batch", 1, 4 * side, 4 * side))
    has_mask = graph.input("has_mask", (1,))

    gaussian = _frequencies(weights, width)
    sparse = _prompt_tokens(graph, weights, coordinates, labels, sizes)
    dense = _mask_embedding(graph, weights, mask, has_mask, sizes)
    image = graph.node("Add", embedding, dense)
    image = graph.transpose(graph.reshape(image, (0, width, side * side)), (0, 2, 1))
    places = graph.constant(grid_encoding(gaussian, side)[None])
    tokens = _with_output_tokens(graph, weights, sparse, width)
    transformer = _TwoWayTransformer(graph, weights, sizes, places)
    tokens, image = transformer.run(tokens, image)
    _heads(graph, weights, tokens, image, sizes)
    return graph.model()


def _frequencies(weights: Weights, width: int) -> NDArray[np.float32]:
    name = f"{PROMPT_PREFIX}.pe_layer.positional_encoding_gaussian_matrix"
    return weights.take(name, (2, width // 2))


def grid_encoding(gaussian: NDArray[np.float32], side: int) -> NDArray[np.float32]:
    """Return the random Fourier features (side * side, width) of pixel centres."""
    centres = (np.arange(side, dtype=np.float64) + 0.5) / side
    rows, columns = np.meshgrid(centres, centres, indexing="ij")
    unit = np.stack([columns, rows], axis=-1).reshape(-1, 2)
    angles = 2 * np.pi * ((2 * unit - 1) @ gaussian.astype(np.float64))
    return np.concatenate([np.sin(angles), np.cos(angles)], axis=-1).astype(np.float32)


def _prompt_tokens(
    graph: GraphBuilder, weights: Weights, coordinates: str, labels: str, sizes: DecoderShape
) -> str:
    """Return one token (batch, points, width) for each point, by place and by label."""
    width = sizes.width
    # 2 pi (2 (x + 0.5) / input_px - 1): affine in x, so it is one factor and one offset.
    factor = 4 * np.pi / sizes.input_px
    offset = 2 * np.pi * (1 / sizes.input_px - 1)
    angles = graph.node("Mul", coordinates, graph.scalar(factor))
    angles = graph.node("Add", angles, graph.scalar(offset))
    angles = graph.node("MatMul", angles, graph.constant(_frequencies(weights, width)))
    place = graph.node("Concat", graph.node("Sin", angles), graph.node("Cos", angles), axis=-1)
    is_point = graph.node("GreaterOrEqual", labels, graph.scalar(0))
    is_point = graph.node("Unsqueeze", is_point, graph.integers([-1]))
    place = graph.node("Where", is_point, place, graph.scalar(0))
    kinds = [weights.take(f"{PROMPT_PREFIX}.not_a_point_embed.weight", (1, width))]
    kinds += [
        weights.take(f"{PROMPT_PREFIX}.point_embeddings.{label}.weight", (1, width))
        for label in (LABEL_NEGATIVE, LABEL_POSITIVE, LABEL_BOX_START, LABEL_BOX_STOP)
    ]
    index = graph.node("Add", labels, graph.scalar(-LABEL_PADDING))
    index = graph.node("Cast", index, to=int(onnx.TensorProto.INT64))
    kind = graph.node("Gather", graph.constant(np.concatenate(kinds)), index, axis=0)
    return graph.node("Add", place, kind)


def _mask_embedding(
    graph: GraphBuilder, weights: Weights, mask: str, has_mask: str, sizes: DecoderShape
) -> str:
    """Return the dense prompt (batch, width, side, side): an earlier mask, or "there is none"."""
    name, width = f"{PROMPT_PREFIX}.mask_downscaling", sizes.width
    quarter, full = sizes.mask_channels // 4, sizes.mask_channels
    value = mask
    for layer, widths in ((0, (1, quarter)), (3, (quarter, full))):
        kernel = weights.take(f"{name}.{layer}.weight", (widths[1], widths[0], 2, 2))
        bias = weights.take(f"{name}.{layer}.bias", (widths[1],))
        value = graph.convolution(value, kernel, bias, stride=2)
        value = graph.channel_norm(value, weights, f"{name}.{layer + 1}", widths[1])
        value = graph.node("Gelu", value)
    kernel = weights.take(f"{name}.6.weight", (width, full, 1, 1))
    value = graph.convolution(value, kernel, weights.take(f"{name}.6.bias", (width,)))
    none = weights.take(f"{PROMPT_PREFIX}.no_mask_embed.weight", (1, width))
    is_given = graph.node("Greater", has_mask, graph.scalar(0.5))
    return graph.node("Where", is_given, value, graph.constant(none.reshape(1, width, 1, 1)))


def _with_output_tokens(graph: GraphBuilder, weights: Weights, sparse: str, width: int) -> str:
    """Put the learned tokens, one for the scores and four for the masks, before the prompts."""
    learned = np.concatenate(
        [
            weights.take(f"{DECODER_PREFIX}.iou_token.weight", (1, width)),
            weights.take(f"{DECODER_PREFIX}.mask_tokens.weight", (_MASK_TOKENS, width)),
        ]
    )
    batch = graph.node("Shape", sparse, start=0, end=1)
    size = graph.node("Concat", batch, graph.integers(learned.shape), axis=0)
    repeated = graph.node("Expand", graph.constant(learned[None]), size)
    return graph.node("Concat", repeated, sparse, axis=1)


class _TwoWayTransformer:
    """Tokens attend to the image and the image to the tokens, twice."""

    def __init__(
        self, graph: GraphBuilder, weights: Weights, sizes: DecoderShape, places: str
    ) -> None:
        self._graph = graph
        self._weights = weights
        self._sizes = sizes
        self._places = places

    def run(self, prompts: str, image: str) -> tuple[str, str]:
        """Return tokens (batch, n, width) and image (batch, side * side, width)."""
        name = f"{DECODER_PREFIX}.transformer"
        tokens = prompts
        for layer in range(_LAYERS):
            tokens, image = self._block(f"{name}.layers.{layer}", tokens, prompts, image, layer)
        attended = self._attend(
            f"{name}.final_attn_token_to_image",
            self._add(tokens, prompts),
            self._add(image, self._places),
            image,
        )
        return self._norm(f"{name}.norm_final_attn", self._add(tokens, attended)), image

    def _block(
        self, name: str, tokens: str, prompts: str, image: str, layer: int
    ) -> tuple[str, str]:
        if layer == 0:
            tokens = self._attend(f"{name}.self_attn", tokens, tokens, tokens, narrow=False)
        else:
            placed = self._add(tokens, prompts)
            attended = self._attend(f"{name}.self_attn", placed, placed, tokens, narrow=False)
            tokens = self._add(tokens, attended)
        tokens = self._norm(f"{name}.norm1", tokens)
        keys = self._add(image, self._places)
        to_image = f"{name}.cross_attn_token_to_image"
        attended = self._attend(to_image, self._add(tokens, prompts), keys, image)
        tokens = self._norm(f"{name}.norm2", self._add(tokens, attended))
        width, hidden = self._sizes.width, self._sizes.perceptron
        inner = self._linear(f"{name}.mlp.lin1", tokens, (width, hidden))
        inner = self._linear(f"{name}.mlp.lin2", self._graph.node("Relu", inner), (hidden, width))
        tokens = self._norm(f"{name}.norm3", self._add(tokens, inner))
        to_tokens = f"{name}.cross_attn_image_to_token"
        attended = self._attend(to_tokens, keys, self._add(tokens, prompts), tokens)
        return tokens, self._norm(f"{name}.norm4", self._add(image, attended))

    def _add(self, one: str, other: str) -> str:
        return self._graph.node("Add", one, other)

    def _norm(self, name: str, value: str) -> str:
        return self._graph.layer_norm(value, self._weights, name, self._sizes.width)

    def _linear(self, name: str, value: str, widths: tuple[int, int], scale: float = 1.0) -> str:
        weight = self._weights.take(f"{name}.weight", (widths[1], widths[0]))
        bias = self._weights.take(f"{name}.bias", (widths[1],))
        factor = np.float32(scale)
        return self._graph.linear(value, weight * factor, bias * factor)

    def _attend(
        self, name: str, queries: str, keys: str, values: str, *, narrow: bool = True
    ) -> str:
        """Multi-head attention; between tokens and image it works at half the width."""
        graph, width, heads = self._graph, self._sizes.width, self._sizes.heads
        inner = width // 2 if narrow else width
        scale = attention_scale(inner // heads)
        query = self._linear(f"{name}.q_proj", queries, (width, inner), scale)
        key = self._linear(f"{name}.k_proj", keys, (width, inner))
        value = self._linear(f"{name}.v_proj", values, (width, inner))
        split = (0, 0, heads, inner // heads)
        query = graph.transpose(graph.reshape(query, split), (0, 2, 1, 3))
        key = graph.transpose(graph.reshape(key, split), (0, 2, 3, 1))
        value = graph.transpose(graph.reshape(value, split), (0, 2, 1, 3))
        scores = graph.node("Softmax", graph.node("MatMul", query, key), axis=-1)
        joined = graph.transpose(graph.node("MatMul", scores, value), (0, 2, 1, 3))
        return self._linear(
            f"{name}.out_proj", graph.reshape(joined, (0, 0, inner)), (inner, width)
        )


def _heads(
    graph: GraphBuilder, weights: Weights, tokens: str, image: str, sizes: DecoderShape
) -> None:
    """Upscale the image and multiply it by what each mask token says."""
    side, width = sizes.embedding_px, sizes.width
    name = f"{DECODER_PREFIX}.output_upscaling"
    quarter, eighth = width // 4, width // 8
    value = graph.reshape(graph.transpose(image, (0, 2, 1)), (0, width, side, side))
    value = _upscale(graph, weights, value, f"{name}.0", (width, quarter))
    value = graph.node("Gelu", graph.channel_norm(value, weights, f"{name}.1", quarter))
    value = _upscale(graph, weights, value, f"{name}.3", (quarter, eighth))
    value = graph.reshape(graph.node("Gelu", value), (0, eighth, 16 * side * side))
    said = []
    for index in range(_MASK_TOKENS):
        token = graph.slice(tokens, 1 + index, 2 + index, 1)
        mlp = f"{DECODER_PREFIX}.output_hypernetworks_mlps.{index}"
        said.append(_perceptron(graph, weights, token, mlp, (width, width, width, eighth)))
    logits = graph.node("MatMul", graph.node("Concat", *said, axis=1), value)
    logits = graph.reshape(logits, (0, _MASK_TOKENS, 4 * side, 4 * side))
    graph.output(logits, "logits", ("batch", _MASK_TOKENS, 4 * side, 4 * side))
    token = graph.reshape(graph.slice(tokens, 0, 1, 1), (0, width))
    mlp = f"{DECODER_PREFIX}.iou_prediction_head"
    scores = _perceptron(graph, weights, token, mlp, (width, width, width, _MASK_TOKENS))
    graph.output(scores, "scores", ("batch", _MASK_TOKENS))


def _upscale(
    graph: GraphBuilder, weights: Weights, value: str, name: str, widths: tuple[int, int]
) -> str:
    kernel = weights.take(f"{name}.weight", (*widths, 2, 2))
    bias = weights.take(f"{name}.bias", (widths[1],))
    return graph.node(
        "ConvTranspose",
        value,
        graph.constant(kernel),
        graph.constant(bias),
        kernel_shape=[2, 2],
        strides=[2, 2],
    )


def _perceptron(
    graph: GraphBuilder, weights: Weights, value: str, name: str, widths: tuple[int, ...]
) -> str:
    for layer in range(_PERCEPTRON_LAYERS):
        before, after = widths[layer], widths[layer + 1]
        weight = weights.take(f"{name}.layers.{layer}.weight", (after, before))
        bias = weights.take(f"{name}.layers.{layer}.bias", (after,))
        value = graph.linear(value, weight, bias)
        if layer < _PERCEPTRON_LAYERS - 1:
            value = graph.node("Relu", value)
    return value
