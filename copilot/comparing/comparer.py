"""A study compared with its prior: aligned, outlined on both, matched, and said."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Final

from copilot.analysis import Analysis, Analyst, Named
from copilot.comparing.earlier import earlier_reports
from copilot.comparing.lesions import lesion_of, reported_lesion
from copilot.comparing.marks import is_air, middle, moved, prompts_of
from copilot.comparing.pairing import Item, Paired, Pairing, dice
from copilot.comparing.seeking import Side, outline
from copilot.hints import Hints
from dicom_node.files import headers
from dicom_node.pairing import check_one_patient, dates
from dicom_node.volumes import load_series
from domain.alignment import Alignment
from domain.command import Command, MeasureCommand, SegmentCommand
from domain.comparison import Change, Origin, Verdict
from domain.concepts import Concept, ConceptTable
from domain.errors import CannotDoError
from domain.ports import Progress, Segmenter, UidSource
from domain.prompt import Prompt
from domain.segment import Segment

from domain.volume import Volume
from reporting.priors.align import aligned
from reporting.priors.difference import BrightnessChange, brightness_change
from reporting.priors.doubling import days_between
from reporting.priors.recist import Assessment, assessed
from reporting.priors.wording import compared_with, said, summary

_SAME: Final = 0.5
_NOTHING_MARKED: Final = (
    "nothing is marked on either study and the prior has no SR or SEG: click on or draw a box round "
    "each lesion (--point, --box, on the prior --prior-point, --prior-box)"
)


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
        hints: Hints,
        progress: Progress,
        engine: str | None = None,
    ) -> Compared:
        """Return what became of what was pointed at, or reported of the prior.

        Each box or click is a lesion. Where the alignment is refused, the current study's lesions
        are measured and nothing is compared.

        Raises
        ------
        InputError
            For files, hints or an engine's name that cannot be used, or another patient's prior.
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
        work = _Work(
            comparer=self,
            segmenter=segmenter,
            engine=name,
            concept=_concept(command),
            current=load_series(files, progress),
            prior=load_series(prior.images, progress),
            notes=notes,
        )
        made = Comparison(current_date=when.current, prior_date=when.prior, days=days)
        made, paired, only = self._compared(work, made, prior, command, hints, progress)
        made = replace(made, notes=tuple(dict.fromkeys(notes)))
        return self._written(work, files, prior, command, made, paired, only)

    def _compared(
        self,
        work: "_Work",
        made: Comparison,
        prior: Prior,
        command: Command,
        hints: Hints,
        progress: Progress,
    ) -> tuple[Comparison, tuple[Paired, ...], tuple[Segment, ...]]:
        """Return the comparison, its pairs, and outlines that nothing was compared of."""
        work.read_marks(hints, prior.hints)
        work.read_words(command)
        try:
            alignment = aligned(work.current, work.prior, progress)
        except CannotDoError as error:
            return replace(made, refusal=str(error)), (), work.outlined_now()
        made = replace(made, alignment=alignment)
        if alignment.quality.refusal is not None:
            return replace(made, refusal=alignment.quality.refusal), (), work.outlined_now()
        work.read_reports(prior.others)
        current, earlier = work.items(alignment, progress)
        if not current and not earlier:
            if work.current.modality == "MR" and hints.is_empty and prior.hints.is_empty:
                try:
                    found = brightness_change(work.current, work.prior, alignment)
                except CannotDoError as error:
                    return replace(made, refusal=str(error)), (), ()
                return replace(made, brightness=found), (), ()
            refusal = "; ".join(work.refusals) or _NOTHING_MARKED
            return replace(made, refusal=refusal), (), ()
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
        )
        paired = tuple(
            replace(each, change=_explained(each.change, alignment))
            for each in pairing.changes(current, earlier)
        )
        changes = tuple(each.change for each in paired)
        work.notes += work.refusals
        return replace(made, changes=changes, recist=assessed(changes)), paired, ()

    def _written(
        self,
        work: "_Work",
        files: Sequence[Path],
        prior: Prior,
        command: Command,
        made: Comparison,
        paired: Sequence[Paired],
        only: Sequence[Segment],
    ) -> Compared:
        """Write both studies' objects: a lesion has one tracking UID in all of them."""
        now: list[Named] = [Named(segment=each) for each in only]
        then: list[Named] = []
        for each in paired:
            uid = (each.prior.lesion.tracking_uid if each.prior else None) or self._uids.new_uid()
            label = next(i.lesion.label for i in (each.current, each.prior) if i is not None)
            if each.current is not None and each.current.segment is not None:
                now.append(Named(segment=each.current.segment, label=label, uid=uid))
            is_ours = each.prior is not None and each.prior.lesion.reported_by is None
            if each.prior is not None and each.prior.segment is not None and is_ours:
                then.append(Named(segment=each.prior.segment, label=label, uid=uid))
        if made.brightness is not None:
            now += [Named(segment=each) for each in made.brightness.segments]
        lines = [said(change, made.prior_date, made.current_date) for change in made.changes]
        if made.brightness is not None:
            lines.append(made.brightness.in_words())
        if made.refusal is not None:
            lines.append(made.refusal[:1].upper() + made.refusal[1:] + ".")
        analysis = self._analyst.drawn(
            files, command, now, work.engine, volume=work.current, statements=lines
        )
        analysis = self._analyst.compared(
            analysis,
            (compared_with(made.prior_date, made.alignment),),
            tuple(summary(change) for change in made.changes),
        )
        before = None
        if then:
            before = self._analyst.drawn(prior.images, command, then, work.engine, volume=work.prior)
        return Compared(comparison=made, current=analysis, prior=before)

    def concept(self, phrase: str | None) -> Concept | None:
        """Return a concept by its phrase."""
        return self._concepts.find(phrase) if phrase else None


def _concept(command: Command) -> str | None:
    if isinstance(command, SegmentCommand):
        return command.concept[0]
    return command.concept if isinstance(command, MeasureCommand) else None


def _explained(change: Change, alignment: Alignment) -> Change:
    """Add the alignment's numbers to the reasons of what rests on it."""
    if change.verdict in {Verdict.NEW, Verdict.RESOLVED, Verdict.OUT_OF_FIELD}:
        return replace(
            change, reasons=(*change.reasons, f"alignment: {alignment.quality.in_words()}")
        )
    return change


@dataclass(kw_only=True)
class _Work:
    """One comparison under way."""

    comparer: Comparer
    segmenter: Segmenter
    engine: str
    concept: str | None
    current: Volume
    prior: Volume
    notes: list[str]
    refusals: list[str] = field(default_factory=list)
    prompts: tuple[Prompt, ...] = ()
    prior_prompts: tuple[Prompt, ...] = ()
    reported: list[Item] = field(default_factory=list)
    count: int = 0

    def read_marks(self, hints: Hints, prior: Hints) -> None:
        """Take what was pointed at on both studies."""
        self.prompts = prompts_of(hints, self.concept, self.current)
        self.prior_prompts = prompts_of(prior, self.concept, self.prior)

    def read_words(self, command: Command) -> None:
        """Take what is named alone, where nothing was pointed at: an organ, on both studies."""
        if self.prompts or self.prior_prompts or not isinstance(command, SegmentCommand):
            return
        side = command.side.value if command.side else None
        self.prompts = tuple(Prompt(concept=each, side=side) for each in command.concept)
        self.prior_prompts = self.prompts

    def read_reports(self, paths: Sequence[Path]) -> None:
        """Take what was reported of the prior."""
        found = earlier_reports(paths, self.prior)
        self.notes += found.notes
        for each in found.lesions:
            lesion = reported_lesion(self.prior, each)
            if lesion is not None:
                self.reported.append(Item(lesion=lesion, segment=each.segment))

    def outlined_now(self) -> tuple[Segment, ...]:
        """Return the outlines of the current study alone."""
        found = (self._outline(self.current, prompt) for prompt in self.prompts)
        return tuple(each for each in found if isinstance(each, Segment))

    def items(
        self, alignment: Alignment, progress: Progress
    ) -> tuple[list[Item], list[Item]]:
        """Return the lesions of both studies: pointed at, or reported of the prior.

        What was pointed at on the current study and is not there is looked for on the prior: a
        lesion that went.
        """
        current: list[Item] = []
        wanted = list(self.prior_prompts)
        for number, prompt in enumerate(self.prompts):
            progress(number / len(self.prompts), "outlining")
            segment = self._outline(self.current, prompt)
            if isinstance(segment, Segment):
                if not self._is_twice(segment, current):
                    current.append(self._item(self.current, segment, prompt, self._label()))
                continue
            if prompt.is_text_only:
                self.refusals.append(segment)
                continue
            place = alignment.to_prior(self.current.grid.to_lps_mm(middle(prompt)))
            index = self.prior.grid.to_index(place)
            there = moved(prompt, (float(index[0]), float(index[1]), float(index[2])), self.prior)
            if there is None:
                self.refusals.append(f"{_where(prompt)}: {segment}")
                continue
            wanted.append(there)
        prior = list(self.reported)
        for prompt in wanted:
            segment = self._outline(self.prior, prompt)
            if not isinstance(segment, Segment):
                where = "" if prompt.is_text_only else f", {_where(prompt)}"
                self.refusals.append(f"on the prior{where}: {segment}")
            elif not self._is_twice(segment, prior):
                label = f"Prior finding {len(prior) + 1}"
                prior.append(self._item(self.prior, segment, prompt, label))
        progress(1.0, "outlining")
        return current, prior

    def found_on_prior(self, segment: Segment, prompt: Prompt, label: str) -> Item:
        """Return the item of a lesion that was sought on the prior."""
        return self._item(self.prior, segment, prompt, label, Origin.REMEASURED)

    def found_on_current(self, segment: Segment, prompt: Prompt, label: str) -> Item:
        """Return the item of a lesion of the prior that was sought on the current study."""
        return self._item(self.current, segment, prompt, label, Origin.REMEASURED)

    def _outline(self, volume: Volume, prompt: Prompt) -> Segment | str:
        if not prompt.is_text_only and is_air(volume, prompt):
            return "there is nothing but air where it is marked"
        return outline(self.segmenter, volume, prompt)

    def _item(
        self,
        volume: Volume,
        segment: Segment,
        prompt: Prompt,
        label: str,
        origin: Origin = Origin.OUTLINED,
    ) -> Item:
        concept = self.comparer.concept(segment.concept)
        return Item(
            lesion=lesion_of(volume, segment, concept, label, origin),
            segment=segment,
            prompt=prompt,
        )

    def _is_twice(self, segment: Segment, items: Iterable[Item]) -> bool:
        for each in items:
            if each.segment is not None and dice(each.segment.mask, segment.mask) > _SAME:
                self.notes.append(f"two marks lie on {each.lesion.label}: it is compared once")
                return True
        return False

    def _label(self) -> str:
        self.count += 1
        return f"Finding {self.count}"


def _where(prompt: Prompt) -> str:
    index, row, column = middle(prompt)
    return f"mark at slice {index:.0f}, row {row:.0f}, column {column:.0f}"
