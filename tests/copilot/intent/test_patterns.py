import pytest
from hypothesis import given
from hypothesis import strategies as st

from copilot.intent.numbers import (
    digits_spoken,
    digits_written,
    ordinal_words_of,
    read_number,
    read_ordinal,
    words_of,
)
from copilot.intent.patterns import match_pattern, read_pattern
from copilot.intent.wording import without_courtesy, words_in
from domain.errors import SettingsError


def fits(pattern: str, sentence: str) -> bool:
    words = tuple(sentence.split())
    return any(end == len(words) for end, _ in match_pattern(read_pattern(pattern), words, {}))


@pytest.mark.parametrize(
    ("pattern", "sentence", "whether"),
    [
        ("go to (slice|image)", "go to image", True),
        ("go to (slice|image)", "go to", False),
        ("[please] stop", "stop", True),
        ("[please] stop", "please stop", True),
        ("a [b [c]] d", "a b d", True),
        ("a [b [c]] d", "a c d", False),
        ("stop|halt now", "stop", True),
        ("stop|halt now", "stop now", False),
    ],
)
def test_choices_and_options(pattern: str, sentence: str, whether: bool) -> None:
    assert fits(pattern, sentence) == whether


@pytest.mark.parametrize("pattern", ["(a|b", "a [b", "a)", "<unknown> b"])
def test_a_wrong_pattern_is_named(pattern: str) -> None:
    with pytest.raises(SettingsError, match="pattern"):
        read_pattern(pattern)


@given(st.integers(0, 999))
def test_numbers_are_read_as_they_are_said(number: int) -> None:
    words = tuple(words_of(number).split())
    assert read_number(words, 0) == (len(words), number)
    assert read_number((str(number),), 0) == (1, number)
    assert digits_spoken(str(number)).split() == list(words)


@given(st.integers(10, 999))
def test_numbers_are_written_in_digits(number: int) -> None:
    assert digits_written(f"go to slice {words_of(number)}") == f"go to slice {number}"


@given(st.integers(1, 99))
def test_ordinals_are_read_as_they_are_said(number: int) -> None:
    words = tuple(ordinal_words_of(number).split())
    assert read_ordinal(words, 0) == (len(words), number)


@pytest.mark.parametrize(
    ("words", "number"),
    [("one hundred and seven", 107), ("a hundred five", 105), ("four two", 42),
     ("one oh seven", 107)],
)  # fmt: skip
def test_other_ways_of_saying_a_number(words: str, number: int) -> None:
    split = tuple(words.split())
    assert read_number(split, 0) == (len(split), number)


def test_one_spelling() -> None:
    assert words_in("What's the Tumour's size, 12mm?") == (
        "what", "is", "the", "tumor", "size", "12", "mm"
    )  # fmt: skip


@given(st.lists(st.sampled_from(["please", "um", "okay", "thanks", "left", "kidney", "now"]),
                min_size=1))  # fmt: skip
def test_courtesy_never_takes_everything_or_a_side(words: list[str]) -> None:
    kept = without_courtesy(tuple(words))
    assert kept
    assert kept.count("left") == words.count("left")
    assert kept.count("kidney") == words.count("kidney")
