"""Repair of near-misses by sound: "PAX" to PACS, "plural effusion" to pleural effusion.

A side, a number or a negation is never read into a sentence or out of it: a repair that touches
one is refused when the lexicon is loaded, and such words are passed over when a text is repaired.
"""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, Final

from domain.errors import SettingsError
from voice.phonetics import SOUNDS, likeness, sounds_of


def _word_set(text: str) -> frozenset[str]:
    return frozenset(text.split())


PROTECTED: Final = _word_set(
    "left right both bilateral bilaterally no not never without neither nor except don't "
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen "
    "sixteen seventeen eighteen nineteen twenty thirty forty fifty sixty seventy eighty ninety "
    "hundred thousand first second third fourth fifth sixth seventh eighth ninth tenth "
    "eleventh twelfth upper lower middle"
)
"""Words that no repair may take away or bring in."""

_ALIKE: Final = 0.86
_CLEARLY: Final = 0.06
_SHORTEST: Final = 4
_KEYS: Final = frozenset({"confusions", "terms", "common", "pronunciations"})


@dataclass(frozen=True, kw_only=True)
class Lexicon:
    """Phrases that are misheard, terms that are known, and sounds that spelling does not tell.

    Attributes
    ----------
    confusions
        Heard phrase, lower-case, and the phrase meant.
    terms
        Words that an unknown word is repaired to when it sounds almost alike.
    common
        Words that are known, and no mishearing of a term.
    pronunciations
        Word to sounds, in the alphabet of ``voice.phonetics``.
    """

    confusions: tuple[tuple[str, str], ...] = ()
    terms: frozenset[str] = frozenset()
    common: frozenset[str] = frozenset()
    pronunciations: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for heard, meant in self.confusions:
            for phrase in (heard, meant):
                guarded = PROTECTED & set(phrase.lower().split())
                if guarded:
                    raise SettingsError(
                        f"confusion {heard!r} -> {meant!r} holds {min(guarded)!r}: no repair "
                        "may touch a side, a number or a negation: remove it"
                    )
        for word, sounds in self.pronunciations.items():
            strange = set(sounds) - set(SOUNDS)
            if strange or not sounds:
                raise SettingsError(
                    f"pronunciation of {word!r} is {sounds!r}: use the sounds {SOUNDS}"
                )

    def repair(self, text: str) -> tuple[str, tuple[str, ...]]:
        """Return the text with known mishearings mended, and what was changed."""
        repairs: list[str] = []
        for heard, meant in self.confusions:
            pattern = re.compile(rf"(?<![\w']){re.escape(heard)}(?![\w'])", re.IGNORECASE)
            if pattern.search(text):
                text = pattern.sub(meant, text)
                repairs.append(f"{heard} -> {meant}")
        words = re.split(r"([A-Za-z][A-Za-z']*)", text)
        for place in range(1, len(words), 2):
            term = self._term_for(words[place].lower())
            if term is not None:
                repairs.append(f"{words[place]} -> {term}")
                words[place] = term
        return "".join(words), tuple(repairs)

    def _term_for(self, word: str) -> str | None:
        """Return the one term that a strange word sounds almost like."""
        if word in PROTECTED or word in self.terms or word in self.common or word in self._plurals:
            return None
        sounds = sounds_of(word, self.pronunciations)
        if len(sounds) < _SHORTEST:
            return None
        ranked = sorted(
            ((likeness(sounds, sounds_of(term, self.pronunciations)), term) for term in self.terms),
            reverse=True,
        )[:2]
        if not ranked or ranked[0][0] < _ALIKE:
            return None
        if len(ranked) > 1 and ranked[0][0] - ranked[1][0] < _CLEARLY:
            return None
        return ranked[0][1]

    @property
    def _plurals(self) -> frozenset[str]:
        return frozenset(f"{term}s" for term in self.terms)


def load_lexicon(path: Path | None = None) -> Lexicon:
    """Return the lexicon in a file, or the one shipped with the package.

    Raises
    ------
    SettingsError
        For a file that cannot be read, an unknown key or a repair that is not allowed.
    """
    source: Path | Traversable = path or resources.files("configs") / "lexicon.toml"
    try:
        document = tomllib.loads(source.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(f"{source}: {error}: give a readable TOML file") from error
    unknown = set(document) - _KEYS
    if unknown:
        raise SettingsError(
            f"{source}: unknown key {min(unknown)!r}: use one of {', '.join(sorted(_KEYS))}"
        )
    try:
        return Lexicon(
            confusions=tuple(_pair(each) for each in document.get("confusions", [])),
            terms=frozenset(_word(each) for each in document.get("terms", [])),
            common=frozenset(_word(each) for each in document.get("common", [])),
            pronunciations={
                _word(word): _word(sounds)
                for word, sounds in document.get("pronunciations", {}).items()
            },
        )
    except SettingsError as error:
        raise SettingsError(f"{source}: {error}") from error


def _pair(value: Any) -> tuple[str, str]:  # noqa: ANN401 - TOML holds anything
    if not isinstance(value, list) or [type(each) for each in value] != [str, str]:
        raise SettingsError(f"confusion {value!r} must be [heard, meant]")
    return value[0].lower(), value[1]


def _word(value: Any) -> str:  # noqa: ANN401 - TOML holds anything
    if not isinstance(value, str):
        raise SettingsError(f"{value!r} must be text")
    return value
