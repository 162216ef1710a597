"""Measure what the signals beside an outline are worth: pairs of signals and true Dice.

Key slice: the tight box of the reference and boxes whose edges were moved by up to 10 %, on every
target of the shared data. A case is a distinct thing in a distinct patient, however often it was
imaged or boxed. A bin with fewer than ten cases, or from fewer than three patients, is not
calibrated. 3D: whether slices named as weak are those where the outline is bad::

    radcopilot models install default
    python -m bench.calibration --data ../shared/data
"""

import argparse
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Final

import numpy as np
from scipy import stats

from bench.cases import Case, dice, inserted_nodules, organs, shared_cases
from copilot.concepts import load_concepts
from copilot.evaluation.gestures import jittered_box
from copilot.settings import load_settings
from domain.ports import EngineContext, Segmenter, no_progress
from domain.prompt import Box, Prompt
from domain.segment import ExpectedAgreement, Segment
from domain.volume import Mask
from segmentation.calibration import EDGES, Bin, combined
from segmentation.plugins import default

_SEED: Final = 5
_JITTERS: Final = 4
_BAD: Final = 0.7  # Dice of a slice
_FEW: Final = 3  # patients needed to fit on the others
_SERIES: Final = {"sts_019": "sts_019", "nodule": "ct_lung1"}
"""First word of a target's name to its patient; lesions of other names are patients of their own,
and organs are all of one."""


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One outline: whose it is, what was said of it, and how it agrees with the reference."""

    name: str
    thing: str
    patient: str
    agreement: float
    stability: float
    windows: float | None
    signal: float
    true: float


def trials(
    engine: Segmenter, group: str, case: Case, jitters: int
) -> tuple[list[Trial], list[float]]:
    """Return the key slice's outlines of one target, and the CPU seconds of each."""
    tight = case.tight_box()
    random = np.random.default_rng(_SEED)
    boxes = [tight, *(jittered_box(tight, case.volume.grid, random) for _ in range(jitters))]
    found, seconds = [], []
    for box in boxes:
        started = time.process_time()
        segment = _outlined(engine, case, box, (tight.slice_start, tight.slice_stop))
        seconds.append(time.process_time() - started)
        told = segment.confidence
        signal = combined(told) if told is not None else None
        if told is None or signal is None:
            continue
        assert told.agreement is not None
        assert told.jitter_stability is not None
        found.append(
            Trial(
                name=case.name,
                thing=_thing(case.name),
                patient=_patient(group, case.name),
                agreement=told.agreement,
                stability=told.jitter_stability,
                windows=told.window_stability,
                signal=signal,
                true=_dice_on(segment.mask, case.expert, tight.slice_start),
            )
        )
    return found, seconds


def _outlined(engine: Segmenter, case: Case, box: Box, slices: tuple[int, int]) -> Segment:
    prompt = Prompt(concept=case.concept, boxes=(box,), slice_range=slices)
    with engine.open(case.volume) as session:
        return next(iter(session.segment([prompt], no_progress)))


def _dice_on(mask: Mask, expert: Mask, index: int) -> float:
    grid = mask.grid
    flat = []
    for each in (mask, expert):
        voxels = np.zeros_like(each.voxels)
        voxels[index] = each.voxels[index]
        flat.append(Mask(voxels=voxels, grid=grid))
    return dice(flat[0], flat[1])


def _thing(name: str) -> str:
    """Return what is outlined: a lesion imaged twice is one."""
    words = name.split()
    return " ".join(words[:2]) if words[0] == "nodule" else words[0]


def _patient(group: str, name: str) -> str:
    return "ct_multiorgan" if group == "organs" else _SERIES.get(name.split(maxsplit=1)[0], name)


def by_thing(found: Iterable[Trial], value: Callable[[Trial], float]) -> dict[str, float]:
    """Return the mean of a value over the outlines of each distinct thing."""
    values: dict[str, list[float]] = {}
    for trial in found:
        values.setdefault(trial.thing, []).append(value(trial))
    return {thing: float(np.mean(some)) for thing, some in values.items()}


def bins_of(found: Sequence[Trial]) -> tuple[Bin, ...]:
    """Return what was measured in each bin of the combined signal."""
    made = []
    for low, high in pairwise(EDGES):
        inside = _between(found, low, high)
        means = by_thing(inside, lambda trial: trial.true)
        measured = None
        if means:
            measured = ExpectedAgreement(
                dice=float(np.mean(list(means.values()))),
                lowest_dice=min(trial.true for trial in inside),
                cases=len(means),
                patients=len({trial.patient for trial in inside}),
            )
        made.append(Bin(low=low, high=high, measured=measured))
    return tuple(made)


def _between(found: Iterable[Trial], low: float, high: float) -> list[Trial]:
    return [t for t in found if low <= t.signal < high or t.signal == high == EDGES[-1]]


def _print_bins(found: Sequence[Trial]) -> None:
    print(f"\n{'signal':14}{'cases':>7}{'patients':>10}{'mean Dice':>11}{'lowest':>9}   verdict")
    for each in bins_of(found):
        named = f"{each.low:.2f} to {each.high:.2f}"
        if each.measured is None:
            print(f"{named:14}{0:7}{0:10}{'-':>11}{'-':>9}   not calibrated")
            continue
        told = each.measured
        print(
            f"{named:14}{told.cases:7}{told.patients:10}{told.dice:11.3f}{told.lowest_dice:9.3f}"
            f"   {'calibrated' if each.is_calibrated else 'not calibrated'}"
        )


def _print_correlations(found: Sequence[Trial]) -> None:
    true = by_thing(found, lambda trial: trial.true)
    print(f"\nCorrelation with true Dice over {len(true)} distinct things (Pearson, Spearman)")
    signals: dict[str, Callable[[Trial], float]] = {
        "agreement": lambda trial: trial.agreement,
        "stability": lambda trial: trial.stability,
        "combined": lambda trial: trial.signal,
    }
    _correlations(found, signals)
    windowed = [trial for trial in found if trial.windows is not None]
    if windowed:
        print(f"of these {len(by_thing(windowed, _windows))} outlined by the network on CT")
        _correlations(windowed, {**signals, "windows": _windows})


def _windows(trial: Trial) -> float:
    return trial.windows or 0.0


def _correlations(found: Sequence[Trial], signals: dict[str, Callable[[Trial], float]]) -> None:
    dices = list(by_thing(found, lambda trial: trial.true).values())
    for name, signal in signals.items():
        values = list(by_thing(found, signal).values())
        pearson, spearman = (
            float(test(values, dices).statistic) for test in (stats.pearsonr, stats.spearmanr)
        )
        print(f"  {name:12}{pearson:+8.2f}{spearman:+8.2f}")


def _print_without_each(found: Sequence[Trial]) -> None:
    """Print what the other patients would have said of each patient left out."""
    print("\nOne patient left out: mean Dice in the bin by the others, and in the one left out")
    for each in bins_of(found):
        inside = _between(found, each.low, each.high)
        patients = sorted({trial.patient for trial in inside})
        for patient in patients if len(patients) > 1 else ():
            said = [t for t in inside if t.patient != patient]
            left = [t for t in inside if t.patient == patient]
            expected, seen = (
                float(np.mean(list(by_thing(some, lambda trial: trial.true).values())))
                for some in (said, left)
            )
            print(
                f"  {each.low:.2f} to {each.high:.2f}  without {patient:14}{expected:8.3f}"
                f"{seen:8.3f}   lowest {min(trial.true for trial in left):.3f}"
            )
    _print_lines(found)


def _print_lines(found: Sequence[Trial]) -> None:
    """Print how far a line through the other patients' things misses those of one left out."""
    patient_of = {trial.thing: trial.patient for trial in found}
    true = by_thing(found, lambda trial: trial.true)
    if len(set(patient_of.values())) < _FEW:
        return
    for name, value in (
        ("combined", lambda trial: trial.signal),
        ("stability", lambda trial: trial.stability),
        ("agreement", lambda trial: trial.agreement),
    ):
        signal = by_thing(found, value)
        misses, plain = [], []
        for patient in sorted(set(patient_of.values())):
            others = [thing for thing in true if patient_of[thing] != patient]
            line = np.polyfit([signal[t] for t in others], [true[t] for t in others], 1)
            mean = np.mean([true[t] for t in others])
            for thing in (thing for thing in true if patient_of[thing] == patient):
                misses.append(abs(float(np.polyval(line, signal[thing])) - true[thing]))
                plain.append(abs(float(mean) - true[thing]))
        print(
            f"  a line through {name:10} misses Dice by {np.mean(misses):.3f} on average; "
            f"the others' plain mean by {np.mean(plain):.3f}"
        )


def weak_slices(engine: Segmenter, cases: Sequence[Case]) -> None:
    """Print whether the slices named as weak are those of low Dice, one tight box each."""
    print(f"\n3D, tight box and slice range: slices named as weak, and those of Dice below {_BAD}")
    print(f"{'target':24}{'slices':>8}{'weak':>7}{'bad':>6}{'both':>6}{'Dice':>8}")
    totals = np.zeros(4, dtype=int)
    for case in cases:
        segment = _outlined(engine, case, case.tight_box(), case.slice_range())
        marked = segment.mask.slice_indices()
        weak = set(segment.confidence.weak_slices if segment.confidence else ())
        bad = {i for i in marked if _dice_on(segment.mask, case.expert, i) < _BAD}
        counts = (len(marked), len(weak), len(bad), len(weak & bad))
        totals += counts
        print(
            f"{case.name:24}{counts[0]:8}{counts[1]:7}{counts[2]:6}{counts[3]:6}"
            f"{dice(segment.mask, case.expert):8.3f}"
        )
    print(f"{'all':24}{totals[0]:8}{totals[1]:7}{totals[2]:6}{totals[3]:6}")


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--models", type=Path, default=load_settings().storage.models)
    parser.add_argument("--quick", action="store_true", help="one box each, no 3D")
    parser.add_argument("--windows", action="store_true", help="other windows too, on CT")
    arguments = parser.parse_args()
    concepts = load_concepts()
    engine = default(
        EngineContext(
            models_folder=arguments.models, concepts=concepts, checks_windows=arguments.windows
        )
    )
    groups = {
        "lesions": shared_cases(arguments.data),
        "nodules": inserted_nodules(arguments.data),
        "organs": organs(arguments.data, concepts),
    }
    jitters = 0 if arguments.quick else _JITTERS
    print(f"{1 + jitters} boxes a target: means")
    heads = ("agreement", "stability", "windows", "combined", "true Dice", "CPU s")
    print(f"{'target':24}" + "".join(f"{head:>11}" for head in heads))
    found: list[Trial] = []
    for group, cases in groups.items():
        for case in cases:
            made, seconds = trials(engine, group, case, jitters)
            found += made
            _print_case(case.name, made, seconds)
    _print_bins(found)
    _print_correlations(found)
    _print_without_each(found)
    if not arguments.quick:
        weak_slices(engine, [case for cases in groups.values() for case in cases])
    return 0


def _print_case(name: str, made: Sequence[Trial], seconds: Sequence[float]) -> None:
    if not made:
        print(f"{name:24}  no signals")
        return
    windows = "-" if made[0].windows is None else f"{np.mean([_windows(t) for t in made]):.3f}"
    columns = [
        f"{np.mean([trial.agreement for trial in made]):.3f}",
        f"{np.mean([trial.stability for trial in made]):.3f}",
        windows,
        f"{np.mean([trial.signal for trial in made]):.3f}",
        f"{np.mean([trial.true for trial in made]):.3f}",
        f"{np.mean(seconds):.2f}",
    ]
    print(f"{name:24}" + "".join(f"{column:>11}" for column in columns))


if __name__ == "__main__":
    raise SystemExit(main())
