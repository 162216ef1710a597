"""Measure 3D outlines from one box beside the plain ellipsoid of the same box.

The box is the tight bounding box of the expert's mask on its largest slice, and the range is the
mask's slices: what a person gives. Then the box is jittered by up to 10 % of its size, and drawn on
another slice, as people do::

    radcopilot models install default
    python -m bench.prompted --data ../shared/data
"""

import argparse
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from bench.cases import Case, dice, shared_cases, volume_error
from copilot.concepts import load_concepts
from copilot.settings import load_settings
from domain.ports import EngineContext, Segmenter, no_progress
from domain.prompt import Box, Prompt
from domain.segment import Segment
from segmentation.plugins import default
from segmentation.targets import ellipsoid, target_of

_JITTERS: Final = 4
_JITTER: Final = 0.1


@dataclass(frozen=True, kw_only=True)
class Score:
    """One outline against the expert's; the ellipsoid's beside it."""

    dice: float
    volume: float
    ellipsoid_dice: float
    ellipsoid_volume: float
    seconds: float
    engine: str


def jittered(box: Box, shape: tuple[int, int, int], random: np.random.Generator) -> Box:
    """Return the box with each edge moved by up to 10 % of the side, at least one pixel wide."""
    ends = []
    for start, stop, length in (
        (box.row_start, box.row_stop, shape[1]),
        (box.column_start, box.column_stop, shape[2]),
    ):
        moved = np.array([start, stop]) + random.uniform(-_JITTER, _JITTER, 2) * (stop - start)
        low = int(np.clip(round(moved[0]), 0, length - 1))
        ends.append((low, int(np.clip(round(moved[1]), low + 1, length))))
    return Box.on_slice(box.slice_start, ends[0], ends[1])


def other_slice(case: Case) -> int | None:
    """Return the slice of second-largest area that is not beside the largest, or beside if none."""
    areas = case.expert.voxels.sum(axis=(1, 2))
    largest = int(areas.argmax())
    others = [index for index in case.expert.slice_indices() if index != largest]
    far = [index for index in others if abs(index - largest) > 1]
    return max(far or others, key=lambda index: int(areas[index]), default=None)


def scored(engine: Segmenter, case: Case, box: Box) -> Score:
    """Return how well one box does."""
    prompt = Prompt(concept=case.concept, boxes=(box,), slice_range=case.slice_range())
    started = time.process_time()
    with engine.open(case.volume) as session:
        segment: Segment = next(iter(session.segment([prompt], no_progress)))
    seconds = time.process_time() - started
    plain = ellipsoid(target_of(prompt, case.volume.grid), case.volume.grid)
    return Score(
        dice=dice(segment.mask, case.expert),
        volume=volume_error(segment.mask, case.expert),
        ellipsoid_dice=dice(plain, case.expert),
        ellipsoid_volume=volume_error(plain, case.expert),
        seconds=seconds,
        engine=segment.provenance.engine,
    )


def _volume(errors: list[float]) -> str:
    """Return one error with its sign, or the mean size of several: signs would cancel."""
    if len(errors) == 1:
        return f"{errors[0]:+.1%}"
    return f"\N{PLUS-MINUS SIGN}{np.mean(np.abs(errors)):.1%}"


def _engines(scores: list[Score]) -> str:
    return ", ".join(dict.fromkeys(score.engine for score in scores))


def _row(name: str, scores: Iterable[Score]) -> str:
    listed = list(scores)
    ours = np.mean([score.dice for score in listed])
    least = min(score.dice for score in listed)
    volume = _volume([score.volume for score in listed])
    plain = np.mean([score.ellipsoid_dice for score in listed])
    plain_volume = _volume([score.ellipsoid_volume for score in listed])
    seconds = np.mean([score.seconds for score in listed])
    return (
        f"{name:34} {ours:6.3f} {least:6.3f} {volume:>7}   {plain:6.3f} {plain_volume:>7}"
        f"   {seconds:6.1f}   {_engines(listed)}"
    )


def measure(engine: Segmenter, cases: list[Case]) -> None:
    """Print one table."""
    print(f"{'':34} {'ours':>21}   {'ellipsoid':>14}")
    print(
        f"{'lesion, box':34} {'Dice':>6} {'least':>6} {'volume':>7}   {'Dice':>6} {'volume':>7}"
        f"   {'CPU s':>6}   engine"
    )
    tight, loose = [], []
    for case in cases:
        box = case.tight_box()
        tight.append(scored(engine, case, box))
        print(_row(f"{case.name}, tight", tight[-1:]))
        random = np.random.default_rng(20)
        shape = case.volume.grid.shape
        boxes = [jittered(box, shape, random) for _ in range(_JITTERS)]
        loose += [scored(engine, case, each) for each in boxes]
        print(_row(f"{case.name}, jittered x{_JITTERS}", loose[-_JITTERS:]))
        index = other_slice(case)
        if index is not None:
            moved = scored(engine, case, case.tight_box(index))
            print(_row(f"{case.name}, on slice {index}", [moved]))
    print(_row("mean, tight", tight))
    print(_row("mean, jittered", loose))


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--models", type=Path, default=load_settings().storage.models)
    arguments = parser.parse_args()
    context = EngineContext(models_folder=arguments.models, concepts=load_concepts())
    measure(default(context), shared_cases(arguments.data))
    return 0


if __name__ == "__main__":
    sys.exit(main())
