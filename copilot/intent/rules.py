"""The sentences of ``rules.toml``, read once."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from typing import Any, Final

from copilot.intent.patterns import Pattern, read_pattern

RARE: Final = "~"
"""Begins a pattern or phrase that is understood, but not proposed for an unclear recording."""


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One way of saying an intent."""

    intent: str
    pattern: Pattern
    rare: bool


@dataclass(frozen=True, kw_only=True)
class Rules:
    """All rules in order, sentences to show of each intent, and the phrases of slots with lists."""

    rules: tuple[Rule, ...]
    examples: Mapping[str, tuple[str, ...]]
    presets: Mapping[str, str]
    measures: Mapping[str, str]
    sections: Mapping[str, str]


@lru_cache(maxsize=1)
def load_rules() -> Rules:
    """Return the rules shipped with the package.

    Raises
    ------
    SettingsError
        For a pattern that cannot be read.
    """
    text = (resources.files("copilot.intent") / "rules.toml").read_text(encoding="utf-8")
    document: dict[str, Any] = tomllib.loads(text)
    named: dict[str, Pattern] = {}
    for name, pattern in document["named"].items():
        named[name] = read_pattern(pattern, named)
    return Rules(
        rules=tuple(
            Rule(
                intent=entry["intent"],
                pattern=read_pattern(pattern.lstrip(RARE), named),
                rare=pattern.startswith(RARE),
            )
            for entry in document["rule"]
            for pattern in entry["patterns"]
        ),
        examples={
            entry["intent"]: tuple(entry["examples"])
            for entry in document["rule"]
            if "examples" in entry
        },
        presets=_by_phrase(document["presets"]),
        measures=_by_phrase(document["measures"]),
        sections=_by_phrase(document["sections"]),
    )


def _by_phrase(phrases: Mapping[str, list[str]]) -> dict[str, str]:
    return {phrase: value for value, several in phrases.items() for phrase in several}
