"""Building the network's files at install."""

import json

import pytest

from domain.errors import Cancelled, DigestMismatchError
from domain.ports import no_progress
from segmentation.litemedsam.checkpoint import LITE_MEDSAM_SHA256, file_sha256
from segmentation.litemedsam.convert import build_onnx


def test_another_file_is_not_built_from_and_leaves_nothing(tmp_path):
    checkpoint = tmp_path / "lite_medsam.pth"
    checkpoint.write_bytes(b"something else")
    with pytest.raises(DigestMismatchError, match=r"lite_medsam\.pth"):
        build_onnx(checkpoint, tmp_path / "models", no_progress)
    assert not (tmp_path / "models").exists()


def test_cancelling_leaves_nothing(tmp_path):
    def progress(fraction: float, stage: str) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        build_onnx(tmp_path / "lite_medsam.pth", tmp_path / "models", progress)
    assert not (tmp_path / "models").exists()


def test_what_is_installed_describes_itself(models_folder):
    folder = models_folder / "litemedsam"
    description = json.loads((folder / "network.json").read_text())
    assert description["weights_sha256"] == LITE_MEDSAM_SHA256
    for part in ("encoder", "decoder"):
        assert file_sha256(folder / f"{part}.onnx") == description[f"{part}_sha256"]
