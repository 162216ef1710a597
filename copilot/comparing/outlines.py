"""Two segmentations of one patient compared: nothing is outlined, nothing sought."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from copilot.comparing import questions
from copilot.comparing.comparer import Comparison
from copilot.comparing.lesions import lesion_of
from copilot.comparing.pairing import dice
from dicom_node.files import headers, read_dataset
from dicom_node.pairing import check_one_patient, dates
from dicom_node.seg_reader import read_segmentation
from dicom_node.sr_reader import maker
from dicom_node.volumes import load_series
from domain.alignment import Alignment
from domain.comparison import Change, Lesion, Verdict
from domain.errors import CannotDoError, EmptyMaskError
from domain.ports import Progress
from domain.segment import AlgorithmType, Provenance, Segment
from domain.volume import Volume
from reporting.priors.align import aligned
from reporting.priors.change import asked, changed
from reporting.priors.doubling import days_between
from reporting.priors.matching import matched
from reporting.priors.presence import carried
from reporting.priors.recist import assessed

Study = tuple[Sequence[Path], Path]


def compared_outlines(prior: Study, current: Study, progress: Progress) -> Comparison:
    """Return what became of the lesions of two SEG files, each with the files of its images.

    Raises
    ------
    InputError
        For files that cannot be used, a SEG without a segment, or another patient's prior.
    """
    here, there = headers(current[0][:1])[0], headers(prior[0][:1])[0]
    notes = list(check_one_patient(here, there))
    when = dates(here, there)
    days: int | None = None
    try:
        days = days_between(when.prior, when.current)
    except CannotDoError as error:
        notes.append(str(error))
    made = Comparison(current_date=when.current, prior_date=when.prior, days=days)
    now, then = load_series(current[0], progress), load_series(prior[0], progress)
    lesions, earlier = _lesions(current[1], now), _lesions(prior[1], then)
    try:
        alignment = aligned(now, then, progress)
    except CannotDoError as error:
        return replace(made, refusal=str(error), notes=tuple(notes))
    made = replace(made, alignment=alignment, refusal=alignment.quality.refusal, notes=tuple(notes))
    if made.refusal is not None:
        return made
    changes = _changes(lesions, earlier, alignment, now.modality, days)
    return replace(made, changes=changes, recist=assessed(changes))


_Outlined = tuple[Lesion, Segment]


def _lesions(path: Path, volume: Volume) -> tuple[_Outlined, ...]:
    made_by = maker(read_dataset(path, with_pixels=False))
    found: list[_Outlined] = []
    for loaded in read_segmentation(path, volume.grid).segments:
        if loaded.mask.is_empty:
            continue
        segment = Segment(
            mask=loaded.mask,
            concept=None,
            provenance=Provenance(
                engine=made_by, version="as stored", algorithm_type=AlgorithmType.SEMIAUTOMATIC
            ),
        )
        label = loaded.tracking_id or loaded.label or f"segment {loaded.number}"
        lesion = lesion_of(volume, segment, None, label)
        lesion = replace(lesion, reported_by=made_by, tracking_uid=loaded.tracking_uid)
        found.append((lesion, segment))
    if not found:
        raise EmptyMaskError(f"{path.name} has no segment with a voxel: there is nothing to do")
    return tuple(found)


def _changes(
    current: Sequence[_Outlined],
    prior: Sequence[_Outlined],
    alignment: Alignment,
    modality: str,
    days: int | None,
) -> tuple[Change, ...]:
    def brought(lesion: Lesion) -> Lesion:
        x, y, z = alignment.to_current(lesion.centre_lps_mm)
        return replace(lesion, centre_lps_mm=(float(x), float(y), float(z)))

    def overlap(row: int, column: int) -> float:
        mine, theirs = current[row][1].mask, prior[column][1].mask
        mask = carried(theirs, mine.grid, alignment.to_current, alignment.to_prior)
        return 0.0 if mask is None else dice(mask, mine)

    now = [lesion for lesion, _ in current]
    then = [lesion for lesion, _ in prior]
    matching = matched(now, [brought(each) for each in then], overlap)
    found: list[Change] = []
    for pair in matching.pairs:
        one, other = now[pair.current], then[pair.prior]
        change = changed(one, other, modality, days)
        if pair.rivals:
            rivals = [then[column] for row, column in pair.rivals if row == pair.current]
            others = [now[row] for row, _ in pair.rivals if row != pair.current]
            question = questions.which(one, other, others, rivals)
            change = asked(change, question)
        found.append(change)
    found += [_alone(now[row], None) for row in matching.only_current]
    found += [_alone(None, then[column]) for column in matching.only_prior]
    return tuple(found)


def _alone(current: Lesion | None, prior: Lesion | None) -> Change:
    """Return a lesion of one SEG alone: that the other lacks it does not make it new or gone."""
    study = "current" if current is not None else "prior"
    reason = (
        f"only the {study} SEG has it: whether it is new, gone or was not outlined is for a "
        "reader; ask with --prior looks for it"
    )
    return Change(verdict=Verdict.NOT_COMPARED, current=current, prior=prior, reasons=(reason,))
