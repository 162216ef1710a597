"""The words of a language by which reports are read, and where they stand in a text."""

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache, lru_cache
from importlib import resources
from typing import Any, Final

from domain.concepts import Concept, ConceptTable
from reporting.language import language as spoken

LANGUAGES: Final = ("en", "de")
_ENGLISH: Final = "en"
_ABNORMAL: Final = "49755003"
_FINDING_LIKE: Final = frozenset({"lymph node", "mediastinal lymph node"})
_SPACE: Final = re.compile(r"\s+")


class Kind(StrEnum):
    """What a wording does in a sentence."""

    NOUN = "noun"
    ORGAN = "organ"
    PLACE = "place"
    SIDE = "side"
    NEGATION = "negation"
    NEGATION_AFTER = "negation behind its noun"
    HEDGE = "hedge"
    UNCHANGED = "unchanged"
    COMPARISON = "comparison"
    EARLIER = "earlier"
    PAST = "past tense"
    STUDY = "earlier study"
    NOW = "now"
    NOT_SIZE = "no size"
    BOUND = "bound"
    JOIN = "join"
    BREAK = "break"
    NEIGHBOUR = "neighbour"
    ARTICLE = "article"
    MANY = "many"


_LISTS: Final[Mapping[str, Kind]] = {  # the later one wins where a word stands in two
    "articles": Kind.ARTICLE,
    "plurals_too": Kind.MANY,
    "joins": Kind.JOIN,
    "breaks": Kind.BREAK,
    "neighbours": Kind.NEIGHBOUR,
    "comparisons": Kind.COMPARISON,
    "not_sizes": Kind.NOT_SIZE,
    "past": Kind.PAST,
    "earlier": Kind.EARLIER,
    "studies": Kind.STUDY,
    "now": Kind.NOW,
    "bounds": Kind.BOUND,
    "hedges": Kind.HEDGE,
    "negations": Kind.NEGATION,
    "negations_after": Kind.NEGATION_AFTER,
    "unchanged": Kind.UNCHANGED,
}


@dataclass(frozen=True, kw_only=True)
class Meaning:
    """What a wording means: a noun's or organ's concept, a part's name and organ, a side."""

    kind: Kind
    concept: str | None = None
    site: str | None = None
    organ: str | None = None
    side: str | None = None
    is_plural: bool = False


@dataclass(frozen=True)
class Mark:
    """A wording where it stands: half-open offsets."""

    meaning: Meaning
    text: str
    start: int
    end: int

    @property
    def kind(self) -> Kind:
        """What it does."""
        return self.meaning.kind


@dataclass(frozen=True, kw_only=True)
class Vocabulary:
    """All wordings of a language.

    Attributes
    ----------
    glue
        Words that may stand between a noun and what is said of it.
    alternatives
        Words that carry a negation on to the next noun.
    on_study
        Words before an earlier study that a number is of: "9 mm on the prior".
    measures
        What is measured of a finding: "with a volume of".
    telling_on
        Words that go on with what the sentence before named.
    headings
        Heading, in lower case, to the name of its section.
    """

    language: str
    wordings: Mapping[str, Meaning]
    abbreviations: Mapping[str, Meaning]
    glue: frozenset[str]
    alternatives: frozenset[str]
    on_study: frozenset[str]
    telling_on: frozenset[str]
    measures: frozenset[str]
    headings: Mapping[str, str]
    pattern: re.Pattern[str]

    def marks(self, text: str, offset: int = 0) -> list[Mark]:
        """Return the wordings in a text, the longest first, none inside another."""
        found = []
        for match in self.pattern.finditer(text):
            meaning = self.abbreviations.get(match.group()) or self.wordings.get(
                _SPACE.sub(" ", match.group().lower())
            )
            if meaning is not None:
                found.append(
                    Mark(meaning, match.group(), match.start() + offset, match.end() + offset)
                )
        return found


@cache
def telling_words() -> Mapping[str, frozenset[str]]:
    """Return by language the words that tell it."""
    return {code: frozenset(_document(code)["telling"]) for code in LANGUAGES}


@lru_cache(maxsize=8)
def vocabulary(language: str, table: ConceptTable) -> Vocabulary:
    """Return the vocabulary of a language with the nouns and organs of a concept table."""
    document = _document(language)
    wordings: dict[str, Meaning] = {}
    for key, kind in _LISTS.items():
        wordings |= dict.fromkeys(document[key], Meaning(kind=kind))
    wordings |= dict(_nouns(document, table, language))
    for side, forms in document["sides"].items():
        wordings |= dict.fromkeys(forms, Meaning(kind=Kind.SIDE, side=side))
    abbreviations = {
        short: Meaning(kind=Kind.PLACE, site=site, organ=organ or None, side=side or None)
        for short, (site, organ, side) in document["abbreviations"].items()
    }
    return Vocabulary(
        language=language,
        wordings=wordings,
        abbreviations=abbreviations,
        glue=frozenset(document["glue"]),
        alternatives=frozenset(document["alternatives"]),
        on_study=frozenset(document["on_study"]),
        telling_on=frozenset(document["telling_on"]),
        measures=frozenset(document["measures"]),
        headings={
            heading: section for section, forms in document["headings"].items() for heading in forms
        },
        pattern=_pattern((*wordings, *abbreviations)),
    )


def _document(language: str) -> dict[str, Any]:
    source = resources.files("configs") / "reading" / f"{language}.toml"
    return tomllib.loads(source.read_text(encoding="utf-8"))


def _pattern(wordings: Iterable[str]) -> re.Pattern[str]:
    longest_first = sorted(wordings, key=len, reverse=True)
    choices = "|".join(
        r"\s+".join(re.escape(word) for word in wording.split()) for wording in longest_first
    )
    return re.compile(rf"(?<![\w-])(?:{choices})(?![\w-])|\?", re.IGNORECASE)


def _nouns(
    document: Mapping[str, Any], table: ConceptTable, language: str
) -> Iterator[tuple[str, Meaning]]:
    endings = document["plural_endings"]
    if language == _ENGLISH:
        for wording, concept in table.wordings():
            yield from _forms(wording, _of_concept(concept), endings)
    else:
        for phrase, noun in spoken(language).nouns.items():
            if (named := table.find(phrase)) is not None:
                yield from _forms(noun.text.lower(), _of_concept(named), endings)
    for wording, (site, organ) in document["places"].items():
        yield wording, Meaning(kind=Kind.PLACE, site=site, organ=organ or None)
    for key, kind in (("organs", Kind.ORGAN), ("nouns", Kind.NOUN)):
        for wording, phrase in document[key].items():
            yield from _forms(wording, Meaning(kind=kind, concept=phrase or None), endings)


def _of_concept(concept: Concept) -> Meaning:
    is_noun = concept.category.value == _ABNORMAL or concept.phrase in _FINDING_LIKE
    return Meaning(kind=Kind.NOUN if is_noun else Kind.ORGAN, concept=concept.phrase)


def _forms(wording: str, meaning: Meaning, endings: Iterable[str]) -> Iterator[tuple[str, Meaning]]:
    """Yield a wording with its plurals and cases; only an English plural is told by its form."""
    yield wording, meaning
    given = tuple(endings)
    for ending in given:
        yield wording + ending, meaning
    if not given:
        several = Meaning(kind=meaning.kind, concept=meaning.concept, is_plural=True)
        yield from ((form, several) for form in _english_plurals(wording))


def _english_plurals(wording: str) -> Iterator[str]:
    if wording.endswith("is"):
        yield wording[:-2] + "es"
    elif wording.endswith(("s", "x", "ch", "sh")):
        yield wording + "es"
    elif wording.endswith("y") and wording[-2:-1] not in "aeiou":
        yield wording[:-1] + "ies"
    elif wording.endswith("us"):
        yield wording[:-2] + "i"
    else:
        yield wording + "s"
