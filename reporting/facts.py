"""A sentence as the facts it states: what a reader would act on, in their order.

Every word is a fact unless the language lists it as glue. So what this reader does not know it
keeps: a new adjective is as much a change as a new number.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from domain.concepts import ConceptTable
from reporting.language import ENGLISH, Language

_TOKEN: Final = re.compile(
    r"""
    (?P<date>(?: \d{4}-\d{2}-\d{2} | \d{1,2}\.\d{1,2}\.\d{2,4} | \d{1,2}/\d{1,2}/\d{2,4} )(?!\d))
  | (?P<number>(?:[±<>≤≥~≈]\s?)?(?:(?<![\w.,)%²³])[-+\u2212])?\d+(?:[.,]\d+)*)
  | (?P<word>g/ml\b | [^\W\d_][\w'\u2019]*(?:[-/][^\W_][\w'\u2019]*)*(?:-(?=\s))?)
  | (?P<dash>[-\u2013—\u2212])
  | (?P<sign>\S)
    """,
    re.VERBOSE | re.IGNORECASE,
)
_HARD: Final = frozenset(".;!")
_SOFT: Final = frozenset(",:()")
_SILENT: Final = frozenset("\"'“”„\u2018\u2019`")
_LONGEST_PHRASE: Final = 6
_BETWEEN: Final = {"x": "x", "\u00d7": "x", "to": "to"}


class Kind(StrEnum):
    """What a fact is."""

    NOUN = "finding or anatomy"
    ATTRIBUTE = "quantity"
    NUMBER = "number"
    SIDE = "side"
    NEGATION = "negation"
    HEDGE = "uncertainty"
    COMPARATIVE = "comparison"
    PLACE = "place"
    OTHER = "word"


class Break(StrEnum):
    """Where a clause ends."""

    HARD = "."
    SOFT = ","
    JOIN = "and"
    PLACE = "in"  # no end: what follows is where something is


@dataclass(frozen=True)
class Fact:
    """One fact, in a form that its harmless variants share: "5 mm", "right", "renal cyst"."""

    kind: Kind
    text: str

    def __str__(self) -> str:
        return f"{self.kind.value} {self.text!r}"


@dataclass(frozen=True, kw_only=True)
class Lexicon:
    """The words of a language, by what they are as facts; phrases by their number of words."""

    decimal: str
    phrases: Mapping[str, Kind]
    words: Mapping[str, Kind]
    glue: frozenset[str]
    same: Mapping[str, str]
    sides: Mapping[str, str]
    units: Mapping[str, str]
    numbers: Mapping[str, int]
    ranges: frozenset[str]
    joins: frozenset[str]
    breaks: frozenset[str]
    towards: frozenset[str]
    places: frozenset[str]


def lexicon(words: Language, table: ConceptTable) -> Lexicon:
    """Return the lexicon of a language with the nouns of a concept table.

    Synonyms of the table stay facts of their own: "liver mass" reworded as "hepatocellular
    carcinoma" finds the same segmenter and is another diagnosis.
    """
    facts = words.facts
    phrases = dict.fromkeys(facts["nouns"], Kind.NOUN)
    phrases |= dict.fromkeys((noun.text.lower() for noun in words.nouns.values()), Kind.NOUN)
    if words.code == ENGLISH:
        phrases |= dict.fromkeys((wording for wording, _ in table.wordings()), Kind.NOUN)
    phrases |= dict.fromkeys(facts["attributes"], Kind.ATTRIBUTE)
    same = {each: group[0] for group in facts["same"] for each in group}
    phrases = {
        " ".join(same.get(word, word) for word in phrase.split()): kind
        for phrase, kind in phrases.items()
    }
    sides = {form: side for side, forms in facts["sides"].items() for form in forms}
    kinds = dict.fromkeys(sides, Kind.SIDE)
    kinds |= dict.fromkeys(facts["negations"], Kind.NEGATION)
    kinds |= dict.fromkeys(facts["hedges"], Kind.HEDGE)
    kinds |= dict.fromkeys(facts["comparatives"], Kind.COMPARATIVE)
    return Lexicon(
        decimal=words.decimal,
        phrases=phrases | {word: kind for word, kind in kinds.items() if " " in word},
        words=kinds,
        glue=frozenset(facts["glue"]),
        same=same,
        sides=sides,
        units={form: unit for unit, forms in facts["units"].items() for form in forms},
        numbers={word: value for value, word in enumerate(facts["number_words"])},
        ranges=frozenset(facts["ranges"]),
        joins=frozenset(facts["joins"]),
        breaks=frozenset(facts["breaks"]),
        towards=frozenset(facts["towards"]),
        places=frozenset(facts["places"]),
    )


def facts_of(text: str, known: Lexicon, *, places: bool = False) -> tuple[Fact | Break, ...]:
    """Return the facts of a text and the ends of its clauses, in their order.

    Parameters
    ----------
    places
        Whether "in the right lung" is one fact, where a sentence speaks of one thing alone.
    """
    tokens = list(_tokens(text))
    found: list[Fact | Break] = []
    place = 0
    while place < len(tokens):
        taken, facts = _next(tokens, place, known)
        found.extend(facts)
        place += taken
    whole = _with_units(found)
    if places:
        whole = _with_places(whole)
    return tuple(each for each in whole if each is not Break.PLACE)


_Token = tuple[str, str]


def _tokens(text: str) -> Iterator[_Token]:
    begins = True
    shouts = text.upper() == text
    for match in _TOKEN.finditer(text.replace("\u2019", "'")):
        kind, said = match.lastgroup or "", match.group()
        if kind == "word" and said.isupper() and not shouts and not begins:
            kind = "name"  # the A of "type A" is no article
        begins = said in _HARD or said == ":"
        yield kind, re.sub(r"\s", "", said) if kind == "number" else said.lower()


def _next(tokens: Sequence[_Token], place: int, known: Lexicon) -> tuple[int, list[Fact | Break]]:
    """Return how many tokens are read, and what they say."""
    kind, text = tokens[place]
    match kind:
        case "date":
            return 1, [Fact(Kind.NUMBER, text)]
        case "number":
            return _number(tokens, place, known)
        case "word" | "name":
            return _words(tokens, place, known)
        case "dash":
            return 1, [_dash(tokens, place, known)]
        case _:
            return 1, _sign(text)


def _dash(tokens: Sequence[_Token], place: int, known: Lexicon) -> Fact | Break:
    """Return a range where numbers stand on both sides, the first perhaps with its unit."""
    if 0 < place < len(tokens) - 1 and tokens[place + 1][0] == "number":
        kind, before = tokens[place - 1]
        if kind == "number" or before in known.units:
            return Fact(Kind.OTHER, "to")
    return Break.SOFT


def _sign(text: str) -> list[Fact | Break]:
    if text in _SILENT:
        return []
    if text in _HARD or text in _SOFT:
        return [Break.HARD if text in _HARD else Break.SOFT]
    return [Fact(Kind.HEDGE if text == "?" else Kind.OTHER, text)]


def _number(tokens: Sequence[_Token], place: int, known: Lexicon) -> tuple[int, list[Fact | Break]]:
    value = _canonical(tokens[place][1], known)
    behind = place + 1
    if behind + 1 < len(tokens) and tokens[behind][0] == "dash":  # "a 5-mm nodule"
        behind += int(tokens[behind + 1][1] in known.units)
    if behind < len(tokens):
        unit = known.units.get(tokens[behind][1])
        if unit is not None:
            return behind + 1 - place, [Fact(Kind.NUMBER, f"{value} {unit}")]
    return 1, [Fact(Kind.NUMBER, value)]


def _canonical(text: str, known: Lexicon) -> str:
    """Return a number as English writes it; one that the language does not write stays apart."""
    mark = text[: len(text) - len(text.lstrip("±<>≤≥~≈-+\u2212"))].replace("\u2212", "-")
    digits = text.lstrip("±<>≤≥~≈-+\u2212")
    if re.fullmatch(rf"\d+(?:{re.escape(known.decimal)}\d+)?", digits):
        return mark + digits.replace(known.decimal, ".")
    return f"{mark}'{digits}"


def _words(tokens: Sequence[_Token], place: int, known: Lexicon) -> tuple[int, list[Fact | Break]]:
    for length in range(min(_LONGEST_PHRASE, len(tokens) - place), 0, -1):
        taken = tokens[place : place + length]
        if any(kind not in {"word", "name"} for kind, _ in taken):
            continue
        phrase = " ".join(known.same.get(text, text) for _, text in taken)
        if phrase in known.phrases:
            return length, [Fact(known.phrases[phrase], phrase)]
    kind, word = tokens[place]
    following = tokens[place + 1] if place + 1 < len(tokens) else ("sign", ".")
    if word in known.ranges and following[0] == "number":
        return 1, [Fact(Kind.OTHER, "to")]
    if word in known.towards and following[0] != "sign" and following[1] not in known.joins:
        return 1, [Fact(Kind.OTHER, word)]  # no particle at the end of a clause: "weist ... auf"
    if kind == "name" and word in known.glue:
        return 1, [Fact(Kind.OTHER, word)]
    return 1, _word(word, known)


def _word(word: str, known: Lexicon) -> list[Fact | Break]:
    if word in known.joins or word in known.places:
        return [Break.JOIN if word in known.joins else Break.PLACE]
    if word in known.breaks:
        return [Break.HARD, Fact(Kind.OTHER, word)]
    if word in known.glue:
        return []
    if word in known.numbers:
        return [Fact(Kind.NUMBER, str(known.numbers[word]))]
    if word in known.sides:
        return [Fact(Kind.SIDE, known.sides[word])]
    same = known.same.get(word, word)
    return [Fact(known.words.get(word, Kind.OTHER), same)]


def _with_units(found: Sequence[Fact | Break]) -> list[Fact | Break]:
    """Return the facts with "12 x 8 mm" and "5 to 7 mm" as one number, each part with its unit."""
    made = list(found)
    for place in range(len(made) - 3, -1, -1):
        if len(made) < place + 3:  # a merge behind has shortened it
            continue
        first, between, second = made[place : place + 3]
        if not (isinstance(first, Fact) and isinstance(between, Fact) and isinstance(second, Fact)):
            continue
        if between.kind is not Kind.OTHER or between.text not in _BETWEEN:
            continue
        if not first.kind is second.kind is Kind.NUMBER:
            continue
        value, _, unit = first.text.partition(" ")
        unit = unit or second.text.partition(" ")[2].split(" ")[0]
        whole = f"{f'{value} {unit}'.rstrip()} {_BETWEEN[between.text]} {second.text}"
        made[place : place + 3] = [Fact(Kind.NUMBER, whole)]
    return made


def _with_places(found: Sequence[Fact | Break]) -> list[Fact | Break]:
    made: list[Fact | Break] = []
    sentence: list[Fact | Break] = []
    for each in (*found, Break.HARD):
        sentence.append(each)
        if each is Break.HARD:
            placed = _placed(sentence)
            nouns = sum(isinstance(each, Fact) and each.kind is Kind.NOUN for each in placed)
            made += placed if nouns == 1 else sentence
            sentence = []
    return made[:-1]


def _placed(sentence: Sequence[Fact | Break]) -> list[Fact | Break]:
    """Return a sentence with each "in", side and noun as one fact."""
    made: list[Fact | Break] = []
    rest = list(sentence)
    while rest:
        first = rest.pop(0)
        side = [rest[0]] if rest and _is(rest[0], Kind.SIDE) else []
        noun = rest[len(side)] if len(rest) > len(side) else None
        if first is Break.PLACE and isinstance(noun, Fact) and noun.kind is Kind.NOUN:
            names = [each.text for each in (*side, noun) if isinstance(each, Fact)]
            made.append(Fact(Kind.PLACE, " ".join(names)))
            del rest[: len(side) + 1]
        else:
            made.append(first)
    return made


def _is(each: Fact | Break, kind: Kind) -> bool:
    return isinstance(each, Fact) and each.kind is kind
