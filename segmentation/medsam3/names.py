"""What Meta calls the parts of SAM 3, and what ``Sam3Model`` of transformers calls them.

Meta's checkpoint and the adapter trained on it use Meta's names. ``#`` stands for a number, the
same on both sides. Attention is one fused matrix there and three here.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Final, TypeAlias

WHOLE_PREFIX: Final = "detector."  # of Meta's file, which holds the tracker too


class Step(Enum):
    """How a tensor of Meta's becomes tensors of transformers'."""

    AS_IS = "as it is"
    IN_THREE = "queries, keys and values one below the other"
    WITHOUT_CLASS_TOKEN = "position of the class token left out"  # noqa: S105 - no password
    TURNED = "transposed"
    TWICE = "to two places"


@dataclass(frozen=True, kw_only=True)
class Placement:
    """Where one tensor of Meta's goes: one name, or three for a fused matrix."""

    targets: tuple[str, ...]
    step: Step = Step.AS_IS


_TRUNK: Final = "backbone.vision_backbone.trunk"
_VIT: Final = "vision_encoder.backbone"
_WORDS: Final = "backbone.language_backbone.encoder"
_CLIP: Final = "text_encoder.text_model"
_DECODER: Final = "transformer.decoder"

Table: TypeAlias = dict[str, Placement]

_MODULES: Final = {
    f"{_TRUNK}.patch_embed.proj": f"{_VIT}.embeddings.patch_embeddings.projection",
    f"{_TRUNK}.ln_pre": f"{_VIT}.layer_norm",
    f"{_TRUNK}.blocks.#.norm1": f"{_VIT}.layers.#.layer_norm1",
    f"{_TRUNK}.blocks.#.norm2": f"{_VIT}.layers.#.layer_norm2",
    f"{_TRUNK}.blocks.#.attn.proj": f"{_VIT}.layers.#.attention.o_proj",
    f"{_TRUNK}.blocks.#.mlp.fc1": f"{_VIT}.layers.#.mlp.fc1",
    f"{_TRUNK}.blocks.#.mlp.fc2": f"{_VIT}.layers.#.mlp.fc2",
    "backbone.vision_backbone.convs.0.dconv_2x2_0": (
        "vision_encoder.neck.fpn_layers.0.scale_layers.0"
    ),
    "backbone.vision_backbone.convs.0.dconv_2x2_1": (
        "vision_encoder.neck.fpn_layers.0.scale_layers.2"
    ),
    "backbone.vision_backbone.convs.1.dconv_2x2": "vision_encoder.neck.fpn_layers.1.scale_layers.0",
    "backbone.vision_backbone.convs.#.conv_1x1": "vision_encoder.neck.fpn_layers.#.proj1",
    "backbone.vision_backbone.convs.#.conv_3x3": "vision_encoder.neck.fpn_layers.#.proj2",
    f"{_WORDS}.token_embedding": f"{_CLIP}.embeddings.token_embedding",
    f"{_WORDS}.ln_final": f"{_CLIP}.final_layer_norm",
    f"{_WORDS}.transformer.resblocks.#.ln_1": f"{_CLIP}.encoder.layers.#.layer_norm1",
    f"{_WORDS}.transformer.resblocks.#.ln_2": f"{_CLIP}.encoder.layers.#.layer_norm2",
    f"{_WORDS}.transformer.resblocks.#.mlp.c_fc": f"{_CLIP}.encoder.layers.#.mlp.fc1",
    f"{_WORDS}.transformer.resblocks.#.mlp.c_proj": f"{_CLIP}.encoder.layers.#.mlp.fc2",
    "backbone.language_backbone.resizer": "text_projection",
    "geometry_encoder.label_embed": "geometry_encoder.label_embed",
    "geometry_encoder.cls_embed": "geometry_encoder.cls_embed",
    "geometry_encoder.boxes_direct_project": "geometry_encoder.boxes_direct_project",
    "geometry_encoder.boxes_pool_project": "geometry_encoder.boxes_pool_project",
    "geometry_encoder.boxes_pos_enc_project": "geometry_encoder.boxes_pos_enc_project",
    "geometry_encoder.final_proj": "geometry_encoder.final_proj",
    "geometry_encoder.norm": "geometry_encoder.prompt_layer_norm",
    "geometry_encoder.img_pre_norm": "geometry_encoder.vision_layer_norm",
    "geometry_encoder.encode_norm": "geometry_encoder.output_layer_norm",
    f"{_DECODER}.query_embed": "detr_decoder.query_embed",
    f"{_DECODER}.reference_points": "detr_decoder.reference_points",
    f"{_DECODER}.norm": "detr_decoder.output_layer_norm",
    f"{_DECODER}.presence_token": "detr_decoder.presence_token",
    f"{_DECODER}.presence_token_out_norm": "detr_decoder.presence_layer_norm",
    f"{_DECODER}.layers.#.norm1": "detr_decoder.layers.#.vision_cross_attn_layer_norm",
    f"{_DECODER}.layers.#.catext_norm": "detr_decoder.layers.#.text_cross_attn_layer_norm",
    f"{_DECODER}.layers.#.norm2": "detr_decoder.layers.#.self_attn_layer_norm",
    f"{_DECODER}.layers.#.norm3": "detr_decoder.layers.#.mlp_layer_norm",
    f"{_DECODER}.layers.#.linear1": "detr_decoder.layers.#.mlp.fc1",
    f"{_DECODER}.layers.#.linear2": "detr_decoder.layers.#.mlp.fc2",
    "segmentation_head.pixel_decoder.conv_layers.#": "mask_decoder.pixel_decoder.conv_layers.#",
    "segmentation_head.pixel_decoder.norms.#": "mask_decoder.pixel_decoder.norms.#",
    "segmentation_head.mask_predictor.mask_embed.layers.#": "mask_decoder.mask_embedder.layers.#",
    "segmentation_head.cross_attn_norm": "mask_decoder.prompt_cross_attn_norm",
    "segmentation_head.semantic_seg_head": "mask_decoder.semantic_projection",
    "segmentation_head.instance_seg_head": "mask_decoder.instance_projection",
    "dot_prod_scoring.prompt_mlp.layers.0": "dot_product_scoring.text_mlp.layer1",
    "dot_prod_scoring.prompt_mlp.layers.1": "dot_product_scoring.text_mlp.layer2",
    "dot_prod_scoring.prompt_mlp.out_norm": "dot_product_scoring.text_mlp_out_norm",
    "dot_prod_scoring.prompt_proj": "dot_product_scoring.text_proj",
    "dot_prod_scoring.hs_proj": "dot_product_scoring.query_proj",
    **{
        f"{theirs}.{inner}": f"{ours}.{layer}"
        for theirs, ours in (
            ("geometry_encoder.encode.#", "geometry_encoder.layers.#"),
            ("transformer.encoder.layers.#", "detr_encoder.layers.#"),
        )
        for inner, layer in (
            ("norm1", "layer_norm1"),
            ("norm2", "layer_norm2"),
            ("norm3", "layer_norm3"),
            ("linear1", "mlp.fc1"),
            ("linear2", "mlp.fc2"),
        )
    },
    **{
        f"{_DECODER}.{head}.layers.{number}": f"detr_decoder.{ours}.layer{number + 1}"
        for head, ours, count in (
            ("bbox_embed", "box_head", 3),
            ("presence_token_head", "presence_head", 3),
            ("ref_point_head", "ref_point_head", 2),
            ("boxRPB_embed_x", "box_rpb_embed_x", 2),
            ("boxRPB_embed_y", "box_rpb_embed_y", 2),
        )
        for number in range(count)
    },
}

_ATTENTIONS: Final = {  # torch's own attention: (ours, what we call its last projection)
    f"{_WORDS}.transformer.resblocks.#.attn": (f"{_CLIP}.encoder.layers.#.self_attn", "out_proj"),
    "geometry_encoder.encode.#.self_attn": ("geometry_encoder.layers.#.self_attn", "o_proj"),
    "geometry_encoder.encode.#.cross_attn_image": (
        "geometry_encoder.layers.#.cross_attn",
        "o_proj",
    ),
    "transformer.encoder.layers.#.self_attn": ("detr_encoder.layers.#.self_attn", "o_proj"),
    "transformer.encoder.layers.#.cross_attn_image": ("detr_encoder.layers.#.cross_attn", "o_proj"),
    f"{_DECODER}.layers.#.self_attn": ("detr_decoder.layers.#.self_attn", "o_proj"),
    f"{_DECODER}.layers.#.ca_text": ("detr_decoder.layers.#.text_cross_attn", "o_proj"),
    f"{_DECODER}.layers.#.cross_attn": ("detr_decoder.layers.#.vision_cross_attn", "o_proj"),
    "segmentation_head.cross_attend_prompt": ("mask_decoder.prompt_cross_attn", "o_proj"),
}
_FUSED: Final = {f"{_TRUNK}.blocks.#.attn.qkv": f"{_VIT}.layers.#.attention"}
_THREE: Final = ("q_proj", "k_proj", "v_proj")

# The three that ``Sam3Model`` lacks: it takes boxes and no clicks.
LACKING: Final = tuple(
    f"geometry_encoder.points_{part}_project" for part in ("direct", "pool", "pos_enc")
)
_LEFT_OUT: Final = (
    *(re.compile(rf"{re.escape(module)}\.(weight|bias)") for module in LACKING),
    re.compile(r"backbone\.vision_backbone\.trunk\.blocks\.\d+\.attn\.freqs_cis"),  # computed here
    re.compile(r"backbone\.vision_backbone\.sam2_convs\..+"),  # the tracker's
)
# What the released adapter was put on: every attention and perceptron of the transformers, and
# every linear layer with "proj" in its name outside the heads.
_ADAPTED: Final = re.compile(
    r"\.(proj|qkv|q_proj|k_proj|v_proj|out_proj|fc1|fc2|c_fc|c_proj|linear1|linear2)$"
    r"|^geometry_encoder\.((points|boxes)_(direct|pos_enc)_project|points_pool_project|final_proj)$"
    r"|^dot_prod_scoring\.(prompt_proj|hs_proj)$"
)
_NOT_LINEAR: Final = f"{_TRUNK}.patch_embed.proj"


def _table() -> dict[str, Placement]:
    """Return every tensor of Meta's by its pattern."""
    placed: dict[str, Placement] = {
        f"{_TRUNK}.pos_embed": Placement(
            targets=(f"{_VIT}.embeddings.position_embeddings",), step=Step.WITHOUT_CLASS_TOKEN
        ),
        f"{_WORDS}.positional_embedding": Placement(
            targets=(f"{_CLIP}.embeddings.position_embedding.weight",)
        ),
        f"{_WORDS}.text_projection": Placement(
            targets=("text_encoder.text_projection.weight",), step=Step.TURNED
        ),
    }
    for kind in ("weight", "bias"):
        for theirs, ours in _MODULES.items():
            placed[f"{theirs}.{kind}"] = Placement(targets=(f"{ours}.{kind}",))
        for theirs, (ours, last) in _ATTENTIONS.items():
            placed[f"{theirs}.out_proj.{kind}"] = Placement(targets=(f"{ours}.{last}.{kind}",))
            placed[f"{theirs}.in_proj_{kind}"] = _three(ours, kind)
        for theirs, ours in _FUSED.items():
            placed[f"{theirs}.{kind}"] = _three(ours, kind)
    return placed


def _three(ours: str, kind: str) -> Placement:
    return Placement(targets=tuple(f"{ours}.{part}.{kind}" for part in _THREE), step=Step.IN_THREE)


_PLACED: Final[Table] = _table()
_NUMBER: Final = re.compile(r"(?<=\.)\d+(?=\.|$)")


def placed(key: str, table: Table | None = None) -> Placement | None:
    """Return where a tensor of Meta's goes, or None for a name the table does not have.

    Parameters
    ----------
    table
        By patterns of Meta's names; None is the detector's.
    """
    table = _PLACED if table is None else table
    exact = table.get(key)
    if exact is not None:
        return exact
    number = _NUMBER.search(key)
    if number is None:
        return None
    found = table.get(_NUMBER.sub("#", key, count=1))
    if found is None:
        return None
    targets = tuple(target.replace("#", number.group()) for target in found.targets)
    return Placement(targets=targets, step=found.step)


def is_left_out(key: str) -> bool:
    """Tell whether a tensor of Meta's is known, and has no place in ``Sam3Model``."""
    return any(pattern.fullmatch(key) for pattern in _LEFT_OUT)


def adapter_target(module: str) -> Placement | None:
    """Return the weights an adapted module of Meta's adds to; None for an unknown name.

    The adapter was trained with attention taken apart, so that its names have ``q_proj``,
    ``k_proj`` and ``v_proj`` where Meta's have one fused matrix; the image encoder's stays fused.
    """
    attention, _, part = module.rpartition(".")
    if part in _THREE:
        fused = placed(f"{attention}.in_proj_weight")
        if fused is None:
            return None
        return Placement(targets=(fused.targets[_THREE.index(part)],))
    found = placed(f"{module}.weight")
    return None if found is None or module == _NOT_LINEAR else found


def adapted_modules(keys: Iterable[str]) -> tuple[str, ...]:
    """Return the modules the released adapter was put on, given the tensors of its base."""
    modules = {module for key in keys for module in _modules_of(key)}
    return tuple(sorted(each for each in modules if _ADAPTED.search(each) and each != _NOT_LINEAR))


def _modules_of(key: str) -> Iterator[str]:
    if key.endswith(".in_proj_weight"):
        yield from (f"{key.removesuffix('in_proj_weight')}{part}" for part in _THREE)
    elif key.endswith(".weight"):
        yield key.removesuffix(".weight")


def names_of_meta(ours: Iterable[str], table: Table | None = None) -> dict[str, Placement]:
    """Return Meta's name and placement of every tensor, given those of transformers.

    Raises
    ------
    KeyError
        For a tensor the table does not have.
    """
    table = _PLACED if table is None else table
    backward = {target: (theirs, each) for theirs, each in table.items() for target in each.targets}
    found: dict[str, Placement] = {}
    for key in ours:
        number = _NUMBER.search(key)
        pattern, filled = key, ""
        if key not in backward and number is not None:
            pattern, filled = _NUMBER.sub("#", key, count=1), number.group()
        theirs, each = backward[pattern]
        targets = tuple(target.replace("#", filled) for target in each.targets)
        found[theirs.replace("#", filled)] = Placement(targets=targets, step=each.step)
    return found
