"""Names of the release and of transformers, without either."""

from segmentation.medsam3.names import (
    LACKING,
    Step,
    adapted_modules,
    adapter_target,
    is_left_out,
    placed,
)

BLOCK = "backbone.vision_backbone.trunk.blocks.17.attn"
WORDS = "backbone.language_backbone.encoder.transformer.resblocks.3.attn"


def test_a_fused_matrix_goes_to_queries_keys_and_values_in_that_order():
    found = placed(f"{BLOCK}.qkv.weight")
    assert found is not None
    assert found.step is Step.IN_THREE
    assert found.targets == tuple(
        f"vision_encoder.backbone.layers.17.attention.{part}_proj.weight" for part in "qkv"
    )


def test_an_adapter_of_attention_taken_apart_goes_to_one_of_the_three():
    found = adapter_target(f"{WORDS}.k_proj")
    assert found is not None
    assert found.step is Step.AS_IS
    assert found.targets == ("text_encoder.text_model.encoder.layers.3.self_attn.k_proj.weight",)


def test_an_adapter_of_a_fused_matrix_goes_to_all_three():
    found = adapter_target(f"{BLOCK}.qkv")
    assert found is not None
    assert len(found.targets) == 3


def test_an_unknown_name_has_no_place_and_is_not_left_out_in_silence():
    for name in ("detector.backbone.layers.0.weight", f"{BLOCK}.qkv.scale", "neck.0.weight"):
        assert placed(name) is None
        assert not is_left_out(name)


def test_the_three_projections_of_clicks_are_lacking_by_name():
    assert len(LACKING) == 3
    for module in LACKING:
        assert adapter_target(module) is None
        assert is_left_out(f"{module}.weight")
    assert not is_left_out("geometry_encoder.boxes_direct_project.weight")


def test_the_adapter_is_on_attention_and_perceptrons_and_not_on_the_patches():
    keys = (
        f"{BLOCK}.qkv.weight",
        f"{WORDS}.in_proj_weight",
        f"{WORDS}.in_proj_bias",
        "backbone.vision_backbone.trunk.patch_embed.proj.weight",
        "transformer.decoder.bbox_embed.layers.0.weight",
    )
    assert adapted_modules(keys) == (
        f"{WORDS}.k_proj",
        f"{WORDS}.q_proj",
        f"{WORDS}.v_proj",
        f"{BLOCK}.qkv",
    )
