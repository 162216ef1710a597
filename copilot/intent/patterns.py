"""A small language for sentences: one pattern serves to read them and to propose them.

``go to (slice|image) {number}``: words stand for themselves, ``(a|b)`` is a choice, ``[a]`` may be
left out, ``<name>`` is a pattern defined once under a name, ``{slot}`` is filled by the matcher of
that name.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Protocol, TypeAlias, assert_never

from domain.errors import SettingsError


@dataclass(frozen=True)
class Words:
    """Literal words, in order."""

    words: tuple[str, ...]


@dataclass(frozen=True)
class Choice:
    """One of several."""

    options: tuple["Pattern", ...]


@dataclass(frozen=True)
class Sequence:
    """One after the other; empty matches nothing said."""

    parts: tuple["Pattern", ...]


@dataclass(frozen=True)
class Slot:
    """A place filled by a matcher."""

    name: str


Pattern: TypeAlias = Words | Choice | Sequence | Slot

Captures: TypeAlias = tuple[tuple[str, object], ...]


class SlotMatcher(Protocol):
    """What may stand in a slot."""

    def matches(self, words: tuple[str, ...], start: int) -> Iterator[tuple[int, object]]:
        """Yield the end and the value of each reading that starts here, the best first."""
        ...

    def spoken(self) -> Pattern:
        """Return a pattern, free of slots, of what people say there."""
        ...


_TOKEN: Final = re.compile(r"[()\[\]|]|<[a-z_]+>|\{[a-z_]+\}|[^\s()\[\]|<>{}]+")


class _Reader:
    """Recursive descent over the tokens of one pattern."""

    def __init__(self, text: str, named: Mapping[str, Pattern]) -> None:
        self._text = text
        self._named = named
        self._tokens = _TOKEN.findall(text)
        self._place = 0

    def read(self) -> Pattern:
        pattern = self._choice()
        if self._place != len(self._tokens):
            raise SettingsError(f"pattern {self._text!r} has a bracket too many: close each once")
        return pattern

    def _next(self) -> str | None:
        return self._tokens[self._place] if self._place < len(self._tokens) else None

    def _choice(self) -> Pattern:
        options = [self._sequence()]
        while self._next() == "|":
            self._place += 1
            options.append(self._sequence())
        return options[0] if len(options) == 1 else Choice(tuple(options))

    def _sequence(self) -> Pattern:
        parts: list[Pattern] = []
        while (part := self._next()) is not None and part not in "|)]":
            self._place += 1
            parts.append(self._part(part))
        return parts[0] if len(parts) == 1 else Sequence(tuple(parts))

    def _part(self, part: str) -> Pattern:
        if part in "([":
            inner = self._choice()
            closing = ")" if part == "(" else "]"
            if self._next() != closing:
                raise SettingsError(f"pattern {self._text!r} lacks a {closing}: close each bracket")
            self._place += 1
            return inner if part == "(" else Choice((inner, Sequence(())))
        if part.startswith("<"):
            name = part[1:-1]
            if name not in self._named:
                raise SettingsError(f"pattern {self._text!r} names <{name}>, which is not defined")
            return self._named[name]
        if part.startswith("{"):
            return Slot(part[1:-1])
        return Words((part,))


def read_pattern(text: str, named: Mapping[str, Pattern] | None = None) -> Pattern:
    """Return the pattern written in ``text``.

    Raises
    ------
    SettingsError
        For an unclosed bracket or an unknown name.
    """
    return _Reader(text, named or {}).read()


def choice_of(phrases: Iterator[str] | tuple[str, ...] | list[str]) -> Pattern:
    """Return a choice between plain phrases."""
    return Choice(tuple(Words(tuple(phrase.split())) for phrase in phrases))


def match_pattern(
    pattern: Pattern,
    words: tuple[str, ...],
    slots: Mapping[str, SlotMatcher],
    start: int = 0,
) -> Iterator[tuple[int, Captures]]:
    """Yield the end and the slots' values of each way the pattern fits from ``start`` on."""
    match pattern:
        case Words(literal):
            if words[start : start + len(literal)] == literal:
                yield start + len(literal), ()
        case Choice(options):
            for option in options:
                yield from match_pattern(option, words, slots, start)
        case Sequence(parts):
            yield from _match_parts(parts, words, slots, start)
        case Slot(name):
            for end, value in slots[name].matches(words, start):
                yield end, ((name, value),)
        case _:
            assert_never(pattern)


def _match_parts(
    parts: tuple[Pattern, ...],
    words: tuple[str, ...],
    slots: Mapping[str, SlotMatcher],
    start: int,
) -> Iterator[tuple[int, Captures]]:
    if not parts:
        yield start, ()
        return
    for middle, captured in match_pattern(parts[0], words, slots, start):
        for end, more in _match_parts(parts[1:], words, slots, middle):
            yield end, captured + more
