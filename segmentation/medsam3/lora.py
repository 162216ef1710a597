"""The medical adapter: two thin matrices for each adapted layer, merged into the base once.

``best_lora_weights.pt`` is flat: ``<module>.lora.lora_A`` of (inputs, rank) and
``<module>.lora.lora_B`` of (rank, outputs), the module by Meta's name. That is transposed against
PEFT. The weight of a layer, (outputs, inputs), becomes ``W + alpha / rank (A B)^T``.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from domain.errors import UnreadableFileError
from segmentation.medsam3.checkpoint import Tensors, listed, pieces, read_torch
from segmentation.medsam3.names import (
    LACKING,
    Placement,
    Step,
    adapted_modules,
    adapter_target,
    names_of_meta,
)

RANK: Final = 16
ALPHA: Final = 32.0
A_SUFFIX: Final = ".lora.lora_A"
B_SUFFIX: Final = ".lora.lora_B"
_MATRIX: Final = 2
_REMEDY: Final = "give the adapter as it was released, best_lora_weights.pt"


@dataclass(frozen=True, kw_only=True)
class Factors:
    """What is added to one layer.

    Attributes
    ----------
    inwards, outwards
        (inputs, rank) and (rank, outputs).
    """

    inwards: Any
    outwards: Any

    def addition(self) -> Any:  # noqa: ANN401 - torch's
        """Return what is added to the layer's weight, (outputs, inputs)."""
        return (ALPHA / RANK) * (self.inwards.float() @ self.outwards.float()).T


@dataclass(frozen=True, kw_only=True)
class Adapter:
    """Factors by Meta's module name, each checked against the base.

    Attributes
    ----------
    placements
        Where each module's addition goes; those that ``Sam3Model`` lacks are in ``lacking``.
    """

    factors: Mapping[str, Factors]
    placements: Mapping[str, Placement]
    lacking: tuple[str, ...]


def read_adapter(path: Path, base: Mapping[str, Any]) -> Adapter:
    """Return the adapter in a file, every key accounted for.

    Parameters
    ----------
    base
        The tensors of the ``Sam3Model`` it is for, or anything with their shapes.

    Raises
    ------
    UnreadableFileError
        If the file is damaged, a key has no counterpart, a module is missing, or a rank or shape
        is another: naming it.
    """
    factors = _paired(read_torch(path), path.name)
    placements: dict[str, Placement] = {}
    lacking: list[str] = []
    for module, each in factors.items():
        _check_rank(module, each, path.name)
        target = adapter_target(module)
        if target is not None and all(name in base for name in target.targets):
            _check_shape(module, each, [tuple(base[name].shape) for name in target.targets])
            placements[module] = target
        elif module in LACKING:
            lacking.append(module)
        else:
            raise UnreadableFileError(
                f"{path.name} adapts {module}, which the base does not have: {_REMEDY}, and the "
                "base it was trained on"
            )
    _check_whole(factors, base, path.name)
    return Adapter(factors=factors, placements=placements, lacking=tuple(lacking))


def merged(base: Tensors, adapter: Adapter) -> Tensors:
    """Return the base with the adapter added; tensors without one are the base's own."""
    result = dict(base)
    for module, placement in adapter.placements.items():
        for name, part in pieces(adapter.factors[module].addition(), placement).items():
            result[name] = (base[name].float() + part).to(base[name].dtype)
    return result


def _paired(state: Tensors, name: str) -> dict[str, Factors]:
    wrong = [key for key in state if not key.endswith((A_SUFFIX, B_SUFFIX))]
    if wrong:
        raise UnreadableFileError(
            f"{name} has {len(wrong)} keys that are not of an adapter ({listed(wrong)}): {_REMEDY}"
        )
    modules = dict.fromkeys(key[: -len(A_SUFFIX)] for key in state)
    for module in modules:
        for suffix in (A_SUFFIX, B_SUFFIX):
            if module + suffix not in state:
                raise UnreadableFileError(f"{name} lacks {module}{suffix}: {_REMEDY}")
    return {
        module: Factors(inwards=state[module + A_SUFFIX], outwards=state[module + B_SUFFIX])
        for module in modules
    }


def _check_rank(module: str, factors: Factors, name: str) -> None:
    inwards, outwards = tuple(factors.inwards.shape), tuple(factors.outwards.shape)
    if len(inwards) != _MATRIX or len(outwards) != _MATRIX:
        raise UnreadableFileError(f"{name}: {module} holds {inwards} and {outwards}, no matrices")
    if (inwards[1], outwards[0]) != (RANK, RANK):
        turned = " (transposed, as PEFT writes it?)" if inwards[0] == RANK else ""
        raise UnreadableFileError(
            f"{name}: {module} has factors {inwards} and {outwards}, expected rank {RANK}{turned}: "
            f"alpha {ALPHA:g} belongs to that rank alone, {_REMEDY}"
        )


def _check_shape(module: str, factors: Factors, shapes: list[tuple[int, ...]]) -> None:
    outputs = sum(shape[0] for shape in shapes)
    found = (int(factors.outwards.shape[1]), int(factors.inwards.shape[0]))
    if len(shapes[0]) != _MATRIX or found != (outputs, shapes[0][1]):
        raise UnreadableFileError(
            f"the adapter of {module} is for a layer of {found} (outputs, inputs), the base has "
            f"{(outputs, *shapes[0][1:])}: it was trained on another base"
        )


def _check_whole(factors: Collection[str], base: Mapping[str, Any], name: str) -> None:
    wanted = adapter_modules(base)
    if len(factors) != len(wanted):
        missing = sorted(set(wanted) - set(factors))
        raise UnreadableFileError(
            f"{name} adapts {len(factors)} modules, expected {len(wanted)} "
            f"(missing: {listed(missing) or 'none'}): {_REMEDY}"
        )


def adapter_modules(base: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the modules a released adapter has on this base: 458 on the published one."""
    return tuple(sorted({*adapted_modules(names_of_meta(base)), *LACKING}))


def fused_shape(placement: Placement, base: Mapping[str, Any]) -> tuple[int, int]:
    """Return (outputs, inputs) of the layer an adapted module has in Meta's network."""
    shapes = [tuple(base[name].shape) for name in placement.targets]
    outputs = sum(shape[0] for shape in shapes) if placement.step is Step.IN_THREE else shapes[0][0]
    return outputs, shapes[0][1]
