"""Whether a noun is said to be there, not to be there, or perhaps."""

from typing import Final

from domain.reading import Presence
from reporting.reading.belonging import directly_joined
from reporting.reading.clause import Clause
from reporting.reading.vocabulary import Kind, Mark

_REACH: Final = "whether the negation reaches it is not clear"


def presence_of(clause: Clause, noun: Mark) -> tuple[Presence, str | None]:
    """Return whether a noun is there, and what is not clear about it."""
    nouns = clause.nouns
    place = nouns.index(noun)
    if _negated_behind(clause, noun):
        return Presence.ABSENT, None
    begin = nouns[place - 1].end if place else clause.stretch.start
    found = _negated_before(clause, noun, begin)
    if found is None and place:
        found = _carried_on(clause, place)
    if found is not None:
        return found
    return (Presence.UNCERTAIN, None) if hedges_of(clause, noun) else (Presence.PRESENT, None)


def hedges_of(clause: Clause, noun: Mark) -> tuple[str, ...]:
    """Return the words that doubt a noun itself: before it, or behind it with nothing after."""
    begin, end = clause.chunk(noun.start)
    nouns = clause.nouns
    place = nouns.index(noun)
    begin = max(begin, nouns[place - 1].end) if place else begin
    found = clause.between(begin, noun.start, Kind.HEDGE)
    found += [  # "nodule, suspicious for malignancy" is a nodule
        each
        for each in clause.between(noun.end, end, Kind.HEDGE)
        if not clause.unknown(each.end, end)
    ]
    if place + 1 == len(nouns):  # "...?" and "..., cannot be excluded" end a sentence
        found += [
            each
            for each in clause.between(end, clause.stretch.end, Kind.HEDGE)
            if not clause.unknown(noun.end, clause.stretch.end)
        ]
    return tuple(each.text for each in found)


def _negated_before(clause: Clause, noun: Mark, begin: int) -> tuple[Presence, str | None] | None:
    negations = clause.between(begin, noun.start, Kind.NEGATION)
    if not negations:
        return None
    start = negations[-1].end
    if clause.between(start, noun.start, Kind.BREAK):
        return None
    walls = [
        each
        for each in clause.separators_between(start, noun.start)
        if clause.text[each[0] : each[1]].lower() not in clause.words.alternatives
    ]
    if not walls:
        return Presence.ABSENT, None
    if clause.between(walls[0][1], noun.start, Kind.ARTICLE, Kind.MANY) or _size_in(
        clause, walls[0][1], noun.start
    ):
        return None
    return Presence.UNCERTAIN, _REACH


def _carried_on(clause: Clause, place: int) -> tuple[Presence, str | None] | None:
    """Return what a negation before an earlier noun says of this one: "no nodule, mass or cyst"."""
    nouns = clause.nouns
    before, noun = nouns[place - 1], nouns[place]
    earlier, reason = presence_of(clause, before)
    if earlier is not Presence.ABSENT or _negated_behind(clause, before) or reason:
        return None
    between = clause.between(before.end, noun.start)
    if any(each.kind in {Kind.ARTICLE, Kind.BREAK, Kind.MANY} for each in between):
        return None
    if _size_in(clause, before.end, noun.start):
        return None
    rest = clause.between(before.end, nouns[-1].start, Kind.JOIN)
    is_listed = rest and all(each.text.lower() in clause.words.alternatives for each in rest)
    if is_listed and not clause.unknown(before.end, noun.start):
        return Presence.ABSENT, None
    return Presence.UNCERTAIN, _REACH


def _negated_behind(clause: Clause, noun: Mark) -> bool:
    nouns = clause.nouns
    place = nouns.index(noun)
    if place + 1 < len(nouns) and directly_joined(clause, noun, nouns[place + 1]):
        return _negated_behind(clause, nouns[place + 1])  # "nodule or mass is not seen"
    stop = nouns[place + 1].start if place + 1 < len(nouns) else clause.stretch.end
    for mark in clause.between(noun.end, stop, Kind.NEGATION_AFTER):
        walls = clause.separators_between(noun.end, mark.start)
        is_told = all(clause.text[a:b] == ":" for a, b in walls)
        if is_told and not clause.unknown(noun.end, mark.start):
            return True
    answer = clause.between(noun.end, stop, Kind.NEGATION)  # "Pleural effusion: no"
    return bool(answer) and clause.says(noun.end, answer[0].start) == ":"


def _size_in(clause: Clause, start: int, end: int) -> bool:
    return any(start <= each.start and each.end <= end for each in clause.sizes)
