"""From the checkpoint to the files the engine runs, once, at install."""

import json
import os
from pathlib import Path

import onnx

from domain.errors import StorageError
from domain.ports import Progress
from segmentation.litemedsam.checkpoint import LITE_MEDSAM_SHA256, file_sha256, read_checkpoint
from segmentation.litemedsam.decoder import build_decoder
from segmentation.litemedsam.encoder import build_encoder
from segmentation.litemedsam.graph import Weights
from segmentation.litemedsam.names import DECODER_FILE, DESCRIPTION_FILE, ENCODER_FILE


def build_onnx(checkpoint: Path, target_folder: Path, progress: Progress) -> None:
    """Write ``encoder.onnx``, ``decoder.onnx`` and ``network.json`` from the pinned checkpoint.

    Each file appears whole or not at all, the description last: a folder with a description is a
    folder with both graphs.

    Raises
    ------
    DigestMismatchError
        If the checkpoint is not the pinned one.
    UnreadableFileError
        If it is not LiteMedSAM's.
    StorageError
        If the folder cannot be written.
    """
    progress(0.0, "checking the weights")
    weights = Weights(read_checkpoint(checkpoint))
    progress(0.2, "building the image encoder")
    encoder = build_encoder(weights)
    progress(0.4, "building the mask decoder")
    decoder = build_decoder(weights)
    weights.check_all_taken()
    progress(0.6, "writing the network")
    try:
        target_folder.mkdir(parents=True, exist_ok=True)
        (target_folder / DESCRIPTION_FILE).unlink(missing_ok=True)
        _write(target_folder / ENCODER_FILE, _bytes_of(encoder))
        progress(0.8, "writing the network")
        _write(target_folder / DECODER_FILE, _bytes_of(decoder))
        description = {
            "network": "LiteMedSAM",
            "weights_sha256": LITE_MEDSAM_SHA256,
            "encoder_sha256": file_sha256(target_folder / ENCODER_FILE),
            "decoder_sha256": file_sha256(target_folder / DECODER_FILE),
        }
        _write(target_folder / DESCRIPTION_FILE, json.dumps(description, indent=2).encode())
    except OSError as error:
        raise StorageError(
            f"the network cannot be written to {target_folder} ({error.strerror}): "
            "free space, or choose another models folder"
        ) from error
    progress(1.0, "network ready")


def _bytes_of(model: onnx.ModelProto) -> bytes:
    return bytes(model.SerializeToString(deterministic=True))


def _write(path: Path, content: bytes) -> None:
    """Write aside, flush to disk, then rename: readers never see half a file."""
    aside = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with aside.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)
