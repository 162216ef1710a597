"""One comparison under way: marks and reports to lesions on both studies."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from copilot.comparing.earlier import Earlier, earlier_reports
from copilot.comparing.lesions import lesion_of, reported_lesion
from copilot.comparing.marks import click_in, is_air, middle, moved, prompts_of
from copilot.comparing.pairing import Item, dice
from copilot.comparing.seeking import outline
from copilot.hints import Hints
from domain.alignment import Alignment
from domain.command import Command, MeasureCommand, SegmentCommand
from domain.comparison import Origin
from domain.concepts import ConceptTable
from domain.ports import Progress, Segmenter
from domain.prompt import Prompt
from domain.segment import Segment
from domain.volume import Volume

_SAME: Final = 0.5


@dataclass(kw_only=True)
class Work:
    """One comparison under way."""

    segmenter: Segmenter
    concepts: ConceptTable
    command: Command
    current: Volume
    prior: Volume
    notes: list[str]
    refusals: list[str] = field(default_factory=list)
    prompts: tuple[Prompt, ...] = ()
    prior_prompts: tuple[Prompt, ...] = ()
    reported: list[Item] = field(default_factory=list)
    standing: Sequence[Item] = ()
    count: int = 0

    def read_marks(self, hints: Hints, prior: Hints) -> None:
        """Take what was pointed at on both studies, or named alone."""
        blank = _asked(self.command)
        self.prompts = prompts_of(hints, blank, self.current)
        self.prior_prompts = prompts_of(prior, blank, self.prior)
        if isinstance(self.command, SegmentCommand) and hints.is_empty and prior.is_empty:
            named = tuple(replace(blank, concept=each) for each in self.command.concept)
            self.prompts = self.prior_prompts = named  # an organ, by its name on both

    def read_reports(self, paths: Sequence[Path]) -> None:
        """Take what was reported of the prior, each by a name of its own.

        Reports count their findings for themselves: the second "Finding 1" is "Finding 1 (2)".
        """
        found = earlier_reports(paths, self.prior)
        self.notes += found.notes
        names: Counter[str] = Counter()
        for each in _once(found.lesions):
            lesion = reported_lesion(self.prior, each)
            if lesion is not None:
                names[lesion.label] += 1
                if names[lesion.label] > 1:
                    name = f"{lesion.label} ({names[lesion.label]})"
                    lesion = replace(lesion, label=name)
                self.reported.append(Item(lesion=lesion, segment=each.segment))

    def outlined_now(self) -> tuple[Segment, ...]:
        """Return the outlines of the current study alone."""
        found = (self._outline(self.current, prompt) for prompt in self.prompts)
        return tuple(each for each in found if isinstance(each, Segment))

    def items(self, alignment: Alignment, progress: Progress) -> tuple[list[Item], list[Item]]:
        """Return the lesions of both studies: pointed at, or reported of the prior.

        What was pointed at on the current study and is not there is looked for on the prior: a
        lesion that went.
        """
        current = self._standing()
        wanted = list(self.prior_prompts)
        for number, prompt in enumerate(self.prompts):
            progress(number / len(self.prompts), "outlining")
            segment, prompt = self._outlined(self.current, prompt)  # noqa: PLW2901 - as asked
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
            segment, prompt = self._outlined(self.prior, prompt)  # noqa: PLW2901 - as asked
            if not isinstance(segment, Segment):
                where = "" if prompt.is_text_only else f", {_where(prompt)}"
                self.refusals.append(f"on the prior{where}: {segment}")
            elif not self._is_twice(segment, prior):
                label = f"Prior finding {len(prior) + 1}"
                prior.append(self._item(self.prior, segment, prompt, label))
        progress(1.0, "outlining")
        return current, prior

    def _standing(self) -> list[Item]:
        kept: list[Item] = []
        for item in self.standing:
            if item.segment is None or not self._is_twice(item.segment, kept):
                kept.append(item)
        return kept

    def found_on_prior(self, segment: Segment, prompt: Prompt, label: str) -> Item:
        """Return the item of a lesion that was sought on the prior."""
        return self._item(self.prior, segment, prompt, label, Origin.REMEASURED)

    def found_on_current(self, segment: Segment, prompt: Prompt, label: str) -> Item:
        """Return the item of a lesion of the prior that was sought on the current study."""
        taken = {each.lesion.label for each in self.standing}
        label = f"{label} of the prior" if label in taken else label
        return self._item(self.current, segment, prompt, label, Origin.REMEASURED)

    def _outlined(self, volume: Volume, prompt: Prompt) -> tuple[Segment | str, Prompt]:
        """Return the outline and the prompt that made it.

        A box on one slice may mark that slice alone, which has no volume to compare: what a click
        in its middle outlines is taken where it is the same thing on that slice.
        """
        segment = self._outline(volume, prompt)
        click = click_in(prompt)
        is_flat = isinstance(segment, Segment) and len(segment.mask.slice_indices()) == 1
        if click is None or not is_flat or volume.grid.shape[0] == 1:
            return segment, prompt
        assert isinstance(segment, Segment)
        whole = self._outline(volume, click)
        if isinstance(whole, str) or whole.provenance.engine != segment.provenance.engine:
            return segment, prompt
        (index,) = segment.mask.slice_indices()
        one, other = segment.mask.voxels[index], whole.mask.voxels[index]
        shared = 2 * int((one & other).sum()) / max(int(one.sum()) + int(other.sum()), 1)
        return (whole, click) if shared > _SAME else (segment, prompt)

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
        concept = self.concepts.find(segment.concept) if segment.concept else None
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


def _once(lesions: Sequence[Earlier]) -> tuple[Earlier, ...]:
    """Return each lesion once, as its last report has it: archives keep what was replaced too."""

    def worth(lesion: Earlier) -> tuple[bool, bool]:
        return lesion.centre_lps_mm is not None, lesion.reported is not None

    by_uid = {each.tracking_uid: each for each in sorted(lesions, key=worth)}
    return tuple(
        each for each in lesions if each.tracking_uid is None or by_uid[each.tracking_uid] is each
    )


def _where(prompt: Prompt) -> str:
    index, row, column = middle(prompt)
    return f"mark at slice {index:.0f}, row {row:.0f}, column {column:.0f}"


def _asked(command: Command) -> Prompt:
    """Return what a command names, without a place."""
    if isinstance(command, SegmentCommand):
        return Prompt(concept=command.concept[0], side=command.side.value if command.side else None)
    return Prompt(concept=command.concept if isinstance(command, MeasureCommand) else None)
