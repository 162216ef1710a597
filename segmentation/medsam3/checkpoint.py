"""Read the base weights: Meta's ``sam3.pt``, or a folder of transformers.

Every tensor is accounted for: placed by name and shape, or known to have no place. Nothing is
skipped in silence, so that a wrong base cannot pass for the right one.
"""

import json
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from domain.errors import DigestMismatchError, UnreadableFileError
from segmentation.litemedsam.checkpoint import file_sha256
from segmentation.medsam3.names import (
    WHOLE_PREFIX,
    Placement,
    Step,
    is_left_out,
    names_of_meta,
    placed,
)
from segmentation.medsam3.needs import INSTALL, described

Tensors = dict[str, Any]
"""Torch tensors by name."""

BASE_FILE: Final = "sam3.pt"
CONFIG_FILE: Final = "config.json"
WEIGHTS_FILE: Final = "model.safetensors"
INDEX_FILE: Final = "model.safetensors.index.json"
_WHOLE_FOLDER_PREFIX: Final = "detector_model."
_TRACKER_PREFIXES: Final = ("tracker.", "tracker_model.", "tracker_neck.")
_LISTED: Final = 3
_REMEDY: Final = "give Meta's sam3.pt, or the folder of transformers with the same weights"


def base_files(path: Path) -> tuple[Path, ...]:
    """Return the files of a base that hold its weights.

    Raises
    ------
    UnreadableFileError
        If there are none.
    """
    if path.is_file():
        return (path,)
    index = path / INDEX_FILE
    if index.is_file():
        names = sorted(set(_json(index).get("weight_map", {}).values()))
        return tuple(path / name for name in names)
    for name in (WEIGHTS_FILE, BASE_FILE):
        if (path / name).is_file():
            return (path / name,)
    raise UnreadableFileError(f"{path} holds neither {WEIGHTS_FILE} nor {BASE_FILE}: {_REMEDY}")


def read_config(path: Path) -> dict[str, Any]:
    """Return what ``config.json`` beside the base says of the network; empty where there is none.

    Meta's own file needs none: the published network is the default of transformers.

    Raises
    ------
    UnreadableFileError
        If it cannot be read.
    """
    file = (path.parent if path.is_file() else path) / CONFIG_FILE
    if not file.is_file():
        return {}
    config = _json(file)
    inner = config.get("detector_config")
    return dict(inner) if isinstance(inner, dict) else config


def read_base(path: Path, expected: Mapping[str, tuple[int, ...]]) -> Tensors:
    """Return every tensor of a ``Sam3Model``, by its name there.

    Parameters
    ----------
    path
        Meta's file or a folder of transformers.
    expected
        Shape of each tensor of the network that is to be filled.

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
    check_complete(found, expected, path.name)
    return found


def read_torch(path: Path) -> Tensors:
    """Return the tensors of a torch file, which may hold nothing else.

    Raises
    ------
    UnreadableFileError
        If it is truncated, or holds more than tensors.
    """
    import torch  # noqa: PLC0415 - the extra's

    try:
        state = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except pickle.UnpicklingError as error:
        raise UnreadableFileError(
            f"{path.name} holds more than tensors, and could run code here: do not use a file "
            "from this source"
        ) from error
    except (OSError, RuntimeError, ValueError, EOFError, KeyError) as error:
        raise UnreadableFileError(
            f"{path.name} is not a whole torch checkpoint ({type(error).__name__}): "
            "copy it here again"
        ) from error
    if isinstance(state, dict) and isinstance(state.get("model"), dict):
        state = state["model"]
    if not isinstance(state, dict) or not state:
        raise UnreadableFileError(f"{path.name} holds no dictionary of tensors: {_REMEDY}")
    for key, value in state.items():
        if not isinstance(key, str) or not isinstance(value, torch.Tensor):
            raise UnreadableFileError(f"{path.name} holds {key!r}, which is not a named tensor")
    return dict(state)


def checked_weights(folder: Path) -> Path:
    """Return the file of merged weights.

    Raises
    ------
    DigestMismatchError
        If it is not what was merged.
    """
    weights = folder / WEIGHTS_FILE
    expected = described(folder)["weights_sha256"]
    found = file_sha256(weights)
    if found != expected:
        raise DigestMismatchError(
            f"{weights} has sha256 {found}, expected {expected}: it was truncated or changed, "
            f"{INSTALL}"
        )
    return weights


def check_complete(
    found: Mapping[str, Any], expected: Mapping[str, tuple[int, ...]], name: str
) -> None:
    """Refuse tensors that are missing, too many or of another shape.

    Raises
    ------
    UnreadableFileError
        Naming the first of them and how many there are.
    """
    missing = sorted(set(expected) - set(found))
    if missing:
        raise UnreadableFileError(
            f"{name} lacks {len(missing)} of {len(expected)} tensors ({listed(missing)}): {_REMEDY}"
        )
    unknown = sorted(set(found) - set(expected))
    if unknown:
        raise UnreadableFileError(
            f"{name} has {len(unknown)} tensors too many ({listed(unknown)}): {_REMEDY}"
        )
    for key, shape in expected.items():
        if tuple(found[key].shape) != shape:
            raise UnreadableFileError(
                f"{name}: {key} has shape {tuple(found[key].shape)}, expected {shape}: {_REMEDY}"
            )


def listed(names: list[str]) -> str:
    """Return the first few names, in words."""
    return ", ".join(names[:_LISTED]) + (", ..." if len(names) > _LISTED else "")


def _of_folder(files: tuple[Path, ...]) -> Tensors:
    from safetensors import SafetensorError  # noqa: PLC0415 - the extra's
    from safetensors.torch import load_file  # noqa: PLC0415

    found: Tensors = {}
    for file in files:
        try:
            tensors = load_file(file)
        except (OSError, SafetensorError) as error:
            raise UnreadableFileError(
                f"{file.name} is not a whole safetensors file: copy it here again"
            ) from error
        for key, tensor in tensors.items():
            if not key.startswith(_TRACKER_PREFIXES):
                found[key.removeprefix(_WHOLE_FOLDER_PREFIX)] = tensor
    return found


def _of_meta(state: Tensors, name: str) -> Tensors:
    found: Tensors = {}
    unknown: list[str] = []
    for key, tensor in state.items():
        if key.startswith(_TRACKER_PREFIXES):
            continue
        own = key.removeprefix(WHOLE_PREFIX)
        placement = placed(own) if own != key else None
        if placement is not None:
            found.update(pieces(tensor, placement))
        elif own == key or not is_left_out(own):
            unknown.append(key)
    if unknown:
        raise UnreadableFileError(
            f"{name} has {len(unknown)} of {len(state)} tensors that are not SAM 3's "
            f"({listed(sorted(unknown))}): {_REMEDY}"
        )
    return found


def pieces(tensor: Any, placement: Placement) -> Tensors:  # noqa: ANN401 - torch's
    """Return what becomes of one tensor of Meta's, by transformers' names."""
    targets = placement.targets
    match placement.step:
        case Step.AS_IS:
            return {targets[0]: tensor}
        case Step.IN_THREE:
            return dict(zip(targets, tensor.chunk(3, dim=0), strict=True))
        case Step.WITHOUT_CLASS_TOKEN:
            return {targets[0]: tensor[:, 1:]}
        case Step.TURNED:
            return {targets[0]: tensor.T}
        case Step.TWICE:
            return dict.fromkeys(targets, tensor)


def put_back(ours: Tensors) -> Tensors:
    """Return the tensors of a ``Sam3Model`` by Meta's names, as ``pieces`` found them there.

    The position of the class token is zeros: Meta's network takes it off too.
    """
    return {name: _put_back(ours, placement) for name, placement in names_of_meta(ours).items()}


def _put_back(ours: Tensors, placement: Placement) -> Any:  # noqa: ANN401 - torch's
    import torch  # noqa: PLC0415 - the extra's

    first = ours[placement.targets[0]]
    match placement.step:
        case Step.AS_IS | Step.TWICE:
            return first.clone()
        case Step.IN_THREE:
            return torch.cat([ours[name] for name in placement.targets])
        case Step.WITHOUT_CLASS_TOKEN:
            return torch.cat([torch.zeros_like(first[:, :1]), first], dim=1)
        case Step.TURNED:
            return first.T.contiguous()


def _json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UnreadableFileError(f"{path.name} cannot be read: copy it here again") from error
    if not isinstance(content, dict):
        raise UnreadableFileError(f"{path.name} describes no network: copy it here again")
    return content
