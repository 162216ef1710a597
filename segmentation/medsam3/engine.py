"""MedSAM-3 on one slice: words, boxes or both, to instances."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from domain.errors import ModelMissingError, SettingsError, UnreadableFileError
from segmentation.medsam3.asking import LEAST_SCORE, Question, SliceAnswer
from segmentation.medsam3.checkpoint import checked_weights, listed
from segmentation.medsam3.heads import HeadOutput, read_answer, relative_boxes
from segmentation.medsam3.needs import INSTALL, described, missing_extra, missing_weights
from segmentation.medsam3.tokenizer import CONTEXT, load_tokenizer
from segmentation.slicewise.embeddings import Recent
from segmentation.slicewise.slices import Embedding

PUBLISHED_PX: Final = 1008

_DEVICES: Final = ("auto", "cpu", "cuda", "mps")
PRECISIONS: Final = {"fp32": "float32", "bf16": "bfloat16", "fp16": "float16"}
_MAX_BATCH: Final = 4
_MOST_SLICES: Final = 8
_SLICE_BYTES: Final = 2**31  # of the device, that one slice may need at 1008² in single precision
_TEXT_BYTES: Final = 2**24


@dataclass(frozen=True, kw_only=True)
class Options:
    """Where and how the network runs.

    Attributes
    ----------
    device
        "cpu", "cuda", "mps", or "auto": cuda where there is one, else cpu.
    precision
        "fp32", "bf16" or "fp16".
    slices_at_once
        0: as many as the free memory of a GPU allows, one on a CPU.
    """

    device: str = "auto"
    precision: str = "fp32"
    threads: int = 2
    slices_at_once: int = 0

    def __post_init__(self) -> None:
        if self.device not in _DEVICES:
            raise SettingsError(f"device {self.device!r} is none of {', '.join(_DEVICES)}")
        if self.precision not in PRECISIONS:
            raise SettingsError(f"precision {self.precision!r} is none of {', '.join(PRECISIONS)}")
        if self.slices_at_once < 0:
            raise SettingsError(f"{self.slices_at_once} slices at once: give 0 or more")


class MedSam3:
    """The network; weights are loaded at first use.

    Attributes
    ----------
    encoder_runs, text_runs, head_runs
        How many images, phrases and questions each part saw: a second concept on a slice must not
        run the encoder again.
    """

    name: Final = "medsam3"
    version: Final = "1.0.0"

    def __init__(self, folder: Path, options: Options | None = None) -> None:
        self._folder = folder
        self._options = Options() if options is None else options
        self._lock = threading.Lock()
        self._model: Any = None
        self._tokenizer: Any = None
        self._weights_sha256: str | None = None
        self._phrases: Recent[Any] = Recent(_TEXT_BYTES)
        self._pyramid: tuple[Embedding, Any] | None = None
        self.encoder_runs = 0
        self.text_runs = 0
        self.head_runs = 0

    @property
    def weights_sha256(self) -> str | None:
        """Digest of the merged weights; None where none are installed."""
        if self._weights_sha256 is None and missing_weights(self._folder) is None:
            self._weights_sha256 = described(self._folder)["weights_sha256"]
        return self._weights_sha256

    def missing(self) -> str | None:
        """Return None where it can run, else what is missing, extra or weights, and the remedy."""
        return missing_extra() or missing_weights(self._folder)

    @property
    def is_random(self) -> bool:
        """Whether what is installed is the tiny network of random numbers, good for tests alone."""
        return missing_weights(self._folder) is None and bool(described(self._folder)["is_random"])

    @property
    def input_px(self) -> int:
        """Side of the square the network sees."""
        if self._model is None:
            return PUBLISHED_PX
        return int(self._model.config.vision_config.image_size)

    def load(self) -> None:
        """Load the network, once.

        Raises
        ------
        ModelMissingError
            If the extra or the weights are not installed.
        DigestMismatchError
            If the weights are not those that were merged.
        SettingsError
            If the device is not there.
        """
        with self._lock:
            if self._model is None:
                self._load()

    def _load(self) -> None:
        reason = self.missing()
        if reason is not None:
            raise ModelMissingError(reason)
        import torch  # noqa: PLC0415 - the extra's
        from transformers import Sam3Model  # noqa: PLC0415
        from transformers.utils import logging  # noqa: PLC0415

        weights = checked_weights(self._folder)
        device, dtype = place(torch, self._options)
        torch.set_num_threads(self._options.threads)
        logging.disable_progress_bar()
        model, report = Sam3Model.from_pretrained(
            str(self._folder), local_files_only=True, dtype=dtype, output_loading_info=True
        )
        wrong = sorted(str(key) for kind in report.values() for key in kind)
        if wrong:
            raise UnreadableFileError(
                f"{weights} does not fill the network ({listed(wrong)}): {INSTALL}"
            )
        self._tokenizer = load_tokenizer(self._folder)
        self._model = model.to(device).eval()

    def most_at_once(self) -> int:
        """Return how many slices it encodes best in one run."""
        self.load()
        import torch  # noqa: PLC0415 - the extra's

        return fitting_slices(torch, self._options)

    def embed(self, image: NDArray[np.float32]) -> Embedding:
        """Return the embedding of (rows, columns) grey levels 0..255, the window applied."""
        (embedding,) = self.embed_each([image])
        return embedding

    def embed_each(self, images: Sequence[NDArray[np.float32]]) -> tuple[Embedding, ...]:
        """Return the embedding of each image, in one run.

        As in training: 8 bits, three equal colours, stretched to a square, -1 to 1.
        """
        self.load()
        import torch  # noqa: PLC0415 - the extra's

        with self._lock, torch.inference_mode():
            pixels = torch.cat([self._pixels(torch, image) for image in images])
            hidden = self._model.vision_encoder.backbone(pixels).last_hidden_state
            self.encoder_runs += len(images)
            features = hidden.to(torch.float16).cpu().numpy()
        if not np.isfinite(features).all():
            raise UnreadableFileError(
                f"the encoder's answer is not finite at {self._options.precision}: set precision "
                f"to 'fp32', or where it is, {INSTALL}"
            )
        return tuple(
            Embedding(features=each, image_shape=(image.shape[0], image.shape[1]))
            for each, image in zip(features, images, strict=True)
        )

    def _pixels(self, torch: Any, image: NDArray[np.float32]) -> Any:  # noqa: ANN401 - torch's
        grey = torch.from_numpy(np.rint(np.clip(image, 0, 255)).astype(np.float32))[None, None]
        side = self.input_px
        square = torch.nn.functional.interpolate(
            grey, size=(side, side), mode="bilinear", antialias=True, align_corners=False
        )
        levels = square.round().clamp(0, 255) / 255
        colours = ((levels - 0.5) / 0.5).expand(1, 3, side, side)
        return colours.to(device=self._model.device, dtype=self._model.dtype)

    def answers(
        self,
        embedding: Embedding,
        questions: Sequence[Question],
        least_score: float = LEAST_SCORE,
    ) -> tuple[SliceAnswer, ...]:
        """Return what each question finds on a slice; instances below a score are left out."""
        self.load()
        import torch  # noqa: PLC0415 - the extra's

        found: list[SliceAnswer] = []
        for start in range(0, len(questions), _MAX_BATCH):
            batch = questions[start : start + _MAX_BATCH]
            output = self.heads(embedding, batch)
            found += [
                read_answer(torch, output, index, embedding.image_shape, least_score)
                for index in range(len(batch))
            ]
        return tuple(found)

    def heads(self, embedding: Embedding, batch: Sequence[Question]) -> HeadOutput:
        """Return all that the heads say to a few questions on a slice, each query's."""
        self.load()
        import torch  # noqa: PLC0415 - the extra's

        with self._lock, torch.inference_mode():
            output = self._asked(torch, embedding, batch)
            self.head_runs += len(batch)
        return HeadOutput(
            presence_logits=output.presence_logits,
            pred_logits=output.pred_logits,
            pred_boxes=output.pred_boxes,
            pred_masks=output.pred_masks,
        )

    def _asked(self, torch: Any, embedding: Embedding, batch: Sequence[Question]) -> Any:  # noqa: ANN401 - torch's
        from transformers.modeling_outputs import BaseModelOutputWithPooling  # noqa: PLC0415

        texts = [self._phrase(torch, each.phrase) for each in batch]
        boxes, labels = relative_boxes(torch, batch, embedding.image_shape)
        return self._model(
            vision_embeds=self._levels(torch, embedding, len(batch)),
            text_embeds=BaseModelOutputWithPooling(
                pooler_output=torch.cat([features for features, _ in texts])
            ),
            attention_mask=torch.cat([mask for _, mask in texts]),
            input_boxes=boxes.to(device=self._model.device, dtype=self._model.dtype),
            input_boxes_labels=labels.to(self._model.device),
        )

    def _phrase(self, torch: Any, phrase: str) -> tuple[Any, Any]:  # noqa: ANN401 - torch's
        """Return features (1, context, width) and mask (1, context) of a phrase."""
        kept = self._phrases.get(phrase)
        if kept is None:
            tokens = self._tokenizer(
                [phrase],
                padding="max_length",
                max_length=CONTEXT,
                truncation=True,
                return_tensors="pt",
            ).to(self._model.device)
            features = self._model.get_text_features(
                input_ids=tokens.input_ids, attention_mask=tokens.attention_mask
            ).pooler_output
            self.text_runs += 1
            kept = (features, tokens.attention_mask)
            size = features.numel() * features.element_size()
            self._phrases.put(phrase, kept, size)
        features, mask = kept
        return features, mask.to(torch.long)

    def _levels(self, torch: Any, embedding: Embedding, count: int) -> Any:  # noqa: ANN401 - torch's
        """Return what the heads see: the feature pyramid, kept of the last slice alone."""
        from transformers.models.sam3.modeling_sam3 import (  # noqa: PLC0415
            Sam3VisionEncoderOutput,
        )

        if self._pyramid is None or self._pyramid[0] is not embedding:
            hidden = torch.from_numpy(embedding.features[None]).to(
                device=self._model.device, dtype=self._model.dtype
            )
            side = round(hidden.shape[1] ** 0.5)
            spatial = hidden.view(1, side, side, -1).permute(0, 3, 1, 2)
            self._pyramid = (embedding, self._model.vision_encoder.neck(spatial))
        levels, places = self._pyramid[1]
        return Sam3VisionEncoderOutput(
            last_hidden_state=None,
            fpn_hidden_states=tuple(each.expand(count, -1, -1, -1) for each in levels),
            fpn_position_encoding=tuple(each.expand(count, -1, -1, -1) for each in places),
        )


def fitting_slices(torch: Any, options: Options) -> int:  # noqa: ANN401 - the module
    """Return how many slices to encode at once: what was asked for, or what a GPU has room for."""
    if options.slices_at_once:
        return options.slices_at_once
    if options.device not in ("auto", "cuda") or not torch.cuda.is_available():
        return 1
    free, _ = torch.cuda.mem_get_info()
    return int(np.clip(free // _SLICE_BYTES, 1, _MOST_SLICES))


def place(torch: Any, options: Options) -> tuple[str, Any]:  # noqa: ANN401 - the module
    """Return device and type of numbers.

    Raises
    ------
    SettingsError
        If the device is not there.
    """
    device = options.device
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    is_there = {"cpu": True, "cuda": torch.cuda.is_available()}
    if not is_there.get(device, torch.backends.mps.is_available()):
        raise SettingsError(f"this machine has no {device}: set device to 'cpu' or 'auto'")
    return device, getattr(torch, PRECISIONS[options.precision])
