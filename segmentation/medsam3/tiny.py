"""A network of SAM 3's build with 1.9 million random numbers, in the formats of the release.

It finds nothing that is there. It is what proves the way from files to masks without the gated
weights.
"""

import json
from pathlib import Path
from typing import Any, Final

from segmentation.medsam3.checkpoint import BASE_FILE, CONFIG_FILE, Tensors, put_back
from segmentation.medsam3.lora import (
    A_SUFFIX,
    ALPHA,
    B_SUFFIX,
    RANK,
    adapter_modules,
    fused_shape,
)
from segmentation.medsam3.names import LACKING, WHOLE_PREFIX, adapter_target, names_of_meta
from segmentation.medsam3.tracker_checkpoint import tracker_of, tracker_parts
from segmentation.medsam3.tracker_names import (
    MODEL_PREFIX,
    NECK_PREFIX,
    POINTS_APART,
    POINTS_TOGETHER,
    TABLE,
)

ADAPTER_FILE: Final = "best_lora_weights.pt"

_WIDTH: Final = 32
_SMALL: Final = {"hidden_size": _WIDTH, "num_attention_heads": 2, "intermediate_size": 64}
CONFIG: Final[dict[str, Any]] = {
    "model_type": "sam3",
    "vision_config": {
        "model_type": "sam3_vision_model",
        "backbone_config": {
            "model_type": "sam3_vit_model",
            **_SMALL,
            "num_hidden_layers": 4,
            "image_size": 112,
            "patch_size": 14,
            "window_size": 4,
            "global_attn_indexes": [1, 3],
            "pretrain_image_size": 56,
        },
        "fpn_hidden_size": _WIDTH,
        "backbone_feature_sizes": [[32, 32], [16, 16], [8, 8]],
    },
    "text_config": {
        "model_type": "clip_text_model",
        **_SMALL,
        "vocab_size": 49408,
        "projection_dim": 16,
        "num_hidden_layers": 2,
        "max_position_embeddings": 32,
        "hidden_act": "gelu",
    },
    "geometry_encoder_config": {**_SMALL, "num_layers": 1},
    "detr_encoder_config": {**_SMALL, "num_layers": 1},
    "detr_decoder_config": {**_SMALL, "num_layers": 2, "num_queries": 10},
    "mask_decoder_config": {"hidden_size": _WIDTH, "num_attention_heads": 2},
}
_TRACKER_WIDTH: Final = (
    128  # twice what memories have, as 256 in the published network is four times
)
TRACKER_CONFIG: Final[dict[str, Any]] = {
    "model_type": "sam3_tracker_video",
    "vision_config": {"fpn_hidden_size": _TRACKER_WIDTH},
    "prompt_encoder_config": {"hidden_size": _TRACKER_WIDTH},
    "mask_decoder_config": {
        "hidden_size": _TRACKER_WIDTH,
        "mlp_dim": 64,
        "num_attention_heads": 2,
        "iou_head_hidden_dim": _TRACKER_WIDTH,
    },
    "memory_attention_hidden_size": _TRACKER_WIDTH,
    "memory_attention_num_layers": 2,
    "memory_attention_feed_forward_hidden_size": 64,
    "memory_encoder_hidden_size": _TRACKER_WIDTH,
    "mask_downsampler_embed_dim": _TRACKER_WIDTH,
    "memory_fuser_embed_dim": _TRACKER_WIDTH,
    "memory_fuser_intermediate_dim": 64,
}
_PRESENT: Final = 4.0  # log-odds: present on most images, so that masks are made
_ADAPTER_SHARE: Final = 0.25  # of a weight's own size


def write_tiny(folder: Path, seed: int = 0, *, with_tracker: bool = True) -> tuple[Path, Path]:
    """Write a base with its ``config.json``, and an adapter for it; return both files."""
    import torch  # noqa: PLC0415 - the extra's
    from transformers import Sam3Config, Sam3Model  # noqa: PLC0415

    folder.mkdir(parents=True, exist_ok=True)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = Sam3Model(Sam3Config.from_dict(CONFIG))
        ours: Tensors = dict(model.state_dict())
        for value in ours.values():
            if value.ndim > 1:  # as large as keeps signals: small ones answer alike to all images
                value.normal_(std=value[0].numel() ** -0.5)
        ours["detr_decoder.presence_head.layer3.bias"] += _PRESENT
        base = _in_metas_names(ours)
        tracker = _random_tracker(model.config.to_dict()) if with_tracker else {}
        adapter = _random_adapter(ours)
    config = {
        "model_type": "sam3_video",
        "detector_config": CONFIG,
        "tracker_config": TRACKER_CONFIG,
    }
    (folder / CONFIG_FILE).write_text(json.dumps(config, indent=1), encoding="utf-8")
    whole = {f"{WHOLE_PREFIX}{key}": value for key, value in base.items()}
    torch.save(whole | tracker, folder / BASE_FILE)
    torch.save(adapter, folder / ADAPTER_FILE)
    return folder / BASE_FILE, folder / ADAPTER_FILE


def _in_metas_names(ours: Tensors) -> Tensors:
    import torch  # noqa: PLC0415 - the extra's

    found = put_back(ours)
    inputs = {"direct": 2, "pool": _WIDTH, "pos_enc": _WIDTH}
    for module in LACKING:
        part = module.removeprefix("geometry_encoder.points_").removesuffix("_project")
        found[f"{module}.weight"] = torch.randn(_WIDTH, inputs[part])
        found[f"{module}.bias"] = torch.zeros(_WIDTH)
    return found


def _random_tracker(detector: dict[str, Any]) -> Tensors:
    """Return a tracker and its neck in Meta's names."""
    config, _ = tracker_of(detector, TRACKER_CONFIG)
    model, neck = tracker_parts(config)
    ours: Tensors = {f"{MODEL_PREFIX}{key}": value for key, value in model.state_dict().items()}
    ours |= {f"{NECK_PREFIX}{key}": value for key, value in neck.state_dict().items()}
    for value in ours.values():
        if value.ndim > 1:
            value.normal_(std=value[0].numel() ** -0.5)
    ours[f"{MODEL_PREFIX}mask_decoder.pred_obj_score_head.proj_out.bias"] += _PRESENT
    placements = names_of_meta(ours, TABLE).items()
    found = {name: ours[placement.targets[0]].clone() for name, placement in placements}
    points = found.pop(POINTS_TOGETHER)
    return found | {key: points[n : n + 1].clone() for n, key in enumerate(POINTS_APART)}


def _random_adapter(ours: Tensors) -> Tensors:
    import torch  # noqa: PLC0415 - the extra's

    found: Tensors = {}
    spread = _ADAPTER_SHARE * RANK / ALPHA * RANK**-0.5
    for module in adapter_modules(ours):
        target = adapter_target(module)
        outputs, inputs = (_WIDTH, _WIDTH) if target is None else fused_shape(target, ours)
        found[module + A_SUFFIX] = torch.randn(inputs, RANK) * inputs**-0.5
        found[module + B_SUFFIX] = torch.randn(RANK, outputs) * spread
    return found
