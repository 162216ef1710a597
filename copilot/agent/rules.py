"""The agent without a language model: look, measure, doubt, look again in another way."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from copilot.agent.calls import (
    AbsentCall,
    AskUserCall,
    Call,
    MeasureCall,
    ProposeCall,
    Region,
    SegmentCall,
    written,
)
from copilot.agent.minds import Reply, Round, ToolCall
from domain.concepts import Window

VERSION: Final = "1"
_MOST_SYNONYMS: Final = 2
_MOST_PROPOSED: Final = 5
_NARROWER: Final = 0.6  # of the window's width: contrast between neighbours, edges still inside it


@dataclass(kw_only=True)
class _Seen:
    """What the rounds so far have shown."""

    masks: list[str] = field(default_factory=list)
    doubts: dict[str, list[str]] = field(default_factory=dict)
    overlaps: dict[str, list[str]] = field(default_factory=dict)
    unfit: set[str] = field(default_factory=set)
    absent: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    looked: int = 0

    @property
    def sound(self) -> list[str]:
        """Masks against which nothing speaks, each thing once."""
        kept: list[str] = []
        for each in self.masks:
            is_double = bool(set(self.overlaps[each]) & set(kept))
            if self.doubts.get(each) == [] and not is_double:
                kept.append(each)
        return kept

    @property
    def fit(self) -> list[str]:
        """Masks of what was asked for, whatever is doubted of them."""
        return [each for each in self.masks if each not in self.unfit]

    @property
    def unmeasured(self) -> list[str]:
        """Masks that were not measured yet."""
        return [each for each in self.masks if each not in self.doubts]


class RuleMind:
    """Decides by plausibility: size, density, parts, side and scores.

    Parameters
    ----------
    phrases
        What is looked for, then other words for it.
    window
        Grey levels of the first look; the second is narrower.
    looks_again
        Whether another look may find something else.
    """

    def __init__(self, phrases: Sequence[str], window: Window, *, looks_again: bool) -> None:
        self._phrases = tuple(phrases)
        self._window = window
        self._looks_again = looks_again

    @property
    def name(self) -> str:
        """Rules and their version."""
        return f"rules {VERSION}"

    def reply(self, rounds: Sequence[Round], seconds_left: float) -> Reply:  # noqa: ARG002 - rules are quick
        """Return the next calls."""
        seen = _seen(rounds)
        calls = self._next(seen)
        return Reply(
            calls=tuple(
                ToolCall(id=f"r{len(rounds)}-{number}", name=name, arguments=arguments)
                for number, (name, arguments) in enumerate(map(written, calls))
            )
        )

    def _next(self, seen: _Seen) -> list[Call]:
        if not seen.looked:
            return [SegmentCall(concept=self._phrases[0])]
        if seen.unmeasured:
            return [MeasureCall(mask_id=each) for each in seen.unmeasured]
        again = self._second_look()
        if not seen.sound and seen.looked == 1 and again and not seen.refused:
            return list(again)
        return [self._end(seen)]

    def _second_look(self) -> list[SegmentCall]:
        if not self._looks_again:
            return []
        narrower = Region(window=[self._window.center, self._window.width * _NARROWER])
        others = self._phrases[1 : 1 + _MOST_SYNONYMS]
        return [
            *(SegmentCall(concept=each) for each in others),
            SegmentCall(concept=self._phrases[0], region=narrower),
        ]

    def _end(self, seen: _Seen) -> Call:
        best = seen.sound or seen.fit[:1]
        if best:
            said = "plausible in size, density, parts, side and scores"
            if not seen.sound:
                said = "the least doubtful of what was found; its doubts stand with it"
            return ProposeCall(mask_ids=best[:_MOST_PROPOSED], statement=said)
        if seen.masks:
            return AbsentCall(
                reason="what was found lies on the other side", coverage="as searched"
            )
        if seen.absent:
            return AbsentCall(reason="no look found it", coverage="as searched")
        return AskUserCall(question=seen.refused[0] if seen.refused else "draw a box round it")


def _seen(rounds: Sequence[Round]) -> _Seen:
    seen = _Seen()
    for each in rounds:
        names = {call.id: call.name for call in each.reply.calls}
        seen.looked += "segment" in names.values()
        for told in each.told:
            facts: dict[str, Any] = json.loads(told.text)
            if names[told.call_id] == "segment":
                for mask in facts.get("masks", []):
                    seen.masks.append(mask["id"])
                    seen.overlaps[mask["id"]] = mask["overlaps"]
                seen.absent += facts.get("absent", [])
                seen.refused += [facts["refused"]] if "refused" in facts else []
            elif names[told.call_id] == "measure":
                seen.doubts[facts["mask"]] = facts["doubts"]
                seen.unfit |= set() if facts["fits"] else {facts["mask"]}
    return seen
