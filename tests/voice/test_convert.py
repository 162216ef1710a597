from pathlib import Path

import numpy as np
import pytest

from domain.errors import ModelMissingError
from voice.convert import openai_checkpoint
from voice.ct2_file import read_ct2_file


def test_fused_matrices_are_taken_apart_again(models_folder: Path) -> None:
    folder = models_folder / "whisper-base"
    weights = read_ct2_file(folder / "model.bin")
    checkpoint = openai_checkpoint(folder)
    assert checkpoint.dims["n_audio_layer"] == checkpoint.dims["n_text_layer"] == 6
    assert checkpoint.dims["n_vocab"] == 51_865
    fused = weights["decoder/layer_3/self_attention/linear_0/weight"]
    parts = [
        checkpoint.state[f"decoder.blocks.3.attn.{name}.weight"]
        for name in ("query", "key", "value")
    ]
    np.testing.assert_array_equal(np.concatenate(parts), np.asarray(fused, np.float32))
    both = [
        checkpoint.state[f"decoder.blocks.5.cross_attn.{name}.weight"] for name in ("key", "value")
    ]
    np.testing.assert_array_equal(
        np.concatenate(both),
        np.asarray(weights["decoder/layer_5/attention/linear_1/weight"], np.float32),
    )
    assert not any(name.endswith("key.bias") for name in checkpoint.state)
    assert (3, 1) in checkpoint.alignment_heads


def test_a_file_cut_short_is_refused(models_folder: Path, tmp_path: Path) -> None:
    whole = models_folder / "whisper-base" / "model.bin"
    with whole.open("rb") as file:
        (tmp_path / "model.bin").write_bytes(file.read(1_000_000))
    with pytest.raises(ModelMissingError, match=r"model\.bin is no whole CTranslate2 model"):
        read_ct2_file(tmp_path / "model.bin")


def test_other_bytes_are_refused(tmp_path: Path) -> None:
    (tmp_path / "model.bin").write_bytes(b"\x01\x00\x00\x00not a model")
    with pytest.raises(ModelMissingError, match="older than"):
        read_ct2_file(tmp_path / "model.bin")


def test_missing_weights_say_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(ModelMissingError, match="radcopilot models install default"):
        openai_checkpoint(tmp_path)
