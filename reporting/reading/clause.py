"""One sentence with everything found in it, and what stands between two places of it.

What is said belongs to a noun only along words that are known: an unknown word may be a noun of its
own, and then the number or side is that one's.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from reporting.reading.quantities import ImageNumber, Size, images_in, sizes_in
from reporting.reading.sections import Stretch
from reporting.reading.vocabulary import Kind, Mark, Meaning, Vocabulary

_SEPARATES: Final = frozenset({Kind.JOIN, Kind.BREAK, Kind.NEGATION, Kind.NEIGHBOUR})
_SIGNS: Final = re.compile(r"[,;:](?!\d)|(?<!\d)[,:]")
_WORD: Final = re.compile(r"[^\W_]+(?:[-'\u2019.][^\W_]+)*")
_BRACKETS: Final = re.compile(r"\([^()]*\)|\[[^\[\]]*\]")
_DATE: Final = re.compile(
    r"\b(?:\d{4}-\d{2}-\d{2}|\d{1,2}\.\s?\d{1,2}\.\s?\d{2,4}|\d{1,2}/\d{1,2}/\d{2,4}|\d{1,2}/\d{4})"
)
_SEGMENT: Final = re.compile(
    r"\b(?:[Ss]egments?|[Ss]eg\.|S)\s?(?P<number>\d{1,2}|[IVX]{1,4})(?P<part>[ab]?)\b"
)
_ROMAN: Final = ("", "I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X")
_SPACE: Final = re.compile(r"\s+")


@dataclass(frozen=True, kw_only=True)
class Clause:
    """A sentence as marks.

    Attributes
    ----------
    text
        Of the whole report or page; all offsets are in it.
    separators
        Half-open offsets of what ends one chunk of the sentence and begins the next.
    """

    text: str
    stretch: Stretch
    words: Vocabulary
    marks: tuple[Mark, ...]
    sizes: tuple[Size, ...]
    images: tuple[ImageNumber, ...]
    dates: tuple[tuple[int, int], ...]
    brackets: tuple[tuple[int, int], ...]
    separators: tuple[tuple[int, int], ...]

    @property
    def nouns(self) -> list[Mark]:
        """What may be findings, in their order."""
        return self.of(Kind.NOUN)

    def of(self, *kinds: Kind) -> list[Mark]:
        """Return the marks of these kinds."""
        return [each for each in self.marks if each.kind in kinds]

    def between(self, start: int, end: int, *kinds: Kind) -> list[Mark]:
        """Return the marks inside a stretch, of these kinds where any are given."""
        return [
            each
            for each in self.marks
            if start <= each.start and each.end <= end and (not kinds or each.kind in kinds)
        ]

    def separators_between(self, start: int, end: int) -> list[tuple[int, int]]:
        """Return the separators inside a stretch."""
        return [each for each in self.separators if start <= each[0] and each[1] <= end]

    def chunk(self, place: int) -> tuple[int, int]:
        """Return the chunk a place is in; brackets are chunks of their own."""
        start, end = self.stretch.start, self.stretch.end
        for opens, closes in self.brackets:
            if opens < place < closes:
                start, end = opens + 1, closes - 1
        pieces = [*self.separators, *self._signs_in_brackets(start, end)]
        pieces += [(a, b) for a, b in self.brackets if not a < place < b]
        starts = [stop for begin, stop in pieces if start <= begin and stop <= place]
        ends = [begin for begin, stop in pieces if place < begin and stop <= end]
        return max(starts, default=start), min(ends, default=end)

    def unknown(self, start: int, end: int) -> list[str]:
        """Return the words in a stretch that are neither marks, numbers nor glue."""
        taken = [(each.start, each.end) for each in self.marks]
        taken += [(each.start, each.end) for each in self.sizes]
        taken += [(each.start, each.end) for each in self.images]
        taken += self.dates
        found = []
        for match in _WORD.finditer(self.text, start, end):
            word = match.group()
            is_taken = any(a < match.end() and match.start() < b for a, b in taken)
            is_plain = word.lower() in self.words.glue or not any(map(str.isalpha, word))
            if not is_taken and not is_plain:
                found.append(word)
        return found

    def says(self, start: int, end: int) -> str:
        """Return the characters of a stretch, spaces as one."""
        return _SPACE.sub(" ", self.text[start:end]).strip()

    def _signs_in_brackets(self, start: int, end: int) -> list[tuple[int, int]]:
        if not any(opens + 1 == start and end == closes - 1 for opens, closes in self.brackets):
            return []
        return [(m.start(), m.end()) for m in _SIGNS.finditer(self.text, start, end)]


def clause(text: str, stretch: Stretch, words: Vocabulary) -> Clause:
    """Return a sentence with its marks."""
    start, end = stretch.start, stretch.end
    said = text[start:end]
    dates = tuple((m.start() + start, m.end() + start) for m in _DATE.finditer(said))
    images = tuple(images_in(_blank(said, start, dates), start))
    shown = tuple((each.start, each.end) for each in images)
    sizes = tuple(sizes_in(_blank(said, start, (*dates, *shown)), start))
    numbers = [(each.start, each.end) for each in sizes]
    blanked = _blank(said, start, (*dates, *shown, *numbers))
    segments = [_segment(match, start) for match in _SEGMENT.finditer(blanked)]
    named = _blank(blanked, start, [(each.start, each.end) for each in segments])
    marks = tuple(sorted((*words.marks(named, start), *segments), key=lambda each: each.start))
    brackets = tuple((m.start() + start, m.end() + start) for m in _BRACKETS.finditer(said))
    signs = [(m.start() + start, m.end() + start) for m in _SIGNS.finditer(blanked)]
    signs += [(each.start, each.end) for each in marks if each.kind in _SEPARATES]
    outside = [
        (a, b) for a, b in signs if not any(opens < a < closes for opens, closes in brackets)
    ]
    return Clause(
        text=text,
        stretch=stretch,
        words=words,
        marks=marks,
        sizes=sizes,
        images=images,
        dates=dates,
        brackets=brackets,
        separators=tuple(sorted(outside)),
    )


def _segment(match: re.Match[str], offset: int) -> Mark:
    """Return the mark of a segment of lung or liver: which organ it is of is said elsewhere."""
    said = match["number"]
    number = said if said.isdigit() else str(_ROMAN.index(said) if said in _ROMAN else said)
    meaning = Meaning(kind=Kind.PLACE, site=f"segment {number}{match['part']}")
    return Mark(meaning, match.group(), match.start() + offset, match.end() + offset)


def _blank(text: str, offset: int, taken: Sequence[tuple[int, int]]) -> str:
    """Return a text of the same length with these stretches as spaces."""
    made = list(text)
    for start, end in taken:
        made[start - offset : end - offset] = " " * (end - start)
    return "".join(made)
