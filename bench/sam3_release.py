"""Random weights in the formats of the release, and an adapter applied beside the layers."""

from pathlib import Path
from typing import Any, Final

import torch
from torch import nn
from torch.nn import functional

from segmentation.medsam3.checkpoint import BASE_FILE
from segmentation.medsam3.lora import A_SUFFIX, ALPHA, B_SUFFIX, RANK
from segmentation.medsam3.names import WHOLE_PREFIX
from segmentation.medsam3.tiny import ADAPTER_FILE

_PRESENT: Final = 4.0  # log-odds: present on most images, so that masks are made
_ADAPTER_SHARE: Final = 0.25  # of a weight's own size
_SIZES: Final = {  # of those that would hardly matter
    "pos_embed": 0.5,
    "reference_points.weight": 1.5,
    "query_embed.weight": 1.0,
}
_SCORES: Final = 2.5  # times larger than keeps signals: else every query has nearly one score
_MOVED: Final = 0.1  # of biases and norms, which the package starts at zeros and ones
# What the adapter is put on, as it was trained: linear layers whose own name holds one of these.
_ADAPTED: Final = ("proj", "qkv", "fc1", "fc2", "c_fc", "linear1", "linear2")


class ApartAttention(nn.Module):
    """torch's own attention with its matrices apart, as the adapter was trained on."""

    def __init__(self, fused: nn.MultiheadAttention) -> None:
        super().__init__()
        width = fused.embed_dim
        self.num_heads = fused.num_heads
        self.batch_first = fused.batch_first
        weights = fused.in_proj_weight.chunk(3)
        biases = fused.in_proj_bias.chunk(3)
        for name, weight, bias in zip(("q_proj", "k_proj", "v_proj"), weights, biases, strict=True):
            layer = nn.Linear(width, width)
            layer.weight, layer.bias = nn.Parameter(weight.clone()), nn.Parameter(bias.clone())
            self.add_module(name, layer)
        self.out_proj = nn.Linear(width, width)
        self.out_proj.load_state_dict(fused.out_proj.state_dict())

    def forward(  # noqa: PLR0917 - torch's own signature
        self,
        query: Any,  # noqa: ANN401 - torch's
        key: Any,  # noqa: ANN401 - torch's
        value: Any,  # noqa: ANN401 - torch's
        key_padding_mask: Any = None,  # noqa: ANN401 - torch's
        need_weights: bool = False,  # noqa: ARG002 - torch's own signature
        attn_mask: Any = None,  # noqa: ANN401 - torch's
    ) -> tuple[Any, None]:
        """Return what the attention makes of its inputs, and no weights."""
        given = (query, key, value)
        if not self.batch_first:
            given = tuple(each.transpose(0, 1) for each in given)
        layers = (self.q_proj, self.k_proj, self.v_proj)
        queries, keys, values = (
            layer(each).unflatten(-1, (self.num_heads, -1)).transpose(1, 2)
            for layer, each in zip(layers, given, strict=True)
        )
        added = queries.new_zeros(1)
        if attn_mask is not None:
            mask = attn_mask
            if mask.dtype == torch.bool:
                mask = queries.new_zeros(mask.shape).masked_fill(mask, -torch.inf)
            added = mask if mask.ndim == 2 else mask.unflatten(0, (-1, self.num_heads))  # noqa: PLR2004 - a matrix for all
        if key_padding_mask is not None:
            ignored = key_padding_mask[:, None, None].bool()
            added = added + queries.new_zeros(ignored.shape).masked_fill(ignored, -torch.inf)
        added = added.expand(len(queries), self.num_heads, queries.shape[2], keys.shape[2])
        mixed = functional.scaled_dot_product_attention(queries, keys, values, added)
        answer = self.out_proj(mixed.transpose(1, 2).flatten(2))
        return (answer if self.batch_first else answer.transpose(0, 1)), None


def write_release(model: Any, folder: Path, seed: int = 0) -> tuple[Path, Path]:  # noqa: ANN401 - the package's
    """Fill a network of the package with random numbers; write it and an adapter for it.

    The network is left with its attention apart and without the adapter.
    """
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(seed)
    with torch.no_grad():
        for name, value in model.state_dict().items():
            _fill(name, value)
        model.transformer.decoder.presence_token_head.layers[-1].bias += _PRESENT
    base = {f"{WHOLE_PREFIX}{key}": value for key, value in model.state_dict().items()}
    torch.save(base, folder / BASE_FILE)
    take_apart(model)
    adapter = {}
    spread = _ADAPTER_SHARE * RANK / ALPHA * RANK**-0.5
    for name, layer in adapted_layers(model).items():
        adapter[name + A_SUFFIX] = torch.randn(layer.in_features, RANK) * layer.in_features**-0.5
        adapter[name + B_SUFFIX] = torch.randn(RANK, layer.out_features) * spread
    torch.save(adapter, folder / ADAPTER_FILE)
    return folder / BASE_FILE, folder / ADAPTER_FILE


def _fill(name: str, value: torch.Tensor) -> None:
    """Make a tensor random, and large enough that one in the wrong place would show."""
    if not value.dtype.is_floating_point:
        return
    own = next((size for part, size in _SIZES.items() if name.endswith(part)), None)
    if own is not None:
        value.normal_(std=own)
    elif value.ndim > 1:
        larger = _SCORES if name.endswith("hs_proj.weight") else 1.0
        value.normal_(std=larger * value[0].numel() ** -0.5)
    else:
        value.normal_(mean=0.0 if name.endswith("bias") else 1.0, std=_MOVED)


def take_apart(model: nn.Module) -> None:
    """Replace every attention of torch's own by one with its matrices apart."""
    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.MultiheadAttention):
                setattr(parent, name, ApartAttention(child))


def adapted_layers(model: nn.Module) -> dict[str, nn.Linear]:
    """Return the layers the adapter is put on, by name."""
    return {
        name: layer
        for name, layer in model.named_modules()
        if isinstance(layer, nn.Linear)
        and any(part in name.rpartition(".")[2] for part in _ADAPTED)
    }


def put_beside(model: nn.Module, adapter: Path) -> None:
    """Let each adapted layer add (alpha / rank) x A B to its output, as in training."""
    factors = torch.load(adapter, weights_only=True)
    for name, layer in adapted_layers(model).items():
        layer.register_forward_hook(_adding(factors[name + A_SUFFIX], factors[name + B_SUFFIX]))


def _adding(inwards: torch.Tensor, outwards: torch.Tensor) -> Any:  # noqa: ANN401 - torch's hook
    return lambda _layer, inputs, output: output + (ALPHA / RANK) * (inputs[0] @ inwards @ outwards)
