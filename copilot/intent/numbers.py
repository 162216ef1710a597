"""Numbers as they are spoken or written: "forty two", "42", "one hundred and seven", "21st"."""

import re
from typing import Final


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


_UNITS: Final = _words(
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen "
    "fifteen sixteen seventeen eighteen nineteen"
)
_TENS: Final = _words("twenty thirty forty fifty sixty seventy eighty ninety")
_ORDINAL_UNITS: Final = _words(
    "zeroth first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth "
    "thirteenth fourteenth fifteenth sixteenth seventeenth eighteenth nineteenth"
)
_ORDINAL_TENS: Final = _words(
    "twentieth thirtieth fortieth fiftieth sixtieth seventieth eightieth ninetieth"
)

_UNIT_VALUE: Final = {word: value for value, word in enumerate(_UNITS)}
_TENS_VALUE: Final = {word: 20 + 10 * value for value, word in enumerate(_TENS)}
_ORDINAL_VALUE: Final = {word: value for value, word in enumerate(_ORDINAL_UNITS)} | {
    word: 20 + 10 * value for value, word in enumerate(_ORDINAL_TENS)
}
_WRITTEN_ORDINAL: Final = re.compile(r"^(\d{1,3})(st|nd|rd|th)$")
_BELOW: Final = 1000
_FIRST_IN_DIGITS: Final = 10

NUMBER_WORDS: Final = frozenset(
    (*_UNITS, *_TENS, *_ORDINAL_UNITS, *_ORDINAL_TENS, "hundred", "thousand")
)


def words_of(number: int) -> str:
    """Return a number from 0 to 999 in words: 142 is "one hundred forty two"."""
    if not 0 <= number < _BELOW:
        raise ValueError(f"{number} is not between 0 and {_BELOW - 1}")
    hundreds, rest = divmod(number, 100)
    words = [_UNITS[hundreds], "hundred"] if hundreds else []
    if rest or not hundreds:
        words.append(_below_hundred(rest))
    return " ".join(words)


def _below_hundred(number: int) -> str:
    if number < len(_UNITS):
        return _UNITS[number]
    tens, unit = divmod(number, 10)
    return _TENS[tens - 2] + (f" {_UNITS[unit]}" if unit else "")


def ordinal_words_of(number: int) -> str:
    """Return an ordinal from 1 to 99 in words: 21 is "twenty first"."""
    if number < len(_ORDINAL_UNITS):
        return _ORDINAL_UNITS[number]
    tens, unit = divmod(number, 10)
    return f"{_TENS[tens - 2]} {_ORDINAL_UNITS[unit]}" if unit else _ORDINAL_TENS[tens - 2]


def read_number(words: tuple[str, ...], start: int) -> tuple[int, int] | None:
    """Return the end and value of the cardinal number that starts here, or None.

    Digits said one by one are one number: "four two" is 42, and "one oh seven" 107.
    """
    if start >= len(words):
        return None
    if words[start].isdecimal():
        return start + 1, int(words[start])
    hundreds = _read_hundreds(words, start)
    if hundreds is not None:
        return hundreds
    return _read_digits(words, start) or _read_below_hundred(words, start)


def _read_hundreds(words: tuple[str, ...], start: int) -> tuple[int, int] | None:
    if words[start + 1 : start + 2] != ("hundred",):
        return None
    count = 1 if words[start] == "a" else _UNIT_VALUE.get(words[start], 0)
    if not 1 <= count <= len("123456789"):
        return None
    end, value = start + 2, 100 * count
    skip = end + (words[end : end + 1] == ("and",))
    rest = _read_below_hundred(words, skip)
    return (rest[0], value + rest[1]) if rest else (end, value)


def _read_below_hundred(words: tuple[str, ...], start: int) -> tuple[int, int] | None:
    if start >= len(words):
        return None
    word = words[start]
    if word in _UNIT_VALUE:
        return start + 1, _UNIT_VALUE[word]
    if word not in _TENS_VALUE:
        return None
    following = _UNIT_VALUE.get(words[start + 1], 0) if start + 1 < len(words) else 0
    if 1 <= following <= len("123456789"):
        return start + 2, _TENS_VALUE[word] + following
    return start + 1, _TENS_VALUE[word]


def _read_digits(words: tuple[str, ...], start: int) -> tuple[int, int] | None:
    digits, end = "", start
    while end < len(words):
        value = 0 if words[end] in {"oh", "o"} and digits else _UNIT_VALUE.get(words[end])
        if value is None or value > len("123456789"):
            break
        digits += str(value)
        end += 1
    return (end, int(digits)) if len(digits) > 1 else None


def read_ordinal(words: tuple[str, ...], start: int) -> tuple[int, int] | None:
    """Return the end and value of the ordinal that starts here, or None."""
    if start >= len(words):
        return None
    word = words[start]
    if written := _WRITTEN_ORDINAL.match(word):
        return start + 1, int(written[1])
    if word in _ORDINAL_VALUE:
        return start + 1, _ORDINAL_VALUE[word]
    if word in _TENS_VALUE and start + 1 < len(words):
        unit = _ORDINAL_VALUE.get(words[start + 1], 0)
        if 1 <= unit <= len("123456789"):
            return start + 2, _TENS_VALUE[word] + unit
    return None


def digits_spoken(text: str) -> str:
    """Return the text with its digits as words, to be compared by sound."""

    def spoken(found: re.Match[str]) -> str:
        number = int(found[1])
        if number >= _BELOW:
            return " ".join(_UNITS[int(digit)] for digit in found[1])
        return f" {ordinal_words_of(number) if found[2] and number else words_of(number)} "

    return re.sub(r"(\d+)(st|nd|rd|th)?", spoken, text)


def digits_written(text: str) -> str:
    """Return the text with cardinal numbers from ten on as digits, as recognisers write them."""
    words, place, written = tuple(text.split()), 0, []
    while place < len(words):
        found = read_number(words, place)
        if found is None or (
            found[1] < _FIRST_IN_DIGITS and words[place - 1 : place] != ("slice",)
        ):
            written.append(words[place])
            place += 1
        else:
            place, number = found
            written.append(str(number))
    return " ".join(written)
