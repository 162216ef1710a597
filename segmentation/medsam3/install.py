"""From base and adapter to the files the engine runs, once, at install."""

import hashlib
import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from domain.errors import ModelMissingError, StorageError, UnreadableFileError
from domain.ports import Progress
from segmentation.litemedsam.checkpoint import file_sha256
from segmentation.medsam3.asking import Question
from segmentation.medsam3.checkpoint import (
    CONFIG_FILE,
    WEIGHTS_FILE,
    base_files,
    read_base,
    read_config,
)
from segmentation.medsam3.engine import MedSam3
from segmentation.medsam3.lora import ALPHA, RANK, merged, read_adapter
from segmentation.medsam3.needs import (
    DESCRIPTION_FILE,
    TRACKER_CONFIG_FILE,
    TRACKER_FILE,
    missing_extra,
)
from segmentation.medsam3.tiny import write_tiny
from segmentation.medsam3.tokenizer import write_words
from segmentation.medsam3.tracker import Key, Sam3Tracker
from segmentation.medsam3.tracker_checkpoint import (
    read_tracker,
    read_tracker_config,
    tracker_of,
)
from segmentation.slicewise.slices import SliceBox

LICENCES: Final = (
    "base: SAM License (Meta), with sam3.pt",
    "adapter: as published with best_lora_weights.pt",
    "words: MIT (CLIP's byte pairs, from open_clip_torch)",
)
_LICENCE_NAMES: Final = ("LICENSE*", "LICENCE*", "NOTICE*")
_SHADES: Final = 251


@dataclass(frozen=True, kw_only=True)
class Sources:
    """What is installed: the operator's own files.

    Attributes
    ----------
    base
        Meta's ``sam3.pt``, or a folder of transformers.
    adapter
        ``best_lora_weights.pt``.
    """

    base: Path
    adapter: Path


def build(sources: Sources | None, members: Path, target: Path, progress: Progress) -> None:
    """Merge, convert, describe, and prove with one forward pass.

    Parameters
    ----------
    sources
        None writes the tiny network of random numbers.
    members
        Folder with the list of byte pairs, or with the words of an earlier installation.
    target
        Where the installed form goes.

    Raises
    ------
    ModelMissingError
        If the extra is not installed.
    UnreadableFileError
        If base or adapter is not what it should be: naming the tensor.
    StorageError
        If it cannot be written.
    """
    lacking = missing_extra()
    if lacking is not None:
        raise ModelMissingError(lacking)
    is_random = sources is None
    if sources is None:
        progress(0.0, "making a tiny network of random numbers")
        base, adapter = write_tiny(members / "tiny")
        sources = Sources(base=base, adapter=adapter)
    for path in (sources.base, sources.adapter):
        if not path.exists():
            raise UnreadableFileError(f"{path} does not exist: give --base and --lora as files")
    try:
        _write(sources, members, target, progress, is_random=is_random)
    except OSError as error:
        raise StorageError(
            f"the network cannot be written to {target} ({error.strerror}): free space, or choose "
            "another models folder"
        ) from error
    progress(0.9, "one forward pass")
    prove(target)


def prove(folder: Path) -> None:
    """Run the installed network once, with words and a box.

    Raises
    ------
    UnreadableFileError
        If its answer is not finite.
    """
    engine = MedSam3(folder)
    image = (np.arange(64 * 64, dtype=np.float32) % _SHADES).reshape(64, 64)
    box = SliceBox(row_start=16, row_stop=48, column_start=16, column_stop=48)
    (answer,) = engine.answers(engine.embed(image), [Question(phrase="lesion", boxes=(box,))])
    logits = [each.logits for each in answer.instances]
    if not np.isfinite(answer.presence) or not all(np.isfinite(each).all() for each in logits):
        raise UnreadableFileError(
            f"the network in {folder} answers with numbers that are not finite: give the base and "
            "the adapter as they were released"
        )
    tracker = Sam3Tracker(folder)
    if tracker.missing() is None:
        _prove_tracker(engine, tracker, image)


def _prove_tracker(engine: MedSam3, tracker: Sam3Tracker, image: NDArray[np.float32]) -> None:
    embedding = engine.embed(image)
    key = Key(index=0, inside=image > image.mean())
    for tracked in tracker.track(key, range(1, 3), 3, lambda _: embedding):
        if not np.isfinite(tracked.logits).all() or not np.isfinite(tracked.score):
            raise UnreadableFileError(
                "the tracker answers with numbers that are not finite: give the base as it was "
                "released"
            )


def _write(
    sources: Sources, members: Path, target: Path, progress: Progress, *, is_random: bool
) -> None:
    from safetensors.torch import save_file  # noqa: PLC0415 - the extra's

    config, expected = network_of(read_config(sources.base))
    progress(0.1, "reading the base")
    base = read_base(sources.base, expected)
    progress(0.3, "reading the adapter")
    adapter = read_adapter(sources.adapter, base)
    progress(0.4, "merging")
    weights = {key: value.contiguous() for key, value in merged(base, adapter).items()}
    progress(0.6, "writing the network")
    save_file(weights, target / WEIGHTS_FILE)
    tracker_sha256 = _write_tracker(sources.base, config, target)
    (target / CONFIG_FILE).write_text(json.dumps(config, indent=1), encoding="utf-8")
    write_words(members, target)
    licences = _copy_licences(sources, members, target)
    progress(0.8, "checking")
    description = {
        "network": "MedSAM-3",
        "is_random": is_random,
        "base_sha256": _digest(base_files(sources.base)),
        "adapter_sha256": file_sha256(sources.adapter),
        "weights_sha256": file_sha256(target / WEIGHTS_FILE),
        "tracker_sha256": tracker_sha256,
        "rank": RANK,
        "alpha": ALPHA,
        "modules_merged": len(adapter.placements),
        "modules_lacking": list(adapter.lacking),
        "licences": [*LICENCES, *licences],
    }
    (target / DESCRIPTION_FILE).write_text(json.dumps(description, indent=1), encoding="utf-8")


def _write_tracker(base: Path, detector: Mapping[str, Any], target: Path) -> str | None:
    """Write the tracker beside the network and return its digest, or None where there is none."""
    from safetensors.torch import save_file  # noqa: PLC0415 - the extra's

    config, expected = tracker_of(detector, read_tracker_config(base))
    tensors = read_tracker(base, expected)
    if tensors is None:
        return None
    apart = {key: value.clone().contiguous() for key, value in tensors.items()}
    save_file(apart, target / TRACKER_FILE)
    (target / TRACKER_CONFIG_FILE).write_text(json.dumps(config, indent=1), encoding="utf-8")
    return file_sha256(target / TRACKER_FILE)


def network_of(
    config: Mapping[str, Any],
) -> tuple[dict[str, Any], dict[str, tuple[int, ...]]]:
    """Return a configuration with all its defaults, and the shape of every tensor it describes.

    Raises
    ------
    UnreadableFileError
        If it describes no SAM 3.
    """
    import torch  # noqa: PLC0415 - the extra's
    from transformers import Sam3Config, Sam3Model  # noqa: PLC0415

    try:
        with torch.device("meta"):
            model = Sam3Model(Sam3Config.from_dict(dict(config)))
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        raise UnreadableFileError(
            f"{CONFIG_FILE} describes no SAM 3 ({type(error).__name__}): give the one that came "
            "with the weights, or none for Meta's own file"
        ) from error
    shapes = {key: tuple(value.shape) for key, value in model.state_dict().items()}
    return dict(model.config.to_dict()), shapes


def _digest(files: tuple[Path, ...]) -> str:
    """Return the digest of a file, or of the digests of several."""
    digests = [file_sha256(file) for file in files]
    if len(digests) == 1:
        return digests[0]
    return hashlib.sha256("\n".join(digests).encode()).hexdigest()


def _copy_licences(sources: Sources, members: Path, target: Path) -> tuple[str, ...]:
    """Keep the licence texts that lie beside base, adapter and words, and name them."""
    kept = []
    for kind, path in (("base", sources.base), ("adapter", sources.adapter), ("words", members)):
        folder = path if path.is_dir() else path.parent
        for file in sorted({each for name in _LICENCE_NAMES for each in folder.glob(name)}):
            shutil.copyfile(file, target / f"{kind}-{file.name}")
            kept.append(f"{kind}-{file.name}")
    return tuple(kept)
