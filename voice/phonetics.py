"""How words sound: letters to sounds by rule, and how far two sounds lie apart.

English spelling is turned into a string with one character for each sound. Rules suffice: heard
and known words pass through the same ones, so an inexact rule errs alike on both sides. Words the
rules get wrong, and abbreviations spoken by their letters, are given in ``configs/lexicon.toml``.

Sounds: ``a`` cat, ``e`` bed, ``i`` bit, ``o`` hot, ``u`` cut, ``A`` day, ``E`` see, ``I`` lie,
``O`` go, ``U`` too, ``W`` cow, ``Y`` boy; ``S`` she, ``C`` chin, ``J`` jam, ``T`` thin, ``N`` sing;
other consonants as written.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

VOWELS: Final = "aeiouAEIOUWY"
CONSONANTS: Final = "pbtdkgfvszSCJTmnNlrwyh"
SOUNDS: Final = VOWELS + CONSONANTS

_LETTERS: Final[Mapping[str, str]] = {
    "a": "A", "b": "bE", "c": "sE", "d": "dE", "e": "E", "f": "ef", "g": "JE", "h": "AC",
    "i": "I", "j": "JA", "k": "kA", "l": "el", "m": "em", "n": "en", "o": "O", "p": "pE",
    "q": "kyU", "r": "ar", "s": "es", "t": "tE", "u": "yU", "v": "vE", "w": "dubulyU",
    "x": "eks", "y": "wI", "z": "zE",
}  # fmt: skip

# (spelling, sounds), tried in order at each place of a word; ^ and $ are its ends.
_RULES: Final = tuple(
    (re.compile(spelling), sounds)
    for spelling, sounds in (
        (r"^kn|^gn|^pn", "n"), (r"^wr", "r"), (r"^ps", "s"), (r"^x", "z"), (r"^wh(?=o)", "h"),
        (r"wh", "w"), (r"^one$", "wun"), (r"^once$", "wuns"), (r"^two$", "tU"), (r"^eight", "At"),
        (r"^the$", "Tu"), (r"^a$", "u"), (r"^to$|^too$", "tU"), (r"^do$", "dU"), (r"^of$", "uv"),
        (r"^you", "yU"), (r"^what", "wut"), (r"^are$", "ar"), (r"^have$", "hav"),
        (r"^give", "giv"), (r"^live(?=r)", "liv"), (r"^says?$", "sA"),
        (r"tion|sion(?<=nsion)|ssion|cion", "Sun"), (r"(?<=[aeiou])sion", "Jun"), (r"sion", "Sun"),
        (r"tious|cious", "Sus"), (r"(?<=[^s])tial|cial", "Sul"), (r"xial", "ksEul"),
        (r"ture\b", "Cur"), (r"sure(?=[ds]?$)", "Jur"), (r"dule$", "JUl"), (r"dules$", "JUlz"),
        (r"(?<=[a-z])ological", "olojikul"), (r"(?<=.)ism$", "izum"),
        (r"sch", "sk"), (r"tch", "C"), (r"chr", "kr"), (r"(?<=s|e)chem|chem", "kEm"),
        (r"ch(?=[lrnt])", "k"), (r"(?<=a)ch(?=[aeo])", "k"), (r"ch", "C"), (r"ck", "k"),
        (r"ph", "f"), (r"gh(?=t)", ""), (r"(?<=[aeiou])ugh|(?<=[aeiou])gh", ""), (r"gh", "g"),
        (r"sh", "S"), (r"th", "T"), (r"dge", "J"), (r"dg", "J"), (r"ng(?=[sl]?$)", "N"),
        (r"nk", "Nk"), (r"qu", "kw"), (r"que$", "k"), (r"x", "ks"), (r"rh", "r"), (r"mb$", "m"),
        (r"sc(?=[eiy])", "s"), (r"cc(?=[eiy])", "ks"), (r"c(?=[eiy])", "s"), (r"cc|c", "k"),
        (r"gg", "g"), (r"^g(?=et|iv|ir)", "g"), (r"g(?=e[rnm]|e$|es$|i|y)", "J"), (r"g", "g"),
        (r"(?<=[aeiou])s(?=e$|ed$|es$)", "z"), (r"(?<=[bdgvlmnrw])s$", "z"), (r"ss|s", "s"),
        (r"tt|t", "t"), (r"bb|b", "b"), (r"dd|d", "d"), (r"ff|f", "f"), (r"ll|l", "l"),
        (r"mm|m", "m"), (r"nn|n", "n"), (r"pp|p", "p"), (r"rr|r", "r"), (r"zz|z", "z"),
        (r"v", "v"), (r"w(?=[aeiouhr]|$)", "w"), (r"w", ""), (r"k", "k"), (r"j", "J"), (r"h", "h"),
        (r"ae(?!r)|oe(?=[dms])", "E"), (r"igh|ie$|y(?<=^[a-z]y)$|ye$", "I"), (r"eigh|ey(?=$)", "A"),
        (r"ai|ay|ei(?=[gn])", "A"), (r"ee|ea(?=d$)", "E"), (r"ear$|eer", "Er"), (r"ea|ei|ie", "E"),
        (r"ou(?=r)", "O"), (r"ou|ow(?=[nldr])", "W"), (r"^(?<=.)ow", "O"), (r"ow", "O"),
        (r"oi|oy", "Y"), (r"oo", "U"), (r"oa|oe$", "O"), (r"au|aw", "o"), (r"ue$|ui|eu|ew", "U"),
        (r"a(?=[bcdfgklmnpstvz]e[sd]?$)", "A"), (r"i(?=[bcdfgklmnpstvz]e[sd]?$)", "I"),
        (r"o(?=[bcdfgklmnpstvz]e[sd]?$)", "O"), (r"u(?=[bcdfgklmnpstvz]e[sd]?$)", "U"),
        (r"e(?=[t]e$)", "E"), (r"a(?=tion|sion)", "A"), (r"o(?=tion|sion)", "O"),
        (r"(?<=[^aeiou])y$", "E"), (r"^y", "y"), (r"y", "i"),
        (r"(?<=[a-z]{2})e$|(?<=.[a-z])e$", ""),
        (r"(?<=[sSzxc])e(?=s$)", "i"), (r"(?<=[a-z])e(?=s$)", ""), (r"(?<=[^td])e(?=d$)", ""),
        (r"e$", "E"), (r"o$", "O"), (r"i$", "I"), (r"a$", "u"), (r"ar(?![aeiou])", "ar"),
        (r"[eiu]r(?![aeiou])|or(?=$)", "ur"), (r"or", "Or"), (r"al$", "ul"), (r"a", "a"),
        (r"e", "e"), (r"i", "i"), (r"o", "o"), (r"u", "u"),
    )
)  # fmt: skip


@lru_cache(maxsize=8192)
def _sounds_of_word(word: str) -> str:
    if re.fullmatch(r"[bcdfghjklmnpqrstvwxz]+", word):
        return "".join(_LETTERS[letter] for letter in word)
    sounds, place = [], 0
    while place < len(word):
        for spelling, sound in _RULES:
            found = spelling.match(word, place)
            if found and found.end() > place:
                sounds.append(sound)
                place = found.end()
                break
        else:
            place += 1
    return re.sub(r"(.)\1+", r"\1", "".join(sounds))


def sounds_of(text: str, pronunciations: Mapping[str, str] | None = None) -> str:
    """Return the sounds of a phrase of lower-case words and letters, run together.

    ``pronunciations`` holds words whose sounds are given, in this module's alphabet.
    """
    given = pronunciations or {}
    return "".join(
        given[word] if word in given else _sounds_of_word(word)
        for word in re.findall(r"[a-z]+", text.lower())
    )


_NEAR: Final = (
    ("pb", 0.35), ("td", 0.3), ("kg", 0.35), ("fv", 0.3), ("sz", 0.25), ("SCJ", 0.3), ("JdC", 0.6),
    ("sST", 0.5), ("Tft", 0.5), ("Td", 0.5), ("mnN", 0.4), ("lrw", 0.5), ("yEi", 0.4), ("wUu", 0.5),
    ("bv", 0.5), ("ptk", 0.7), ("bdg", 0.7), ("sC", 0.6), ("lo", 0.7), ("lu", 0.7),
    ("eiE", 0.25), ("aeA", 0.3), ("aou", 0.25), ("uie", 0.3), ("oOW", 0.3), ("Uu", 0.3),
    ("Io", 0.4), ("Ia", 0.4), ("YO", 0.3), ("Wa", 0.4), ("OU", 0.4), ("AE", 0.4),
)  # fmt: skip
_VOWEL_FOR_VOWEL: Final = 0.5
_CONSONANT_FOR_CONSONANT: Final = 0.95
_VOWEL_FOR_CONSONANT: Final = 1.2
_CHEAP_TO_DROP: Final[Mapping[str, float]] = {"h": 0.4, "y": 0.4, "w": 0.5, "u": 0.4, "i": 0.45}


def _substitution_costs() -> NDArray[np.float32]:
    costs = np.empty((len(SOUNDS), len(SOUNDS)), np.float32)
    for row, first in enumerate(SOUNDS):
        for column, second in enumerate(SOUNDS):
            vowels = (first in VOWELS) + (second in VOWELS)
            costs[row, column] = (
                _CONSONANT_FOR_CONSONANT,
                _VOWEL_FOR_CONSONANT,
                _VOWEL_FOR_VOWEL,
            )[vowels]
    np.fill_diagonal(costs, 0)
    for group, cost in _NEAR:
        for first in group:
            for second in group:
                place = SOUNDS.index(first), SOUNDS.index(second)
                if first != second:
                    costs[place] = min(costs[place], cost)
    return costs


SUBSTITUTION: Final = _substitution_costs()
"""Cost of hearing one sound for another, shape (sounds, sounds)."""

DROPPING: Final[NDArray[np.float32]] = np.array(
    [_CHEAP_TO_DROP.get(each, 0.55 if each in VOWELS else 0.8) for each in SOUNDS], np.float32
)
"""Cost of a sound missed or added, shape (sounds,)."""

_NUMBER_OF: Final[Mapping[str, int]] = {each: number for number, each in enumerate(SOUNDS)}


def numbered(sounds: str) -> NDArray[np.intp]:
    """Return the place of each sound in ``SOUNDS``."""
    return np.array([_NUMBER_OF[each] for each in sounds], np.intp)


def distance(first: str, second: str) -> float:
    """Return what it costs to turn one string of sounds into another.

    0 for equal sounds, about 0.3 for a near vowel or a voiced for a voiceless consonant, about 1
    for two unlike ones.
    """
    heard, known = numbered(first), numbered(second)
    row = np.concatenate(([0.0], np.cumsum(DROPPING[heard])))
    for sound in known:
        following = row + DROPPING[sound]
        following[1:] = np.minimum(following[1:], row[:-1] + SUBSTITUTION[sound, heard])
        for place in range(1, row.size):
            following[place] = min(
                following[place], following[place - 1] + DROPPING[heard[place - 1]]
            )
        row = following
    return float(row[-1])


def likeness(first: str, second: str) -> float:
    """Return 1 for the same sounds, falling to 0 for wholly unlike ones."""
    longest = max(len(first), len(second))
    return max(0.0, 1 - distance(first, second) / longest) if longest else 1.0
