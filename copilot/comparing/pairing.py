"""Lesions to changes: paired as told, matched, then what is left sought on the other study."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np

from copilot.comparing import questions
from copilot.comparing.seeking import Found, Side, Sought, sought
from domain.alignment import Alignment
from domain.comparison import Answer, Change, Lesion, ToldPair, Verdict
from domain.errors import InputError
from domain.ports import Segmenter
from domain.prompt import Prompt
from domain.segment import Segment
from domain.volume import Mask
from reporting.priors.change import as_told, asked, changed
from reporting.priors.matching import Pair, matched, reach_mm, told_places
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


@dataclass(kw_only=True, eq=False)
class _Round:
    """One round of pairing under way.

    Attributes
    ----------
    pool
        The prior's lesions, and behind ``known`` of them those that were found there.
    taken
        Which current lesion has a lesion of the pool.
    doubted_current, doubted_prior
        Whose partner a lesion may be as well, by the open question of a matched pair.
    told_current, told_prior
        What was told of a lesion, by its place.
    """

    current: Sequence[Item]
    pool: list[Item]
    known: int
    taken: dict[int, int]
    told_current: dict[int, ToldPair]
    told_prior: dict[int, ToldPair]
    doubted_current: dict[int, Item]
    doubted_prior: dict[int, Item]
    found: list[Paired] = field(default_factory=list)

    def is_open(self, column: int) -> bool:
        """Tell whether a lesion of the pool can be named in an answer."""
        return column < self.known and column not in self.told_prior


@dataclass(frozen=True, kw_only=True, eq=False)
class Pairing:
    """What is needed to compare two studies' lesions.

    Attributes
    ----------
    on_prior, on_current
        Make an item of what was found on the other study; the name of its partner is given.
    days
        Between the studies; None where no rate can be given.
    told
        What a person said is what; it goes before matching.
    """

    segmenter: Segmenter
    current: Side
    prior: Side
    alignment: Alignment
    days: int | None
    on_prior: MakeItem
    on_current: MakeItem
    told: Sequence[ToldPair] = ()

    def changes(self, current: Sequence[Item], prior: Sequence[Item]) -> tuple[Paired, ...]:
        """Return what became of every lesion, those of the current study first.

        Raises
        ------
        InputError
            For a told pair of lesions that are not there, are told twice, or are of two sides.
        """
        here, there = [each.lesion for each in current], [self._brought(each) for each in prior]
        places = told_places(self.told, here, there)
        matching = matched(
            here, there, lambda row, column: self._dice(current[row], prior[column]), places
        )
        by_current = {pair.current: pair for pair in matching.pairs}
        going = _Round(
            current=current,
            pool=list(prior),
            known=len(prior),
            taken={pair.prior: pair.current for pair in matching.pairs},
            told_current={
                row: told
                for told, (row, _) in zip(self.told, places, strict=True)
                if row is not None
            },
            told_prior={
                column: told
                for told, (_, column) in zip(self.told, places, strict=True)
                if column is not None
            },
            doubted_current={
                row: prior[pair.prior]
                for pair in matching.pairs
                for row, column in pair.rivals
                if column == pair.prior
            },
            doubted_prior={
                column: current[pair.current]
                for pair in matching.pairs
                for row, column in pair.rivals
                if row == pair.current
            },
        )
        for row, item in enumerate(current):
            pair, told = by_current.get(row), going.told_current.get(row)
            if pair is None and told is None:
                going.found.append(self._unmatched(row, item, going))
            elif pair is None:
                assert told is not None
                going.found.append(self._told_alone(item, None, told))
            elif told is not None:
                going.found.append(self._told_pair(item, there[pair.prior], pair, going, told))
            else:
                going.found.append(self._matched(item, pair, going))
        left = [column for column in range(len(prior)) if column not in going.taken]
        return (*going.found, *(self._left(column, going) for column in left))

    def _matched(self, item: Item, pair: Pair, going: _Round) -> Paired:
        made = self._pair(item, going.pool[pair.prior])
        if not pair.rivals:
            return made
        columns = {pair.prior} | {c for r, c in pair.rivals if r == pair.current}
        others = (
            [going.current[r].lesion for r, _ in pair.rivals if r != pair.current],
            [going.pool[c].lesion for c in sorted(columns) if c != pair.prior],
        )
        answers = tuple(self._answer(item, going.pool[column]) for column in sorted(columns))
        answers = (*answers, self._answer(item, None))
        question = questions.which(item.lesion, going.pool[pair.prior].lesion, *others)
        return replace(made, change=asked(made.change, question, answers))

    def _answer(self, current: Item | None, prior: Item | None) -> Answer:
        index = None
        if prior is not None:
            place = self.prior.volume.grid.to_index(np.array(prior.lesion.centre_lps_mm))
            index = int(np.clip(round(float(place[0])), 0, self.prior.volume.grid.shape[0] - 1))
        return Answer(
            current=current.lesion if current else None,
            prior=prior.lesion if prior else None,
            slice_index=index,
        )

    def _told_pair(
        self, item: Item, brought: Lesion, pair: Pair, going: _Round, told: ToldPair
    ) -> Paired:
        made = self._pair(item, going.pool[pair.prior])
        reach = reach_mm(item.lesion, brought)
        warning = None
        if pair.distance_mm > reach:
            warning = (
                f"the told pair lies {pair.distance_mm:.0f} mm apart after alignment; matching "
                f"allows {reach:.0f} mm"
            )
        return replace(made, change=as_told(made.change, told, warning))

    def _told_alone(self, current: Item | None, prior: Item | None, told: ToldPair) -> Paired:
        """Return a lesion that was told to have no partner; what is not shown stays not shown."""
        verdict = Verdict.NEW if current is not None else Verdict.RESOLVED
        item = current or prior
        here, other = self.current, self.prior
        if current is None:
            here, other = other, here
        assert item is not None
        reasons: tuple[str, ...] = (told.in_words(),)
        if item.segment is not None:
            mask, grid = item.segment.mask, other.volume.grid
            if carried(mask, grid, here.there, here.back) is None:
                verdict = Verdict.OUT_OF_FIELD
                reasons = (
                    f"its place is outside the images of the {other.name}: nothing can be said",
                    *reasons,
                )
        change = _of_one(verdict, current, prior, reasons)
        return Paired(change=replace(change, told=told), current=current, prior=prior)

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
        change = changed(current.lesion, prior.lesion, self.current.volume.modality, self.days)
        return Paired(change=change, current=current, prior=prior)

    def _unmatched(self, row: int, item: Item, going: _Round) -> Paired:
        """Return what becomes of a lesion that no lesion of the prior was matched with."""
        assert item.segment is not None
        search = sought(self.segmenter, item.segment, item.prompt, self.current, self.prior)
        if search.segment is None:
            change = self._alone(search, item, None)
            maybe = going.doubted_current.get(row)
            if maybe is not None and change.verdict is Verdict.NEW:
                question = questions.new_or(item.lesion, maybe.lesion)
                answers = (self._answer(item, maybe), self._answer(item, None))
                change = asked(change, question, answers)
            return Paired(change=change, current=item)
        same = next(
            (
                column
                for column, each in enumerate(going.pool)
                if each.segment is not None and dice(each.segment.mask, search.segment.mask) > _SAME
            ),
            None,
        )
        if same is None:
            prior = self.on_prior(search.segment, item.prompt, item.lesion.label)
            going.pool.append(prior)
            going.taken[len(going.pool) - 1] = row
            return self._pair(item, prior)
        if same in going.told_prior:
            return self._beside_told(item, going.pool[same], going.told_prior[same])
        made = self._pair(item, going.pool[same])
        if same in going.taken:
            return self._divided(made, item, same, going)
        going.taken[same] = row
        return made

    def _divided(self, made: Paired, item: Item, same: int, going: _Round) -> Paired:
        """Ask of two current lesions where the prior shows one."""
        at = going.taken[same]
        other = going.found[at] if at < len(going.found) else None
        question = questions.divided(item.lesion, going.current[at].lesion)

        def answers(current: Item) -> tuple[Answer, ...]:
            is_it = (self._answer(current, going.pool[same]),) if going.is_open(same) else ()
            return (*is_it, self._answer(current, None))

        if other is not None and other.current is not None:
            change = asked(other.change, question, answers(other.current))
            going.found[at] = replace(other, change=change)
        return replace(made, change=asked(made.change, question, answers(item)))

    def _beside_told(self, item: Item, prior: Item, told: ToldPair) -> Paired:
        """Ask of a current lesion that lies where the prior shows one that is told already."""
        change = Change(
            verdict=Verdict.AMBIGUOUS,
            current=item.lesion,
            prior=None,
            reasons=(f"on the prior only {prior.lesion.label} lies in its place",),
            question=questions.new_beside(item.lesion, prior.lesion, told),
            answers=(self._answer(item, None),),
        )
        return Paired(change=change, current=item)

    def _left(self, column: int, going: _Round) -> Paired:
        """Return what becomes of a lesion of the prior that nothing current was matched with."""
        item = going.pool[column]
        if column in going.told_prior:
            return self._told_alone(None, item, going.told_prior[column])
        if item.segment is None:
            reason = "it has no outline on the prior: mark it on the current study to compare it"
            change = Change(
                verdict=Verdict.NOT_COMPARED, current=None, prior=item.lesion, reasons=(reason,)
            )
            return Paired(change=change, prior=item)
        # no engine of ours outlined another tool's lesion, so any may find it
        by_any = item.lesion.reported_by is not None
        search = sought(
            self.segmenter, item.segment, item.prompt, self.prior, self.current, any_engine=by_any
        )
        return self._ended(search, column, going)

    def _ended(self, search: Sought, column: int, going: _Round) -> Paired:
        item = going.pool[column]
        if search.segment is None:
            change = self._alone(search, None, item)
            maybe = going.doubted_prior.get(column)
            if maybe is not None and change.verdict is Verdict.RESOLVED:
                question = questions.gone_or(item.lesion, maybe.lesion)
                answers = (self._answer(maybe, item), self._answer(None, item))
                change = asked(change, question, answers)
            return Paired(change=change, prior=item)
        for row, each in enumerate(going.current):
            if each.segment is not None and dice(each.segment.mask, search.segment.mask) > _SAME:
                return self._grown_together(item, each, going.told_current.get(row))
        return self._pair(self.on_current(search.segment, item.prompt, item.lesion.label), item)

    def _grown_together(self, item: Item, each: Item, told: ToldPair | None) -> Paired:
        """Ask of a prior lesion that lies where a current one is which has its own partner."""
        gone = self._answer(None, item)
        if told is None:
            made = self._pair(each, item)
            question = questions.grown_together(item.lesion, each.lesion)
            answers = (self._answer(each, item), gone)
            return replace(made, change=asked(made.change, question, answers))
        change = Change(
            verdict=Verdict.AMBIGUOUS,
            current=None,
            prior=item.lesion,
            reasons=(f"on the current study only {each.lesion.label} lies in its place",),
            question=questions.gone_beside(item.lesion, each.lesion, told),
            answers=(gone,),
        )
        return Paired(change=change, prior=item)

    def _alone(self, search: Sought, current: Item | None, prior: Item | None) -> Change:
        """Return the verdict on a lesion of one study alone."""
        verdict = {
            Found.ABSENT: Verdict.NEW if current is not None else Verdict.RESOLVED,
            Found.OUT_OF_FIELD: Verdict.OUT_OF_FIELD,
        }.get(search.found, Verdict.AMBIGUOUS)
        change = _of_one(verdict, current, prior, (search.says,))
        if verdict is not Verdict.AMBIGUOUS:
            return change
        return asked(change, questions.is_there(change), (self._answer(current, prior),))


def _of_one(
    verdict: Verdict, current: Item | None, prior: Item | None, reasons: tuple[str, ...]
) -> Change:
    """Return the verdict on a lesion that one study alone shows."""
    return Change(
        verdict=verdict,
        current=current.lesion if current else None,
        prior=prior.lesion if prior else None,
        reasons=reasons,
    )


def still_told(
    told: Sequence[ToldPair], current: Sequence[Lesion], prior: Sequence[Lesion]
) -> tuple[tuple[ToldPair, ...], tuple[str, ...]]:
    """Return told pairs without those kept of an earlier comparison that fit no more, and notes."""
    kept: list[ToldPair] = []
    notes: list[str] = []
    for pair in told:
        try:
            told_places((pair,) if pair.is_kept else (), current, prior)
        except InputError as error:
            notes.append(f"a pair told before is left out: {error}")
        else:
            kept.append(pair)
    return tuple(kept), tuple(notes)


def dice(one: Mask, other: Mask) -> float:
    """Return twice the shared voxels over all voxels of two masks on one grid."""
    if one.grid.shape != other.grid.shape:
        return 0.0
    both = np.count_nonzero(one.voxels & other.voxels)
    return 2.0 * both / max(one.voxel_count + other.voxel_count, 1)
