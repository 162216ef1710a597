"""The adapter as numbers that learn, beside a base that does not."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from domain.errors import StorageError
from segmentation.medsam3.checkpoint import Tensors, pieces
from segmentation.medsam3.lora import A_SUFFIX, B_SUFFIX, RANK, Adapter, Factors, adapter_modules
from segmentation.medsam3.lora import fused_shape as fused
from segmentation.medsam3.names import adapter_target


def fresh_adapter(base: Mapping[str, Any], seed: int) -> Adapter:
    """Return an adapter that adds nothing yet: random inwards, zero outwards (Hu 2021, 4.1)."""
    import torch  # noqa: PLC0415 - the extra's

    generator = torch.Generator().manual_seed(seed)
    factors, placements, lacking = {}, {}, []
    for module in adapter_modules(base):
        target = adapter_target(module)
        has_place = target is not None and all(name in base for name in target.targets)
        outputs, inputs = fused(target, base) if target is not None and has_place else (1, 1)
        inwards = torch.randn(inputs, RANK, generator=generator) * inputs**-0.5
        factors[module] = Factors(inwards=inwards, outwards=torch.zeros(RANK, outputs))
        if target is not None and has_place:
            placements[module] = target
        else:
            lacking.append(module)
    return Adapter(factors=factors, placements=placements, lacking=tuple(lacking))


class Learning:
    """A network whose adapted weights are base plus adapter, and the adapter's numbers learn.

    The addition is made when a layer reads its weight, so that it is the merge of the installer,
    and nothing of the base is copied.
    """

    def __init__(self, model: Any, adapter: Adapter) -> None:  # noqa: ANN401 - transformers'
        import torch  # noqa: PLC0415 - the extra's

        self.model = model
        for each in model.parameters():
            each.requires_grad_(requires_grad=False)
        device = next(model.parameters()).device
        self.factors: dict[str, Factors] = {
            module: Factors(
                inwards=torch.nn.Parameter(each.inwards.detach().float().clone().to(device)),
                outwards=torch.nn.Parameter(each.outwards.detach().float().clone().to(device)),
            )
            for module, each in adapter.factors.items()
        }
        self._placements = adapter.placements
        for module, placement in adapter.placements.items():
            for name in placement.targets:
                _add(model, name, _added(self.factors[module], placement, name))

    def parameters(self) -> Iterator[Any]:
        """Yield what learns."""
        for module in self._placements:
            yield self.factors[module].inwards
            yield self.factors[module].outwards

    def state(self) -> Tensors:
        """Return the adapter in the form of the release, on the processor."""
        found: Tensors = {}
        for module, each in self.factors.items():
            found[module + A_SUFFIX] = each.inwards.detach().cpu().clone()
            found[module + B_SUFFIX] = each.outwards.detach().cpu().clone()
        return found

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take the numbers of a state."""
        for module, each in self.factors.items():
            each.inwards.data.copy_(state[module + A_SUFFIX])
            each.outwards.data.copy_(state[module + B_SUFFIX])


def save_torch(path: Path, content: Any) -> None:  # noqa: ANN401 - what torch can save
    """Write a torch file aside, and rename it into place.

    Raises
    ------
    StorageError
        If the disk is full or the folder cannot be written.
    """
    import torch  # noqa: PLC0415 - the extra's

    aside = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.save(content, aside)
        aside.replace(path)
    except (OSError, RuntimeError) as error:
        raise StorageError(f"{path} cannot be written: free space, or choose another") from error
    finally:
        aside.unlink(missing_ok=True)


def _added(factors: Factors, placement: Any, name: str) -> Any:  # noqa: ANN401 - a torch module
    import torch  # noqa: PLC0415 - the extra's

    class Added(torch.nn.Module):  # type: ignore[misc] # torch is not there for the checker
        """A weight with its part of the addition."""

        def forward(self, weight: Any) -> Any:  # noqa: ANN401 - torch's
            return weight + pieces(factors.addition(), placement)[name].to(weight.dtype)

    return Added()


def _add(model: Any, name: str, added: Any) -> None:  # noqa: ANN401 - torch's
    from torch.nn.utils import parametrize  # noqa: PLC0415 - the extra's

    owner, _, weight = name.rpartition(".")
    parametrize.register_parametrization(model.get_submodule(owner), weight, added, unsafe=True)
