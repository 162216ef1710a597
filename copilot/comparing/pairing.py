"""Lesions of both studies to changes: matched, then what is left sought on the other study."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np

from copilot.comparing.seeking import Found, Side, Sought, sought
from domain.alignment import Alignment
from domain.comparison import Change, Lesion, Verdict
from domain.ports import Segmenter
from domain.prompt import Prompt
from domain.segment import Segment
from domain.volume import Mask
from reporting.priors.change import asked, changed
from reporting.priors.matching import matched
from reporting.priors.presence import carried

_SAME: Final = 0.3


@dataclass(frozen=True, kw_only=True, eq=False)
class Item:
    """A lesion with its outline, and the prompt it was made by; the last two may be missing.

    ``is_standing`` where the outline is one that a reader has before him: it is compared as it is,
    under its own tracking UID, and not written again.
    """

    lesion: Lesion
    segment: Segment | None = None
    prompt: Prompt = field(default_factory=Prompt)
    is_standing: bool = False


@dataclass(frozen=True, kw_only=True, eq=False)
class Paired:
    """A change, and the items it is of."""

    change: Change
    current: Item | None = None
    prior: Item | None = None


MakeItem = Callable[[Segment, Prompt, str], Item]


@dataclass(frozen=True, kw_only=True, eq=False)
class Pairing:
    """What is needed to compare two studies' lesions.

    Attributes
    ----------
    on_prior, on_current
        Make an item of what was found on the other study; the name of its partner is given.
    days
        Between the studies; None where no rate can be given.
    """

    segmenter: Segmenter
    current: Side
    prior: Side
    alignment: Alignment
    days: int | None
    on_prior: MakeItem
    on_current: MakeItem

    def changes(self, current: Sequence[Item], prior: Sequence[Item]) -> tuple[Paired, ...]:
        """Return what became of every lesion, those of the current study first."""
        there = [self._brought(each) for each in prior]
        matching = matched(
            [each.lesion for each in current],
            there,
            lambda row, column: self._dice(current[row], prior[column]),
        )
        by_current = {pair.current: pair for pair in matching.pairs}
        taken: dict[int, int] = {pair.prior: pair.current for pair in matching.pairs}
        pool = list(prior)
        found: list[Paired] = []
        for row, item in enumerate(current):
            pair = by_current.get(row)
            if pair is None:
                found.append(self._unmatched(row, item, pool, taken, found))
                continue
            made = self._pair(item, pool[pair.prior])
            if pair.rivals:
                names = sorted(
                    {current[r].lesion.label for r, _ in pair.rivals if r != row}
                    | {pool[c].lesion.label for _, c in pair.rivals if c != pair.prior}
                )
                question = (
                    f"is {item.lesion.label} the {pool[pair.prior].lesion.label} of the prior? "
                    f"{' and '.join(names)} would fit nearly as well"
                )
                made = replace(made, change=asked(made.change, question))
            found.append(made)
        left = [column for column in range(len(prior)) if column not in taken]
        return (*found, *(self._gone(pool[column], current) for column in left))

    def _brought(self, item: Item) -> Lesion:
        x, y, z = self.alignment.to_current(item.lesion.centre_lps_mm)
        return replace(item.lesion, centre_lps_mm=(float(x), float(y), float(z)))

    def _dice(self, current: Item, prior: Item) -> float:
        if current.segment is None or prior.segment is None:
            return 0.0
        mask = carried(
            prior.segment.mask,
            current.segment.mask.grid,
            self.alignment.to_current,
            self.alignment.to_prior,
        )
        return 0.0 if mask is None else dice(mask, current.segment.mask)

    def _pair(self, current: Item, prior: Item) -> Paired:
        made_by = current.segment.provenance.engine if current.segment else None
        other = prior.lesion.reported_by is not None and prior.lesion.reported_by != made_by
        change = changed(
            current.lesion, prior.lesion, self.current.volume.modality, self.days, other
        )
        return Paired(change=change, current=current, prior=prior)

    def _unmatched(
        self,
        row: int,
        item: Item,
        pool: list[Item],
        taken: dict[int, int],
        found: list[Paired],
    ) -> Paired:
        """Return what becomes of a lesion that no lesion of the prior was matched with."""
        assert item.segment is not None
        search = sought(self.segmenter, item.segment, item.prompt, self.current, self.prior)
        if search.segment is None:
            return Paired(change=_alone(search, item.lesion, None), current=item)
        same = next(
            (
                column
                for column, each in enumerate(pool)
                if each.segment is not None and dice(each.segment.mask, search.segment.mask) > _SAME
            ),
            None,
        )
        if same is None:
            prior = self.on_prior(search.segment, item.prompt, item.lesion.label)
            pool.append(prior)
            taken[len(pool) - 1] = row
            return self._pair(item, prior)
        made = self._pair(item, pool[same])
        if same in taken:
            other = found[taken[same]] if taken[same] < len(found) else None
            name = other.change.current.label if other and other.change.current else "another"
            question = (
                f"{item.lesion.label} and {name} lie where the prior shows one lesion: did it "
                "divide, or is one of them new?"
            )
            if other is not None:
                found[taken[same]] = replace(other, change=asked(other.change, question))
            return replace(made, change=asked(made.change, question))
        taken[same] = row
        return made

    def _gone(self, item: Item, current: Sequence[Item]) -> Paired:
        """Return what becomes of a lesion of the prior that nothing current was matched with."""
        if item.segment is None:
            reason = "it has no outline on the prior: mark it on the current study to compare it"
            change = Change(
                verdict=Verdict.NOT_COMPARED, current=None, prior=item.lesion, reasons=(reason,)
            )
            return Paired(change=change, prior=item)
        if item.lesion.reported_by is not None:
            return self._reported_gone(item, current)
        search = sought(self.segmenter, item.segment, item.prompt, self.prior, self.current)
        return self._ended(search, item, current)

    def _reported_gone(self, item: Item, current: Sequence[Item]) -> Paired:
        """Seek another tool's lesion: no engine of ours outlined it, so any may."""
        assert item.segment is not None
        search = sought(
            self.segmenter, item.segment, item.prompt, self.prior, self.current, any_engine=True
        )
        return self._ended(search, item, current)

    def _ended(self, search: Sought, item: Item, current: Sequence[Item]) -> Paired:
        if search.segment is None:
            return Paired(change=_alone(search, None, item.lesion), prior=item)
        for each in current:
            if each.segment is not None and dice(each.segment.mask, search.segment.mask) > _SAME:
                made = self._pair(each, item)
                question = (
                    f"{item.lesion.label} of the prior lies where {each.lesion.label} is: did two "
                    "lesions grow together?"
                )
                return replace(made, change=asked(made.change, question))
        return self._pair(self.on_current(search.segment, item.prompt, item.lesion.label), item)


def dice(one: Mask, other: Mask) -> float:
    """Return twice the shared voxels over all voxels of two masks on one grid."""
    if one.grid.shape != other.grid.shape:
        return 0.0
    both = np.count_nonzero(one.voxels & other.voxels)
    return 2.0 * both / max(one.voxel_count + other.voxel_count, 1)


def _alone(search: Sought, current: Lesion | None, prior: Lesion | None) -> Change:
    """Return the verdict on a lesion of one study alone."""
    verdict = {
        Found.ABSENT: Verdict.NEW if current is not None else Verdict.RESOLVED,
        Found.OUT_OF_FIELD: Verdict.OUT_OF_FIELD,
    }.get(search.found, Verdict.AMBIGUOUS)
    question = None
    if verdict is Verdict.AMBIGUOUS:
        label = next(each.label for each in (current, prior) if each is not None)
        other = "the prior" if current is not None else "the current study"
        question = f"is {label} on {other}? Mark it there, or say that it is not"
    return Change(
        verdict=verdict, current=current, prior=prior, reasons=(search.says,), question=question
    )
