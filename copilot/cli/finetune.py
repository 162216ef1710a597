"""``radcopilot finetune``: MedSAM-3's adapter on a site's own accepted masks."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from copilot.cli.console import emit, house, progress_bar, say
from copilot.evaluation.cases import CaseEntry, load_cases
from copilot.evaluation.summary import summarised
from copilot.evaluation.trial import CaseResult
from copilot.finetuning import Finetuned, Plan, accepted_cases, finetuned, room_for
from copilot.models.catalog import MEDSAM3
from copilot.wiring.house import House
from domain.errors import InputError, ModelMissingError
from segmentation.medsam3.needs import missing_extra
from segmentation.medsam3.tiny import write_tiny
from segmentation.medsam3.tuning.training import Recipe

_RANDOM = "random numbers: the way was tried, the adapter and the Dice mean nothing"


def finetune(
    cases: Annotated[
        Path | None, typer.Argument(help="TOML file with a [[case]] for each mask, as evaluate's.")
    ] = None,
    *,
    accepted: Annotated[
        bool, typer.Option("--accepted", help="Add what was accepted on this station.")
    ] = False,
    base: Annotated[
        Path | None, typer.Option(help="Meta's sam3.pt, or a folder of transformers.")
    ] = None,
    lora: Annotated[
        Path | None, typer.Option(help="Adapter to begin with: best_lora_weights.pt.")
    ] = None,
    tiny_random: Annotated[
        bool, typer.Option("--tiny-random", help="Random numbers, to try the way.")
    ] = False,
    output: Annotated[Path, typer.Option(help="Folder for the adapter; goes on there.")] = Path(
        "finetuned"
    ),
    steps: Annotated[int, typer.Option(min=1)] = 1000,
    check_every: Annotated[int, typer.Option(min=1, help="Steps between held-out losses.")] = 100,
    learning_rate: Annotated[float, typer.Option(min=1e-7, max=1.0)] = 1e-4,
    held_out: Annotated[
        float, typer.Option(min=0.01, max=0.9, help="Share of patients never trained on.")
    ] = 0.25,
    negatives: Annotated[
        float, typer.Option(min=0.0, help="Slices without it, for each slice with it.")
    ] = 1.0,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    device: Annotated[str, typer.Option(help="cpu, cuda or mps.")] = "cpu",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
    config: Annotated[Path | None, typer.Option(help="Settings of the site.")] = None,
) -> None:
    """Train an adapter on accepted masks, and compare it before and after on other patients."""
    home = house(config)
    if output.exists() and not output.is_dir():
        raise InputError(f"--output {output} is a file: give a folder")
    lacking = missing_extra()
    if lacking is not None:
        raise ModelMissingError(lacking)
    if not home.models.is_installed(MEDSAM3.name):
        raise ModelMissingError(
            "medsam3 is not installed, and its words are needed: run 'radcopilot models install "
            "medsam3'"
        )
    base, lora = _weights(base, lora, output / "tiny", tiny_random=tiny_random)
    plan = Plan(
        base=base,
        adapter=lora,
        words=home.models.folder(MEDSAM3.name),
        folder=output,
        recipe=Recipe(
            steps=steps,
            learning_rate=learning_rate,
            check_every=min(check_every, steps),
            seed=seed,
            device=device,
        ),
        held_out=held_out,
        negatives=negatives,
    )
    entries = (*(load_cases(cases) if cases else ()), *(_accepted(home) if accepted else ()))
    if not entries:
        raise InputError("there is nothing to train on: give a cases file, or --accepted")
    room_for(plan)
    with progress_bar() as progress:
        done = finetuned(entries, home.concepts, plan, progress)
    if as_json:
        emit(_printed(done, is_random=tiny_random))
        return
    for line in _lines(done):
        say(line)
    if tiny_random:
        say(f"Note: {_RANDOM}")


def _weights(
    base: Path | None, lora: Path | None, folder: Path, *, tiny_random: bool
) -> tuple[Path, Path | None]:
    if tiny_random:
        if base is not None or lora is not None:
            raise InputError("--tiny-random goes without --base and --lora: leave them out")
        return write_tiny(folder)
    if base is None:
        raise InputError("there is nothing to adapt: give --base, or --tiny-random to try the way")
    return base, lora


def _accepted(home: House) -> tuple[CaseEntry, ...]:
    results = home.results
    return tuple(accepted_cases(results.accepted(), results.root, home.store))


def _lines(done: Finetuned) -> Iterator[str]:
    yield f"trained on {len(done.trained_on)} cases, held out {len(done.held_out)}"
    if done.trained.resumed_at:
        yield f"went on from step {done.trained.resumed_at}"
    yield f"{'step':>6} {'loss':>8} {'held out':>9}"
    for check in done.trained.checks:
        kept = "  kept" if check is done.trained.best else ""
        yield f"{check.step:6} {check.trained:8.3f} {check.held_out:9.3f}{kept}"
    yield ""
    yield f"{'held-out case':32} {'before':>8} {'after':>8}  Dice"
    for before, after in zip(done.before, done.after, strict=True):
        yield f"{before.name[:32]:32} {_dice(before):>8} {_dice(after):>8}"
    means = [summarised(results, 0).means["dice"].value for results in (done.before, done.after)]
    shown = [f"{mean:.3f}" if mean is not None else "none" for mean in means]
    yield f"{'mean':32} {shown[0]:>8} {shown[1]:>8}"
    yield ""
    yield f"adapter: {done.trained.adapter}"


def _dice(result: CaseResult) -> str:
    if not result.runs:
        return result.status.value[:8]
    mean = sum(run.agreement.dice for run in result.runs) / len(result.runs)
    return f"{mean:.3f}"


def _printed(done: Finetuned, *, is_random: bool) -> dict[str, Any]:
    return {
        "adapter": str(done.trained.adapter),
        "is_random": is_random,
        "resumed_at": done.trained.resumed_at,
        "kept_step": done.trained.best.step,
        "checks": [
            {"step": each.step, "loss": each.trained, "held_out_loss": each.held_out}
            for each in done.trained.checks
        ],
        "trained_on": list(done.trained_on),
        "held_out": [
            {"name": before.name, "dice_before": _dice(before), "dice_after": _dice(after)}
            for before, after in zip(done.before, done.after, strict=True)
        ],
    }
