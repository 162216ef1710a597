"""One engine on the cases: every one is answered, absent, refused or failed, and none is lost."""

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import Final

import numpy as np

from copilot.evaluation.agreement import Agreement, agreement
from copilot.evaluation.cases import CaseEntry
from copilot.evaluation.gestures import jittered, prompt_of
from copilot.evaluation.images import read_reference, read_volume
from domain.concepts import ConceptTable
from domain.errors import (
    Cancelled,
    CannotDoError,
    DigestMismatchError,
    ModelMissingError,
    RadcopilotError,
    UncalibratedError,
)
from domain.ports import Progress, Segmenter, Session, no_progress
from domain.prompt import Prompt
from domain.segment import Segment
from domain.volume import Mask, Volume
from reporting.volumetry import volume_ml
from segmentation.slicewise.targets import ellipsoid, target_of

log: Final = logging.getLogger(__name__)

CRASHED: Final = "the engine broke down"
_STAGE: Final = "cases"


class Status(StrEnum):
    """What became of a case."""

    OUTLINED = "outlined"
    ABSENT = "absent"
    REFUSED = "refused"
    FAILED = "failed"


@dataclass(frozen=True, kw_only=True)
class Run:
    """One answer of the engine.

    Attributes
    ----------
    plain
        The ellipsoid of the same box and range; None where nothing was boxed.
    cpu_s, wall_s
        Of opening the image and answering, without reading files; CPU seconds of this process.
    absent_reason
        Set when the engine said that it is not there; the mask is then empty.
    mask_ml, reference_ml
        None where spacing is not known.
    """

    agreement: Agreement
    plain: Agreement | None
    cpu_s: float
    wall_s: float
    engine: str
    absent_reason: str | None = None
    mask_ml: float | None = None
    reference_ml: float | None = None


@dataclass(frozen=True, kw_only=True)
class CaseResult:
    """What became of one case.

    Attributes
    ----------
    runs
        One, or one for each jitter; empty when it was refused or failed.
    reason
        Why it is absent, refused or failed.
    notes
        What a reader of the numbers must know: a resampled reference, an unknown concept.
    """

    name: str
    status: Status
    runs: tuple[Run, ...] = ()
    reason: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Hands:
    """How many other hands draw the same gesture, and the seed of where theirs differ."""

    jitters: int = 0
    seed: int = 0


def evaluated(
    cases: Sequence[CaseEntry],
    engine: Segmenter,
    concepts: ConceptTable,
    hands: Hands,
    progress: Progress = no_progress,
) -> tuple[CaseResult, ...]:
    """Return what became of each case, in order.

    Raises
    ------
    ModelMissingError, DigestMismatchError
        If the engine's weights are not whole: no case could be answered.
    """
    results = []
    for place, case in enumerate(cases):
        part = _part(progress, place, len(cases))
        results.append(_guarded(case, partial(_tried, case, engine, concepts, hands, part)))
    progress(1.0, _STAGE)
    return tuple(results)


def _part(progress: Progress, place: int, count: int) -> Progress:
    """Return the progress of one of several, under one stage: a bar for all of them."""

    def part(fraction: float, stage: str) -> None:  # noqa: ARG001 - the port's
        progress((place + fraction) / count, _STAGE)

    return part


def _guarded(case: CaseEntry, trial: Callable[[], CaseResult]) -> CaseResult:
    try:
        return trial()
    except (Cancelled, ModelMissingError, DigestMismatchError):
        raise
    except CannotDoError as error:
        return CaseResult(name=case.name, status=Status.REFUSED, reason=str(error))
    except RadcopilotError as error:
        return CaseResult(name=case.name, status=Status.FAILED, reason=str(error))
    except Exception as error:  # an engine on trial may be anyone's; one crash loses no other case
        log.exception("case.failed")
        reason = f"{CRASHED} ({type(error).__name__}: {error})"
        return CaseResult(name=case.name, status=Status.FAILED, reason=reason)


def _tried(
    case: CaseEntry, engine: Segmenter, concepts: ConceptTable, hands: Hands, progress: Progress
) -> CaseResult:
    volume = read_volume(case)
    reference = read_reference(case, volume.grid)
    concept = concepts.find(case.concept) if case.concept else None
    notes = list(reference.notes)
    if case.concept and concept is None:
        notes.append(
            f"{case.concept!r} is not in the concept table: it has no grey-level window of its own"
        )
    phrase = concept.phrase if concept is not None else case.concept
    prompt = prompt_of(case, reference.mask, phrase)
    prompt.check_inside(volume.grid.shape)
    runs = tuple(
        _runs(engine, volume, _prompts(prompt, reference.mask, hands), reference.mask, progress)
    )
    absences = [run.absent_reason for run in runs if run.absent_reason]
    if absences and len(absences) < len(runs):
        notes.append(f"absent in {len(absences)} of {len(runs)} runs")
    return CaseResult(
        name=case.name,
        status=Status.ABSENT if len(absences) == len(runs) else Status.OUTLINED,
        runs=runs,
        reason=absences[0] if absences else "",
        notes=(*notes, *volume.notes),
    )


def _prompts(prompt: Prompt, reference: Mask, hands: Hands) -> tuple[Prompt, ...]:
    """Return the prompt, or that of each other hand; words are the same in every mouth."""
    if not hands.jitters or prompt.is_text_only:
        return (prompt,)
    random = np.random.default_rng(hands.seed)
    return tuple(jittered(prompt, reference, random) for _ in range(hands.jitters))


def _runs(
    engine: Segmenter,
    volume: Volume,
    prompts: Sequence[Prompt],
    reference: Mask,
    progress: Progress,
) -> Iterator[Run]:
    wall, cpu = time.perf_counter(), time.process_time()
    with engine.open(volume) as session:
        for place, prompt in enumerate(prompts):
            part = _part(progress, place, len(prompts))
            segments, mask = _answer(session, volume, prompt, part)
            cpu_s, wall_s = time.process_time() - cpu, time.perf_counter() - wall
            yield Run(
                agreement=agreement(mask, reference),
                plain=_plain(prompt, reference),
                cpu_s=cpu_s,
                wall_s=wall_s,
                engine=", ".join(
                    dict.fromkeys(f"{s.provenance.engine} {s.provenance.version}" for s in segments)
                ),
                absent_reason=_absence(segments) if mask.is_empty else None,
                mask_ml=_millilitres(mask),
                reference_ml=_millilitres(reference),
            )
            wall, cpu = time.perf_counter(), time.process_time()


def _answer(
    session: Session, volume: Volume, prompt: Prompt, progress: Progress
) -> tuple[list[Segment], Mask]:
    """Return the segments of a prompt, and all of them in one mask: both sides, every candidate."""
    segments = list(session.segment([prompt], progress))
    voxels = np.zeros(volume.grid.shape, dtype=np.bool_)
    for segment in segments:
        voxels |= segment.mask.on(volume.grid).voxels
    return segments, Mask(voxels=voxels, grid=volume.grid)


def _absence(segments: Sequence[Segment]) -> str:
    reasons = [segment.absent_reason for segment in segments if segment.absent_reason]
    return "; ".join(dict.fromkeys(reasons)) or "the engine answered nothing"


def _plain(prompt: Prompt, reference: Mask) -> Agreement | None:
    if not prompt.lines and not any(box.positive for box in prompt.boxes):
        return None
    return agreement(ellipsoid(target_of(prompt, reference.grid), reference.grid), reference)


def _millilitres(mask: Mask) -> float | None:
    if mask.is_empty:
        return None
    try:
        return volume_ml(mask)
    except UncalibratedError:
        return None
