"""A site's own adapter: its accepted masks, split by patient, trained, and compared before use."""

import hashlib
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from copilot.evaluation.cases import CaseEntry
from copilot.evaluation.images import read_reference, read_volume, series_files
from copilot.evaluation.trial import CaseResult, Hands, evaluated
from copilot.results import Result
from dicom_node.files import read_dataset
from dicom_node.seg_reader import read_segmentation
from domain.concepts import ConceptTable
from domain.errors import InputError
from domain.ports import Archive, Progress
from domain.uids import SeriesUID
from segmentation.medsam3.engine import MedSam3, Options
from segmentation.medsam3.install import Sources, build
from segmentation.medsam3.segmenter import MedSam3Segmenter
from segmentation.medsam3.tuning.examples import Example, examples_of
from segmentation.medsam3.tuning.training import Lessons, Recipe, Start, Trained, train
from segmentation.windows import window_for

_FEWEST_PATIENTS: Final = 2


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What to train, from which weights, where to.

    Attributes
    ----------
    adapter
        Where to begin; None begins with one that adds nothing.
    words
        Folder of an installation of MedSAM-3.
    held_out
        Share of the patients that are never trained on, at least one.
    negatives
        Slices without the thing, for each slice with it.
    """

    base: Path
    adapter: Path | None
    words: Path
    folder: Path
    recipe: Recipe
    held_out: float = 0.25
    negatives: float = 1.0


@dataclass(frozen=True, kw_only=True)
class Finetuned:
    """What came of it: the adapter, and the held-out cases before and after."""

    trained: Trained
    trained_on: tuple[str, ...]
    held_out: tuple[str, ...]
    before: tuple[CaseResult, ...]
    after: tuple[CaseResult, ...]


def finetuned(
    cases: Sequence[CaseEntry], concepts: ConceptTable, plan: Plan, progress: Progress
) -> Finetuned:
    """Train on some patients, and compare on the others.

    Raises
    ------
    InputError
        For cases of fewer than two patients, and for a case without a concept.
    """
    training, held_out = split(cases, plan.held_out, plan.recipe.seed)
    lessons = Lessons(
        examples=_examples(training, concepts, plan, progress),
        held_out=_examples(held_out, concepts, plan, progress),
    )
    plan.folder.mkdir(parents=True, exist_ok=True)
    start = Start(base=plan.base, adapter=plan.adapter, words=plan.words)
    trained = train(start, lessons, plan.folder, plan.recipe, progress)
    before, after = (
        _evaluated(held_out, adapter, concepts, plan, progress)
        for adapter in (trained.start, trained.adapter)
    )
    return Finetuned(
        trained=trained,
        trained_on=tuple(case.name for case in training),
        held_out=tuple(case.name for case in held_out),
        before=before,
        after=after,
    )


def split(
    cases: Sequence[CaseEntry], held_out: float, seed: int
) -> tuple[tuple[CaseEntry, ...], tuple[CaseEntry, ...]]:
    """Return cases to train on and cases held out, no patient in both.

    Raises
    ------
    InputError
        For cases of fewer than two patients.
    """
    patients = {case.name: patient_of(case) for case in cases}
    known = sorted(set(patients.values()))
    if len(known) < _FEWEST_PATIENTS:
        raise InputError(
            f"all {len(cases)} cases are of one patient: what is learned could not be checked on "
            'another; add cases, or say whose they are with patient = "..."'
        )
    order = np.random.default_rng(seed).permutation(len(known))
    count = min(len(known) - 1, max(1, round(held_out * len(known))))
    kept_back = {known[place] for place in order[:count]}
    return (
        tuple(case for case in cases if patients[case.name] not in kept_back),
        tuple(case for case in cases if patients[case.name] in kept_back),
    )


def patient_of(case: CaseEntry) -> str:
    """Return whose images a case has, as a digest: said in the case, or by DICOM, or its file.

    A file that says nothing is taken as a patient of its own.
    """
    said = case.patient
    if said is None and case.images.is_dir():
        first = series_files(case)[0]
        said = str(read_dataset(first, with_pixels=False).get("PatientID") or "") or None
    return hashlib.sha256((said or str(case.images)).encode()).hexdigest()


def accepted_cases(
    results: Sequence[Result], folder: Path, archive: Archive
) -> Iterator[CaseEntry]:
    """Yield a case for each mask with a name that a radiologist accepted, its series still here.

    Parameters
    ----------
    results
        Those that were accepted.
    folder
        Of the results' files.
    """
    for result in results:
        seg = folder / result.id / "seg.dcm"
        files = archive.instance_paths(SeriesUID(result.series_instance_uid))
        if not files or not seg.is_file():
            continue
        named = {mask["segment"]: mask["concept"] for mask in result.document["masks"]}
        for segment in read_segmentation(seg).segments:
            concept = named.get(segment.number)
            if concept is not None:
                yield CaseEntry(
                    name=f"{result.id[:8]}-{segment.number}",
                    images=files[0].parent,
                    files=files,
                    series=result.series_instance_uid,
                    reference=seg,
                    segment=segment.number,
                    concept=concept,
                )


def _examples(
    cases: Sequence[CaseEntry], concepts: ConceptTable, plan: Plan, progress: Progress
) -> tuple[Example, ...]:
    random = np.random.default_rng(plan.recipe.seed)
    found: list[Example] = []
    for place, case in enumerate(cases):
        progress(place / len(cases), "reading cases")
        if case.concept is None:
            raise InputError(f"case {case.name} has no concept: say what its mask is, by name")
        concept = concepts.find(case.concept)
        volume = read_volume(case)
        found += examples_of(
            volume,
            read_reference(case, volume.grid).mask,
            concept.phrase if concept is not None else case.concept,
            window_for(volume, concept),
            random=random,
            negatives=plan.negatives,
        )
    progress(1.0, "reading cases")
    return tuple(found)


def _evaluated(
    cases: Sequence[CaseEntry],
    adapter: Path,
    concepts: ConceptTable,
    plan: Plan,
    progress: Progress,
) -> tuple[CaseResult, ...]:
    """Return what the network with an adapter makes of cases; its merged weights are not kept."""
    with tempfile.TemporaryDirectory(dir=plan.folder, prefix=".merged.") as aside:
        merged = Path(aside)
        build(Sources(base=plan.base, adapter=adapter), plan.words, merged, progress)
        engine = MedSam3Segmenter(
            MedSam3(merged, Options(device=plan.recipe.device, precision="fp32")), concepts
        )
        return evaluated(cases, engine, concepts, Hands(), progress)


def room_for(plan: Plan) -> None:
    """Refuse a disk that will not hold the merged weights.

    Raises
    ------
    InputError
        With how much is needed.
    """
    size = sum(
        path.stat().st_size
        for path in ([plan.base] if plan.base.is_file() else plan.base.glob("*.safetensors"))
    )
    plan.folder.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(plan.folder).free
    if free < 2 * size:
        raise InputError(
            f"{plan.folder} has {free / 1e9:.1f} GB free, {2 * size / 1e9:.1f} GB are needed: free "
            "space, or give another --output"
        )
