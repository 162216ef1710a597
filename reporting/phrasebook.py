"""Sentences that the program keeps in English, said in the language of a report.

Warnings, reasons and the technique are made in many modules, and stand in English in results, SR
and SEG. A phrasebook knows their patterns and says them in another language, with the same numbers
and sides. What it does not know is quoted in English, and marked so: never lost, never guessed.
"""

import re
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from typing import Any, Final

from domain.errors import SettingsError
from reporting.language import ENGLISH, Language, language

_FOLDER: Final = "languages/phrases"
_PLACE: Final = re.compile(r"\{([a-z]+)(\d*)\}")
_JOINS: Final = (". ", "; ", ", ", ", and ", ", but ")
_NUMBER: Final = r"[-+±]?\d+(?:\.\d+)?(?:e[-+]\d+)?"
_RUN: Final = r"\d+(?: to \d+)?"

KINDS: Final = {
    "number": _NUMBER,
    "runs": rf"{_RUN}(?:, {_RUN})*",
    "side": "left|right|both",
    "noun": "",
    "term": "",
    "note": ".+",
    "code": "[A-Z]{2,4}",
    "value": r"\S+",
    "name": ".+",
    "names": ".+",
    "quoted": '"[^"]*"',
    "attribute": r"[\w' /-]+ \([0-9A-F]{4},[0-9A-F]{4}\)",
    "uid": r"[0-9.]+",
    "day": r"\d{4}-\d{2}-\d{2}",
}
"""What stands at a place, by its name in a pattern; nouns and terms are those of the files."""


@dataclass(frozen=True, kw_only=True)
class Phrase:
    """A sentence of the program as a pattern, and the same in another language."""

    english: re.Pattern[str]
    kinds: Mapping[str, str]
    other: str


@dataclass(frozen=True, kw_only=True)
class Phrasebook:
    """What is known of the program's sentences in one language.

    Attributes
    ----------
    terms
        Single words and short names that stand at the place of a ``term``.
    unknown
        How a sentence is quoted that is not known.
    """

    words: Language
    phrases: tuple[Phrase, ...]
    terms: Mapping[str, str]
    joins: Mapping[str, str]
    unknown: str
    _known: dict[str, str | None] = field(default_factory=dict)

    def said(self, text: str) -> str:
        """Return a sentence in this language; one that is not known, quoted and marked."""
        found = self.known(text)
        return self.unknown.format(text) if found is None else found

    def paragraph(self, text: str) -> str:
        """Return several sentences in this language, each that is not known quoted alone."""
        *sentences, last = text.split(". ")
        return " ".join(self.said(each) for each in (*(f"{each}." for each in sentences), last))

    def known(self, text: str) -> str | None:
        """Return a sentence in this language, or None where it is not known."""
        if self.words.code == ENGLISH or not text:
            return text
        if text not in self._known:
            found = next(self._readings(text), None)
            if len(self._known) > _MOST_KEPT:
                self._known.clear()
            self._known[text] = found
            return found
        return self._known[text]

    def term(self, text: str) -> str:
        """Return a word or short name in this language; one that is not known as it is."""
        return self.terms.get(text, text)

    def _readings(self, text: str) -> Iterator[str]:
        for phrase in self.phrases:
            match = phrase.english.fullmatch(text)
            said = match and self._filled(phrase, match)
            if said:
                yield said
        if text.endswith("."):
            said = self.known(text[:-1])
            if said is not None:
                yield f"{said}."
        for join in _JOINS:
            for place in re.finditer(re.escape(join), text):
                first, second = self.known(text[: place.start()]), self.known(text[place.end() :])
                if first is not None and second is not None:
                    yield f"{first}{self.joins[join]}{second}"

    def _filled(self, phrase: Phrase, match: re.Match[str]) -> str | None:
        parts = {place: self._place(kind, match[place]) for place, kind in phrase.kinds.items()}
        if any(part is None for part in parts.values()):
            return None
        return phrase.other.format(**parts)

    def _place(self, kind: str, text: str) -> str | None:
        ways: dict[str, Callable[[str], str | None]] = {
            "number": self.words.digits,
            "runs": lambda said: said.replace(" to ", f" {self.words.facts['ranges'][0]} "),
            "side": lambda said: self.words.sides[said].after.strip(" ,"),
            "noun": self._noun,
            "term": self.terms.get,
            "note": self.known,
            "name": self.words.labelled,
            "names": lambda said: ", ".join(map(self.words.labelled, said.split(", "))),
            "day": self.words.dated,
        }
        return ways.get(kind, str)(text)

    def _noun(self, text: str) -> str | None:
        """Return a concept by its phrase, perhaps with a side before it."""
        side, _, rest = text.partition(" ")
        if text in self.words.nouns:
            return self.words.called(text, None)
        if side in self.words.sides and rest in self.words.nouns:
            return self.words.called(rest, side)
        return None


_MOST_KEPT: Final = 10_000


@cache
def phrasebook(code: str) -> Phrasebook:
    """Return the phrasebook of a language that is shipped; English knows every sentence.

    Raises
    ------
    SettingsError
        If there is no such language, or its file is not whole.
    """
    words = language(code)
    if code == ENGLISH:
        return Phrasebook(words=words, phrases=(), terms={}, joins={}, unknown="{}")
    file = resources.files("configs") / _FOLDER / f"{code}.toml"
    return read_phrasebook(file.read_text(encoding="utf-8"), words, str(file))


def read_phrasebook(text: str, words: Language, source: str) -> Phrasebook:
    """Return the phrasebook of a file's text.

    Raises
    ------
    SettingsError
        Naming the file and the entry.
    """
    try:
        document: dict[str, Any] = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{source}: {error}: give a readable TOML file") from error
    if lacking := {"unknown", "joins", "terms", "phrases"} - set(document):
        raise SettingsError(f"{source}: lacks {min(lacking)!r}: every phrasebook has it")
    if lacking := set(_JOINS) - set(document["joins"]):
        raise SettingsError(f"{source}: [joins] lacks {min(lacking)!r}")
    kinds = KINDS | {
        "noun": f"(?:(?:{'|'.join(words.sides)}) )?(?:{_any_of(words.nouns)})",
        "term": _any_of(document["terms"]),
    }
    return Phrasebook(
        words=words,
        phrases=tuple(
            _phrase(english, other, kinds, source) for english, other in document["phrases"].items()
        ),
        terms=document["terms"],
        joins=document["joins"],
        unknown=document["unknown"],
    )


def _any_of(texts: Iterable[str]) -> str:
    return "|".join(re.escape(each) for each in sorted(texts, key=len, reverse=True))


def _phrase(english: str, other: str, known: Mapping[str, str], source: str) -> Phrase:
    kinds: dict[str, str] = {}
    pattern, end = "", 0
    for place in _PLACE.finditer(english):
        kind = place[1]
        if kind not in known:
            raise SettingsError(
                f"{source}: {english!r} has a place {place[0]}: use one of {', '.join(known)}"
            )
        kinds[place[1] + place[2]] = kind
        pattern += re.escape(english[end : place.start()])
        pattern += f"(?P<{place[1]}{place[2]}>{known[kind]})"
        end = place.end()
    pattern += re.escape(english[end:])
    if sorted(kinds) != sorted(place[1] + place[2] for place in _PLACE.finditer(other)):
        raise SettingsError(f"{source}: {english!r} and {other!r} have other places")
    return Phrase(english=re.compile(pattern), kinds=kinds, other=other)
