"""LiteMedSAM as a network for one slice, run by onnxruntime."""

import json
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from domain.errors import DigestMismatchError, ModelMissingError, UnreadableFileError
from segmentation.litemedsam.checkpoint import file_sha256
from segmentation.litemedsam.names import (
    DECODER_FILE,
    DESCRIPTION_FILE,
    ENCODER_FILE,
    LABEL_BOX_START,
    LABEL_BOX_STOP,
    LABEL_NEGATIVE,
    LABEL_PADDING,
    LABEL_POSITIVE,
)
from segmentation.resample import resize
from segmentation.slicewise.slices import Embedding, SliceHint

INPUT_PX: Final = 256
_MASK_PX: Final = 256
_LEAST_SPREAD: Final = 1e-8
_MAX_BATCH: Final = 8
_ERRORS_ONLY: Final = 3  # of onnxruntime's log levels


class LiteMedSam:
    """The network; weights are loaded at first use.

    Attributes
    ----------
    encoder_runs, decoder_runs
        How often each part ran: a second prompt on a slice must not run the encoder again.
    """

    name: Final = "litemedsam"
    version: Final = "1.0.0"
    input_px: Final = INPUT_PX

    def __init__(self, folder: Path, threads: int = 2) -> None:
        self._folder = folder
        self._threads = threads
        self._lock = threading.Lock()
        self._encoder: Any = None
        self._decoder: Any = None
        self._weights_sha256: str | None = None
        self.encoder_runs = 0
        self.decoder_runs = 0

    @property
    def weights_sha256(self) -> str | None:
        """Digest of the checkpoint the graphs were built from; None where none are installed."""
        description = self._folder / DESCRIPTION_FILE
        if self._weights_sha256 is None and description.is_file():
            self._weights_sha256 = self._digests(description)["weights_sha256"]
        return self._weights_sha256

    def load(self) -> None:
        """Load the graphs, once.

        Raises
        ------
        ModelMissingError
            If they are not installed.
        DigestMismatchError
            If they are not the graphs that were built.
        UnreadableFileError
            If they cannot be read.
        """
        with self._lock:
            if self._encoder is None:
                self._load()

    def _load(self) -> None:
        description = self._folder / DESCRIPTION_FILE
        if not description.is_file():
            raise ModelMissingError(
                f"LiteMedSAM is not installed in {self._folder}: "
                "run: radcopilot models install default"
            )
        digests = self._digests(description)
        for name in (ENCODER_FILE, DECODER_FILE):
            self._check(name, digests)
        import onnxruntime  # noqa: PLC0415 - capabilities are read without it

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = self._threads
        options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = _ERRORS_ONLY
        providers = ["CPUExecutionProvider"]
        self._decoder = onnxruntime.InferenceSession(
            _with_one_mask(self._folder / DECODER_FILE), options, providers=providers
        )
        self._encoder = onnxruntime.InferenceSession(
            self._folder / ENCODER_FILE, options, providers=providers
        )
        self._weights_sha256 = digests["weights_sha256"]

    def _digests(self, description: Path) -> dict[str, str]:
        """Return what the builder wrote down about weights and graphs."""
        try:
            entries = json.loads(description.read_text(encoding="utf-8"))
            names = ("weights_sha256", "encoder_sha256", "decoder_sha256")
            return {name: str(entries[name]) for name in names}
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise UnreadableFileError(
                f"{description} does not describe a network ({type(error).__name__}): "
                "run: radcopilot models install default"
            ) from error

    def _check(self, name: str, digests: dict[str, str]) -> None:
        path = self._folder / name
        expected = digests[f"{path.stem}_sha256"]
        found = file_sha256(path)
        if found != expected:
            raise DigestMismatchError(
                f"{path} has sha256 {found}, expected {expected}: it was truncated or changed, "
                "run: radcopilot models install default"
            )

    def embed(self, image: NDArray[np.float32]) -> Embedding:
        """Return the embedding of (rows, columns) grey levels 0..255, the window applied.

        Resized to 256 on the longest side, stretched to 0..1, padded with zeros right and below:
        as the network was trained (Ma 2024, LiteMedSAM).
        """
        self.load()
        square = prepared(image)
        batch = np.broadcast_to(square, (1, 3, *square.shape))
        self.encoder_runs += 1
        (features,) = self._encoder.run(None, {"image": np.ascontiguousarray(batch)})
        half = features.astype(np.float16)
        return Embedding(features=half, image_shape=(image.shape[0], image.shape[1]))

    def decode(self, embedding: Embedding, hints: Sequence[SliceHint]) -> NDArray[np.float32]:
        """Return logits (hints, rows, columns) at the image's resolution; above 0 is inside."""
        self.load()
        rows, columns = embedding.image_shape
        logits = np.empty((len(hints), rows, columns), dtype=np.float32)
        height, width = seen_shape(embedding.image_shape)
        for start in range(0, len(hints), _MAX_BATCH):
            some = hints[start : start + _MAX_BATCH]
            coordinates, labels = tokens_of(some, embedding.image_shape)
            self.decoder_runs += 1
            coarse, _ = self._decoder.run(
                None,
                {
                    "embedding": embedding.features.astype(np.float32),
                    "coordinates": coordinates,
                    "labels": labels,
                    "mask": np.zeros((1, 1, _MASK_PX, _MASK_PX), dtype=np.float32),
                    "has_mask": np.zeros(1, dtype=np.float32),
                },
            )
            seen = coarse[:, 0, :height, :width]
            logits[start : start + len(some)] = resize(seen, (rows, columns))
        return logits


def _with_one_mask(path: Path) -> bytes:
    """Return the decoder's graph with a batch of its own for the earlier mask.

    One empty mask then serves all prompts, and what depends on the image alone is computed once: a
    third less time for four prompts.
    """
    import onnx  # noqa: PLC0415 - capabilities are read without it

    graph = onnx.load(path)
    for value in graph.graph.input:
        if value.name == "mask":
            value.type.tensor_type.shape.dim[0].dim_param = "masks"
    return bytes(graph.SerializeToString())


def seen_shape(shape: tuple[int, int]) -> tuple[int, int]:
    """Return rows and columns of the image within the network's square."""
    scale = INPUT_PX / max(shape)
    return max(1, int(shape[0] * scale + 0.5)), max(1, int(shape[1] * scale + 0.5))


def prepared(image: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the network's square (256, 256) of values 0..1."""
    height, width = seen_shape((image.shape[0], image.shape[1]))
    small = resize(image.astype(np.float32), (height, width))
    low, high = float(small.min()), float(small.max())
    square = np.zeros((INPUT_PX, INPUT_PX), dtype=np.float32)
    square[:height, :width] = (small - low) / max(high - low, _LEAST_SPREAD)
    return square


def tokens_of(
    hints: Sequence[SliceHint], shape: tuple[int, int]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return coordinates (hints, n, 2) as x, y in the network's pixels, and labels (hints, n).

    Clicks without a box end with a padding token, and a box is its first and last pixel: as the
    network was trained. Shorter lists of one batch are filled with padding tokens.
    """
    height, width = seen_shape(shape)
    row_scale, column_scale = height / shape[0], width / shape[1]
    lists: list[list[tuple[float, float, int]]] = []
    for hint in hints:
        tokens = [
            (
                (point.column + 0.5) * column_scale - 0.5,
                (point.row + 0.5) * row_scale - 0.5,
                LABEL_POSITIVE if point.positive else LABEL_NEGATIVE,
            )
            for point in hint.points
        ]
        if hint.box is None:
            tokens.append((0.0, 0.0, LABEL_PADDING))
        else:
            box = hint.box
            first = (box.column_start * column_scale, box.row_start * row_scale)
            last = (box.column_stop * column_scale - 1, box.row_stop * row_scale - 1)
            tokens.append((*first, LABEL_BOX_START))
            tokens.append((*np.maximum(first, last).tolist(), LABEL_BOX_STOP))
        lists.append(tokens)
    longest = max(len(tokens) for tokens in lists)
    padding = (0.0, 0.0, LABEL_PADDING)
    table = np.array(
        [tokens + [padding] * (longest - len(tokens)) for tokens in lists], dtype=np.float32
    )
    return np.ascontiguousarray(table[..., :2]), np.ascontiguousarray(table[..., 2])
