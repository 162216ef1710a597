"""What Meta calls the parts of SAM 3's tracker, and what transformers calls them.

The tracker has a neck of its own on the shared image encoder. In Meta's file the neck lies with the
detector, in a folder of ``Sam3VideoModel`` beside the tracker.
"""

from typing import Final

from segmentation.medsam3.names import Placement, Step, Table

META_PREFIX: Final = "tracker."
META_NECK: Final = "detector.backbone.vision_backbone.sam2_convs."
MODEL_PREFIX: Final = "tracker_model."
NECK_PREFIX: Final = "tracker_neck."

_PROMPTS: Final = "sam_prompt_encoder"
_DECODER: Final = "sam_mask_decoder"
_TWO_WAY: Final = f"{_DECODER}.transformer"
_MEMORY: Final = "maskmem_backbone"
_FUSER: Final = f"{_MEMORY}.fuser.layers.#"
_ATTENTION: Final = "transformer.encoder"

# Meta keeps the four kinds of points apart, transformers one below the other.
POINTS_APART: Final = tuple(f"tracker.{_PROMPTS}.point_embeddings.{n}.weight" for n in range(4))
POINTS_TOGETHER: Final = f"tracker.{_PROMPTS}.point_embeddings.weight"

_MODULES: Final = {
    "mask_downsample": "mask_downsample",
    "obj_ptr_tpos_proj": "temporal_positional_encoding_projection_layer",
    f"{_MEMORY}.mask_downsampler.encoder.12": "memory_encoder.mask_downsampler.final_conv",
    f"{_MEMORY}.pix_feat_proj": "memory_encoder.feature_projection",
    f"{_MEMORY}.out_proj": "memory_encoder.projection",
    f"{_FUSER}.dwconv": "memory_encoder.memory_fuser.layers.#.depthwise_conv",
    f"{_FUSER}.norm": "memory_encoder.memory_fuser.layers.#.layer_norm",
    f"{_FUSER}.pwconv1": "memory_encoder.memory_fuser.layers.#.pointwise_conv1",
    f"{_FUSER}.pwconv2": "memory_encoder.memory_fuser.layers.#.pointwise_conv2",
    f"{_ATTENTION}.norm": "memory_attention.layer_norm",
    f"{_ATTENTION}.layers.#.linear1": "memory_attention.layers.#.linear1",
    f"{_ATTENTION}.layers.#.linear2": "memory_attention.layers.#.linear2",
    f"{_PROMPTS}.mask_downscaling.0": "prompt_encoder.mask_embed.conv1",
    f"{_PROMPTS}.mask_downscaling.1": "prompt_encoder.mask_embed.layer_norm1",
    f"{_PROMPTS}.mask_downscaling.3": "prompt_encoder.mask_embed.conv2",
    f"{_PROMPTS}.mask_downscaling.4": "prompt_encoder.mask_embed.layer_norm2",
    f"{_PROMPTS}.mask_downscaling.6": "prompt_encoder.mask_embed.conv3",
    f"{_PROMPTS}.not_a_point_embed": "prompt_encoder.not_a_point_embed",
    f"{_PROMPTS}.no_mask_embed": "prompt_encoder.no_mask_embed",
    f"{_PROMPTS}.point_embeddings": "prompt_encoder.point_embed",
    f"{_DECODER}.iou_token": "mask_decoder.iou_token",
    f"{_DECODER}.mask_tokens": "mask_decoder.mask_tokens",
    f"{_DECODER}.obj_score_token": "mask_decoder.obj_score_token",
    f"{_DECODER}.conv_s0": "mask_decoder.conv_s0",
    f"{_DECODER}.conv_s1": "mask_decoder.conv_s1",
    f"{_DECODER}.output_upscaling.0": "mask_decoder.upscale_conv1",
    f"{_DECODER}.output_upscaling.1": "mask_decoder.upscale_layer_norm",
    f"{_DECODER}.output_upscaling.3": "mask_decoder.upscale_conv2",
    f"{_TWO_WAY}.norm_final_attn": "mask_decoder.transformer.layer_norm_final_attn",
    f"{_TWO_WAY}.layers.#.mlp.lin1": "mask_decoder.transformer.layers.#.mlp.proj_in",
    f"{_TWO_WAY}.layers.#.mlp.lin2": "mask_decoder.transformer.layers.#.mlp.proj_out",
    **{
        f"{_MEMORY}.mask_downsampler.encoder.{3 * layer + place}": (
            f"memory_encoder.mask_downsampler.layers.{layer}.{part}"
        )
        for layer in range(4)
        for place, part in enumerate(("conv", "layer_norm"))
    },
    **{
        f"{_ATTENTION}.layers.#.norm{number}": f"memory_attention.layers.#.layer_norm{number}"
        for number in range(1, 4)
    },
    **{
        f"{_TWO_WAY}.layers.#.norm{number}": f"mask_decoder.transformer.layers.#.layer_norm{number}"
        for number in range(1, 5)
    },
    **{
        f"{theirs}.{part}": f"{ours}.{part.replace('out_proj', 'o_proj')}"
        for theirs, ours in (
            (f"{_ATTENTION}.layers.#.self_attn", "memory_attention.layers.#.self_attn"),
            (
                f"{_ATTENTION}.layers.#.cross_attn_image",
                "memory_attention.layers.#.cross_attn_image",
            ),
            *(
                (f"{_TWO_WAY}.{attention}", f"mask_decoder.transformer.{attention}")
                for attention in (
                    "layers.#.self_attn",
                    "layers.#.cross_attn_token_to_image",
                    "layers.#.cross_attn_image_to_token",
                    "final_attn_token_to_image",
                )
            ),
        )
        for part in ("q_proj", "k_proj", "v_proj", "out_proj")
    },
    **{
        f"{theirs}.layers.{number}": f"{ours}.{part}"
        for theirs, ours in (
            ("obj_ptr_proj", "object_pointer_proj"),
            (f"{_DECODER}.iou_prediction_head", "mask_decoder.iou_prediction_head"),
            (f"{_DECODER}.pred_obj_score_head", "mask_decoder.pred_obj_score_head"),
            (
                f"{_DECODER}.output_hypernetworks_mlps.#",
                "mask_decoder.output_hypernetworks_mlps.#",
            ),
        )
        for number, part in enumerate(("proj_in", "layers.0", "proj_out"))
    },
}
_NECK: Final = {
    "0.dconv_2x2_0": "fpn_layers.0.scale_layers.0",
    "0.dconv_2x2_1": "fpn_layers.0.scale_layers.2",
    "1.dconv_2x2": "fpn_layers.1.scale_layers.0",
    "#.conv_1x1": "fpn_layers.#.proj1",
    "#.conv_3x3": "fpn_layers.#.proj2",
}
_SINGLE: Final = {
    "maskmem_tpos_enc": "memory_temporal_positional_encoding",
    "no_mem_embed": "no_memory_embedding",
    "no_mem_pos_enc": "no_memory_positional_encoding",
    "no_obj_ptr": "no_object_pointer",
    "no_obj_embed_spatial": "occlusion_spatial_embedding_parameter",
    f"{_FUSER}.gamma": "memory_encoder.memory_fuser.layers.#.scale",
}


def _table() -> Table:
    """Return every tensor of Meta's tracker by its pattern, both sides with their prefix."""
    placed: Table = {
        f"{META_PREFIX}{_PROMPTS}.pe_layer.positional_encoding_gaussian_matrix": Placement(
            targets=(
                f"{MODEL_PREFIX}shared_image_embedding.positional_embedding",
                f"{MODEL_PREFIX}prompt_encoder.shared_embedding.positional_embedding",
            ),
            step=Step.TWICE,
        )
    }
    for theirs, ours in _SINGLE.items():
        placed[META_PREFIX + theirs] = Placement(targets=(MODEL_PREFIX + ours,))
    for kind in ("weight", "bias"):
        for theirs, ours in _MODULES.items():
            target = f"{MODEL_PREFIX}{ours}.{kind}"
            placed[f"{META_PREFIX}{theirs}.{kind}"] = Placement(targets=(target,))
        for theirs, ours in _NECK.items():
            target = f"{NECK_PREFIX}{ours}.{kind}"
            placed[f"{META_NECK}{theirs}.{kind}"] = Placement(targets=(target,))
    return placed


TABLE: Final[Table] = _table()


def is_trackers(key: str) -> bool:
    """Tell whether a tensor of Meta's belongs to the tracker or its neck."""
    return key.startswith((META_PREFIX, META_NECK))
