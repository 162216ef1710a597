"""The TinyViT image encoder as an ONNX graph (Wu 2022, TinyViT; Ma 2024, LiteMedSAM).

Stage 0 is convolutional (inverted bottlenecks), stages 1 to 3 are windowed attention with a
depthwise convolution between attention and perceptron. Patch embedding keeps the full resolution
here, and the step into the last stage does not halve it: 256 px come out as 64 x 64.
"""

from dataclasses import dataclass

import numpy as np
import onnx
from numpy.typing import NDArray

from segmentation.litemedsam.graph import GraphBuilder, Weights, attention_scale

PREFIX = "image_encoder"
_EXPAND = 4  # inverted bottlenecks and perceptrons widen by this


@dataclass(frozen=True, kw_only=True)
class EncoderShape:
    """Sizes of the encoder; the defaults are LiteMedSAM's.

    Attributes
    ----------
    input_px
        Rows and columns of the square input.
    widths, depths
        Channels and blocks of the four stages.
    heads, windows
        Attention heads and window sizes of the stages; the first is unused.
    output_width
        Channels of the embedding.
    """

    input_px: int = 256
    widths: tuple[int, int, int, int] = (64, 128, 160, 320)
    depths: tuple[int, int, int, int] = (2, 2, 6, 2)
    heads: tuple[int, int, int, int] = (2, 4, 5, 10)
    windows: tuple[int, int, int, int] = (7, 7, 14, 7)
    output_width: int = 256

    @property
    def output_px(self) -> int:
        """Rows and columns of the embedding."""
        return self.input_px // 4

    def resolution(self, stage: int) -> int:
        """Return rows and columns within a stage: halved twice, not a third time."""
        return self.input_px >> min(stage, 2)


def build_encoder(weights: Weights, shape: EncoderShape | None = None) -> onnx.ModelProto:
    """Return the graph image (1, 3, px, px) in 0..1 -> embedding (1, width, px / 4, px / 4).

    Raises
    ------
    UnreadableFileError
        If a tensor is missing or of another shape.
    """
    sizes = EncoderShape() if shape is None else shape
    return _Encoder(weights, sizes).model()


class _Encoder:
    """The graph in the making; values are (1, channels, rows, columns) unless said otherwise."""

    def __init__(self, weights: Weights, sizes: EncoderShape) -> None:
        self._graph = GraphBuilder("litemedsam_encoder")
        self._weights = weights
        self._sizes = sizes

    def model(self) -> onnx.ModelProto:
        """Return the whole graph."""
        graph, sizes = self._graph, self._sizes
        value = graph.input("image", (1, 3, sizes.input_px, sizes.input_px))
        value = self._patch_embedding(value)
        for block in range(sizes.depths[0]):
            value = self._inverted_bottleneck(value, f"{PREFIX}.layers.0.blocks.{block}")
        value = self._merge(value, 0)
        for stage in (1, 2, 3):
            for block in range(sizes.depths[stage]):
                name = f"{PREFIX}.layers.{stage}.blocks.{block}"
                value = self._transformer_block(value, name, stage)
            if stage < len(sizes.widths) - 1:
                value = self._merge(value, stage)
        value = self._neck(value)
        side = sizes.output_px
        graph.output(value, "embedding", (1, sizes.output_width, side, side))
        return graph.model()

    def _folded(self, value: str, name: str, widths: tuple[int, int]) -> str:
        """Mix channels, one pixel at a time."""
        kernel, bias = self._weights.folded_convolution(name, (widths[1], widths[0], 1, 1))
        return self._graph.convolution(value, kernel, bias)

    def _depthwise(self, value: str, name: str, width: int, stride: int = 1) -> str:
        """Convolve each channel with its own 3 x 3 kernel."""
        kernel, bias = self._weights.folded_convolution(name, (width, 1, 3, 3))
        return self._graph.convolution(value, kernel, bias, stride=stride, padding=1, groups=width)

    def _gelu(self, value: str) -> str:
        return self._graph.node("Gelu", value)

    def _linear(self, value: str, name: str, widths: tuple[int, int]) -> str:
        weight = self._weights.take(f"{name}.weight", (widths[1], widths[0]))
        return self._graph.linear(value, weight, self._weights.take(f"{name}.bias", (widths[1],)))

    def _patch_embedding(self, value: str) -> str:
        name, width = f"{PREFIX}.patch_embed.seq", self._sizes.widths[0]
        value = self._gelu(self._folded(value, f"{name}.0", (3, width // 2)))
        return self._folded(value, f"{name}.2", (width // 2, width))

    def _inverted_bottleneck(self, value: str, name: str) -> str:
        width = self._sizes.widths[0]
        hidden = width * _EXPAND
        inner = self._gelu(self._folded(value, f"{name}.conv1", (width, hidden)))
        inner = self._gelu(self._depthwise(inner, f"{name}.conv2", hidden))
        inner = self._folded(inner, f"{name}.conv3", (hidden, width))
        return self._gelu(self._graph.node("Add", value, inner))

    def _merge(self, value: str, stage: int) -> str:
        """Step into the next stage: more channels and, but for the last, half the resolution."""
        name, sizes = f"{PREFIX}.layers.{stage}.downsample", self._sizes
        before, after = sizes.widths[stage], sizes.widths[stage + 1]
        stride = sizes.resolution(stage) // sizes.resolution(stage + 1)
        value = self._gelu(self._folded(value, f"{name}.conv1", (before, after)))
        value = self._gelu(self._depthwise(value, f"{name}.conv2", after, stride))
        return self._folded(value, f"{name}.conv3", (after, after))

    def _transformer_block(self, value: str, name: str, stage: int) -> str:
        """Add windowed attention, a local convolution and a perceptron."""
        graph, width = self._graph, self._sizes.widths[stage]
        pixels = graph.transpose(value, (0, 2, 3, 1))
        attended = self._attention(self._partition(pixels, stage), f"{name}.attn", stage)
        pixels = graph.node("Add", pixels, self._reunite(attended, stage))
        value = graph.transpose(pixels, (0, 3, 1, 2))
        value = self._depthwise(value, f"{name}.local_conv", width)
        pixels = graph.transpose(value, (0, 2, 3, 1))
        hidden = graph.layer_norm(pixels, self._weights, f"{name}.mlp.norm", width)
        hidden = self._gelu(self._linear(hidden, f"{name}.mlp.fc1", (width, width * _EXPAND)))
        hidden = self._linear(hidden, f"{name}.mlp.fc2", (width * _EXPAND, width))
        return graph.transpose(graph.node("Add", pixels, hidden), (0, 3, 1, 2))

    def _partition(self, pixels: str, stage: int) -> str:
        """Cut (1, side, side, width) into (windows, window ** 2, width), zeros beyond the edge."""
        graph, width = self._graph, self._sizes.widths[stage]
        side, window = self._sizes.resolution(stage), self._sizes.windows[stage]
        count = -(-side // window)
        missing = count * window - side
        if missing:
            ends = graph.integers((0, 0, 0, 0, 0, missing, missing, 0))
            pixels = graph.node("Pad", pixels, ends)
        pixels = graph.reshape(pixels, (count, window, count, window, width))
        pixels = graph.transpose(pixels, (0, 2, 1, 3, 4))
        return graph.reshape(pixels, (count * count, window * window, width))

    def _reunite(self, windows: str, stage: int) -> str:
        """Undo ``_partition``."""
        graph, width = self._graph, self._sizes.widths[stage]
        side, window = self._sizes.resolution(stage), self._sizes.windows[stage]
        count = -(-side // window)
        pixels = graph.reshape(windows, (count, count, window, window, width))
        pixels = graph.transpose(pixels, (0, 2, 1, 3, 4))
        pixels = graph.reshape(pixels, (1, count * window, count * window, width))
        if count * window > side:
            pixels = graph.slice(graph.slice(pixels, 0, side, 1), 0, side, 2)
        return pixels

    def _attention(self, windows: str, name: str, stage: int) -> str:
        """Return what each pixel takes from its window, (windows, window ** 2, width)."""
        graph, weights, sizes = self._graph, self._weights, self._sizes
        width, heads, window = sizes.widths[stage], sizes.heads[stage], sizes.windows[stage]
        value = graph.layer_norm(windows, weights, f"{name}.norm", width)
        weight, bias = _scaled_queries(
            weights.take(f"{name}.qkv.weight", (3 * width, width)),
            weights.take(f"{name}.qkv.bias", (3 * width,)),
            heads,
        )
        value = graph.linear(value, weight, bias)
        value = graph.reshape(value, (0, 0, heads, 3, width // heads))
        value = graph.transpose(value, (3, 0, 2, 1, 4))
        queries, keys, values = (
            graph.node("Squeeze", part, graph.integers([0])) for part in graph.split(value, 3, 0)
        )
        scores = graph.node("MatMul", queries, graph.transpose(keys, (0, 1, 3, 2)))
        biases = weights.take(f"{name}.attention_biases", (heads, window * window))
        scores = graph.node("Add", scores, graph.constant(relative_biases(biases, window)))
        value = graph.node("MatMul", graph.node("Softmax", scores, axis=-1), values)
        value = graph.reshape(graph.transpose(value, (0, 2, 1, 3)), (0, 0, width))
        return self._linear(value, f"{name}.proj", (width, width))

    def _neck(self, value: str) -> str:
        name, width = f"{PREFIX}.neck", self._sizes.output_width
        kernel = self._weights.take(f"{name}.0.weight", (width, self._sizes.widths[3], 1, 1))
        value = self._graph.convolution(value, kernel)
        value = self._graph.channel_norm(value, self._weights, f"{name}.1", width)
        kernel = self._weights.take(f"{name}.2.weight", (width, width, 3, 3))
        value = self._graph.convolution(value, kernel, padding=1)
        return self._graph.channel_norm(value, self._weights, f"{name}.3", width)


def _scaled_queries(
    weight: NDArray[np.float32], bias: NDArray[np.float32], heads: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Fold the scale of the dot product into the queries; rows are (head, part, depth)."""
    depth = weight.shape[0] // (3 * heads)
    scale = np.ones((heads, 3, depth), dtype=np.float32)
    scale[:, 0] = attention_scale(depth)
    return weight * scale.reshape(-1, 1), bias * scale.reshape(-1)


def relative_biases(biases: NDArray[np.float32], window: int) -> NDArray[np.float32]:
    """Spread one bias per distance over all pairs of pixels in a window.

    Parameters
    ----------
    biases
        (heads, window * window): one for each pair of absolute row and column distances, row
        distance first, because the first pixel's distances to all others appear in that order.

    Returns
    -------
    NDArray
        (heads, window ** 2, window ** 2).
    """
    rows, columns = np.divmod(np.arange(window * window), window)
    row_apart = np.abs(rows[:, None] - rows[None, :])
    column_apart = np.abs(columns[:, None] - columns[None, :])
    return np.ascontiguousarray(biases[:, row_apart * window + column_apart])
