"""The language of a report: its nouns, sides, numbers and sentences, read from data."""

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, Final

from domain.errors import SettingsError

ENGLISH: Final = "en"
_FOLDER: Final = "languages"
_TABLES: Final = ("units", "sides", "headings", "sentences", "exports", "changes", "nouns", "facts")
_TEXTS: Final = ("code", "name", "decimal", "lesion", "unnamed", "day")
_GENDERS: Final = frozenset({"m", "f", "n", "p"})
_SIDES: Final = ("left", "right", "both")
_NOUN_PARTS: Final = (2, 3)
_LABEL: Final = re.compile(r"(?P<prior>the prior's F|Prior f|F)inding (?P<number>\d+(?: \(\d+\))?)")


@dataclass(frozen=True, kw_only=True)
class Noun:
    """What a concept is called.

    Attributes
    ----------
    gender
        "m", "f", "n", or "p" for a plural.
    side_after
        Whether the side stands behind it.
    """

    text: str
    gender: str
    side_after: bool = False


@dataclass(frozen=True, kw_only=True)
class Side:
    """The words of a side: before a noun by its gender, and behind one."""

    before: Mapping[str, str]
    after: str


@dataclass(frozen=True, kw_only=True)
class Language:
    """How one language writes a report.

    Attributes
    ----------
    units
        By UCUM code; one that is not listed is written as UCUM writes it.
    nouns
        By phrase of the concept table.
    exports
        What exports add: see reporting.exports.words.
    facts
        The words by which reporting.facts reads a sentence.
    """

    code: str
    name: str
    decimal: str
    lesion: str
    unnamed: str
    day: str
    units: Mapping[str, str]
    sides: Mapping[str, Side]
    headings: Mapping[str, str]
    sentences: Mapping[str, str]
    exports: Mapping[str, str]
    changes: Mapping[str, str]
    nouns: Mapping[str, Noun]
    facts: Mapping[str, Any]

    def digits(self, text: str) -> str:
        """Return digits that were written with a point, with this language's own mark."""
        return text.replace(".", self.decimal)

    def quantity(self, value: str, ucum: str) -> str:
        """Return a value, written with a point, and its unit."""
        return f"{self.digits(value)} {self.units.get(ucum, ucum)}".rstrip()

    def called(self, concept: str | None, side: str | None) -> str:
        """Return what a finding is called: "right kidney", "Nierenzyste rechts"."""
        noun = self._noun(concept or self.lesion)
        if side is None:
            return noun.text
        said = self.sides[side]
        before = "" if noun.side_after else said.before.get(noun.gender, "")
        return f"{before} {noun.text}" if before else noun.text + said.after

    def labelled(self, label: str) -> str:
        """Return a label that the program gave: "Befund 1" for "Finding 1"; any other as it is."""
        numbered = _LABEL.fullmatch(label)
        if numbered is None or self.code == ENGLISH:  # labels are made in English
            return label
        pattern = "label" if numbered["prior"] == "F" else "prior_label"
        return self.sentences[pattern].format(numbered["number"])

    def on(self, day: date | None) -> str:
        """Return a day as it is written here."""
        if day is None:
            return self.changes["no_day"]
        return self.day.format(y=day.year, m=day.month, d=day.day)

    def dated(self, day: str) -> str:
        """Return a day in ISO 8601 as it is written here; anything else as it is."""
        try:
            return self.on(date.fromisoformat(day))
        except ValueError:
            return day

    def _noun(self, concept: str) -> Noun:
        if concept in self.nouns:
            return self.nouns[concept]
        if self.code == ENGLISH:  # the phrases of the concept table are its nouns
            return Noun(text=concept, gender="n")
        return Noun(text=self.unnamed.format(concept), gender="m", side_after=True)


@cache
def language(code: str = ENGLISH) -> Language:
    """Return a language that is shipped.

    Raises
    ------
    SettingsError
        If there is none of that code, or its file is not whole.
    """
    folder = resources.files("configs") / _FOLDER
    file = folder / f"{code}.toml"
    if not code.isalpha() or not file.is_file():
        raise SettingsError(f"there is no language {code!r}: use one of {', '.join(languages())}")
    return load_language(file)


def languages() -> tuple[str, ...]:
    """Return the codes of the languages that are shipped."""
    folder = resources.files("configs") / _FOLDER
    names = [each.name for each in folder.iterdir() if each.name.endswith(".toml")]
    return tuple(sorted(name.removesuffix(".toml") for name in names))


def load_language(source: Path | Traversable) -> Language:
    """Return the language of a file.

    Raises
    ------
    SettingsError
        Naming the file, the key and what it must be.
    """
    try:
        document = tomllib.loads(source.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(f"{source}: {error}: give a readable TOML file") from error
    for key in (*_TEXTS, *_TABLES):
        if key not in document:
            raise SettingsError(f"{source}: lacks {key!r}: every language has it, see en.toml")
    if unknown := set(document) - {*_TEXTS, *_TABLES}:
        raise SettingsError(f"{source}: unknown key {min(unknown)!r}: remove it")
    return Language(
        code=document["code"],
        name=document["name"],
        decimal=document["decimal"],
        lesion=document["lesion"],
        unnamed=document["unnamed"],
        day=document["day"],
        units=document["units"],
        sides={side: _side(document["sides"], side, source) for side in _SIDES},
        headings=document["headings"],
        sentences=document["sentences"],
        exports=document["exports"],
        changes=document["changes"],
        nouns={phrase: _noun(phrase, parts, source) for phrase, parts in document["nouns"].items()},
        facts=document["facts"],
    )


def _side(sides: Mapping[str, Any], side: str, source: object) -> Side:
    entry = sides.get(side)
    if not isinstance(entry, Mapping) or not isinstance(entry.get("after"), str):
        raise SettingsError(f"{source}: [sides.{side}] lacks 'after': the words behind a noun")
    before = entry.get("before", {})
    if before and set(before) != _GENDERS:
        raise SettingsError(f"{source}: [sides.{side}] before must have m, f, n and p")
    return Side(before=before, after=entry["after"])


def _noun(phrase: str, parts: Sequence[str], source: object) -> Noun:
    place = f"{source}: noun of {phrase!r}"
    if len(parts) not in _NOUN_PARTS or parts[1] not in _GENDERS:
        raise SettingsError(f'{place} must be [noun, gender of m, f, n, p] or that and "after"')
    if parts[2:] not in ([], ["after"]):
        raise SettingsError(f'{place}: {parts[2]!r} is no place of a side: write "after"')
    return Noun(text=parts[0], gender=parts[1], side_after=bool(parts[2:]))
