"""Base and adapter to one network, every key accounted for, and nothing else let through."""

import json
import shutil

import numpy as np
import pytest

from domain.errors import DigestMismatchError, UnreadableFileError
from domain.ports import no_progress
from segmentation.medsam3.checkpoint import read_base, read_torch
from segmentation.medsam3.engine import MedSam3
from segmentation.medsam3.install import Sources, build, network_of
from segmentation.medsam3.lora import (
    adapter_modules,
    fused_shape,
    merged,
    read_adapter,
)
from segmentation.medsam3.names import LACKING, adapter_target, names_of_meta
from segmentation.medsam3.tiny import CONFIG, write_tiny

torch = pytest.importorskip("torch", reason="needs the extra [medsam3]")
transformers = pytest.importorskip("transformers", reason="needs the extra [medsam3]")
safetensors = pytest.importorskip("safetensors.torch", reason="needs the extra [medsam3]")
MODULE = "transformer.encoder.layers.0.linear1"


def _shapes(config):
    return network_of(config)[1]


class _Shaped:
    def __init__(self, shape):
        self.shape = shape


def test_every_tensor_and_adapted_module_of_the_published_network_is_accounted_for():
    shapes = _shapes({})
    base = {name: _Shaped(shape) for name, shape in shapes.items()}
    placements = names_of_meta(shapes).values()
    targets = [name for placement in placements for name in placement.targets]
    assert len(shapes) == 1468
    assert sorted(set(targets)) == sorted(shapes)
    modules = adapter_modules(base)
    found = [adapter_target(module) for module in modules]
    assert (len(modules), sum(each is not None for each in found)) == (458, 455)
    sizes = [sum(fused_shape(each, base)) for each in found if each is not None]
    of_clicks = (2 + 256) + (256 + 256) * 2
    assert 16 * (sum(sizes) + of_clicks) == 18_497_664  # numbers in the released adapter


def test_metas_file_and_the_folder_of_transformers_are_the_same_base(tiny, tmp_path):
    shapes = _shapes(CONFIG)
    of_meta = read_base(tiny.base, shapes)
    named = {f"detector_model.{key}": value.contiguous() for key, value in of_meta.items()}
    safetensors.save_file(
        named | {"tracker_neck.weight": torch.zeros(2)}, tmp_path / "model.safetensors"
    )
    of_folder = read_base(tmp_path, shapes)
    assert set(of_folder) == set(of_meta) == set(shapes)
    assert all(torch.equal(of_folder[key], of_meta[key]) for key in of_meta)


def test_merged_is_the_same_as_applied_layer_by_layer(tiny):
    base = read_base(tiny.base, _shapes(CONFIG))
    adapter = read_adapter(tiny.adapter, base)
    applied = _network()
    applied.load_state_dict({key: value.clone() for key, value in base.items()})
    together = _network()
    together.load_state_dict(merged(base, adapter))
    _apply(applied, adapter)
    asked = {
        "pixel_values": torch.linspace(-1, 1, 3 * 112 * 112).view(1, 3, 112, 112),
        "input_ids": torch.tensor([[300, 40, 301]]),
        "attention_mask": torch.ones(1, 3, dtype=torch.long),
        "input_boxes": torch.tensor([[[0.5, 0.5, 0.3, 0.2]]]),
        "input_boxes_labels": torch.ones(1, 1, dtype=torch.long),
    }
    plain = _network()
    plain.load_state_dict(base)
    with torch.inference_mode():
        one, other, without = applied(**asked), together(**asked), plain(**asked)
    for name in ("pred_masks", "pred_boxes", "pred_logits", "presence_logits"):
        torch.testing.assert_close(one[name], other[name], rtol=1e-3, atol=1e-4)
    assert not torch.allclose(other.pred_masks, without.pred_masks, rtol=1e-2, atol=1e-2)


def _network():
    return transformers.Sam3Model(transformers.Sam3Config.from_dict(CONFIG)).eval()


def _apply(model, adapter):
    """Let each adapted layer add (alpha / rank) x A B to its output, as in training."""
    for module, placement in adapter.placements.items():
        factors = adapter.factors[module]
        outwards = factors.outwards.chunk(len(placement.targets), dim=1)
        for target, part in zip(placement.targets, outwards, strict=True):
            layer = model.get_submodule(target.removesuffix(".weight"))
            layer.register_forward_hook(_adding(factors.inwards, part))


def _adding(inwards, outwards):
    return lambda _layer, inputs, output: output + 2.0 * (inputs[0] @ inwards @ outwards)


def _changed(path, folder, change):
    state = read_torch(path)
    state = {key: value.clone() for key, value in state.items()}
    change(state)
    target = folder / path.name
    torch.save(state, target)
    return target


def _renamed(state):
    state["transformer.encoder.layers.0.linear9.lora.lora_A"] = state.pop(f"{MODULE}.lora.lora_A")
    state["transformer.encoder.layers.0.linear9.lora.lora_B"] = state.pop(f"{MODULE}.lora.lora_B")


def _other_rank(state):
    for side in ("A", "B"):
        key = f"{MODULE}.lora.lora_{side}"
        state[key] = state[key][:, :8] if side == "A" else state[key][:8]


def _as_peft(state):
    for side in ("A", "B"):
        key = f"{MODULE}.lora.lora_{side}"
        state[key] = state[key].T.contiguous()


def _half_lost(state):
    del state[f"{MODULE}.lora.lora_B"]


def _one_lost(state):
    for side in ("A", "B"):
        del state[f"{MODULE}.lora.lora_{side}"]


def _stranger(state):
    state["epoch"] = state[f"{MODULE}.lora.lora_A"]


def _wider(state):
    key = f"{MODULE}.lora.lora_A"
    state[key] = state[key].repeat(2, 1)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (_renamed, "linear9"),
        (_other_rank, "expected rank 16"),
        (_as_peft, "PEFT"),
        (_half_lost, r"lacks transformer.encoder.layers.0.linear1.lora.lora_B"),
        (_one_lost, r"adapts 87 modules, expected 88 .*linear1"),
        (_stranger, "epoch"),
        (_wider, "another base"),
    ],
)
def test_an_adapter_that_does_not_match_is_refused_by_name(tiny, tmp_path, change, says):
    base = read_base(tiny.base, _shapes(CONFIG))
    path = _changed(tiny.adapter, tmp_path, change)
    with pytest.raises(UnreadableFileError, match=says):
        read_adapter(path, base)


def test_the_three_modules_without_a_place_are_named_and_the_rest_is_merged(tiny):
    described = json.loads((tiny.installed / "medsam3.json").read_text())
    assert described["modules_lacking"] == sorted(LACKING)
    assert described["modules_merged"] == 85


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda state: state.pop("detector.dot_prod_scoring.hs_proj.weight"), "lacks 1 of"),
        (
            lambda state: state.update(
                {"detector.stranger": state["detector.geometry_encoder.norm.bias"]}
            ),
            "stranger",
        ),
        (
            lambda state: state.update(
                {
                    "detector.geometry_encoder.norm.bias": state[
                        "detector.geometry_encoder.norm.bias"
                    ][:5]
                }
            ),
            "has shape",
        ),
        (
            lambda state: [
                state.update({k.removeprefix("detector."): state.pop(k)}) for k in list(state)
            ],
            "not SAM 3's",
        ),
    ],
    ids=["missing", "unknown", "another shape", "another model"],
)
def test_a_wrong_base_is_refused_by_name(tiny, tmp_path, change, says):
    path = _changed(tiny.base, tmp_path, change)
    with pytest.raises(UnreadableFileError, match=says):
        read_base(path, _shapes(CONFIG))


def test_the_published_network_is_not_filled_by_a_smaller_base(tiny):
    with pytest.raises(UnreadableFileError, match=r"sam3\.pt"):
        read_base(tiny.base, _shapes({}))


def test_a_truncated_file_is_refused(tiny, tmp_path):
    path = tmp_path / "best_lora_weights.pt"
    path.write_bytes(tiny.adapter.read_bytes()[:-2000])
    with pytest.raises(UnreadableFileError, match="not a whole torch checkpoint"):
        read_torch(path)


def test_a_file_that_would_run_code_is_refused_and_does_not(tmp_path):
    class Trap:
        def __reduce__(self):
            return (open, (str(tmp_path / "ran"), "w"))

    path = tmp_path / "best_lora_weights.pt"
    torch.save({"x": Trap()}, path)
    with pytest.raises(UnreadableFileError, match="more than tensors"):
        read_torch(path)
    assert not (tmp_path / "ran").exists()


def test_merged_weights_that_were_changed_later_are_refused(tiny, tmp_path):
    shutil.copytree(tiny.installed, tmp_path / "copy")
    weights = tmp_path / "copy" / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(bytes(content))
    with pytest.raises(DigestMismatchError, match="truncated or changed"):
        MedSam3(tmp_path / "copy").load()


def test_the_same_files_give_the_same_digest_and_others_another(tiny, tmp_path):
    def digest(base, adapter, name):
        (tmp_path / name).mkdir()
        build(Sources(base=base, adapter=adapter), tiny.words, tmp_path / name, no_progress)
        return MedSam3(tmp_path / name).weights_sha256

    others = write_tiny(tmp_path / "other", seed=1)
    first = MedSam3(tiny.installed).weights_sha256
    assert digest(tiny.base, tiny.adapter, "again") == first
    assert digest(*others, "others") != first


def test_random_numbers_are_known_as_such_only_when_made_here(tiny, tmp_path):
    build(None, _copied(tiny.words, tmp_path / "words"), tmp_path, no_progress)
    assert MedSam3(tmp_path).is_random
    assert np.isfinite(MedSam3(tmp_path).embed(np.zeros((9, 9), np.float32)).features).all()


def _copied(folder, target):
    shutil.copytree(folder, target)
    return target
