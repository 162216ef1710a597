"""What the tools of the agent do: one goal on one volume, masks by their ids, numbers from masks.

Whoever calls, a model or rules, cannot change what was asked for: a mask of another thing or of the
other side is not taken as an answer, and every number is measured here.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any, Final, assert_never

import numpy as np

from copilot.agent.calls import (
    AbsentCall,
    AskUserCall,
    BadCallError,
    Call,
    CompareCall,
    InspectCall,
    MeasureCall,
    ProposeCall,
    SegmentCall,
    written,
)
from copilot.agent.endings import Asked, Ending, NotFound, Proposed
from copilot.agent.pictures import kept_back, picture
from copilot.agent.regions import in_region, in_words, window_of
from copilot.agent.remarks import checked, tidied
from copilot.keys import measurement_name
from copilot.plausibility import (
    implausible_density,
    implausible_size,
    in_pieces,
    parts_of,
    unsure_slices,
)
from copilot.reviewer import side_of
from domain.concepts import Concept, ConceptTable, Window
from domain.errors import CannotDoError, PromptError, UncalibratedError
from domain.ports import Progress, Segmenter
from domain.prompt import Prompt
from domain.segment import AlgorithmType, Segment
from domain.volume import Mask, Volume
from reporting.findings import numbers_of
from segmentation.windows import window_for

BOX_BY_AGENT: Final = "the box was drawn by the agent, not by a person: confirm it"
SIDE_UNKNOWN: Final = "its side can't be told from these images: none was recorded"
_SIDES: Final = frozenset({"left", "right"})
_DIGITS: Final = 3
_SAME: Final = 0.5  # Dice above which two masks count one thing twice


@dataclass(frozen=True, kw_only=True)
class Shown:
    """What a call gives back: a text in JSON, and for some a picture as PNG."""

    text: str
    picture: bytes | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class _Held:
    """A mask on the bench: what was looked for, and where it lies."""

    segment: Segment
    phrase: str
    side: str | None


class Workbench:
    """One goal on one volume; does calls until one of them ends the work.

    Parameters
    ----------
    goal
        The prompt of the radiologist: concept, side and whatever was pointed at.
    shows_pictures
        Whether the caller may see pixels at all; each is checked besides.
    """

    def __init__(
        self,
        *,
        volume: Volume,
        goal: Prompt,
        segmenter: Segmenter,
        concepts: ConceptTable,
        progress: Progress,
        shows_pictures: bool = False,
    ) -> None:
        self.volume = volume
        self.goal = goal
        self.ending: Ending | None = None
        self._segmenter = segmenter
        self._concepts = concepts
        self._progress = progress
        self.shows_pictures = shows_pictures
        self._held: dict[str, _Held] = {}
        self._measured: dict[str, tuple[float, ...]] = {}
        self._searched: list[str] = []
        self._answers: dict[tuple[str, str], Shown] = {}

    @property
    def concept(self) -> Concept | None:
        """What is looked for, as the concept table has it."""
        return self._concepts.find(self.goal.concept) if self.goal.concept else None

    @property
    def phrases(self) -> tuple[str, ...]:
        """What is looked for, and other words for it."""
        concept = self.concept
        if concept is None:
            return (self.goal.concept,) if self.goal.concept else ()
        return (concept.phrase, *concept.synonyms)

    @property
    def window(self) -> Window:
        """Grey levels the thing is looked at with."""
        return self.goal.window or window_for(self.volume, self.concept)

    @property
    def hears_words(self) -> bool:
        """Whether other words may find other things."""
        return self._segmenter.capabilities.free_words

    def do(self, call: Call) -> Shown:
        """Return what a call gives; an ending is kept in ``ending``.

        Raises
        ------
        BadCallError
            For what can't be done, with what could: to be said back to the caller.
        """
        if isinstance(call, SegmentCall | InspectCall | MeasureCall | CompareCall):
            name = written(call)
            if name not in self._answers:
                self._answers[name] = self._looked(call)
            return self._answers[name]
        match call:
            case ProposeCall():
                self.ending = self._proposed(call)
            case AbsentCall():
                self.ending = self._absent(call)
            case AskUserCall():
                self.ending = Asked(question=tidied(call.question))
            case _:
                assert_never(call)
        return _told(done=True)

    def _looked(self, call: SegmentCall | InspectCall | MeasureCall | CompareCall) -> Shown:
        match call:
            case SegmentCall():
                return self._segmented(call)
            case InspectCall():
                return self._inspected(call)
            case MeasureCall():
                return self._measure(call)
            case CompareCall():
                return self._compared(call)
            case _:
                assert_never(call)

    # -- segment

    def _segmented(self, call: SegmentCall) -> Shown:
        prompt = self._prompt(call)
        refused = self._segmenter.supports(self.volume, prompt)
        if refused is not None and prompt.side in _SIDES:
            sideless = replace(prompt, side=None)
            if self._segmenter.supports(self.volume, sideless) is None:
                prompt, refused = sideless, None  # its side is read off the images below
        if refused is not None:
            return _told(refused=refused)
        has_own_box = call.region is not None and call.region.box is not None
        try:
            found = list(self._found(prompt, has_own_box=has_own_box))
        except (CannotDoError, PromptError) as error:
            return _told(refused=str(error))
        masks, absent = [], []
        for segment in found:
            if segment.absent_reason is not None:
                absent.append(segment.absent_reason)
                continue
            masks.append(self._hold(segment, call.concept))
        if self._is_wanted(call.concept):
            self._searched.append(in_words(prompt))
        return _told(masks=masks, absent=absent)

    def _prompt(self, call: SegmentCall) -> Prompt:
        side = self.goal.side if self._is_wanted(call.concept) else None
        prompt = replace(self.goal, concept=call.concept, side=side)
        if call.region is None:
            return prompt
        try:
            prompt = in_region(prompt, call.region)
            prompt.check_inside(self.volume.grid.shape)
        except PromptError as error:
            raise BadCallError(str(error)) from error
        return prompt

    def _found(self, prompt: Prompt, *, has_own_box: bool) -> Iterator[Segment]:
        with self._segmenter.open(self.volume) as session:
            for segment in session.segment([prompt], self._progress):
                if has_own_box and segment.absent_reason is None:
                    made_by = replace(segment.provenance, algorithm_type=AlgorithmType.AUTOMATIC)
                    warnings = (BOX_BY_AGENT, *segment.warnings)
                    yield replace(segment, is_proposal=True, warnings=warnings, provenance=made_by)
                else:
                    yield segment

    def _hold(self, segment: Segment, phrase: str) -> dict[str, Any]:
        side = segment.side or side_of(self.volume, segment)
        mask_id = f"m{len(self._held) + 1}"
        overlaps = [name for name, held in self._held.items() if _is_same(held.segment, segment)]
        self._held[mask_id] = _Held(segment=segment, phrase=phrase, side=side)
        slices = segment.mask.slice_indices()
        return {
            "id": mask_id,
            "slices": [slices[0], slices[-1] + 1],
            "score": None if segment.score is None else _rounded(segment.score),
            "side": side,
            "overlaps": overlaps,
        }

    # -- inspect

    def _inspected(self, call: InspectCall) -> Shown:
        if call.mask_id is None:
            mask = Mask(
                voxels=np.zeros(self.volume.grid.shape, dtype=np.bool_), grid=self.volume.grid
            )
        else:
            mask = self._of(call.mask_id).segment.mask
        reason = None if self.shows_pictures else "pictures are not shown here"
        reason = reason or kept_back(self.volume)
        if reason is not None:
            return _told(picture=None, reason=f"{reason}: go by measure")
        window = self.window
        if call.window is not None:
            window = window_of(call.window)
        try:
            png, index = picture(
                self.volume, mask, plane=call.plane, index=call.slice, window=window
            )
        except PromptError as error:
            raise BadCallError(str(error)) from error
        told = _told(picture="follows", plane=call.plane, slice=index)
        return replace(told, picture=png)

    # -- measure and compare

    def _measure(self, call: MeasureCall) -> Shown:
        held = self._of(call.mask_id)
        numbers = numbers_of(self.volume, held.segment.mask)
        values = {
            f"{measurement_name(each)} [{each.unit.value}]": _rounded(each.value)
            for each in numbers.measurements
        }
        parts, largest = parts_of(held.segment)
        exact = [each.value for each in numbers.measurements]
        self._measured[call.mask_id] = (*exact, *values.values(), parts)
        return _told(
            mask=call.mask_id,
            **values,
            parts=parts,
            share_of_largest_part=_rounded(largest),
            side=held.side,
            fits=(self._other_side(held) or self._other_thing(held)) is None,
            doubts=self._doubts(held),
            not_measured=list(numbers.absent),
        )

    def _doubts(self, held: _Held) -> list[str]:
        concept = self._concepts.find(held.phrase)
        said = (
            implausible_size(held.segment, concept),
            implausible_density(self.volume, held.segment, concept),
            in_pieces(held.segment),
            unsure_slices(held.segment),
            self._other_side(held),
            self._other_thing(held),
        )
        return [each for each in said if each is not None]

    def _compared(self, call: CompareCall) -> Shown:
        one = self._of(call.mask_id).segment.mask
        other = self._of(call.other_mask_id).segment.mask
        told: dict[str, Any] = {
            "dice": _rounded(_dice(one, other)),
            "ratio_of_volumes": _rounded(one.voxel_count / other.voxel_count),
        }
        try:
            told["distance_of_centres_mm"] = _rounded(_apart_mm(one, other))
        except UncalibratedError as error:
            told["not_measured"] = str(error)
        return _told(**told)

    # -- endings

    def _proposed(self, call: ProposeCall) -> Proposed:
        held = [self._of(mask_id) for mask_id in dict.fromkeys(call.mask_ids)]
        for each, mask_id in zip(held, dict.fromkeys(call.mask_ids), strict=True):
            wrong = self._other_side(each) or self._other_thing(each)
            if wrong is not None:
                raise BadCallError(f"{mask_id} can't be proposed: {wrong}")
        for one, other in combinations(held, 2):
            if _is_same(one.segment, other.segment):
                raise BadCallError(
                    "two of these masks mark the same place: propose one of them, see compare"
                )
        numbers = [value for name in call.mask_ids for value in self._measured.get(name, ())]
        remark = checked(call.statement, numbers, [each.side for each in held])
        return Proposed(segments=tuple(self._answer(each) for each in held), remark=remark)

    def _answer(self, held: _Held) -> Segment:
        """Return a mask as the answer to what was asked: its concept, and the side it lies on."""
        warnings = held.segment.warnings
        side = held.segment.side
        if self.goal.side in _SIDES:
            side = held.side
            warnings = warnings if side else (*warnings, SIDE_UNKNOWN)
        if held.phrase not in (self.goal.concept, self.concept and self.concept.phrase):
            warnings = (*warnings, f'found by the words "{held.phrase}"')
        return replace(held.segment, concept=self.goal.concept, side=side, warnings=warnings)

    def _absent(self, call: AbsentCall) -> NotFound:
        if not self._searched:
            raise BadCallError("nothing was searched yet: call segment first")
        reason = checked(call.reason, (), ())
        tidied(call.coverage)  # what was searched is known here better than by whoever says it
        searched = "; ".join(dict.fromkeys(self._searched))
        passed = ", ".join(
            f"slices {_slices(each.segment)}"
            for each in self._held.values()
            if self._other_thing(each) is None
        )
        found = f"; what the engine marked on {passed} was judged not to be it" if passed else ""
        return NotFound(reason=f"searched: {searched}{found}; the agent says: {reason}")

    def _other_side(self, held: _Held) -> str | None:
        wanted = self.goal.side
        if wanted not in _SIDES or held.side in (None, wanted):
            return None
        return f"it lies on the patient's {held.side}, and the {wanted} was asked for"

    def _other_thing(self, held: _Held) -> str | None:
        if self._is_wanted(held.phrase):
            return None
        return f"it is a {held.phrase}, and a {self.goal.concept or 'lesion'} was asked for"

    def _is_wanted(self, phrase: str) -> bool:
        """Tell whether words may stand for what was asked: no other thing that the table knows."""
        meant = self._concepts.find(phrase)
        return meant is None or self.goal.concept is None or meant == self.concept

    def _of(self, mask_id: str) -> _Held:
        if mask_id not in self._held:
            known = ", ".join(self._held) or "none yet, call segment first"
            raise BadCallError(f"there is no mask {mask_id}: there are {known}")
        return self._held[mask_id]


def _dice(one: Mask, other: Mask) -> float:
    shared = int(np.count_nonzero(one.voxels & other.voxels))
    return 2 * shared / (one.voxel_count + other.voxel_count)


def _is_same(one: Segment, other: Segment) -> bool:
    return _dice(one.mask, other.mask) >= _SAME


def _apart_mm(one: Mask, other: Mask) -> float:
    grid = one.grid
    if not (grid.in_plane_calibrated and grid.slice_spacing_known):
        raise UncalibratedError("the spacing of these images is not known")
    centres = [grid.to_lps_mm(np.argwhere(mask.voxels).mean(axis=0)) for mask in (one, other)]
    return float(np.linalg.norm(centres[0] - centres[1]))


def _slices(segment: Segment) -> str:
    slices = segment.mask.slice_indices()
    return f"{slices[0]} to {slices[-1]}"


def _rounded(value: float) -> float:
    return float(f"{value:.{_DIGITS}g}")


def _told(**facts: Any) -> Shown:  # noqa: ANN401 - JSON
    return Shown(text=json.dumps(facts, ensure_ascii=False))
