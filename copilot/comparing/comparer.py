"""A study compared with its prior: aligned, outlined on both, matched, and said."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Final

from copilot.analysis import Analysis, Analyst, Named
from copilot.comparing.pairing import Item, Paired, Pairing, still_told
from copilot.comparing.seeking import Side
from copilot.comparing.work import Work
from copilot.hints import Hints
from dicom_node.files import headers
from dicom_node.pairing import check_one_patient, dates
from dicom_node.volumes import load_series
from domain.alignment import Alignment
from domain.command import Command
from domain.comparison import Change, Lesion, ToldPair, Verdict
from domain.concepts import ConceptTable
from domain.errors import CannotDoError
from domain.ports import Progress, UidSource
from domain.segment import Segment
from domain.volume import Volume
from reporting.priors.align import aligned
from reporting.priors.difference import BrightnessChange, brightness_change
from reporting.priors.doubling import days_between
from reporting.priors.recist import Assessment, assessed
from reporting.priors.wording import compared_with, said, summary
from reporting.wording import capitalised

NOTHING_MARKED: Final = (
    "nothing is marked on either study and the prior has no SR or SEG: click on each lesion or "
    "draw a box round it (--point, --box, on the prior --prior-point, --prior-box)"
)


Standing = Callable[[Volume], Sequence[Item]]


@dataclass(frozen=True, kw_only=True)
class Prior:
    """The files of a prior: its images, and everything else that lies beside them."""

    images: Sequence[Path]
    others: Sequence[Path] = ()
    hints: Hints = field(default_factory=Hints)


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """What became of everything between two studies.

    Attributes
    ----------
    alignment
        None where the two could not be aligned at all.
    brightness
        On MR without marks: what became brighter or darker.
    refusal
        Why nothing was compared; None where something was.
    told
        What a person said is what; it went before matching.
    """

    current_date: date | None
    prior_date: date | None
    days: int | None
    alignment: Alignment | None = None
    changes: tuple[Change, ...] = ()
    recist: Assessment | None = None
    brightness: BrightnessChange | None = None
    refusal: str | None = None
    notes: tuple[str, ...] = ()
    told: tuple[ToldPair, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Compared:
    """A comparison, with what was written of the current study and of the prior."""

    comparison: Comparison
    current: Analysis
    prior: Analysis | None


class Comparer:
    """Compares a study with a prior; knows no network and no page."""

    def __init__(self, *, analyst: Analyst, concepts: ConceptTable, uids: UidSource) -> None:
        self._analyst = analyst
        self._concepts = concepts
        self._uids = uids

    def run(
        self,
        files: Sequence[Path],
        prior: Prior,
        command: Command,
        *,
        hints: Hints,
        progress: Progress,
        engine: str | None = None,
        standing: Standing | None = None,
        told: Sequence[ToldPair] = (),
    ) -> Compared:
        """Return what became of what was pointed at, or reported of the prior.

        Each box or click is a lesion. Where the alignment is refused, the current study's lesions
        are measured and nothing is compared.

        Parameters
        ----------
        standing
            Gives the lesions that are outlined on the current study already: they are compared as
            they are, and not written again.
        told
            What a person said is what: it goes before matching.

        Raises
        ------
        InputError
            For files, hints or an engine's name that cannot be used, another patient's prior, or
            told pairs of lesions that are not there, are told twice or are of two sides.
        ModelMissingError
            If the engine's weights are not installed.
        """
        name, segmenter = self._analyst.engine(engine)
        here, there = headers(files[:1])[0], headers(prior.images[:1])[0]
        notes = list(check_one_patient(here, there))
        when = dates(here, there)
        days: int | None = None
        try:
            days = days_between(when.prior, when.current)
        except CannotDoError as error:
            notes.append(str(error))
        work = Work(
            segmenter=segmenter,
            concepts=self._concepts,
            command=command,
            current=load_series(files, progress),
            prior=load_series(prior.images, progress),
            notes=notes,
        )
        made = Comparison(
            current_date=when.current, prior_date=when.prior, days=days, told=tuple(told)
        )
        work.read_marks(hints, prior.hints)
        work.standing = standing(work.current) if standing else ()
        outcome = self._compared(work, made, prior, progress)
        made = replace(outcome.comparison, notes=tuple(dict.fromkeys(notes)))
        return self._written(work, files, prior, replace(outcome, comparison=made), engine=name)

    def _compared(
        self, work: Work, made: Comparison, prior: Prior, progress: Progress
    ) -> "_Outcome":
        try:
            alignment = aligned(work.current, work.prior, progress)
        except CannotDoError as error:
            refused = replace(made, refusal=str(error))
            return _Outcome(comparison=refused, only=work.outlined_now())
        made = replace(made, alignment=alignment, refusal=alignment.quality.refusal)
        if made.refusal is not None:
            return _Outcome(comparison=made, only=work.outlined_now())
        work.read_reports(prior.others)
        current, earlier = work.items(alignment, progress)
        if current or earlier:
            return self._paired(work, made, alignment, current, earlier)
        if work.current.modality != "MR" or work.prompts or work.prior_prompts or work.standing:
            refusal = "; ".join(work.refusals) or NOTHING_MARKED
            return _Outcome(comparison=replace(made, refusal=refusal))
        try:
            found = brightness_change(work.current, work.prior, alignment)
        except CannotDoError as error:
            return _Outcome(comparison=replace(made, refusal=str(error)))
        return _Outcome(comparison=replace(made, brightness=found), only=found.segments)

    def _paired(
        self,
        work: Work,
        made: Comparison,
        alignment: Alignment,
        current: Sequence[Item],
        earlier: Sequence[Item],
    ) -> "_Outcome":
        told, left_out = still_told(
            made.told, [each.lesion for each in current], [each.lesion for each in earlier]
        )
        work.notes += left_out
        pairing = Pairing(
            segmenter=work.segmenter,
            current=Side(
                volume=work.current,
                name="current study",
                there=alignment.to_prior,
                back=alignment.to_current,
            ),
            prior=Side(
                volume=work.prior,
                name="prior",
                there=alignment.to_current,
                back=alignment.to_prior,
            ),
            alignment=alignment,
            days=made.days,
            on_prior=work.found_on_prior,
            on_current=work.found_on_current,
            told=told,
        )
        paired = tuple(
            self._followed(replace(each, change=_explained(each.change, alignment)))
            for each in pairing.changes(current, earlier)
        )
        changes = tuple(each.change for each in paired)
        work.notes += work.refusals
        compared = replace(made, changes=changes, recist=assessed(changes), told=told)
        return _Outcome(comparison=compared, paired=paired)

    def _followed(self, paired: Paired) -> Paired:
        """Give both lesions of a pair one tracking UID; a pair in doubt gets two.

        What stands keeps its own: objects with it may have left.
        """
        change, prior, current = paired.change, paired.change.prior, paired.change.current
        if paired.current is not None and paired.current.is_standing and current is not None:
            return self._followed_back(paired, current)
        uid = (prior.tracking_uid if prior else None) or self._uids.new_uid()
        if prior is not None:
            prior = replace(prior, tracking_uid=uid)
        if current is not None:
            in_doubt = prior is not None and change.verdict is Verdict.AMBIGUOUS
            current = replace(current, tracking_uid=self._uids.new_uid() if in_doubt else uid)
        return replace(paired, change=replace(change, prior=prior, current=current))

    def _followed_back(self, paired: Paired, current: Lesion) -> Paired:
        change, prior = paired.change, paired.change.prior
        uid = current.tracking_uid or self._uids.new_uid()
        if prior is not None and prior.tracking_uid is None:
            in_doubt = change.verdict is Verdict.AMBIGUOUS
            prior = replace(prior, tracking_uid=self._uids.new_uid() if in_doubt else uid)
        current = replace(current, tracking_uid=uid)
        return replace(paired, change=replace(change, prior=prior, current=current))

    def _written(
        self,
        work: Work,
        files: Sequence[Path],
        prior: Prior,
        outcome: "_Outcome",
        *,
        engine: str,
    ) -> Compared:
        """Write both studies' objects: a lesion has one tracking UID in all of them."""
        made = outcome.comparison
        now = [Named(segment=each) for each in outcome.only]
        now += [
            Named(segment=each.current.segment, label=lesion.label, uid=lesion.tracking_uid)
            for each in outcome.paired
            if (lesion := each.change.current) and each.current and each.current.segment
            if not each.current.is_standing
        ]
        then = [
            Named(segment=each.prior.segment, label=lesion.label, uid=lesion.tracking_uid)
            for each in outcome.paired
            if (lesion := each.change.prior) and each.prior and each.prior.segment
            if lesion.reported_by is None
        ]
        analysis = self._analyst.drawn(
            files, work.command, now, engine, volume=work.current, statements=_lines(made)
        )
        analysis = self._analyst.compared(
            analysis,
            (compared_with(made.prior_date, made.alignment),),
            tuple(summary(change) for change in made.changes),
        )
        before = None
        if then:
            before = self._analyst.drawn(
                prior.images, work.command, then, engine, volume=work.prior
            )
        return Compared(comparison=made, current=analysis, prior=before)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Outcome:
    """A comparison, its pairs, and outlines that nothing was compared of."""

    comparison: Comparison
    paired: tuple[Paired, ...] = ()
    only: tuple[Segment, ...] = ()


def _lines(made: Comparison) -> list[str]:
    """Return what the draft says of a comparison."""
    lines = [said(change, made.prior_date, made.current_date) for change in made.changes]
    if made.brightness is not None:
        lines.append(made.brightness.in_words())
    if made.refusal is not None:
        lines.append(f"{capitalised(made.refusal)}.")
    return lines


def _explained(change: Change, alignment: Alignment) -> Change:
    """Add the alignment's numbers to the reasons of what rests on it."""
    if change.verdict in {Verdict.NEW, Verdict.RESOLVED, Verdict.OUT_OF_FIELD}:
        return replace(
            change, reasons=(*change.reasons, f"alignment: {alignment.quality.in_words()}")
        )
    return change
