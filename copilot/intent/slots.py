"""What may stand in the slots of a pattern."""

from collections.abc import Iterator, Mapping
from typing import Final

from copilot.intent.finding import FindingMatcher
from copilot.intent.numbers import ordinal_words_of, read_number, read_ordinal, words_of
from copilot.intent.patterns import (
    Choice,
    Pattern,
    Sequence,
    Slot,
    SlotMatcher,
    Words,
    choice_of,
    read_pattern,
)
from copilot.intent.rules import RARE, Rules
from copilot.intent.wording import NEGATIONS
from domain.command import LARGEST_STEP_MM
from domain.concepts import ConceptTable

_LAST_ORDINAL: Final = 20
_LISTED: Final = 20


class PhraseMatcher:
    """One of a list of phrases, each with a value."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = {
            tuple(phrase.lstrip(RARE).split()): value for phrase, value in values.items()
        }
        self._proposed = [phrase for phrase in values if not phrase.startswith(RARE)]
        self._longest = max(len(phrase) for phrase in self._values)

    def matches(self, words: tuple[str, ...], start: int) -> Iterator[tuple[int, object]]:
        """Yield the longest phrase first."""
        for length in range(min(self._longest, len(words) - start), 0, -1):
            value = self._values.get(words[start : start + length])
            if value is not None:
                yield start + length, value

    def spoken(self) -> Pattern:
        """Return every phrase that is not rare."""
        return choice_of(self._proposed)


class NumberMatcher:
    """A cardinal number; up to ``last`` it is proposed for an unclear recording."""

    def __init__(self, *, last: int = 999) -> None:
        self._last = last

    def matches(self, words: tuple[str, ...], start: int) -> Iterator[tuple[int, object]]:
        """Yield the number that starts here, if any."""
        found = read_number(words, start)
        if found is not None:
            yield found

    def spoken(self) -> Pattern:
        """Return the numbers from 1 on; many are built of their parts."""
        if self._last <= _LISTED:
            return choice_of([words_of(value) for value in range(1, self._last + 1)])
        units = choice_of([words_of(value) for value in range(1, 10)])
        tens = choice_of([words_of(value) for value in range(20, 100, 10)])
        teens = choice_of([words_of(value) for value in range(10, 20)])
        nothing = Sequence(())
        below_hundred = Choice((units, teens, Sequence((tens, Choice((nothing, units))))))
        hundreds = Sequence(
            (Choice((units, Words(("a",)))), Words(("hundred",)), read_pattern("[and]"))
        )
        return Choice(
            (
                below_hundred,
                Sequence((hundreds, below_hundred)),
                Sequence((units, Words(("hundred",)))),
            )
        )


class OrdinalMatcher:
    """An ordinal number."""

    def matches(self, words: tuple[str, ...], start: int) -> Iterator[tuple[int, object]]:
        """Yield the ordinal that starts here, if any."""
        found = read_ordinal(words, start)
        if found is not None:
            yield found

    def spoken(self) -> Pattern:
        """Return "first" to "twentieth"."""
        return choice_of([ordinal_words_of(value) for value in range(1, _LAST_ORDINAL + 1)])


class FindingsMatcher:
    """One finding or several: "the spleen, the liver and the pancreas"."""

    def __init__(self, single: FindingMatcher) -> None:
        self._single = single

    def matches(self, words: tuple[str, ...], start: int) -> Iterator[tuple[int, object]]:
        """Yield tuples of findings, the longest first."""
        for end, first in self._single.matches(words, start):
            for joined in (("and",), ("and", "also"), ("as", "well", "as"), ("plus",), ()):
                after = end + len(joined)
                if words[end:after] == joined and after < len(words):
                    for last, more in self.matches(words, after):
                        assert isinstance(more, tuple)
                        yield last, (first, *more)
            yield end, (first,)

    def spoken(self) -> Pattern:
        """Return one or two findings."""
        further = Sequence((Words(("and",)), self._single.spoken_further()))
        return Sequence((self._single.spoken(), Choice((Sequence(()), further))))


class RestMatcher:
    """All that is left, for dictated text and for what the table does not know."""

    def __init__(self, *, without: frozenset[str] = frozenset()) -> None:
        self._without = without

    def matches(self, words: tuple[str, ...], start: int) -> Iterator[tuple[int, object]]:
        """Yield everything that follows, if there is anything."""
        rest = words[start:]
        if rest and not self._without & set(rest):
            yield len(words), rest

    def spoken(self) -> Pattern:
        """Return nothing that could be proposed."""
        return Choice(())


def slots_for(table: ConceptTable, rules: Rules) -> Mapping[str, SlotMatcher]:
    """Return the matcher of each slot."""
    finding = FindingMatcher(table)
    return {
        "finding": finding,
        "findings": FindingsMatcher(finding),
        "number": NumberMatcher(),
        "step_mm": NumberMatcher(last=LARGEST_STEP_MM),
        "ordinal": OrdinalMatcher(),
        "preset": PhraseMatcher(rules.presets),
        "measure": PhraseMatcher(rules.measures),
        "section": PhraseMatcher(rules.sections),
        "text": RestMatcher(),
        "unknown": RestMatcher(without=NEGATIONS),
    }


def filled(pattern: Pattern, spoken: Mapping[str, Pattern]) -> Pattern:
    """Return the pattern with what people say in place of its slots."""
    match pattern:
        case Slot(name):
            return spoken[name]
        case Choice(options):
            return Choice(tuple(filled(option, spoken) for option in options))
        case Sequence(parts):
            return Sequence(tuple(filled(part, spoken) for part in parts))
        case Words():
            return pattern
