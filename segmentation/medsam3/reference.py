"""MedSAM-3 on one slice by the ``sam3`` package, which Meta published with SAM 3.

The second backend: the same weights, put back to Meta's names, one question at a time. The package
makes some of its tensors on CUDA whatever it is told, so that it runs there alone.
"""

import gzip
import tempfile
import threading
import warnings
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from domain.errors import ModelMissingError, UnreadableFileError
from segmentation.medsam3.asking import LEAST_SCORE, Question, SliceAnswer
from segmentation.medsam3.checkpoint import checked_weights, listed, put_back
from segmentation.medsam3.engine import PRECISIONS, PUBLISHED_PX, Options
from segmentation.medsam3.heads import HeadOutput, read_answer, relative_boxes
from segmentation.medsam3.names import is_left_out
from segmentation.medsam3.needs import INSTALL, described, missing_extra, missing_weights
from segmentation.medsam3.tokenizer import MERGES_FILE
from segmentation.slicewise.embeddings import Recent
from segmentation.slicewise.slices import Embedding

_PACKAGES: Final = ("sam3", "psutil")  # it imports psutil and does not say so
_OR: Final = "or set segmentation.backend to 'transformers'"
_TEXT_BYTES: Final = 2**24


def published_network(byte_pairs: Path) -> Any:  # noqa: ANN401 - the package's
    """Return the package's own network without weights, given the list of byte pairs."""
    from sam3.model_builder import build_sam3_image_model  # noqa: PLC0415 - the extra's

    return build_sam3_image_model(bpe_path=str(byte_pairs), device="cpu", load_from_HF=False)


class Sam3Package:
    """The network as the package runs it; weights are loaded at first use.

    Parameters
    ----------
    options
        Device and precision as they were set; the device has to be the package's.
    device
        Where the package runs. Nothing but "cuda" works without help from outside.
    make
        Returns the network without weights.

    Attributes
    ----------
    encoder_runs, text_runs, head_runs
        How many images, phrases and questions each part saw.
    """

    name: Final = "medsam3"
    version: Final = "1.0.0-sam3"

    def __init__(
        self,
        folder: Path,
        options: Options | None = None,
        *,
        device: str = "cuda",
        make: Callable[[Path], Any] = published_network,
    ) -> None:
        self._folder = folder
        self._options = Options() if options is None else options
        self._device = device
        self._make = make
        self._lock = threading.Lock()
        self._model: Any = None
        self._processor: Any = None
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

    @property
    def is_random(self) -> bool:
        """Whether what is installed is the tiny network of random numbers, good for tests alone."""
        return missing_weights(self._folder) is None and bool(described(self._folder)["is_random"])

    @property
    def input_px(self) -> int:
        """Side of the square the network sees."""
        return PUBLISHED_PX if self._processor is None else int(self._processor.resolution)

    def missing(self) -> str | None:
        """Return None where it can run, else what is missing, and the remedy."""
        return (
            missing_extra()
            or _missing_package()
            or missing_weights(self._folder)
            or self._missing_device()
        )

    def _missing_device(self) -> str | None:
        if self._options.device not in ("auto", self._device):
            return (
                f"the sam3 package runs on {self._device} alone, and segmentation.device is "
                f"{self._options.device!r}: set it to 'auto', {_OR}"
            )
        import torch  # noqa: PLC0415 - the extra's

        if self._device == "cuda" and not torch.cuda.is_available():
            return (
                "the sam3 package runs on CUDA alone, and this machine has none: "
                "set segmentation.backend to 'transformers'"
            )
        return None

    def load(self) -> None:
        """Load the network, once.

        Raises
        ------
        ModelMissingError
            If the package, the weights or CUDA is missing.
        DigestMismatchError
            If the weights are not those that were merged.
        UnreadableFileError
            If they do not fill the package's network.
        """
        with self._lock:
            if self._model is None:
                self._load()

    def _load(self) -> None:
        reason = self.missing()
        if reason is not None:
            raise ModelMissingError(reason)
        with warnings.catch_warnings():  # of what the package does at import
            warnings.simplefilter("ignore")
            from sam3.model.sam3_image_processor import Sam3Processor  # noqa: PLC0415 - the extra's

            model = self._made()
        self._fill(model)
        side = int(model.backbone.vision_backbone.trunk.patch_embed.proj.kernel_size[0])
        side *= int(model.transformer.decoder.compilable_stored_size[0])
        self._model = model.to(self._device).eval()
        self._processor = Sam3Processor(self._model, resolution=side, device=self._device)

    def _made(self) -> Any:  # noqa: ANN401 - the package's
        """Return the network without weights, its words from those that were installed."""
        with tempfile.TemporaryDirectory() as name:
            byte_pairs = Path(name) / "byte_pairs.txt.gz"
            byte_pairs.write_bytes(gzip.compress((self._folder / MERGES_FILE).read_bytes()))
            return self._make(byte_pairs)

    def _fill(self, model: Any) -> None:  # noqa: ANN401 - the package's
        """Put the merged weights in; what ``Sam3Model`` lacks serves clicks, which are not asked.

        Raises
        ------
        UnreadableFileError
            If a tensor finds no place, or a place no tensor.
        """
        from safetensors.torch import load_file  # noqa: PLC0415 - the extra's

        weights = checked_weights(self._folder)
        try:
            report = model.load_state_dict(put_back(load_file(weights)), strict=False)
        except RuntimeError as error:
            raise UnreadableFileError(
                f"{weights} is of another size than the sam3 package's network: {INSTALL}, {_OR}"
            ) from error
        wrong = [key for key in report.missing_keys if not is_left_out(key)]
        wrong += list(report.unexpected_keys)
        if wrong:
            raise UnreadableFileError(
                f"{weights} does not fill the sam3 package's network ({listed(wrong)}): {INSTALL}"
            )

    def embed(self, image: NDArray[np.float32]) -> Embedding:
        """Return the embedding of (rows, columns) grey levels 0..255, the window applied."""
        self.load()
        import torch  # noqa: PLC0415 - the extra's

        levels = torch.from_numpy(np.rint(np.clip(image, 0, 255)).astype(np.uint8))
        with self._lock, torch.inference_mode(), self._at_precision(torch):
            colours = levels.expand(3, *levels.shape).to(self._device)
            pixels = self._processor.transform(colours)[None]
            hidden = self._model.backbone.vision_backbone.trunk(pixels)[-1]
            self.encoder_runs += 1
            features = hidden.flatten(2).transpose(1, 2)[0].to(torch.float16).cpu().numpy()
        if not np.isfinite(features).all():
            raise UnreadableFileError(
                f"the encoder's answer is not finite at {self._options.precision}: set precision "
                f"to 'fp32', or where it is, {INSTALL}"
            )
        return Embedding(features=features, image_shape=(image.shape[0], image.shape[1]))

    def answers(
        self,
        embedding: Embedding,
        questions: Sequence[Question],
        least_score: float = LEAST_SCORE,
    ) -> tuple[SliceAnswer, ...]:
        """Return what each question finds on a slice; instances below a score are left out."""
        self.load()
        import torch  # noqa: PLC0415 - the extra's

        return tuple(
            read_answer(torch, self.heads(embedding, [each]), 0, embedding.image_shape, least_score)
            for each in questions
        )

    def heads(self, embedding: Embedding, batch: Sequence[Question]) -> HeadOutput:
        """Return all that the heads say to questions on a slice, each query's."""
        self.load()
        import torch  # noqa: PLC0415 - the extra's

        with self._lock, torch.inference_mode(), self._at_precision(torch):
            found = [self._asked(torch, embedding, each) for each in batch]
            self.head_runs += len(batch)
        return HeadOutput(
            presence_logits=torch.cat([each["presence_logit_dec"] for each in found]),
            pred_logits=torch.cat([each["pred_logits"] for each in found]).squeeze(-1),
            pred_boxes=torch.cat([each["pred_boxes_xyxy"] for each in found]),
            pred_masks=torch.cat([each["pred_masks"] for each in found]),
        )

    def _asked(self, torch: Any, embedding: Embedding, question: Question) -> Any:  # noqa: ANN401 - torch's
        from sam3.model.geometry_encoders import Prompt  # noqa: PLC0415 - the extra's

        count = len(question.boxes)
        boxes, _ = relative_boxes(torch, [question], embedding.image_shape)
        return self._model.forward_grounding(
            backbone_out={**self._levels(torch, embedding), **self._phrase(question.phrase)},
            find_input=self._processor.find_stage,
            find_target=None,
            geometric_prompt=Prompt(
                box_embeddings=boxes[:, :count].transpose(0, 1).to(self._device),
                box_mask=torch.zeros(1, count, dtype=torch.bool, device=self._device),
            ),
        )

    def _phrase(self, phrase: str) -> Any:  # noqa: ANN401 - the package's
        kept = self._phrases.get(phrase)
        if kept is None:
            kept = self._model.backbone.forward_text([phrase], device=self._device)
            self.text_runs += 1
            size = sum(each.numel() * each.element_size() for each in kept.values())
            self._phrases.put(phrase, kept, size)
        return kept

    def _levels(self, torch: Any, embedding: Embedding) -> Any:  # noqa: ANN401 - torch's
        """Return what the heads see: the feature pyramid, kept of the last slice alone."""
        if self._pyramid is None or self._pyramid[0] is not embedding:
            hidden = torch.from_numpy(embedding.features[None]).to(self._device, torch.float32)
            side = round(hidden.shape[1] ** 0.5)
            spatial = hidden.transpose(1, 2).reshape(1, -1, side, side)
            backbone = self._model.backbone
            neck = backbone.vision_backbone
            levels = [conv(spatial) for conv in neck.convs][: -backbone.scalp]
            places = [neck.position_encoding(each).to(each.dtype) for each in levels]
            self._pyramid = (embedding, {"backbone_fpn": levels, "vision_pos_enc": places})
        return self._pyramid[1]

    def _at_precision(self, torch: Any) -> Any:  # noqa: ANN401 - torch's
        """Return the context the package's own programs run in: weights stay single."""
        precision = self._options.precision
        return torch.autocast(
            self._device,
            dtype=getattr(torch, PRECISIONS[precision]),
            enabled=precision != "fp32",
        )


def _missing_package() -> str | None:
    absent = [name for name in _PACKAGES if find_spec(name) is None]
    if not absent:
        return None
    return (
        f"segmentation.backend = 'sam3' needs {', '.join(absent)}, not installed here: "
        f"pip install 'radcopilot[sam3]', {_OR}"
    )
