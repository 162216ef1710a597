"""Whether a number is of the report's own study or of an earlier one, or may be of either."""

from collections.abc import Iterator
from typing import Final

from domain.reading import When
from reporting.reading.clause import Clause, clause
from reporting.reading.quantities import ImageNumber, Size
from reporting.reading.sections import sentences
from reporting.reading.vocabulary import Kind, Mark, Vocabulary

_DATED: Final = "a date stands with it: of which study it is is not clear"
_EITHER: Final = "it may be of this study or of the earlier one"


def when_of(clause: Clause, number: Size | ImageNumber) -> When | str:
    """Return the time of a number, or the reason why it is not known."""
    begin, end = clause.chunk(number.start)
    if isinstance(number, Size) and (number.is_from or number.is_to):
        is_change = bool(clause.of(Kind.COMPARISON, Kind.NOW, Kind.EARLIER, Kind.STUDY))
        if not is_change:
            return "a range: which size is meant is not clear"
        return When.EARLIER if number.is_from else When.NOW
    if any(begin <= start and stop <= end for start, stop in clause.dates):
        return _DATED
    behind = _right_behind(clause, number.end, end)
    if behind:
        return When.EARLIER
    return _by_what_leads(clause, number, begin)


def earlier_sizes(text: str, words: Vocabulary) -> Iterator[tuple[int, int]]:
    """Yield where lengths and volumes of an earlier study stand: half-open offsets."""
    for stretch in sentences(text, words.headings):
        said = clause(text, stretch, words)
        for size in said.sizes:
            if when_of(said, size) == When.EARLIER:
                yield size.start, size.end


def _by_what_leads(clause: Clause, number: Size | ImageNumber, begin: int) -> When | str:
    time: When | str = When.NOW
    for mark in clause.between(begin, number.start):
        match mark.kind:
            case Kind.EARLIER:
                time = When.EARLIER
            case Kind.NOW:
                time = When.NOW if mark.text.lower() not in _DIRECT or _next(
                    clause, mark, number
                ) else time  # fmt: skip
            case Kind.STUDY:
                time = When.EARLIER if _next(clause, mark, number) else _EITHER
            case Kind.PAST if _is_contrasted(clause, number):
                time = When.EARLIER
            case _:
                pass
    if time == When.EARLIER and clause.between(begin, number.start, Kind.UNCHANGED):
        return _EITHER
    if time == _EITHER and clause.between(begin, number.start, Kind.UNCHANGED):
        return When.NOW
    return time


_DIRECT: Final = frozenset({"to", "auf"})


def _next(clause: Clause, mark: Mark, number: Size | ImageNumber) -> bool:
    """Tell whether a number follows at once, but for a sign or "of"."""
    words = clause.text[mark.end : number.start].strip(" :=,(").lower().split()
    return len(words) <= 1 and all(
        each in {"of", "mit", "von", "measured", "maß"} for each in words
    )


def _right_behind(clause: Clause, end: int, stop: int) -> bool:
    """Tell whether "previously" or "on the prior" follows at once."""
    for mark in clause.between(end, stop):
        words = clause.text[end : mark.start].strip(" ,").lower().split()
        if mark.kind in {Kind.EARLIER, Kind.STUDY} and not words:
            return mark.kind is Kind.STUDY or " " not in mark.text  # no "compared to"
        if mark.kind is Kind.STUDY and words and words[0] in clause.words.on_study:
            return all(each in clause.words.glue for each in words[1:])
    return False


def _is_contrasted(clause: Clause, number: Size | ImageNumber) -> bool:
    """Tell whether the sentence speaks of change, so that its past tense is of an earlier study."""
    others = clause.of(Kind.NOW, Kind.COMPARISON, Kind.STUDY, Kind.EARLIER)
    return any(each.text.lower() not in _DIRECT for each in others) and bool(number)
