"""The network of the ``sam3`` package for benches: on a CPU, small, and with an adapter beside it.

The package's builder makes one size, and parts of it call for CUDA by name.
"""

import functools
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from segmentation.medsam3.reference import published_network

Maker = Callable[[Path], Any]


class _CudaIsCpu(TorchFunctionMode):
    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,  # noqa: ANN401 - torch's
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:  # noqa: ANN401 - torch's
        named = dict(kwargs or {})
        if str(named.get("device", "")).startswith("cuda"):
            named["device"] = "cpu"
        if func is torch.Tensor.pin_memory:
            return args[0]
        if func is functional.interpolate and args[0].dtype == torch.uint8:
            return func(args[0].float(), *args[1:], **named).round().to(torch.uint8)
        return func(*args, **named)


@contextmanager
def cuda_is_cpu() -> Iterator[None]:
    """Make on the CPU what the package asks of CUDA.

    Images of 8 bits are stretched as on CUDA too, in floating point: torchvision has another
    routine for them on a CPU, which is a grey level off here and there.
    """
    with warnings.catch_warnings(), _CudaIsCpu():
        warnings.simplefilter("ignore")
        yield


def maker_of(config: Mapping[str, Any] | None) -> Maker:
    """Return what makes the package's network: the published size, or that of a configuration."""
    return published_network if config is None else functools.partial(_sized, config)


def _sized(config: Mapping[str, Any], byte_pairs: Path) -> Any:  # noqa: ANN401 - the package's
    """Return what the package's builder makes, part by part, at the sizes of a ``Sam3Config``."""
    from sam3.model.sam3_image import Sam3Image  # noqa: PLC0415 - the extra's
    from sam3.model.vl_combiner import SAM3VLBackbone  # noqa: PLC0415

    model = Sam3Image(
        backbone=SAM3VLBackbone(
            visual=_vision(config["vision_config"]),
            text=_words(config, byte_pairs),
            scalp=1,
        ),
        transformer=_transformer(config),
        input_geometry_encoder=_geometry(config["geometry_encoder_config"]),
        segmentation_head=_masks(config["mask_decoder_config"]),
        dot_prod_scoring=_scoring(config["detr_decoder_config"]),
        num_feature_levels=1,
        o2m_mask_predict=True,
        use_instance_query=False,
        multimask_output=True,
    )
    return model.eval()


def _places(width: int) -> Any:  # noqa: ANN401 - the package's
    from sam3.model.position_encoding import PositionEmbeddingSine  # noqa: PLC0415 - the extra's

    return PositionEmbeddingSine(num_pos_feats=width, normalize=True)


def _vision(config: Mapping[str, Any]) -> Any:  # noqa: ANN401 - the package's
    from sam3.model.necks import Sam3DualViTDetNeck  # noqa: PLC0415 - the extra's
    from sam3.model.vitdet import ViT  # noqa: PLC0415

    trunk = config["backbone_config"]
    return Sam3DualViTDetNeck(
        position_encoding=_places(config["fpn_hidden_size"]),
        d_model=config["fpn_hidden_size"],
        scale_factors=[4.0, 2.0, 1.0, 0.5],
        trunk=ViT(
            img_size=trunk["image_size"],
            pretrain_img_size=trunk["pretrain_image_size"],
            patch_size=trunk["patch_size"],
            embed_dim=trunk["hidden_size"],
            depth=trunk["num_hidden_layers"],
            num_heads=trunk["num_attention_heads"],
            mlp_ratio=trunk["intermediate_size"] / trunk["hidden_size"],
            global_att_blocks=tuple(trunk["global_attn_indexes"]),
            window_size=trunk["window_size"],
            rel_pos_blocks=(),
            use_rope=True,
            use_interp_rope=True,
            retain_cls_token=False,
            ln_pre=True,
            bias_patch_embed=False,
        ),
    )


def _words(config: Mapping[str, Any], byte_pairs: Path) -> Any:  # noqa: ANN401 - the package's
    from sam3.model.text_encoder_ve import (  # noqa: PLC0415 - the extra's
        TextTransformer,
        VETextEncoder,
    )
    from sam3.model.tokenizer_ve import SimpleTokenizer  # noqa: PLC0415

    sizes = config["text_config"]
    width, heads = sizes["hidden_size"], sizes["num_attention_heads"]
    words = VETextEncoder(
        d_model=config["detr_encoder_config"]["hidden_size"],
        tokenizer=SimpleTokenizer(bpe_path=str(byte_pairs)),
        width=width,
        heads=heads,
        layers=1,
    )
    words.encoder = TextTransformer(
        context_length=sizes["max_position_embeddings"],
        width=width,
        heads=heads,
        layers=sizes["num_hidden_layers"],
        mlp_ratio=sizes["intermediate_size"] / width,
        output_dim=sizes["projection_dim"],
        output_tokens=True,
    )
    return words


def _attention(config: Mapping[str, Any], *, batch_first: bool = False) -> Any:  # noqa: ANN401 - the package's
    from sam3.model.model_misc import MultiheadAttentionWrapper  # noqa: PLC0415 - the extra's

    return MultiheadAttentionWrapper(
        embed_dim=config["hidden_size"],
        num_heads=config["num_attention_heads"],
        batch_first=batch_first,
    )


def _layer(config: Mapping[str, Any], *, geometry: bool) -> Any:  # noqa: ANN401 - the package's
    from sam3.model.encoder import TransformerEncoderLayer  # noqa: PLC0415 - the extra's

    return TransformerEncoderLayer(
        activation="relu",
        d_model=config["hidden_size"],
        dim_feedforward=config["intermediate_size"],
        dropout=0.1,
        pos_enc_at_attn=not geometry,
        pos_enc_at_cross_attn_keys=geometry,
        pos_enc_at_cross_attn_queries=False,
        pre_norm=True,
        self_attention=_attention(config, batch_first=not geometry),
        cross_attention=_attention(config, batch_first=not geometry),
    )


def _transformer(config: Mapping[str, Any]) -> Any:  # noqa: ANN401 - the package's
    from sam3.model.decoder import (  # noqa: PLC0415 - the extra's
        TransformerDecoder,
        TransformerDecoderLayer,
    )
    from sam3.model.encoder import TransformerEncoderFusion  # noqa: PLC0415
    from sam3.model.model_misc import TransformerWrapper  # noqa: PLC0415

    outer, inner = config["detr_encoder_config"], config["detr_decoder_config"]
    trunk = config["vision_config"]["backbone_config"]
    encoder = TransformerEncoderFusion(
        layer=_layer(outer, geometry=False),
        num_layers=outer["num_layers"],
        d_model=outer["hidden_size"],
        num_feature_levels=1,
        frozen=False,
        use_act_checkpoint=True,
        add_pooled_text_to_img_feat=False,
        pool_text_with_mask=True,
    )
    decoder = TransformerDecoder(
        layer=TransformerDecoderLayer(
            activation="relu",
            d_model=inner["hidden_size"],
            dim_feedforward=inner["intermediate_size"],
            dropout=0.1,
            cross_attention=_attention(inner),
            n_heads=inner["num_attention_heads"],
            use_text_cross_attention=True,
        ),
        num_layers=inner["num_layers"],
        num_queries=inner["num_queries"],
        return_intermediate=True,
        box_refine=True,
        num_o2m_queries=0,
        dac=True,
        boxRPB="log",
        d_model=inner["hidden_size"],
        frozen=False,
        interaction_layer=None,
        dac_use_selfatt_ln=True,
        resolution=trunk["image_size"],
        stride=trunk["patch_size"],
        use_act_checkpoint=True,
        presence_token=True,
    )
    return TransformerWrapper(encoder=encoder, decoder=decoder, d_model=inner["hidden_size"])


def _geometry(config: Mapping[str, Any]) -> Any:  # noqa: ANN401 - the package's
    from sam3.model.geometry_encoders import (  # noqa: PLC0415 - the extra's
        SequenceGeometryEncoder,
    )

    return SequenceGeometryEncoder(
        pos_enc=_places(config["hidden_size"]),
        encode_boxes_as_points=False,
        points_direct_project=True,
        points_pool=True,
        points_pos_enc=True,
        boxes_direct_project=True,
        boxes_pool=True,
        boxes_pos_enc=True,
        d_model=config["hidden_size"],
        num_layers=config["num_layers"],
        layer=_layer(config, geometry=True),
        use_act_ckpt=True,
        add_cls=True,
        add_post_encode_proj=True,
    )


def _masks(config: Mapping[str, Any]) -> Any:  # noqa: ANN401 - the package's
    from sam3.model.maskformer_segmentation import (  # noqa: PLC0415 - the extra's
        PixelDecoder,
        UniversalSegmentationHead,
    )

    return UniversalSegmentationHead(
        hidden_dim=config["hidden_size"],
        upsampling_stages=3,
        aux_masks=False,
        presence_head=False,
        dot_product_scorer=None,
        act_ckpt=True,
        cross_attend_prompt=_attention(config),
        pixel_decoder=PixelDecoder(
            num_upsampling_stages=3,
            interpolation_mode="nearest",
            hidden_dim=config["hidden_size"],
        ),
    )


def _scoring(config: Mapping[str, Any]) -> Any:  # noqa: ANN401 - the package's
    from sam3.model.model_misc import MLP, DotProductScoring  # noqa: PLC0415 - the extra's

    width = config["hidden_size"]
    return DotProductScoring(
        d_model=width,
        d_proj=width,
        prompt_mlp=MLP(
            input_dim=width,
            hidden_dim=config["intermediate_size"],
            output_dim=width,
            num_layers=2,
            dropout=0.1,
            residual=True,
            out_norm=nn.LayerNorm(width),
        ),
    )
