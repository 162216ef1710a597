"""Which noun of a sentence something is said of; where two readings are left, of none."""

from dataclasses import dataclass
from typing import Final

from reporting.reading.clause import Clause
from reporting.reading.vocabulary import Kind, Mark

_ADJECTIVES: Final = 3
_UNCLEAR: Final = "it is not clear which noun it is said of"


@dataclass(frozen=True)
class Said:
    """Something said: its offsets, and whether it is a size."""

    start: int
    end: int
    is_size: bool = False


def noun_of(clause: Clause, said: Said) -> Mark | str:
    """Return the noun that something is said of, or the reason why of none."""
    before = [each for each in clause.nouns if each.end <= said.start]
    after = [each for each in clause.nouns if said.end <= each.start]
    last, following = (before[-1] if before else None), (after[0] if after else None)
    if following is not None and _leads(clause, said, last, following):
        return following
    if last is None:
        return _UNCLEAR if following is None else _far_before(clause, said, following)
    return _behind(clause, said, last, following)


def directly_joined(clause: Clause, first: Mark, second: Mark) -> bool:
    """Tell whether two nouns stand together as "nodule or mass": nothing is between them."""
    marks = clause.between(first.end, second.start)
    return all(each.kind is Kind.JOIN for each in marks) and not (
        clause.unknown(first.end, second.start) or _numbers(clause, first.end, second.start)
    )


def _leads(clause: Clause, said: Said, last: Mark | None, noun: Mark) -> bool:
    """Tell whether something stands before its noun in one phrase: "12 mm solid nodule"."""
    walls = clause.separators_between(said.end, noun.start)
    only_commas = all(clause.text[a:b] == "," for a, b in walls)
    if not only_commas or (walls and not _opens(clause, said, last)):
        return False
    unknown = clause.unknown(said.end, noun.start)
    if len(unknown) > _ADJECTIVES or any(each[0].isupper() for each in unknown):
        return False
    kinds = {each.kind for each in clause.between(said.end, noun.start)}
    if kinds & {Kind.NOT_SIZE, Kind.NEIGHBOUR, Kind.BOUND, Kind.EARLIER, Kind.STUDY}:
        return False
    if said.is_size and any(
        each in clause.says(said.end, noun.start).lower().split() for each in ("in", "im", "of")
    ):
        return False
    if last is None:
        return True
    starts = clause.separators_between(last.end, said.start)
    return bool(starts) or _opens(clause, said, last)


def _opens(clause: Clause, said: Said, last: Mark | None) -> bool:
    """Tell whether an article begins a phrase of its own before it: "..., a 3 cm, simple cyst"."""
    start = clause.stretch.start if last is None else last.end
    begin = max(start, clause.chunk(said.start)[0])
    articles = clause.between(begin, said.start, Kind.ARTICLE)
    return bool(articles) and not clause.unknown(articles[-1].end, said.start)


def _far_before(clause: Clause, said: Said, noun: Mark) -> Mark | str:
    """Return the noun that an opening phrase is said of: "In the right lung there is a nodule"."""
    if said.is_size or clause.unknown(said.end, noun.start):
        return _UNCLEAR
    if clause.unknown(clause.stretch.start, said.start):
        return _UNCLEAR
    walls = clause.between(said.end, noun.start, Kind.BREAK, Kind.NEIGHBOUR, Kind.NEGATION)
    return _UNCLEAR if any(each.kind is not Kind.NEGATION for each in walls) else noun


def _behind(clause: Clause, said: Said, noun: Mark, following: Mark | None) -> Mark | str:
    reason = _cut_off(clause, said, noun)
    if reason is not None:
        return reason
    begin, end = clause.chunk(said.start)
    if not clause.separators_between(noun.end, said.start):
        return _UNCLEAR if _is_shared(clause, said, following) else noun
    if _is_new(clause, said, noun):
        return _UNCLEAR
    if following is None:
        is_about_itself = clause.between(begin, end, Kind.COMPARISON)  # "right hilum enlarged"
        is_its_own = not is_about_itself and not clause.unknown(begin, end)
        return noun if said.is_size or is_its_own else _UNCLEAR
    starts_with_it = not _small_words(clause, begin, said.start)
    return noun if starts_with_it and not clause.unknown(begin, end) else _UNCLEAR


def _cut_off(clause: Clause, said: Said, noun: Mark) -> str | None:
    """Return what stands between a noun and something behind it, or None."""
    kinds = {each.kind for each in clause.between(noun.end, said.start)}
    earlier = [each for each in clause.nouns if each.end <= noun.start]
    unknown = clause.unknown(noun.end, said.start)
    if Kind.NEIGHBOUR in kinds or _is_neighbour(clause, noun, earlier):
        return "it stands behind a neighbour of the finding"
    if Kind.BREAK in kinds:
        return _UNCLEAR
    if unknown:
        return f"{unknown[-1]!r} stands between it and the finding"
    if said.is_size and earlier and directly_joined(clause, earlier[-1], noun):
        return "it stands behind two nouns"
    return None


def _is_shared(clause: Clause, said: Said, following: Mark | None) -> bool:
    """Tell whether another noun follows in the same breath, so that it may be that one's."""
    if following is None:
        return False
    return not clause.separators_between(said.end, following.start) and not clause.between(
        said.end, following.start, Kind.ARTICLE
    )


def _is_new(clause: Clause, said: Said, noun: Mark) -> bool:
    """Tell whether an article begins something else between a noun and what is said.

    "with a volume of 5 ml" and "with a 5 mm diameter" begin nothing else.
    """
    walls = clause.separators_between(noun.end, said.start)
    if not walls:
        return False
    articles = clause.between(walls[0][1], said.start, Kind.ARTICLE)
    following = clause.text[said.end : clause.stretch.end].split(maxsplit=1)[:1]
    for article in articles:
        words = clause.text[article.end : said.start].split() + following
        if not any(each.lower().strip(".,;)") in clause.words.measures for each in words):
            return True
    return False


def _is_neighbour(clause: Clause, noun: Mark, earlier: list[Mark]) -> bool:
    if not earlier:
        return False
    return bool(clause.between(earlier[-1].end, noun.start, Kind.NEIGHBOUR))


def _small_words(clause: Clause, start: int, end: int) -> bool:
    """Tell whether a preposition begins a stretch: "in the left kidney"."""
    words = clause.text[start:end].lower().split()
    return bool(words) and words[0] in {"in", "im", "at", "on", "of", "within", "an", "am", "der"}


def _numbers(clause: Clause, start: int, end: int) -> bool:
    numbers = [(each.start, each.end) for each in clause.sizes]
    numbers += [(each.start, each.end) for each in clause.images]
    return any(start <= begins and ends <= end for begins, ends in numbers)
