"""SAM 3's tracker: from the outline on one image to those on the images beside it.

It sees what the detector's encoder made of each image, so that the encoder runs once on each, and
remembers what it outlined before. One thing at a time.
"""

import json
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from domain.errors import DigestMismatchError, ModelMissingError, UnreadableFileError
from segmentation.litemedsam.checkpoint import file_sha256
from segmentation.medsam3.engine import Options, place
from segmentation.medsam3.needs import (
    INSTALL,
    TRACKER_CONFIG_FILE,
    TRACKER_FILE,
    described,
    missing_tracker,
)
from segmentation.medsam3.tracker_checkpoint import tracker_parts
from segmentation.medsam3.tracker_names import MODEL_PREFIX, NECK_PREFIX
from segmentation.slicewise.slices import Embedding

PRESENT: Final = 0.5
"""Score below which the tracker says that the thing is not there: its log-odds are below 0."""

_ONE: Final = 1  # the one thing that is followed
_UNSEEN: Final = ("high_res_masks", "pred_masks")  # 5 MB an image that nobody asks for again


@dataclass(frozen=True, kw_only=True, eq=False)
class Key:
    """The image where the outline is known: its index, and bool (rows, columns)."""

    index: int
    inside: NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True, eq=False)
class Tracked:
    """What the tracker sees of the thing on one image.

    Attributes
    ----------
    logits
        (rows, columns); above 0 is inside.
    score
        Probability that it is there at all.
    """

    index: int
    logits: NDArray[np.float32]
    score: float


class MaskTracker(Protocol):
    """Follows one thing from image to image."""

    @property
    def weights_sha256(self) -> str | None:
        """Digest of the weights."""
        ...

    def missing(self) -> str | None:
        """Return None where it can run, else what is missing, and the remedy."""
        ...

    def track(
        self,
        key: Key,
        order: Sequence[int],
        count: int,
        embedded: Callable[[int], Embedding],
    ) -> Iterator[Tracked]:
        """Yield what is seen on each image, as it is asked for.

        Parameters
        ----------
        order
            Indices from the key outward, all on one side of it and without a gap.
        count
            How many images there are in all.
        embedded
            Returns what the encoder made of an image.
        """
        ...


class Sam3Tracker:
    """The tracker that came with the base; weights are loaded at first use."""

    def __init__(self, folder: Path, options: Options | None = None) -> None:
        self._folder = folder
        self._options = Options() if options is None else options
        self._lock = threading.Lock()
        self._model: Any = None
        self._neck: Any = None
        self._weights_sha256: str | None = None

    @property
    def weights_sha256(self) -> str | None:
        """Digest of the tracker's weights; None where none are installed."""
        if self._weights_sha256 is None and self.missing() is None:
            self._weights_sha256 = str(described(self._folder)["tracker_sha256"])
        return self._weights_sha256

    def missing(self) -> str | None:
        """Return None where it can run, else what is missing, and the remedy."""
        return missing_tracker(self._folder)

    def load(self) -> None:
        """Load tracker and neck, once.

        Raises
        ------
        ModelMissingError
            If the extra, or the tracker, is not installed.
        DigestMismatchError
            If the weights are not those that were installed.
        """
        with self._lock:
            if self._model is None:
                self._load()

    def _load(self) -> None:
        reason = self.missing()
        if reason is not None:
            raise ModelMissingError(reason)
        import torch  # noqa: PLC0415 - the extra's
        from safetensors.torch import load_file  # noqa: PLC0415

        weights = self._folder / TRACKER_FILE
        if not weights.is_file() or file_sha256(weights) != self.weights_sha256:
            raise DigestMismatchError(
                f"{weights} is not what was installed: it was truncated, changed or removed, "
                f"{INSTALL}"
            )
        device, dtype = place(torch, self._options)
        torch.set_num_threads(self._options.threads)
        try:
            config = json.loads((self._folder / TRACKER_CONFIG_FILE).read_text(encoding="utf-8"))
            model, neck = tracker_parts(config)
            tensors = load_file(weights)
            for part, prefix in ((model, MODEL_PREFIX), (neck, NECK_PREFIX)):
                own = {
                    key.removeprefix(prefix): value
                    for key, value in tensors.items()
                    if key.startswith(prefix)
                }
                part.load_state_dict(own, strict=True)
        except (OSError, ValueError, RuntimeError) as error:
            raise UnreadableFileError(
                f"{weights} does not fill the tracker ({type(error).__name__}): {INSTALL}"
            ) from error
        self._neck = neck.to(device=device, dtype=dtype).eval()
        self._model = model.to(device=device, dtype=dtype).eval()

    def track(
        self,
        key: Key,
        order: Sequence[int],
        count: int,
        embedded: Callable[[int], Embedding],
    ) -> Iterator[Tracked]:
        """Yield what is seen on each image, as it is asked for, from the key outward."""
        self.load()
        import torch  # noqa: PLC0415 - the extra's
        from transformers import Sam3TrackerVideoInferenceSession  # noqa: PLC0415

        device, dtype = self._model.device, self._model.dtype
        session = Sam3TrackerVideoInferenceSession(
            video_height=key.inside.shape[0],
            video_width=key.inside.shape[1],
            inference_device=device,
            dtype=dtype,
        )
        session.processed_frames = dict.fromkeys(range(count))  # it sees embeddings alone
        known = torch.from_numpy(key.inside.astype(np.float32))[None, None]
        session.add_mask_inputs(session.obj_id_to_idx(_ONE), key.index, known)
        session.obj_with_new_inputs = [_ONE]
        self._step(session, key.index, embedded(key.index), reverse=False)
        for index in order:
            embedding = embedded(index)
            output = self._step(session, index, embedding, reverse=index < key.index)
            yield _read(torch, output, index, embedding.image_shape)

    def _step(self, session: Any, index: int, embedding: Embedding, *, reverse: bool) -> Any:  # noqa: ANN401 - transformers'
        import torch  # noqa: PLC0415 - the extra's

        with self._lock, torch.inference_mode():
            session.cache.cache_vision_features(index, self._features(torch, embedding))
            output = self._model(session, frame_idx=index, reverse=reverse)
        self._forget(session, index)
        return output

    def _features(self, torch: Any, embedding: Embedding) -> dict[str, list[Any]]:  # noqa: ANN401 - torch's
        """Return the tracker's own pyramid of an image, flattened to (places, 1, channels)."""
        hidden = torch.from_numpy(embedding.features[None]).to(
            device=self._model.device, dtype=self._model.dtype
        )
        side = round(hidden.shape[1] ** 0.5)
        levels, places = self._neck(hidden.view(1, side, side, -1).permute(0, 3, 1, 2))
        decoder = self._model.mask_decoder
        maps = [decoder.conv_s0(levels[0]), decoder.conv_s1(levels[1]), *levels[2:-1]]
        return {
            "vision_feats": [each.flatten(2).permute(2, 0, 1) for each in maps],
            "vision_pos_embeds": [each.flatten(2).permute(2, 0, 1) for each in places[:-1]],
        }

    def _forget(self, session: Any, index: int) -> None:  # noqa: ANN401 - transformers'
        """Drop what the tracker never looks at again: it would grow with the number of images."""
        outputs = session.output_dict_per_obj[0]
        reach = self._model.config.max_object_pointers_in_encoder
        followed = outputs["non_cond_frame_outputs"]
        for far in [each for each in followed if abs(each - index) > reach]:
            del followed[far]
        for kept in (outputs["cond_frame_outputs"].get(index), followed.get(index)):
            for name in _UNSEEN if kept is not None else ():
                kept.pop(name, None)


def _read(torch: Any, output: Any, index: int, shape: tuple[int, int]) -> Tracked:  # noqa: ANN401 - torch's
    logits = torch.nn.functional.interpolate(
        output.pred_masks.float(), size=shape, mode="bilinear", align_corners=False
    )[0, 0]
    return Tracked(
        index=index,
        logits=logits.cpu().numpy(),
        score=float(output.object_score_logits.float().sigmoid().flatten()[0]),
    )
