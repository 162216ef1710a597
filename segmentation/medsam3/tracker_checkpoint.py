"""Read the tracker's weights from the base they came with, every tensor accounted for."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from domain.errors import UnreadableFileError
from segmentation.medsam3.checkpoint import (
    CONFIG_FILE,
    Tensors,
    base_files,
    check_complete,
    listed,
    pieces,
    read_torch,
)
from segmentation.medsam3.names import placed
from segmentation.medsam3.tracker_names import (
    META_PREFIX,
    MODEL_PREFIX,
    NECK_PREFIX,
    POINTS_APART,
    POINTS_TOGETHER,
    TABLE,
    is_trackers,
)

Shapes = dict[str, tuple[int, ...]]

_OF_FOLDER: Final = (MODEL_PREFIX, NECK_PREFIX)


def read_tracker_config(path: Path) -> dict[str, Any]:
    """Return what ``config.json`` beside the base says of the tracker; empty where it says nothing.

    Raises
    ------
    UnreadableFileError
        If it cannot be read.
    """
    file = (path.parent if path.is_file() else path) / CONFIG_FILE
    if not file.is_file():
        return {}
    try:
        found = json.loads(file.read_text(encoding="utf-8")).get("tracker_config")
    except (OSError, ValueError, AttributeError) as error:
        raise UnreadableFileError(f"{file.name} cannot be read: copy it here again") from error
    return dict(found) if isinstance(found, dict) else {}


def read_tracker(path: Path, expected: Mapping[str, tuple[int, ...]]) -> Tensors | None:
    """Return every tensor of tracker and neck, or None for a base that has no tracker at all.

    Parameters
    ----------
    path
        Meta's file or a folder of transformers.
    expected
        Shape of each tensor of :func:`tracker_of`.

    Raises
    ------
    UnreadableFileError
        If a file is damaged, or a tensor is unknown, missing or of another shape.
    """
    files = base_files(path)
    if files[0].suffix == ".safetensors":
        found = _of_folder(files)
    else:
        found = _of_meta(read_torch(files[0]), files[0].name)
    if not any(key.startswith(MODEL_PREFIX) for key in found):
        return None
    check_complete(found, expected, f"the tracker of {path.name}")
    return found


def tracker_of(
    detector: Mapping[str, Any], tracker: Mapping[str, Any]
) -> tuple[dict[str, Any], Shapes]:
    """Return the tracker's configuration with all its defaults, and the shape of every tensor.

    It sees what the detector's encoder makes of an image, whatever the tracker's own configuration
    says of one; the image's size has to be said once more, or transformers takes 1008.

    Raises
    ------
    UnreadableFileError
        If it describes no tracker of SAM 3.
    """
    import torch  # noqa: PLC0415 - the extra's

    try:
        own_neck = dict(tracker.get("vision_config") or {})
        vision = dict(detector["vision_config"])
        vision["fpn_hidden_size"] = own_neck.get("fpn_hidden_size", vision["fpn_hidden_size"])
        size = int(vision["backbone_config"]["image_size"])
        config = {**tracker, "vision_config": vision, "image_size": size}
        with torch.device("meta"):
            model, neck = tracker_parts(config)
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        raise UnreadableFileError(
            f"{CONFIG_FILE} describes no tracker of SAM 3 ({type(error).__name__}): give the one "
            "that came with the weights, or none for Meta's own file"
        ) from error
    shapes = {
        f"{prefix}{key}": tuple(value.shape)
        for prefix, part in zip(_OF_FOLDER, (model, neck), strict=True)
        for key, value in part.state_dict().items()
    }
    return {**model.config.to_dict(), "image_size": size}, shapes


def tracker_parts(config: Mapping[str, Any]) -> tuple[Any, Any]:
    """Return an unfilled tracker without an image encoder, and its neck."""
    from transformers import Sam3TrackerVideoConfig, Sam3TrackerVideoModel  # noqa: PLC0415
    from transformers.models.sam3.modeling_sam3 import Sam3VisionNeck  # noqa: PLC0415

    described = Sam3TrackerVideoConfig(**config)
    model = Sam3TrackerVideoModel(described, remove_vision_encoder=True)
    return model, Sam3VisionNeck(described.vision_config)


def _of_folder(files: tuple[Path, ...]) -> Tensors:
    from safetensors import SafetensorError, safe_open  # noqa: PLC0415 - the extra's

    found: Tensors = {}
    for file in files:
        try:
            with safe_open(file, framework="pt") as opened:
                for key in opened.keys():  # noqa: SIM118 - no mapping
                    if key.startswith(_OF_FOLDER):
                        found[key] = opened.get_tensor(key)
        except (OSError, SafetensorError) as error:
            raise UnreadableFileError(
                f"{file.name} is not a whole safetensors file: copy it here again"
            ) from error
    return found


def _of_meta(state: Tensors, name: str) -> Tensors:
    import torch  # noqa: PLC0415 - the extra's

    own = {key: tensor for key, tensor in state.items() if is_trackers(key)}
    if not any(key.startswith(META_PREFIX) for key in own):
        return {}
    if all(key in own for key in POINTS_APART):
        own[POINTS_TOGETHER] = torch.cat([own.pop(key) for key in POINTS_APART])
    found: Tensors = {}
    unknown: list[str] = []
    for key, tensor in own.items():
        placement = placed(key, TABLE)
        if placement is None:
            unknown.append(key)
        else:
            found.update(pieces(tensor, placement))
    if unknown:
        raise UnreadableFileError(
            f"{name} has {len(unknown)} of {len(own)} tensors that are not of SAM 3's tracker "
            f"({listed(sorted(unknown))}): give Meta's sam3.pt as it was released"
        )
    return found
