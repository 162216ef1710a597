"""The sentences that one misheard word would turn a sentence into."""

from collections.abc import Iterator
from typing import Final

from copilot.intent.numbers import ordinal_words_of, read_number, read_ordinal, words_of

_RIVALS: Final = (
    ("left", "right", "both"),
    ("largest", "smallest"),
    ("larger", "smaller"),
    ("next", "previous"),
    ("accept", "reject"),
    ("undo", "redo"),
    ("upper", "middle", "lower"),
)
_FIRST_ORDINALS: Final = range(1, 6)
_LEAST_AFTER_ONE: Final = 10  # "one five" is no way to say a hundred and five


def variants_of(sentence: str) -> Iterator[str]:
    """Yield the sentence with its side, ordinal or number exchanged for what it may be mistaken.

    Not all of them need be sentences of the grammar.
    """
    words = tuple(sentence.split())
    for place, word in enumerate(words):
        for group in _RIVALS:
            if word in group:
                for other in group:
                    if other != word:
                        yield " ".join((*words[:place], other, *words[place + 1 :]))
        ordinal = read_ordinal(words, place)
        if ordinal is not None:
            for number in _FIRST_ORDINALS:
                if number != ordinal[1]:
                    other = ordinal_words_of(number)
                    yield " ".join((*words[:place], other, *words[ordinal[0] :]))
    yield from _with_other_numbers(words)


def _with_other_numbers(words: tuple[str, ...]) -> Iterator[str]:
    place = 0
    while place < len(words):
        found = read_number(words, place)
        if found is None:
            place += 1
            continue
        end, number = found
        for other in (*_like_sounding(number), *_a_hundred_apart(number)):
            yield " ".join((*words[:place], words_of(other), *words[end:]))
        place = end


def _a_hundred_apart(number: int) -> Iterator[int]:
    """Yield sixty three for one sixty three, and the other way round."""
    hundreds, rest = divmod(number, 100)
    if hundreds == 1 and rest:
        yield rest
    if hundreds == 0 and number > _LEAST_AFTER_ONE:
        yield 100 + number


def _like_sounding(number: int) -> Iterator[int]:
    """Yield thirty for thirteen, forty two for forty, and the like."""
    hundreds, rest = divmod(number, 100)
    tens, unit = divmod(rest, 10)
    if hundreds >= 10:  # noqa: PLR2004
        return
    others = []
    if tens == 1 and unit > 2:  # noqa: PLR2004
        others.append(unit * 10)
    if unit == 0 and tens > 2:  # noqa: PLR2004
        others.append(10 + tens)
    if tens > 1 and unit:
        others.append(tens * 10)
    if tens > 1 and unit == 0:
        others.append(tens * 10 + 2)
    if tens in {4, 5}:
        others.append((9 - tens) * 10 + unit)
    if unit in {5, 9}:
        others.append(tens * 10 + 14 - unit)
    for other in others:
        if other != rest:
            yield hundreds * 100 + other
